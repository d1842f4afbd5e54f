package vtoken_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// crowd is an application with n session objects, each in a session of its own, in a
// random order.
type crowd struct {
	*world
	c        *vtoken.Client
	first    ck.SessionHandle // without objects of its own
	sessions []ck.SessionHandle
	objects  []ck.ObjectHandle
}

func newCrowd(t *testing.T, n int) *crowd {
	w := newWorld(t)
	e, err := vtoken.New(w.store, vtoken.Options{MaxSessions: n + 1})
	require.NoError(w.t, err)
	w.engine = e
	c, first := w.open(rw)
	all := &crowd{world: w, c: c, first: first, sessions: make([]ck.SessionHandle, n), objects: make([]ck.ObjectHandle, n)}
	// With an index of what all have and of what tells them apart.
	for _, i := range rand.Perm(n) {
		h, err := c.OpenSession(w.alice.Slot, rw)
		require.NoError(w.t, err)
		all.sessions[i] = h
		all.objects[i], err = c.CreateObject(h, data(fmt.Sprint("label ", i), "v", public))
		require.NoError(w.t, err)
	}
	found := findAll(t, c, first, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)})
	require.Len(t, found, n)
	require.Len(t, findAll(t, c, first, ck.Template{ck.String(ck.CKA_LABEL, "label 1")}), 1)
	return all
}

// linear are things that are done n times. What each costs does not grow with n.
var linear = map[string]func(t *testing.T, n int) (do func()){
	"an application ends": func(t *testing.T, n int) func() {
		return newCrowd(t, n).c.Close
	},
	"the sessions of a token are closed": func(t *testing.T, n int) func() {
		all := newCrowd(t, n)
		return func() { require.NoError(all.t, all.c.CloseAllSessions(all.alice.Slot)) }
	},
	"sessions are closed one by one": func(t *testing.T, n int) func() {
		all := newCrowd(t, n)
		return func() {
			for _, h := range all.sessions {
				require.NoError(all.t, all.c.CloseSession(h))
			}
		}
	},
	"session objects are destroyed": func(t *testing.T, n int) func() {
		all := newCrowd(t, n)
		return func() {
			for _, o := range all.objects {
				require.NoError(all.t, all.c.DestroyObject(all.first, o))
			}
		}
	},
	"session objects get one label, and are searched for": func(t *testing.T, n int) func() {
		all := newCrowd(t, n)
		return func() {
			for _, o := range all.objects {
				require.NoError(all.t, all.c.SetAttributeValue(all.first, o, ck.Template{ck.String(ck.CKA_LABEL, "same")}))
			}
			require.Len(all.t, findAll(all.t, all.c, all.first, ck.Template{ck.String(ck.CKA_LABEL, "same")}), n)
		}
	},
	"logins begin and end beside public objects": func(t *testing.T, n int) func() {
		all := newCrowd(t, n)
		w := all.world
		require.NoError(w.t, all.c.Login(all.first, ck.CKU_USER, pinOf(userPIN)))
		require.NoError(w.t, all.c.Logout(all.first))
		return func() {
			for range n {
				require.NoError(w.t, all.c.Login(all.first, ck.CKU_USER, pinOf(userPIN)))
				require.NoError(w.t, all.c.Logout(all.first))
			}
		}
	},
	"tokens change of which nobody wants to hear": func(t *testing.T, n int) func() {
		w, tokens := newCards(t, n)
		slots(t, w.connect(aliceUID))
		return func() {
			for _, token := range tokens {
				w.feed(record.Change{TokenID: token.ID, Token: changed(token, func(r *record.Token) { r.Label = "new" })})
			}
		}
	},
	"a token changes beside applications of others": func(t *testing.T, n int) func() {
		w := newWorld(t)
		for i := range n {
			w.store.MapUser(uint32(5000+i), record.UserID(fmt.Sprint("user-", i)))
		}
		for i := range n {
			slots(t, w.connect(uint32(5000+i)))
		}
		next := w.alice
		return func() {
			for range n {
				next = changed(next, func(r *record.Token) { r.Label += "x"; r.Label = r.Label[:min(len(r.Label), 30)] })
				w.engine.Feed(record.Change{TokenID: next.ID, Token: next})
			}
		}
	},
	"tokens expire one after another": func(t *testing.T, n int) func() {
		w, tokens := newCards(t, n)
		begin := time.Now()
		now := begin
		e, err := vtoken.New(w.store, vtoken.Options{Now: func() time.Time { return now }})
		require.NoError(w.t, err)
		c := e.Connect(peerOf(aliceUID))
		t.Cleanup(c.Close)
		slots(t, c)
		for i, token := range tokens {
			e.Feed(record.Change{TokenID: token.ID, Token: changed(token, func(r *record.Token) {
				r.ExpiresAt = begin.Add(time.Duration(i+1) * time.Hour)
			})})
		}
		return func() {
			for range n {
				now = now.Add(time.Hour)
				e.Tick()
			}
		}
	},
}

// newCards is a world in which alice has n tokens more.
func newCards(t *testing.T, n int) (*cards, []*record.Token) {
	w := &cards{world: newWorld(t)}
	var tokens []*record.Token
	require.NoError(w.t, w.store.Update(func(tx vtoken.Tx) error {
		tokens = nil
		for range n {
			r := &record.Token{
				Holders: record.HeldBy("alice", time.Time{}, ""), Initialized: true,
				Activation: record.Activated, Complete: true, Enabled: true,
			}
			if err := tx.NewToken(r); err != nil {
				return err
			}
			tokens = append(tokens, r)
		}
		return nil
	}))
	w.restart()
	return w, tokens
}

type cards struct{ *world }

func (w *cards) feed(c record.Change) { w.engine.Feed(c) }

// changed is the next version of a record.
func changed(t *record.Token, change func(*record.Token)) *record.Token {
	next := t.Clone()
	next.Version++
	change(next)
	return next
}

// processorTime is what this thread has used of a processor.
func processorTime(t *testing.T) time.Duration {
	var used unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used))
	return time.Duration(used.Nano())
}

// Doing a thing n times costs n times as much, and not n times n: nothing goes through
// all that an application, a token or the engine has, to touch one. Where it did,
// sixteen times as many would cost 256 times as much. The bound is between the two,
// far from both, and for the processor time of the thread that works alone.
func TestNoSquares(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const few, factor = 500, 16
	for name, prepare := range linear {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			cost := func(n int) time.Duration {
				do := prepare(t, n)
				runtime.GC()
				// A thread that allocates helps the collector for as long as that takes.
				defer debug.SetGCPercent(debug.SetGCPercent(-1))
				begun := processorTime(t)
				do()
				return processorTime(t) - begun
			}
			small := cost(few)
			for range 2 { // the most of it, so that luck does not count
				small = max(small, cost(few))
			}
			// A machine that does other things makes one run slow. A square is slow each time.
			bound := 5 * factor * max(small, 500*time.Microsecond)
			large := cost(few * factor)
			for range 4 {
				if large < bound {
					break
				}
				large = min(large, cost(few*factor))
			}
			t.Logf("%d: %v, %d: %v, which is %.1f times as much", few, small, few*factor, large, float64(large)/float64(small))
			require.Less(t, large, bound)
		})
	}
}
