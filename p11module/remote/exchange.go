package remote

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// exchange is one request and its answer. Its memory is used again, and wiped
// before that, so that a PIN does not stay.
type exchange struct {
	client  *Client
	session *session // nil for a call that needs none
	call    p11rpc.CallID
	enc     p11rpc.Encoder
	again   []byte // a frame of an earlier request, sent in place of enc's

	// What the operation that is started or ended needs to know (see underway.go).
	cancels bool // an Init without a mechanism
	counts  bool // an Init with a mechanism that counts
	asks    bool // for the length of the output

	repeated bool // it was sent again, and may have been done before

	conn  *conn // that it was sent on last
	code  uint32
	state atomic.Uint32
	fate  fate
	// hasWaiter says that a thread waits at state, or is about to, without anything
	// else to wait for before.
	hasWaiter bool
	dec       p11rpc.Decoder
	body      []byte
	answer    error // what the daemon said
}

// fate is what became of a request.
type fate uint8

const (
	answered fate = iota
	unsent        // the daemon did not get it, or not whole
	lost          // it went with the connection: the daemon may have done it
	late          // the limit has passed: the daemon may still do it
)

// keepBody is the largest answer whose memory is kept.
const keepBody = 64 << 10

// new is an exchange without a request.
func (c *Client) new(s *session, call p11rpc.CallID, version byte) *exchange {
	x, ok := c.spare.Get().(*exchange)
	if !ok {
		x = new(exchange)
	}
	x.client, x.session, x.call, x.fate, x.answer = c, s, call, unsent, nil
	x.cancels, x.counts, x.asks, x.repeated = false, false, false, false
	x.enc.Version, x.dec.Version = version, version
	return x
}

// request starts a request; its values are written to enc. The caller frees it.
func (c *Client) request(s *session, call p11rpc.CallID, version byte) *exchange {
	x := c.new(s, call, version)
	x.enc.BeginRequest(1, call) // the code is that of the connection, which is not known yet
	if invalidatesSignInit[call] {
		c.inits.Add(1)
	}
	return x
}

// invalidatesSignInit are the calls after which a SignInit that was accepted before may
// be refused.
var invalidatesSignInit = [p11rpc.NumCalls]bool{
	p11rpc.CallLogin: true, p11rpc.CallLoginUser: true, p11rpc.CallLogout: true, p11rpc.CallInitToken: true,
	p11rpc.CallInitToken2: true, p11rpc.CallCloseAllSessions: true, p11rpc.CallDestroyObject: true,
	p11rpc.CallSetAttributeValue: true, p11rpc.CallSetPIN: true, p11rpc.CallInitPIN: true,
}

// frame is the request as it travels.
func (x *exchange) frame() []byte {
	if x.again != nil {
		return x.again
	}
	return x.enc.Bytes()
}

// setCode gives the request the code by which its answer is found.
func (x *exchange) setCode(code uint32) {
	x.code = code
	binary.BigEndian.PutUint32(x.frame(), code)
}

// mechanism writes a mechanism, and notes what its operation needs to know.
func (x *exchange) mechanism(m *ck.Mechanism) {
	x.cancels = m == nil
	x.counts = m != nil && counts(m.Type)
	x.enc.Mechanism(m)
}

func (x *exchange) free() {
	x.enc.Reset()
	clear(x.body)
	if cap(x.body) > keepBody {
		x.body = nil
	}
	x.dec = p11rpc.Decoder{}
	c := x.client
	x.client, x.session, x.conn, x.again = nil, nil, nil, nil
	c.spare.Put(x)
}

// finish wakes the thread that waits for x. Afterwards x belongs to it.
func (x *exchange) finish(f fate) {
	x.fate = f
	x.state.Store(stateDone)
	futexWake(&x.state)
}

// end ends the request. One that cannot be carried ends its operation in the daemon, too.
func (x *exchange) end() error {
	err := x.enc.End()
	if err != nil && x.session != nil {
		x.session.refuse(x.call)
	}
	return err
}

// run ends the request, sends it, waits, and opens the answer.
func (x *exchange) run() error {
	if err := x.end(); err != nil {
		return err
	}
	return x.send()
}

// send is run for a request that has been ended. A code from the daemon is returned bare.
func (x *exchange) send() error {
	if err := x.client.perform(x.session, x); err != nil {
		return err
	}
	return x.answer
}

// open starts to read the answer.
func (x *exchange) open() error {
	err := x.check(x.dec.Response(x.body, x.call))
	x.answer = err
	return err
}

// plain runs a request whose answer is nothing but success.
func (x *exchange) plain() error {
	if err := x.end(); err != nil {
		return err
	}
	return x.sendPlain()
}

// sendPlain is plain for a request that has been ended.
func (x *exchange) sendPlain() error {
	err := x.send()
	if err == nil {
		err = x.done()
	}
	x.settle(err)
	return err
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
	if x.session != nil {
		x.session.refuse(x.call)
	}
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
	x.offer(out)
	if err := x.run(); err != nil {
		x.settle(err)
		return 0, err
	}
	return x.outputRead(out)
}

// offer writes how much memory there is for the output.
func (x *exchange) offer(out Out) {
	x.asks = out.Null
	x.enc.Buffer(out.buffer())
}

func (x *exchange) outputRead(out Out) (uint64, error) {
	o, err := x.dec.Output(out.buffer())
	if done := x.done(); done != nil {
		o, err = ck.Output{}, done
	} else {
		copy(out.To, o.Data)
	}
	x.settle(err)
	return o.Len, err
}

// How much longer making a key may take than another call, and making a pair: the
// primes of an RSA key of 8192 bits take a minute to find, or two.
const (
	slow    = 6
	slowest = 30
)

// limit is how long the answer may take; 0 is as long as it likes.
func (x *exchange) limit() time.Duration {
	usual := x.client.options.Timeout
	switch x.call {
	case p11rpc.CallGenerateKeyPair:
		return slowest * usual
	case p11rpc.CallGenerateKey, p11rpc.CallDeriveKey, p11rpc.CallDeriveKey2,
		p11rpc.CallEncapsulateKey, p11rpc.CallDecapsulateKey:
		return slow * usual
	case p11rpc.CallWaitForSlotEvent:
		return 0
	}
	return usual
}
