package httpkit

import (
	"io"
	"net/http"

	"vtoken/provisioning"
)

// Memory accounts for the bytes that callers make the daemon hold. Its methods do not
// block.
type Memory interface {
	// Charge charges n bytes to the owner. If that is refused, it charges nothing and
	// returns the reason.
	Charge(owner string, n int) error
	// Refund gives n bytes back.
	Refund(owner string, n int)
}

// bodyFactor is how many times its size a body is charged: for the bytes read, and for
// what they are decoded into.
const bodyFactor = 2

// meteredBody is the body of a request. The bytes read from it are charged until the
// request has ended.
type meteredBody struct {
	io.ReadCloser
	kit     *Kit
	r       *http.Request
	trace   *trace
	charged map[string]int // by owner
	paid    int            // bytes of the body that are paid and were not read
	refused error
}

func (k *Kit) meter(r *http.Request, t *trace) *meteredBody {
	return &meteredBody{ReadCloser: r.Body, kit: k, r: r, trace: t}
}

// Read charges what it reads. The first Read charges all of a body whose length is known.
func (b *meteredBody) Read(p []byte) (int, error) {
	if b.kit.Memory == nil || len(p) == 0 {
		return b.ReadCloser.Read(p)
	}
	if b.paid == 0 {
		if err := b.pay(p); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.paid)])
	b.paid -= n
	return n, err
}

// chunk is how much of a body of unknown length is charged at once.
const chunk = 16 << 10

// pay charges the bytes that are about to be read into p.
func (b *meteredBody) pay(p []byte) error {
	if b.refused != nil {
		return b.refused
	}
	n := min(len(p), chunk)
	if length := b.r.ContentLength; length > 0 && b.charged == nil {
		n = int(min(length, maxPaidAhead))
	}
	owner := b.owner()
	if err := b.kit.Memory.Charge(owner, bodyFactor*n); err != nil {
		b.refused = &provisioning.Error{
			Kind:   provisioning.Busy,
			Detail: "this caller has too much going on at once; wait until other requests have ended, and send it again",
			Err:    err,
		}
		return b.refused
	}
	if b.charged == nil {
		b.charged = map[string]int{}
	}
	b.charged[owner] += bodyFactor * n
	b.paid += n
	return nil
}

// maxPaidAhead bounds what is charged before it has arrived. Larger bodies, which nearly
// all routes refuse, are charged as they arrive.
const maxPaidAhead = 16 << 20

// owner returns who is charged: the process or credential, or the address while that is
// unknown.
func (b *meteredBody) owner() string {
	peer, local := PeerOf(b.r.Context())
	c := b.trace.caller
	switch {
	case local && b.kit.Owner != nil:
		return b.kit.Owner(peer)
	case c.Name != "":
		return "credential " + string(c.Tenant) + "/" + c.Name
	}
	return "address " + source(b.r.RemoteAddr)
}

// giveBack refunds what was charged.
func (b *meteredBody) giveBack() {
	for owner, n := range b.charged {
		b.kit.Memory.Refund(owner, n)
	}
	b.charged = nil
}

// orBusy returns the reason why a body was not read, if that made a handler fail, and
// otherwise err.
func orBusy(r *http.Request, err error) error {
	if body := traceOf(r.Context()).body; body != nil && body.refused != nil {
		return body.refused
	}
	return err
}
