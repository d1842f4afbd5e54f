package p11server

import (
	"sync"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
)

// application holds a client, from C_Initialize to C_Finalize. An application of the stock
// client has one connection and ends with it. One that joins (join.go) has several, and
// outlives them for a while.
type application struct {
	client atomic.Pointer[Client] // nil where it has not begun
	slow   slowSessions

	mu     sync.Mutex
	closed bool

	birth atomic.Pointer[birth] // set before client is
	calls atomic.Uint64         // of connections that have ended
	used  atomic.Int64          // last one of these calls, as conn.used

	joined *joined // nil for one of a single connection
}

// birth is when an application began, and its number.
type birth struct {
	number uint64
	at     time.Time
}

// get returns the client, or nil.
func (a *application) get() Client {
	if c := a.client.Load(); c != nil {
		return *c
	}
	return nil
}

// begin connects the client. From then on the application has that number.
func (a *application) begin(number uint64, connect func() (Client, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return ck.CKR_DEVICE_REMOVED
	case a.client.Load() != nil:
		return ck.CKR_CRYPTOKI_ALREADY_INITIALIZED
	}
	client, err := connect()
	if err != nil {
		return err
	}
	client.OnSlow(a.slow.note)
	a.birth.Store(&birth{number: number, at: time.Now()})
	a.client.Store(&client)
	return nil
}

// end closes the client and reports whether there was one.
func (a *application) end() bool {
	a.mu.Lock()
	client := a.client.Swap(nil)
	a.mu.Unlock()
	if client == nil {
		return false
	}
	(*client).Close()
	return true
}

// close is end, and no client can begin afterwards.
func (a *application) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.end()
}
