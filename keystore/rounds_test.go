package keystore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/record"
)

// disable switches a token off, as two administrators do at the same time: the second
// one finds that it is off.
func disable(token record.TokenID) func(tx *Tx) error {
	return func(tx *Tx) error {
		tok, err := tx.Token(token)
		if err != nil {
			return err
		}
		tok.Enabled = false
		return tx.PutToken(tok)
	}
}

// TestRepeatedInRound holds an update back until another one has done its work, so that
// it finds nothing urgent left when it runs in its round.
func TestRepeatedInRound(t *testing.T) {
	for _, same := range []bool{false, true} {
		t.Run(fmt.Sprint("in the same round: ", same), func(t *testing.T) {
			h, o, s, tok := protected(t)
			g := s.guard.Load()
			fn := disable(tok.ID)
			if same {
				r := g.join()
				r.members.Add(1)
				other := g.member
				var wg sync.WaitGroup
				failed := make([]error, 2)
				for i := range failed {
					wg.Go(func() { failed[i] = other(r, fn, promptly) })
				}
				wg.Wait()
				require.NoError(t, errors.Join(failed...))
				<-r.ended
				require.NoError(t, r.err)
			} else {
				for range 2 { // both were urgent when they first ran
					require.NoError(t, g.update(fn, demand{urgency: promptly}))
					neverAhead(t, h, s, "after each")
				}
			}
			neverAhead(t, h, s, "at the end")
			require.NoError(t, try(s, tok.ID))
			closeStore(t, s)
			closeStore(t, openWith(t, o))
		})
	}
}

// TestModelOfRounds runs updates of every kind against each other in orders drawn at
// random, with a counter that fails from time to time, and a kill at the end: urgent
// ones, leisurely ones, such as fail, and such as find their work done. The counter is
// never ahead of the newest store, which opens wherever it is killed.
func TestModelOfRounds(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			h, o, s, tok := protected(t)
			other := addToken(t, s, record.User{Tenant: tok.Tenant, ID: tok.Owner()}, "other")
			toggle := func(id record.TokenID, on bool) func(tx *Tx) error {
				return func(tx *Tx) error {
					tok, err := tx.Token(id)
					if err != nil {
						return err
					}
					tok.Enabled = on
					return tx.PutToken(tok)
				}
			}
			kinds := []func() error{
				func() error { return s.Update(toggle(tok.ID, false)) },
				func() error { return s.Update(toggle(tok.ID, true)) },
				func() error { return s.Update(toggle(other.ID, false)) },
				func() error { return try(s, tok.ID) },
				func() error { return s.Update(func(tx *Tx) error { tx.count(promptly, owner{}); return nil }) },
				func() error {
					return s.Update(func(tx *Tx) error {
						if err := toggle(tok.ID, false)(tx); err != nil {
							return err
						}
						return errReadOnly // after it wrote
					})
				},
				func() error {
					h.set(func() { h.deaf = !h.deaf })
					return nil
				},
				func() error {
					h.set(func() { h.mute = !h.mute })
					return nil
				},
			}
			var wg sync.WaitGroup
			for range 4 {
				order := make([]int, 12)
				for i := range order {
					order[i] = random.IntN(len(kinds))
				}
				wg.Go(func() {
					for _, k := range order {
						_ = kinds[k]() // may fail while the counter does
					}
				})
			}
			var killed []moment
			wg.Wait()
			killed = append(killed, moment{dir: copyFolder(t, o.Dir), hardware: h.copy()})
			h.set(func() { h.deaf, h.mute = false, false })
			neverAhead(t, h, s, "at rest")
			require.NoError(t, try(s, tok.ID), "the counter works again")
			neverAhead(t, h, s, "after a try")
			closeStore(t, s)
			for _, m := range killed {
				at := m.hardware.copy()
				closeStore(t, openWith(t, at.on(copyFolder(t, m.dir))))
			}
			closeStore(t, openWith(t, o))
		})
	}
}
