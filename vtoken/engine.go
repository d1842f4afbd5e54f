package vtoken

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/record"
)

// Options are the engine's settings. The zero value is usable.
type Options struct {
	// MayMake reports whether a peer may make tokens of its own with C_InitToken; nil allows
	// nobody. It is called often, so it has to be fast.
	MayMake func(record.Peer) bool
	// Provider computes with private keys; nil is Go's own library.
	Provider mech.Provider
	// Listen returns the listener of an application that connects. If Listen is nil, or
	// returns nil, nobody listens.
	Listen func(record.Peer) Listener
	// Forgotten is called after a login ended or a key was wiped, so that secrets left in Go's
	// heap can be overwritten. It is called often and under locks, so it only takes note; nil
	// does nothing.
	Forgotten func()
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Wait blocks a call for the duration, or until ctx ends; nil uses a timer.
	Wait func(ctx context.Context, long time.Duration)
	// Turns is the queue in which slow work waits for a processor; nil runs all of it at once.
	Turns Turns
	// Owner returns the name under which the work of a peer waits in Turns, so that the uids
	// in a user's subordinate ranges share one place; nil gives each uid its own.
	Owner func(record.Peer) string
	// MaxSessions bounds the sessions of one application; 0 is 4096.
	MaxSessions int
	// Account returns the account that is charged for the memory that applications of the
	// peer's user make the engine hold: sessions, session objects, searches, operations and
	// the data they collect. Nil is without limits.
	Account func(record.Peer) meter.Account
	// Version is the library and firmware version that C_GetInfo and the slots report.
	Version ck.Version
}

// Engine serves the tokens of one store to any number of applications. All its
// methods are safe for concurrent use.
type Engine struct {
	store Store
	opts  Options
	// maxSessions bounds the sessions of one application.
	maxSessions atomic.Int64
	// Keys of this process's own: of the PIN memory, and of saved operation states.
	pinKey, stateKey [32]byte

	seed    maphash.Seed
	handles atomic.Uint64 // the last handle given to a session, a session object or an attachment

	applyMu sync.Mutex

	loads  loads
	loaded atomic.Uint64 // sets that were read, see Usage

	mu          sync.RWMutex
	clients     map[*Client]struct{}
	holders     map[record.UserID]*holder
	known       map[record.TokenID]*record.Token // those that stand in holders
	idleHolders idleHolders
	tokens      map[record.TokenID]*token // the loaded ones
	idle        idleTokens
	recordings  map[*recording]struct{}
	ownPINs     map[string]struct{} // verifiers that a C_SetPIN is storing
	clock       clock

	uses uses

	restoring atomic.Pointer[knownUsers]

	pinStates map[record.TokenID]PINState // of the engine before, until their token is loaded; mu
}

// New makes an engine on a store and watches the store's changes. A store has one engine at a
// time.
func New(store Store, opts Options) (*Engine, error) {
	if store == nil {
		return nil, errors.New("the engine needs a store")
	}
	if opts.Wait == nil {
		opts.Wait = wait
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Forgotten == nil {
		opts.Forgotten = func() {}
	}
	if opts.Owner == nil {
		opts.Owner = ownerOf
	}
	if opts.Provider == nil {
		opts.Provider = mech.Go{}
	}
	if opts.Turns == nil {
		opts.Turns = atOnce{}
	}
	if opts.Listen == nil {
		opts.Listen = func(record.Peer) Listener { return nil }
	}
	if opts.Account == nil {
		opts.Account = func(record.Peer) meter.Account { return nil }
	}
	if opts.MayMake == nil {
		opts.MayMake = func(record.Peer) bool { return false }
	}
	e := &Engine{
		store: store, opts: opts, seed: maphash.MakeSeed(),
		clients:    map[*Client]struct{}{},
		holders:    map[record.UserID]*holder{},
		known:      map[record.TokenID]*record.Token{},
		tokens:     map[record.TokenID]*token{},
		recordings: map[*recording]struct{}{},
		ownPINs:    map[string]struct{}{},
		loads:      newLoads(),
	}
	for _, key := range [][]byte{e.pinKey[:], e.stateKey[:]} {
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
	}
	e.SetMaxSessions(cmp.Or(opts.MaxSessions, defaultMaxSessions))
	e.clock.begin(opts.Now())
	e.handles.Store(firstHandle(opts.Now()))
	store.Watch(e.applyChanges)
	return e, nil
}

// defaultMaxSessions is the default of [Options.MaxSessions].
const defaultMaxSessions = 4096

// SetMaxSessions changes how many sessions one application may open. No session is closed.
func (e *Engine) SetMaxSessions(n int) { e.maxSessions.Store(int64(n)) }

// Connect registers an application: one C_Initialize in one process. peer comes from the
// kernel, never from the application. The caller closes the client when the application's
// connection ends.
func (e *Engine) Connect(peer record.Peer) *Client {
	c := &Client{
		engine: e, peer: peer,
		sessions:    map[ck.SessionHandle]*session{},
		attachments: map[record.TokenID]*attachment{},
		seen:        map[ck.SlotID]struct{}{},
		holds:       map[record.UserID]*holder{},
		mayMake:     e.opts.MayMake(peer),
		account:     e.opts.Account(peer),
		owner:       e.opts.Owner(peer),
		listener:    e.opts.Listen(peer),
		onSlow:      func(ck.SessionHandle, bool) {},
	}
	if c.listener == nil {
		c.listener = silent{}
	}
	c.calls.Store(newCalls())
	c.events.wake = make(chan struct{}, 1)
	c.events.closed = make(chan struct{})
	e.mu.Lock()
	e.clients[c] = struct{}{}
	e.mu.Unlock()
	return c
}

// firstHandle is where an engine begins to count handles. An engine that begins later, after
// a restart, begins above all handles that this one gives out, unless it gives out a thousand
// each millisecond. So an application that outlives the restart finds no old handle in use for
// another session.
func firstHandle(now time.Time) uint64 {
	const epoch = 1735689600_000 // 2025, so that handles stay short
	return uint64(max(now.UnixMilli()-epoch, 0)) << 10
}

// wait blocks for the duration, or until ctx ends.
func wait(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// allClients returns the connected clients.
func (e *Engine) allClients() []*Client {
	e.mu.RLock()
	defer e.mu.RUnlock()
	list := make([]*Client, 0, len(e.clients))
	for c := range e.clients {
		list = append(list, c)
	}
	return list
}
