package keystore

import (
	"context"
	"errors"
	"slices"

	"vtoken/keystore/kek"
)

// renew replaces a lost counter with a new counter of an added KEK. It runs between two
// rounds.
func (g *guard) renew(ctx context.Context, r recipient, removed bool) error {
	replaced, err := g.replace(ctx, r, removed)
	if err != nil || !replaced {
		return err
	}
	g.s.log.Info("rollback detection is active with a new counter", "kek", r.URI)
	return g.settle()
}

// replace makes the new counter. The present counter need not answer if its KEK was removed.
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
