package remote

import (
	"errors"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// exchange is one request and its answer. Its memory is used again, and wiped
// before that, so that a PIN does not stay.
type exchange struct {
	conn  *conn
	code  uint32
	call  p11rpc.CallID
	state atomic.Uint32
	err   error // why there is no answer
	// hasWaiter says that a thread waits at state, or is about to, without anything
	// else to wait for before.
	hasWaiter bool
	enc       p11rpc.Encoder
	dec       p11rpc.Decoder
	body      []byte
}

// keepBody is the largest answer whose memory is kept.
const keepBody = 64 << 10

// begin starts a request; its values are written to enc. The caller frees it.
func (c *conn) begin(call p11rpc.CallID) *exchange {
	x, ok := c.spare.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.conn, x.call, x.code, x.err = c, call, c.nextCode(), nil
	x.state.Store(stateWaiting)
	x.enc.Version, x.dec.Version = c.version, c.version
	x.enc.BeginRequest(x.code, call)
	if invalidatesSignInit[call] {
		c.inits.Add(1)
	}
	return x
}

// invalidatesSignInit are the calls after which a SignInit that was accepted before may
// be refused.
var invalidatesSignInit = map[p11rpc.CallID]bool{
	p11rpc.CallLogin: true, p11rpc.CallLoginUser: true, p11rpc.CallLogout: true, p11rpc.CallInitToken: true,
	p11rpc.CallInitToken2: true, p11rpc.CallCloseAllSessions: true, p11rpc.CallDestroyObject: true,
	p11rpc.CallSetAttributeValue: true, p11rpc.CallSetPIN: true, p11rpc.CallInitPIN: true,
}

// nextCode never returns 0, which no request may have.
func (c *conn) nextCode() uint32 {
	for {
		if code := c.code.Add(1); code != 0 {
			return code
		}
	}
}

func (x *exchange) free() {
	x.enc.Reset()
	clear(x.body)
	if cap(x.body) > keepBody {
		x.body = nil
	}
	x.dec = p11rpc.Decoder{}
	x.conn.spare.Put(x)
}

// finish wakes the thread that waits for x. Afterwards x belongs to it.
func (x *exchange) finish(err error) {
	x.err = err
	x.state.Store(stateDone)
	futexWake(&x.state)
}

// run ends the request, sends it, waits, and opens the answer.
func (x *exchange) run() error {
	if err := x.enc.End(); err != nil {
		return err
	}
	return x.send()
}

// send is run for a request that has been ended.
func (x *exchange) send() error {
	if err := x.conn.roundTrip(x.limit(), x); err != nil {
		return err
	}
	return x.open()
}

// post ends the request and sends it. Nobody waits for the answer, which the next
// one to read drops.
func (x *exchange) post() error {
	if err := x.enc.End(); err != nil {
		return err
	}
	return x.conn.post(x)
}

// open starts to read the answer. A code from the daemon is returned bare.
func (x *exchange) open() error {
	if x.err != nil {
		return x.err
	}
	return x.check(x.dec.Response(x.body, x.call))
}

// plain runs a request whose answer is nothing but success.
func (x *exchange) plain() error {
	if err := x.run(); err != nil {
		return err
	}
	return x.done()
}

// done ends the reading of the answer.
func (x *exchange) done() error { return x.check(x.dec.Done()) }

// check gives up the connection after an answer that is not the protocol.
func (x *exchange) check(err error) error {
	if err == nil || !errors.Is(err, p11rpc.ErrMalformed) {
		return err
	}
	err = ck.Errorf(ck.CKR_DEVICE_ERROR, "answer to %v: %w", x.call, err)
	x.conn.lose(err)
	return err
}

// number runs a request whose answer is one CK_ULONG.
func (x *exchange) number() (uint64, error) {
	if err := x.run(); err != nil {
		return 0, err
	}
	n := x.dec.Ulong()
	return n, x.done()
}

// Out is the memory that a caller offers for an output.
type Out struct {
	// Null means no memory: the caller asks for the length.
	Null bool
	// To is where the output goes.
	To []byte
}

func (o Out) buffer() ck.Buffer { return ck.Buffer{Null: o.Null, Len: uint64(len(o.To))} }

// output runs a request whose last value is a buffer and whose answer fills it.
func (x *exchange) output(out Out) (uint64, error) {
	x.enc.Buffer(out.buffer())
	if err := x.run(); err != nil {
		return 0, err
	}
	return x.outputRead(out)
}

func (x *exchange) outputRead(out Out) (uint64, error) {
	o, err := x.dec.Output(out.buffer())
	if done := x.done(); done != nil {
		return 0, done
	}
	copy(out.To, o.Data)
	return o.Len, err
}

// How much longer making a key may take than another call, and making a pair: the
// primes of an RSA key of 8192 bits take a minute to find, or two.
const (
	slow    = 6
	slowest = 30
)

func (x *exchange) limit() time.Duration {
	switch x.call {
	case p11rpc.CallGenerateKeyPair:
		return slowest * x.conn.limit
	case p11rpc.CallGenerateKey, p11rpc.CallDeriveKey, p11rpc.CallDeriveKey2,
		p11rpc.CallEncapsulateKey, p11rpc.CallDecapsulateKey:
		return slow * x.conn.limit
	case p11rpc.CallWaitForSlotEvent:
		return 0
	}
	return x.conn.limit
}
