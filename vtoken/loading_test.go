package vtoken_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// countingStore counts the sets that are read, and holds them up where a test says so.
type countingStore struct {
	*enginetest.Store
	holders, tokens atomic.Int64 // how often TokensOf and Objects were called
	reading, most   atomic.Int64 // sets that are read now, and at most
	hold            func()       // called before a set is read, if not nil
}

func (s *countingStore) View(fn func(tx vtoken.ReadTx) error) error {
	return s.Store.View(func(tx vtoken.ReadTx) error { return fn(countingTx{tx, s}) })
}

// read counts one set.
func (s *countingStore) read(of *atomic.Int64) (done func()) {
	of.Add(1)
	for now, most := s.reading.Add(1), s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	if s.hold != nil {
		s.hold()
	}
	return func() { s.reading.Add(-1) }
}

type countingTx struct {
	vtoken.ReadTx
	s *countingStore
}

func (t countingTx) TokensOf(user record.UserID) ([]*record.Token, error) {
	defer t.s.read(&t.s.holders)()
	return t.ReadTx.TokensOf(user)
}

func (t countingTx) Objects(token record.TokenID) ([]*object.Object, error) {
	defer t.s.read(&t.s.tokens)()
	return t.ReadTx.Objects(token)
}

// counted is an engine on the world's store that counts what it reads.
func (w *world) counted() (*countingStore, *vtoken.Engine) {
	w.t.Helper()
	s := &countingStore{Store: w.store}
	e, err := vtoken.New(s, vtoken.Options{})
	require.NoError(w.t, err)
	return s, e
}

// Applications that come at the same time have the user's tokens and the token's
// objects read once, and each of them sees all.
func TestSetsAreReadOnce(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for i := range 20 {
		_, err := c.CreateObject(h, data(fmt.Sprint(i), "v", onToken, public))
		require.NoError(w.t, err)
	}
	c.Close()
	s, e := w.counted()
	const applications = 100
	var all, here sync.WaitGroup
	here.Add(applications)
	s.hold = here.Wait // so that the others come meanwhile
	failed := make(chan error, applications)
	for range applications {
		all.Go(func() {
			c := e.Connect(peerOf(aliceUID))
			defer c.Close()
			here.Done()
			h, err := c.OpenSession(w.alice.Slot, ro)
			if err == nil {
				err = c.FindObjectsInit(h, nil)
			}
			if err != nil {
				failed <- err
				return
			}
			if found, err := c.FindObjects(h, 100); err != nil || len(found) != 20 {
				failed <- fmt.Errorf("%d objects, %w", len(found), err)
			}
		})
	}
	all.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, s.holders.Load())
	require.EqualValues(t, 1, s.tokens.Load())
	require.EqualValues(t, 2, e.Usage().Loads)
}

// However many users come at the same time, few sets are read at a time.
func TestFewSetsAreReadAtATime(t *testing.T) {
	w := newWorld(t)
	const users = 50
	for i := range users {
		name := fmt.Sprint("user-", i)
		w.store.MapUser(uint32(5000+i), record.UserID(name))
		_, err := w.store.AddToken(record.UserID(name), name, userPIN, soPIN)
		require.NoError(w.t, err)
	}
	s, e := w.counted()
	var all, here sync.WaitGroup
	here.Add(users)
	s.hold = here.Wait
	for i := range users {
		all.Go(func() {
			c := e.Connect(peerOf(uint32(5000 + i)))
			defer c.Close()
			here.Done()
			_, _ = c.GetSlotList(true)
		})
	}
	all.Wait()
	require.EqualValues(t, users, s.holders.Load())
	require.LessOrEqual(t, s.most.Load(), int64(4))
}

// One OS user reads one set at a time, so that others come to their turn, and an
// application that ends while it waits waits no longer.
func TestWaitingForASetEnds(t *testing.T) {
	w := newWorld(t)
	second, err := w.store.AddToken("alice", "second", userPIN, soPIN)
	require.NoError(w.t, err)
	s, e := w.counted()
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	first := e.Connect(peerOf(aliceUID))
	defer first.Close()
	slots(t, first)
	s.hold = func() { begun <- struct{}{}; <-goOn }
	opened := make(chan error, 1)
	go func() {
		_, err := first.OpenSession(w.alice.Slot, ro)
		opened <- err
	}()
	<-begun

	// One waits for the same set, one for another set of the same OS user.
	var waiting []*vtoken.Client
	ended := make(chan error, 2)
	for _, slot := range []ck.SlotID{w.alice.Slot, second.Slot} {
		c := e.Connect(peerOf(aliceUID))
		waiting = append(waiting, c)
		go func() {
			_, err := c.OpenSession(slot, ro)
			ended <- err
		}()
	}
	for _, c := range waiting {
		c.Close()
	}
	for range waiting {
		require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf(<-ended))
	}
	// Somebody else has her turn.
	other := e.Connect(peerOf(bobUID))
	defer other.Close()
	go func() {
		_, err := other.GetSlotList(true)
		ended <- err
	}()
	<-begun
	close(goOn)
	require.NoError(t, <-opened)
	require.NoError(t, <-ended)
	require.EqualValues(t, 1, s.tokens.Load())
}

// Where the one who was to read goes away, or fails, the others do without.
func TestReadingGoesOnWithoutTheFirst(t *testing.T) {
	w := newWorld(t)
	s, e := w.counted()
	begun, goOn := make(chan struct{}, 10), make(chan struct{})
	s.hold = func() { begun <- struct{}{}; <-goOn }
	first, second := e.Connect(peerOf(aliceUID)), e.Connect(peerOf(aliceUID))
	defer second.Close()
	ended := make(chan error, 2)
	go func() { _, err := first.GetSlotList(true); ended <- err }()
	<-begun
	go func() {
		list, err := second.GetSlotList(true)
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("%d slots", len(list))
		}
		ended <- err
	}()
	first.Close()
	close(goOn)
	errs := []error{<-ended, <-ended}
	if errs[0] != nil {
		errs[0], errs[1] = errs[1], errs[0]
	}
	require.NoError(t, errs[0])
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf(errs[1]))
}

// A token of two holders is seen by both, whoever came first.
func TestSharedTokenIsSeenByBoth(t *testing.T) {
	w := newWorld(t)
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) {
		r.Holders = append(r.Holders, record.Assignment{User: "bob"})
	}))
	e, err := vtoken.New(w.store, vtoken.Options{})
	require.NoError(w.t, err)
	for uid, n := range map[uint32]int{aliceUID: 1, bobUID: 2} {
		c := e.Connect(peerOf(uid))
		defer c.Close()
		require.Len(t, slots(t, c), n)
	}
}

// Many applications that want a blank token make one.
func TestOneBlankToken(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			c := w.engine.Connect(peerOf(aliceUID))
			defer c.Close()
			_, _ = c.GetSlotList(true)
		})
	}
	all.Wait()
	c := w.connect(aliceUID)
	require.Len(t, slots(t, c), 2)
}
