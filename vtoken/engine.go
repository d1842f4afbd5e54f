package vtoken

import (
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Options are the engine's settings. The zero value is usable.
type Options struct {
	// MayMake tells whether a peer may make tokens of its own with C_InitToken;
	// nil allows nobody. It is called often and has to be quick.
	MayMake func(record.Peer) bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Version is what C_GetInfo and the slots tell as library and firmware version.
	Version ck.Version
}

// Engine serves the tokens of one store to any number of applications. All its
// methods are safe for concurrent use.
type Engine struct {
	store Store
	opts  Options
}

// New makes an engine on a store and subscribes to the store's changes.
func New(store Store, opts Options) (*Engine, error) {
	return &Engine{store: store, opts: opts}, nil
}

// Connect begins the work of one application: one C_Initialize in one process.
// The peer is what the kernel said, never what the application said.
func (e *Engine) Connect(peer record.Peer) *Client { return &Client{engine: e, peer: peer} }

// Client is one application's view of the engine; its methods are the functions
// of PKCS#11 without the C_. All are safe for concurrent use; calls in one
// session wait for each other.
type Client struct {
	engine *Engine
	peer   record.Peer
}

// Close ends the application at once: its sessions, logins and session objects.
func (c *Client) Close() {}
