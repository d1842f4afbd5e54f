package httpkit

import (
	"io"
	"net/http"

	"vtoken/provisioning"
)

// Memory keeps account of the bytes that callers make the daemon hold. Its methods do
// not wait.
type Memory interface {
	// Charge takes n bytes for the owner, or none and says why.
	Charge(owner string, n int) error
	// Refund gives n bytes back.
	Refund(owner string, n int)
}

// bodyFactor is how many times its size a body is charged: as it is read, and as what it
// is decoded to.
const bodyFactor = 2

// meteredBody is the body of a request. What is read of it is charged until the request
// has ended.
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

// atOnce is how much of a body of unknown length is paid at once.
const atOnce = 16 << 10

func (b *meteredBody) pay(p []byte) error {
	if b.refused != nil {
		return b.refused
	}
	n := min(len(p), atOnce)
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

// maxPaidAhead bounds what is paid before any of it has come. Larger bodies, which
// nearly all routes refuse, are paid as they come.
const maxPaidAhead = 16 << 20

// owner is who is charged: the process or credential, or where it is not known yet, the
// address.
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

// giveBack gives back what was charged.
func (b *meteredBody) giveBack() {
	for owner, n := range b.charged {
		b.kit.Memory.Refund(owner, n)
	}
	b.charged = nil
}

// orBusy is the reason that a body was not read, where that is why a handler failed.
func orBusy(r *http.Request, err error) error {
	if body := traceOf(r.Context()).body; body != nil && body.refused != nil {
		return body.refused
	}
	return err
}
