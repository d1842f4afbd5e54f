package keystore

import (
	"context"
	"errors"
	"slices"

	"vtoken/keystore/kek"
)

// renew counts with a new counter, of a KEK that was added, where the present one is
// gone. It is done between two rounds.
func (g *guard) renew(ctx context.Context, r recipient, removed bool) error {
	replaced, err := g.replace(ctx, r, removed)
	if err != nil || !replaced {
		return err
	}
	g.s.log.Info("older copies of the data folder are found out by a new counter", "kek", r.URI)
	return g.settle()
}

// replace makes the new counter. Where the KEK of the present one was removed, that
// one does not have to answer any more.
func (g *guard) replace(ctx context.Context, r recipient, removed bool) (replaced bool, err error) {
	g.turn.Lock()
	defer g.turn.Unlock()
	if _, err := g.read(); err == nil || !removed && !errors.Is(err, kek.ErrNoCounter) {
		return false, err
	}
	p, c, err := g.s.openCounter(ctx, g.s.options, r, obeyQuiet)
	if c == nil {
		return false, err
	}
	name, value, err := c.NewCounter(ctx)
	if err == nil {
		_, err = g.s.update(func(tx *Tx) error {
			row, err := tx.generation()
			if err != nil {
				return err
			}
			return tx.putGeneration(generation{URI: r.URI, Name: name, Number: value, Accepted: row.Accepted})
		}, counting{off: true})
	}
	if err != nil {
		return false, errors.Join(err, p.Close())
	}
	err = g.provider.Close()
	g.name.Wipe()
	g.provider, g.counter, g.name = p, c, slices.Clone(name)
	return true, err
}
