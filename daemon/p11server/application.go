package p11server

import (
	"sync"

	"vtoken/vtoken/ck"
)

// application holds the client of a connection, from C_Initialize to C_Finalize or to the end
// of the connection.
type application struct {
	mu     sync.RWMutex
	client Client
	closed bool
}

// get returns the client, or nil.
func (a *application) get() Client {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.client
}

// begin connects the client.
func (a *application) begin(connect func() Client) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return ck.CKR_DEVICE_REMOVED
	case a.client != nil:
		return ck.CKR_CRYPTOKI_ALREADY_INITIALIZED
	}
	a.client = connect()
	return nil
}

// end closes the client and reports whether there was one.
func (a *application) end() bool {
	a.mu.Lock()
	client := a.client
	a.client = nil
	a.mu.Unlock()
	if client == nil {
		return false
	}
	client.Close()
	return true
}

// close is end, and no client can begin afterwards.
func (a *application) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.end()
}
