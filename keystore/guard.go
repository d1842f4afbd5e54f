package keystore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/keystore/kek"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

const (
	// leisure is how often changes that are not urgent are counted: at most some 9000
	// increments a year. A TPM's memory bears hundreds of thousands.
	leisure = time.Hour
	// counterTime bounds a use of the counter.
	counterTime = 30 * time.Second
	// counterStop bounds how long stopping waits for the counter.
	counterStop = 2 * time.Second
)

// guard keeps the generation of the store equal to a counter outside of it.
// Updates run in rounds: those that arrive during a round share the next one and its one
// increment.
type guard struct {
	s        *Store
	provider kek.Provider
	counter  kek.Counter
	name     secret.Bytes

	mu   sync.Mutex
	next *round // collects members; nil where there is none

	turn   sync.Mutex // held by the round that is under way
	budget *budgets

	dirty  atomic.Bool // something was committed since the last increment
	failed atomic.Bool // the last round could not be counted
	// started is set when the store is open; until then [Open] says what is wrong.
	started atomic.Bool
	ctx     context.Context
	cancel  context.CancelFunc
	rounds  sync.WaitGroup // and the timer
}

func newGuard(s *Store, p kek.Provider, c kek.Counter, name secret.Bytes) *guard {
	g := &guard{s: s, provider: p, counter: c, name: name, budget: newBudgets()}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// round is a set of updates that share an increment.
type round struct {
	members sync.WaitGroup // those that have not committed yet
	begun   chan struct{}  // closed when they may
	ended   chan struct{}  // closed when they were counted
	number  uint64         // the generation that they begin
	wrote   atomic.Bool    // one of them did commit
	err     error          // why they cannot be counted, or were not
}

// update runs an update in the next round. If the counter cannot be read, or the owner's
// budget is used up, a strict update fails without being run, and any other is counted within
// the hour.
func (g *guard) update(fn func(*Tx) error, d demand) error {
	if wait, last := g.budget.take(d, time.Now()); wait > 0 {
		if last {
			g.s.log.Warn("one owner has used up its increments of the rollback counter: its new PIN tries are refused, and its other changes are counted within the hour",
				"owner", d.owner, "next", wait.Round(time.Second))
		}
		if d.urgency == strictly {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "%w: PINs were tried or changed too often; a PIN that was correct before in this run of the daemon still works, others can be tried again in %v", ErrWear, wait.Round(time.Second))
		}
		_, err := g.s.update(fn, counting{off: true})
		return err
	}
	r := g.join()
	err := g.member(r, fn, d.urgency)
	<-r.ended
	if err == nil && d.urgency == strictly {
		err = r.err
	}
	return err
}

// join enters the next round, and starts it if it is the first.
func (g *guard) join() *round {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		r := &round{begun: make(chan struct{}), ended: make(chan struct{})}
		g.next = r
		g.rounds.Go(func() { g.run(r) })
	}
	g.next.members.Add(1)
	return g.next
}

func (g *guard) member(r *round, fn func(*Tx) error, u urgency) error {
	defer r.members.Done()
	<-r.begun
	if r.err != nil {
		if u == strictly {
			return r.err
		}
		_, err := g.s.update(fn, counting{off: true})
		return err
	}
	_, err := g.s.update(fn, counting{number: r.number})
	if err == nil {
		r.wrote.Store(true)
	}
	return err
}

// run runs a round: it reads the counter, has the members commit the next generation, and
// increments. If the daemon is killed between commit and increment, the store is one ahead of
// the counter, and no update has returned yet; the next start catches up. The counter is never
// ahead of the newest store.
func (g *guard) run(r *round) {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	g.dirty.Store(false)
	if r.err == nil {
		r.number, r.err = g.begin()
	}
	close(r.begun)
	r.members.Wait()
	if r.err == nil && r.wrote.Load() {
		r.err = g.increment(r.number)
	}
	g.note(r.err)
	close(r.ended)
}

// note remembers and logs whether the counter works.
func (g *guard) note(err error) {
	if err != nil {
		g.dirty.Store(true)
	}
	switch before := g.failed.Swap(err != nil); {
	case !g.started.Load():
	case err != nil:
		g.s.log.Error("the rollback counter does not work; until it does, PINs that were not verified before in this run are refused", "error", err, "todo", todo(err))
	case before:
		g.s.log.Info("the rollback counter works again")
	}
}

// todo returns what an administrator does about a counter that does not work.
func todo(err error) string {
	if errors.Is(err, kek.ErrNoCounter) {
		return "while the daemon runs: `vtoken kek remove` its KEK, and `vtoken kek add` it again"
	}
	return "make the TPM answer again, or replace its KEK: `vtoken kek remove`, `vtoken kek add`"
}

// begin returns the next generation. It catches up if an increment is missing, so that nothing
// is committed while the counter does not work.
func (g *guard) begin() (uint64, error) {
	stored, value, err := g.compare()
	if err == nil && stored > value {
		err = g.increment(stored)
	}
	return stored + 1, err
}

// compare reads the generation of the store and the counter, of which the store
// may be one ahead.
func (g *guard) compare() (stored, value uint64, err error) {
	if value, err = g.read(); err != nil {
		return 0, 0, err
	}
	err = g.s.View(func(tx *Tx) error {
		row, err := tx.generation()
		stored = row.Number
		return err
	})
	if err == nil && stored != value && stored != value+1 {
		err = ageError{stored: stored, counter: value}
	}
	return stored, value, err
}

// ageError says that the generation of a store is not that of the counter.
type ageError struct{ stored, counter uint64 }

func (e ageError) Error() string {
	return fmt.Sprintf("%v: it is of generation %d, and the counter is at %d", ErrRollback, e.stored, e.counter)
}

func (ageError) Unwrap() []error { return []error{ErrRollback, ck.CKR_DEVICE_ERROR} }

func (g *guard) read() (uint64, error) {
	ctx, cancel := context.WithTimeout(g.ctx, counterTime)
	defer cancel()
	value, err := g.counter.ReadCounter(ctx, g.name)
	return value, uncounted(err)
}

// increment increments the counter to a value.
func (g *guard) increment(to uint64) error {
	ctx, cancel := context.WithTimeout(g.ctx, counterTime)
	defer cancel()
	value, err := g.counter.IncrementCounter(ctx, g.name)
	if err == nil && value != to {
		err = ageError{stored: to, counter: value}
	}
	return uncounted(err)
}

// errCounter tells an error of the counter from one of the store.
var errCounter = errors.New("count a generation of the store")

func uncounted(err error) error {
	if err == nil {
		return nil
	}
	return ck.Errorf(ck.CKR_DEVICE_ERROR, "%w: %w", errCounter, err)
}

// settle counts what was committed at leisure.
func (g *guard) settle() error {
	return g.update(func(tx *Tx) error { tx.count(strictly, owner{}); return nil }, demand{urgency: strictly})
}

// atLeisure settles from time to time until the guard is stopped.
func (g *guard) atLeisure() {
	tick := time.NewTicker(leisure)
	defer tick.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-tick.C:
			if g.dirty.Load() {
				_ = g.settle() // logged, and tried again
			}
		}
	}
}

// stop settles, and closes the counter. No update comes meanwhile.
func (g *guard) stop() error {
	if g == nil {
		return nil
	}
	late := time.AfterFunc(counterStop, g.cancel)
	defer late.Stop()
	if g.dirty.Load() {
		_ = g.settle() // logged; the next start settles
	}
	return g.close()
}

func (g *guard) close() error {
	g.cancel()
	g.rounds.Wait()
	g.name.Wipe()
	return g.provider.Close()
}
