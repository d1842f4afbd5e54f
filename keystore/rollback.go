package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/kek"
)

// ErrRollback is returned by [Open] and [Restore] for a store that is older than
// the counter of its KEK, or whose counter cannot be asked.
var ErrRollback = errors.New("the store is an older copy")

// Protection says whether rollback detection is active.
type Protection struct {
	// KEK is the URI of the KEK that counts; empty is none, and an older copy is
	// a store like any other.
	KEK string
	// Counts says whether the counter worked when it was last used.
	Counts bool
	// Accepted is when an administrator last accepted an older store; zero is
	// never.
	Accepted time.Time
	// JustAccepted is set where that was when this store was opened.
	JustAccepted bool
}

// Protection returns how the store is protected.
func (s *Store) Protection() (p Protection, err error) {
	err = s.View(func(tx *Tx) error {
		g, err := tx.generation()
		p.Accepted, p.JustAccepted = g.Accepted, s.accepted
		if guard := s.guard.Load(); guard != nil {
			p.KEK, p.Counts = g.URI, !guard.failed.Load()
		}
		return err
	})
	return p, err
}

// protect compares the generation of a store that was opened with the counter,
// and counts from then on. It fails with [ErrRollback].
func (s *Store) protect(ctx context.Context, o Options) error {
	row, recipients, err := s.generation()
	if err != nil {
		return err
	}
	if row.URI != "" && !row.of(recipients) {
		if row, err = s.dismiss(ctx, o, row); err != nil {
			return err
		}
	}
	if row.URI != "" {
		err = s.resume(ctx, o, row)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errNotStored): // the disk is full; that is no older copy
			return err
		case row.Adopt:
			o.Log.Warn("rollback detection is off: an administrator accepted the store while its counter was unreachable, and it still is; if that TPM is gone, `vtoken kek remove` its KEK and `vtoken kek add` the new one", "kek", row.URI, "reason", err)
			return nil
		case !o.AcceptRollback:
			return rolledBack(o, row, err)
		}
		if row, err = s.accept(row, o, err); err != nil {
			return err
		}
		if row.URI != "" {
			return s.protect(ctx, o)
		}
	}
	err = s.beginCounting(ctx, o, row, recipients)
	if err == nil && s.guard.Load() == nil {
		o.Log.Info("rollback detection is off: no KEK of the store has a counter; add a TPM (`vtoken kek add tpm2:...`)")
	}
	return err
}

// protectWith makes a counter in an added KEK, if the store has none yet or lost it, as with a
// TPM that was cleared. The store in use is the newest.
func (s *Store) protectWith(ctx context.Context, r recipient) error {
	row, recipients, err := s.generation()
	if err != nil {
		return err
	}
	g := s.guard.Load()
	switch {
	case row.URI == "":
		return s.beginCounting(ctx, s.options, row, []recipient{r})
	case row.URI != r.URI && row.of(recipients):
		return nil // another one counts, or will when it can be asked
	case g != nil:
		return g.renew(ctx, r, row.URI != r.URI)
	case row.URI == r.URI:
		if err = s.resume(ctx, s.options, row); !errors.Is(err, kek.ErrNoCounter) {
			return err
		}
	}
	return s.beginCounting(ctx, s.options, generation{Accepted: row.Accepted}, []recipient{r})
}

// examine compares the generation of a restored store with the counter, and does not change the
// counter. It fails with [ErrRollback].
func (s *Store) examine(ctx context.Context, o Options) error {
	row, _, err := s.generation()
	if err != nil || row.URI == "" || row.Adopt {
		return err
	}
	err = s.compareOnce(ctx, o, row)
	if err != nil && !o.AcceptRollback {
		return rolledBack(o, row, err)
	}
	if err != nil {
		_, err = s.accept(row, o, err)
	}
	return err
}

// compareOnce compares the generation with the counter, and does not change the counter.
func (s *Store) compareOnce(ctx context.Context, o Options, row generation) error {
	g, err := s.guardOf(ctx, o, row)
	if err != nil {
		return err
	}
	_, _, err = g.compare()
	return errors.Join(err, g.close())
}

// of reports whether the KEK with the counter is one of the recipients.
func (g generation) of(recipients []recipient) bool {
	return slices.ContainsFunc(recipients, func(r recipient) bool { return r.URI == g.URI })
}

func rolledBack(o Options, row generation, err error) error {
	o.Log.Error("ALARM: the data folder may be an older copy of the store", "kek", row.URI, "reason", err)
	if !errors.Is(err, ErrRollback) {
		err = fmt.Errorf("%w, or its counter cannot be asked: %w", ErrRollback, err)
	}
	return fmt.Errorf("%w; put the newest data folder back, or make the counter reachable. "+
		"Where this is the newest that is left, or the TPM is gone for good, run `vtokend accept-rollback` once, with the --data-dir and --kek of the daemon, "+
		"or `vtoken restore FILE --accept-rollback` for a backup: wrong PIN tries, PIN changes and deletions since then are undone", err)
}

func (s *Store) generation() (row generation, recipients []recipient, err error) {
	err = s.View(func(tx *Tx) (err error) {
		if row, err = tx.generation(); err == nil {
			recipients, err = readRecipients(tx.r)
		}
		return err
	})
	return row, recipients, err
}

