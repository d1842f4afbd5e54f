package vtoken

import (
	"runtime"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// loads limits the reads of whole sets from the store: the tokens of a user, the objects of a
// token. A set is read once for all applications that ask for it at the same time, each OS
// user reads one set at a time, and few sets are read at a time in all. So neither the memory
// for reading nor the wait of other users grows with the number of applications.
type loads struct {
	turns chan struct{} // one value for each set that is being read

	mu    sync.Mutex
	under map[any]*loading // by what is read
	users map[uint32]*turn // by the uid of those who want to read
}

// loading is a running read.
type loading struct {
	over  chan struct{} // closed at its end
	ended bool          // with err; otherwise the one who was to read went away
	err   error
}

// turn is what the applications of one OS user wait for.
type turn struct {
	taken   chan struct{}
	waiting int // those who have it or wait for it; loads.mu
}

// maxLoads bounds the sets that are read at a time.
const maxLoads = 4

func newLoads() loads {
	return loads{
		turns: make(chan struct{}, min(max(2, runtime.GOMAXPROCS(0)), maxLoads)),
		under: map[any]*loading{}, users: map[uint32]*turn{},
	}
}

// once calls read, or waits for another caller that reads the same set and returns its error.
// It returns when the client is closed.
func (l *loads) once(c *Client, set any, read func() error) error {
	for {
		l.mu.Lock()
		other := l.under[set]
		if other == nil {
			own := &loading{over: make(chan struct{})}
			l.under[set] = own
			l.mu.Unlock()
			return l.lead(c, set, own, read)
		}
		l.mu.Unlock()
		select {
		case <-other.over:
			if other.ended {
				return other.err
			}
		case <-c.events.closed:
			return errClosed
		}
	}
}

// errClosed is returned if the application ended while the call waited.
var errClosed = ck.Errorf(ck.CKR_CRYPTOKI_NOT_INITIALIZED, "the application ended while its tokens were being read")

// lead reads for all who wait. If the client goes away first, another one leads.
func (l *loads) lead(c *Client, set any, own *loading, read func() error) error {
	defer func() {
		l.mu.Lock()
		delete(l.under, set)
		l.mu.Unlock()
		close(own.over)
	}()
	leave, err := l.await(c)
	if err != nil {
		return err
	}
	defer leave()
	own.err = read()
	own.ended = true
	return own.err
}

// await waits for the turn of the OS user, and then for one among all. Each OS user waits
// once, so nobody waits for more than one set of each other user.
func (l *loads) await(c *Client) (leave func(), err error) {
	uid := c.peer.UID
	l.mu.Lock()
	t := l.users[uid]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		l.users[uid] = t
	}
	t.waiting++
	l.mu.Unlock()
	forget := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(l.users, uid)
		}
	}
	select {
	case t.taken <- struct{}{}:
	case <-c.events.closed:
		forget()
		return nil, errClosed
	}
	select {
	case l.turns <- struct{}{}:
	case <-c.events.closed:
		<-t.taken
		forget()
		return nil, errClosed
	}
	return func() {
		<-l.turns
		<-t.taken
		forget()
	}, nil
}

// loader describes how a set gets into memory.
type loader struct {
	// take finds the set where it is in memory. e.mu is locked.
	take func() bool
	// read reads it in a snapshot.
	read func(tx ReadTx) error
	// concerns tells which changes have to do with it.
	concerns func(record.Change) bool
	// install puts what was read into memory, with the changes that arrived
	// meanwhile. Some of them may be in the snapshot already. e.mu is locked.
	install func(missed []record.Change)
}

// obtain takes a set from memory, and reads it first if it is not there.
func (e *Engine) obtain(c *Client, set any, l loader) error {
	got := false
	take := func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		got = l.take()
		return got
	}
	for !take() {
		err := e.loads.once(c, set, func() error {
			if take() { // another caller was quicker
				return nil
			}
			return e.load(l, func() { got = l.take() })
		})
		if err != nil || got {
			return err
		}
	}
	return nil
}

// recording keeps the changes that arrive during a read, so that no commit is lost between the
// snapshot and the store's changes.
type recording struct {
	concerns func(record.Change) bool
	changes  []record.Change
}

// note keeps the relevant changes of one commit. e.mu is locked.
func (r *recording) note(changes []record.Change) {
	for _, change := range changes {
		if r.concerns(change) {
			r.changes = append(r.changes, change)
		}
	}
}

// load reads in a snapshot, installs the result in memory, and calls installed with e.mu still
// locked.
func (e *Engine) load(l loader, installed func()) error {
	r := &recording{concerns: l.concerns}
	e.mu.Lock()
	e.recordings[r] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		delete(e.recordings, r)
		e.mu.Unlock()
	}()
	e.loaded.Add(1)
	if err := e.store.View(l.read); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l.install(r.changes)
	installed()
	return nil
}
