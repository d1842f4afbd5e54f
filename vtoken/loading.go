package vtoken

import (
	"runtime"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// loads are the reads of whole sets from the store: the tokens of a user, the
// objects of a token. A set is read once however many applications ask for it at
// the same time, an OS user reads one set at a time, and few are read at a time in
// all, so that neither the memory that reading takes nor the wait of somebody else
// grows with the number of applications.
type loads struct {
	turns chan struct{} // one value for each set that is being read

	mu    sync.Mutex
	under map[any]*loading // by what is read
	users map[uint32]*turn // by the uid of those who want to read
}

// loading is a read that is under way.
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

// once calls read, or waits for another caller who reads the same set and returns
// the error of that. It ends when the client is closed.
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

// errClosed is the error of a call whose application ended while it waited.
var errClosed = ck.Errorf(ck.CKR_CRYPTOKI_NOT_INITIALIZED, "the application ended while its tokens were being read")

// lead reads for all who wait. Where it goes away before, another one leads.
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

// await waits for the turn of the OS user, and then for one among all. Since each
// OS user waits once, nobody waits for more than one set of each other.
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

// loader is how a set comes into memory.
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

// obtain takes a set, which is read where it is not in memory.
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

// recording keeps the changes that arrive while something is being read, so
// that no commit falls between the snapshot and the feed.
type recording struct {
	concerns func(record.Change) bool
	changes  []record.Change
}

// note takes the changes of one commit. e.mu is locked.
func (r *recording) note(changes []record.Change) {
	for _, change := range changes {
		if r.concerns(change) {
			r.changes = append(r.changes, change)
		}
	}
}

// load reads in a snapshot, puts what it read into memory, and calls installed
// before anybody else can. e.mu is locked then.
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