// openCounter opens the KEK of a recipient for its counter; t says how far to obey its URI. It
// returns nil and no error if the KEK has no counters.
func (s *Store) openCounter(ctx context.Context, o Options, r recipient, t trust) (kek.Provider, kek.Counter, error) {
	uris, err := o.candidates(r, t)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for _, uri := range uris {
		p, err := openProvider(ctx, o, uri, firstUse{count: true})
		if errors.Is(err, kek.ErrCountsNothing) {
			return nil, nil, nil
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if c, ok := p.(kek.Counter); ok {
			return p, c, nil
		}
		return nil, nil, p.Close()
	}
	return nil, nil, errors.Join(errs...)
}

// resume compares the generation and goes on counting. It counts one generation at once, so that
// copies with uncounted changes are old from then on.
func (s *Store) resume(ctx context.Context, o Options, row generation) error {
	g, err := s.guardOf(ctx, o, row)
	if err != nil {
		return err
	}
	if row.Adopt {
		err = g.adopt(row)
	}
	if err == nil {
		s.guard.Store(g)
		err = settled(g.settle())
	}
	if err != nil {
		s.guard.Store(nil)
		return errors.Join(err, g.close())
	}
	g.started.Store(true)
	g.rounds.Go(g.atLeisure)
	o.Log.Info("rollback detection is active", "kek", row.URI)
	if others := s.otherCounters(ctx, row.URI, g.provider); len(others) > 0 {
		o.Log.Warn("the KEK has counters that this store does not use: of other stores on this machine, or left by stores that are gone; where there are no others, remove them (tpm2_nvundefine)",
			"kek", row.URI, "counters", others)
	}
	return nil
}

// errNotStored is returned if the store cannot be written; it says nothing about the counter.
var errNotStored = errors.New("store the generation at the start")

// settled tells errors of the store from those of the counter.
func settled(err error) error {
	if err == nil || errors.Is(err, errCounter) || errors.Is(err, ErrRollback) {
		return err
	}
	return fmt.Errorf("%w: %w", errNotStored, err)
}

// guardOf opens the counter of a generation.
func (s *Store) guardOf(ctx context.Context, o Options, row generation) (*guard, error) {
	p, c, err := s.openCounter(ctx, o, recipient{URI: row.URI}, obeySealed)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("%w: %s has no counter", kek.ErrNoCounter, row.URI)
	}
	return newGuard(s, p, c, slices.Clone(row.Name)), nil
}

// adopt takes over the value of the counter.
func (g *guard) adopt(row generation) error {
	value, err := g.read()
	if err != nil {
		return err
	}
	row.Number, row.Adopt = value, false
	return g.s.Update(func(tx *Tx) error { return tx.putGeneration(row) })
}

// accept records that an administrator accepted the store. It forgets a lost counter; the store
// takes over the value of any other when it answers.
func (s *Store) accept(row generation, o Options, reason error) (generation, error) {
	o.Log.Warn("accepted an older store", "kek", row.URI, "reason", reason)
	s.accepted = true
	row.Adopt, row.Accepted = true, time.Now().UTC()
	if errors.Is(reason, kek.ErrNoCounter) {
		row = generation{Accepted: row.Accepted}
	}
	return row, s.Update(func(tx *Tx) error { return tx.putGeneration(row) })
}

// dismiss ends the use of the counter of a KEK that is no longer a recipient. It compares the
// store first: the store may be a copy from between removing that KEK and adding it again, and
// the newest store may use that counter. It fails with [ErrRollback].
func (s *Store) dismiss(ctx context.Context, o Options, row generation) (generation, error) {
	if row.Adopt { // an administrator accepted the store, or the counter is being removed
		return s.forget(ctx, o, row)
	}
	err := s.compareOnce(ctx, o, row)
	switch {
	case err == nil:
		row.Adopt = true // a start that is killed from here on goes on here
		if err := s.Update(func(tx *Tx) error { return tx.putGeneration(row) }); err != nil {
			return row, err
		}
	case !o.AcceptRollback:
		return row, rolledBack(o, row, err)
	default:
		o.Log.Warn("accepted an older store", "kek", row.URI, "reason", err)
		s.accepted = true
		row.Accepted = time.Now().UTC()
		if errors.Is(err, ErrRollback) {
			// The newest store, if there is one, still counts there.
			row = generation{Accepted: row.Accepted}
			return row, s.Update(func(tx *Tx) error { return tx.putGeneration(row) })
		}
	}
	return s.forget(ctx, o, row)
}

// forget removes the counter of a KEK that is no recipient any more.
func (s *Store) forget(ctx context.Context, o Options, row generation) (generation, error) {
	p, c, err := s.openCounter(ctx, o, recipient{URI: row.URI}, obeySealed)
	if c != nil {
		err = errors.Join(c.RemoveCounter(ctx, row.Name), p.Close())
	}
	if err != nil && !errors.Is(err, kek.ErrNoCounter) {
		o.Log.Warn("could not remove the counter of a KEK that was removed from the store", "kek", row.URI, "reason", err)
	}
	row = generation{Accepted: row.Accepted}
	return row, s.Update(func(tx *Tx) error { return tx.putGeneration(row) })
}

// beginCounting makes a counter in the first KEK that has counters. If none has, the store is not
// protected.
func (s *Store) beginCounting(ctx context.Context, o Options, row generation, recipients []recipient) error {
	for _, r := range recipients {
		p, c, err := s.openCounter(ctx, o, r, obeyQuiet)
		if c == nil { // also where the KEK cannot be used now
			if err != nil {
				o.Log.Debug("could not ask a KEK for a counter", "kek", r.URI, "reason", err)
			}
			continue
		}
		name, value, err := c.NewCounter(ctx)
		if err != nil {
			o.Log.Warn("could not make a counter in a KEK", "kek", r.URI, "reason", errors.Join(err, p.Close()))
			continue
		}
		next := generation{URI: r.URI, Name: name, Number: value, Accepted: row.Accepted}
		err = errors.Join(s.Update(func(tx *Tx) error { return tx.putGeneration(next) }), p.Close())
		if err != nil {
			return err
		}
		return s.resume(ctx, o, next)
	}
	return nil
}
