package remote

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// A session remembers which operations the host has under way, and the Init of each as it
// was sent. When the daemon that had the operation is gone, the Init is sent again in front
// of the call that ends it, so that the host does not notice. That goes as long as the
// daemon had no part of the data.

// kind is a kind of operation that has calls of one part.
type kind int

const (
	kindSign kind = iota
	kindSignRecover
	kindVerify
	kindVerifyRecover
	kindEncrypt
	kindDecrypt
	kindDigest
	kindSearch // see find.go
	kinds
)

// cancelFlag is what C_SessionCancel calls each kind.
var cancelFlag = [kinds]ck.Flags{
	kindSign: ck.CKF_SIGN, kindSignRecover: ck.CKF_SIGN_RECOVER, kindVerify: ck.CKF_VERIFY,
	kindVerifyRecover: ck.CKF_VERIFY_RECOVER, kindEncrypt: ck.CKF_ENCRYPT, kindDecrypt: ck.CKF_DECRYPT,
	kindDigest: ck.CKF_DIGEST, kindSearch: ck.CKF_FIND_OBJECTS,
}

// cancelAll is all that C_SessionCancel can cancel.
const cancelAll = ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY |
	ck.CKF_FIND_OBJECTS | ck.CKF_ENCRYPT | ck.CKF_DECRYPT | ck.CKF_DIGEST | ck.CKF_SIGN | ck.CKF_SIGN_RECOVER |
	ck.CKF_VERIFY | ck.CKF_VERIFY_RECOVER

// step is what a call is to an operation.
type step uint8

const (
	stepNone   step = iota
	stepInit        // starts it
	stepWhole       // does and ends it
	stepUpdate      // does a part
	stepFinal       // ends what was done in parts
)

// steps are the calls of operations. Those of two kinds stand for both with the part.
var steps = [p11rpc.NumCalls]struct {
	step  step
	kinds []kind
}{
	p11rpc.CallSignInit:            {stepInit, []kind{kindSign}},
	p11rpc.CallSign:                {stepWhole, []kind{kindSign}},
	p11rpc.CallSignUpdate:          {stepUpdate, []kind{kindSign}},
	p11rpc.CallSignFinal:           {stepFinal, []kind{kindSign}},
	p11rpc.CallSignRecoverInit:     {stepInit, []kind{kindSignRecover}},
	p11rpc.CallSignRecover:         {stepWhole, []kind{kindSignRecover}},
	p11rpc.CallVerifyInit:          {stepInit, []kind{kindVerify}},
	p11rpc.CallVerify:              {stepWhole, []kind{kindVerify}},
	p11rpc.CallVerifyUpdate:        {stepUpdate, []kind{kindVerify}},
	p11rpc.CallVerifyFinal:         {stepFinal, []kind{kindVerify}},
	p11rpc.CallVerifyRecoverInit:   {stepInit, []kind{kindVerifyRecover}},
	p11rpc.CallVerifyRecover:       {stepWhole, []kind{kindVerifyRecover}},
	p11rpc.CallEncryptInit:         {stepInit, []kind{kindEncrypt}},
	p11rpc.CallEncrypt:             {stepWhole, []kind{kindEncrypt}},
	p11rpc.CallEncryptUpdate:       {stepUpdate, []kind{kindEncrypt}},
	p11rpc.CallEncryptFinal:        {stepFinal, []kind{kindEncrypt}},
	p11rpc.CallDecryptInit:         {stepInit, []kind{kindDecrypt}},
	p11rpc.CallDecrypt:             {stepWhole, []kind{kindDecrypt}},
	p11rpc.CallDecryptUpdate:       {stepUpdate, []kind{kindDecrypt}},
	p11rpc.CallDecryptFinal:        {stepFinal, []kind{kindDecrypt}},
	p11rpc.CallDigestInit:          {stepInit, []kind{kindDigest}},
	p11rpc.CallDigest:              {stepWhole, []kind{kindDigest}},
	p11rpc.CallDigestUpdate:        {stepUpdate, []kind{kindDigest}},
	p11rpc.CallDigestKey:           {stepUpdate, []kind{kindDigest}},
	p11rpc.CallDigestFinal:         {stepFinal, []kind{kindDigest}},
	p11rpc.CallDigestEncryptUpdate: {stepUpdate, []kind{kindDigest, kindEncrypt}},
	p11rpc.CallDecryptDigestUpdate: {stepUpdate, []kind{kindDecrypt, kindDigest}},
	p11rpc.CallSignEncryptUpdate:   {stepUpdate, []kind{kindSign, kindEncrypt}},
	p11rpc.CallDecryptVerifyUpdate: {stepUpdate, []kind{kindDecrypt, kindVerify}},
	p11rpc.CallFindObjectsInit:     {stepInit, []kind{kindSearch}},
	p11rpc.CallFindObjects:         {stepWhole, []kind{kindSearch}},
	p11rpc.CallFindObjectsFinal:    {stepFinal, []kind{kindSearch}},
}

// operation is one of the host's under way, or the last one.
type operation struct {
	active bool
	parts  bool   // the daemon had a part of the data
	counts bool   // the mechanism does
	life   uint64 // of the daemon that has it
	init   []byte // its Init as it was sent; empty where it was too large to keep
}

// keepInit is the largest Init that is kept.
const keepInit = 64 << 10

// begin notes an operation that the daemon accepted.
func (o *operation) begin(init *exchange) {
	o.active, o.parts, o.counts, o.life = true, false, init.counts, init.conn.life
	clear(o.init)
	o.init = o.init[:0]
	if frame := init.frame(); len(frame) <= keepInit {
		o.init = append(o.init, frame...)
	}
}

// settle notes what the daemon's answer means for the operations of the session.
// An error other than CKR_BUFFER_TOO_SMALL ends one (section 5.2), and so does a result
// that is not a length. Errors of the client itself are the matter of refuse.
func (x *exchange) settle(err error) {
	step := steps[x.call]
	s := x.session
	if s == nil || step.step == stepNone || x.fate != answered {
		return
	}
	s.state.Lock()
	defer s.state.Unlock()
	for _, k := range step.kinds {
		o := &s.ops[k]
		switch step.step {
		case stepInit:
			if err == nil && x.cancels {
				o.active = false
			} else if err == nil {
				o.begin(x)
			}
		case stepUpdate:
			o.parts = true
			o.active = o.active && (err == nil || ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL)
		default:
			asked := err == nil && x.asks || ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL
			o.active = o.active && asked
		}
	}
}

// refuse ends what an error of the call ends, where the daemon may not know of it: the host
// has the error for an answer. The next call of the session tells the daemon.
func (s *session) refuse(call p11rpc.CallID) {
	operations, messages := p11rpc.SplitEnds(call.Ends())
	if operations != 0 {
		s.doubt(operations)
	}
	if messages != 0 {
		s.state.Lock()
		s.abandon |= messages
		s.state.Unlock()
	}
}

// Refuse is for a call that the library has refused before a method of the client was called,
// such as one with a null pointer. It is named as in C, and ends what its error ends.
func (c *Client) Refuse(h ck.SessionHandle, function string) {
	s, err := c.session(h)
	if err != nil {
		return
	}
	call := functionCalls[function]
	flags := call.Ends()
	s.mu.Lock()
	if flags.Has(ck.CKF_SIGN) {
		s.drop()
		s.failed = nil
	}
	if flags.Has(ck.CKF_FIND_OBJECTS) {
		s.search = search{}
	}
	s.mu.Unlock()
	s.refuse(call)
}

// functionCalls is the call of each function that ends an operation with an error.
var functionCalls = func() map[string]p11rpc.CallID {
	all := map[string]p11rpc.CallID{
		// The protocol has no calls of their own for these.
		"C_VerifySignature":       p11rpc.CallVerify,
		"C_VerifySignatureUpdate": p11rpc.CallVerifyUpdate,
		"C_VerifySignatureFinal":  p11rpc.CallVerifyFinal,
	}
	for id := range p11rpc.NumCalls {
		if id.Ends() != 0 {
			all[id.String()] = id
		}
	}
	return all
}()

// Ends reports whether an error of the function, named as in C, ends an operation.
func Ends(function string) bool { return functionCalls[function].Ends() != 0 }

// ahead is what goes before a request on the connection n: what ends operations of which
// nobody knows how far they are, and the Init of one that another daemon had. resent says
// that the request may have been with the daemon already.
func (s *session) ahead(n *conn, list []*exchange, resent bool) []*exchange {
	x := list[len(list)-1]
	step := steps[x.call]
	s.state.Lock()
	defer s.state.Unlock()
	if s.cancel == 0 && s.abandon == 0 && step.step == stepNone || n.version != p11rpc.Joined {
		return nil
	}
	cancel := s.cancel
	var init []byte
	for _, k := range step.kinds {
		o := &s.ops[k]
		switch {
		case len(list) > 1 || step.step == stepInit && !o.active:
			if resent {
				cancel |= cancelFlag[k]
			}
		case step.step == stepWhole && o.active && !o.parts && len(o.init) > 0 && (resent || o.life != n.life):
			cancel |= cancelFlag[k]
			init = slices.Clone(o.init)
		}
	}
	var front []*exchange
	if cancel != 0 {
		front = append(front, s.cancelRequest(n.version, cancel))
	}
	if messages := s.abandon &^ cancel; messages != 0 {
		front = append(front, s.cancelRequest(n.version, p11rpc.EndMessages(messages)))
	}
	if init != nil {
		second := s.client.new(s, initOf[step.kinds[0]], n.version)
		second.again = init
		second.counts = s.ops[step.kinds[0]].counts
		front = append(front, second)
	}
	return front
}

// cancelRequest is a C_SessionCancel.
func (s *session) cancelRequest(version byte, flags ck.Flags) *exchange {
	x := s.client.request(s, p11rpc.CallSessionCancel, version)
	x.enc.Ulong(s.remote)
	x.enc.Ulong(uint64(flags))
	_ = x.enc.End() // two numbers fit
	return x
}

// endByCalls ends the operations that ahead has ended, with a server of an older protocol, and
// before anything else is sent. A server that cannot cancel is made to finish them, and what
// comes of that is dropped. An operation on messages cannot be finished so.
func (s *session) endByCalls(n *conn, until time.Time) {
	s.state.Lock()
	flags := s.cancel | s.abandon
	s.cancel, s.abandon = 0, 0
	s.state.Unlock()
	if flags == 0 {
		return
	}
	if s.since(1, p11rpc.CallSessionCancel) == nil {
		x := s.cancelRequest(n.version, flags)
		defer x.free()
		n.roundTrip(until, []*exchange{x})
		if x.fate != answered || x.open() == nil {
			return
		}
	}
	for _, final := range finals {
		if !flags.Has(final.Ends()) {
			continue
		}
		x := s.client.request(s, final, n.version)
		x.enc.Ulong(s.remote)
		switch sig := final.Describe().Request; sig {
		case "ufy":
			x.enc.Buffer(ck.Buffer{Len: keepBody})
		case "uay":
			x.enc.Data([]byte{0})
		case "uayfy":
			x.enc.Data([]byte{0})
			x.enc.Buffer(ck.Buffer{Len: keepBody})
		}
		_ = x.enc.End() // they are small
		n.roundTrip(until, []*exchange{x})
		x.free()
	}
}

// finals are the calls that end each kind of operation, whatever comes of it.
var finals = [...]p11rpc.CallID{
	p11rpc.CallEncryptFinal, p11rpc.CallDecryptFinal, p11rpc.CallDigestFinal, p11rpc.CallSignFinal, p11rpc.CallVerifyFinal,
	p11rpc.CallSignRecover, p11rpc.CallVerifyRecover, p11rpc.CallFindObjectsFinal,
}

// initOf is the call that starts each kind.
var initOf = [kinds]p11rpc.CallID{
	kindSign: p11rpc.CallSignInit, kindSignRecover: p11rpc.CallSignRecoverInit, kindVerify: p11rpc.CallVerifyInit,
	kindVerifyRecover: p11rpc.CallVerifyRecoverInit, kindEncrypt: p11rpc.CallEncryptInit,
	kindDecrypt: p11rpc.CallDecryptInit, kindDigest: p11rpc.CallDigestInit, kindSearch: p11rpc.CallFindObjectsInit,
}

// passed notes the answers to what went ahead, and returns what the daemon said to an Init.
func (s *session) passed(front []*exchange) error {
	last := front[len(front)-1]
	if last.fate != answered {
		return nil // the request behind it has no answer either
	}
	s.state.Lock()
	s.cancel, s.abandon = 0, 0
	s.state.Unlock()
	if last.call == p11rpc.CallSessionCancel {
		return nil
	}
	init := last
	err := init.open()
	if err == nil {
		err = init.done()
	}
	if endsHere(err) {
		return err // and the operation is still to be started
	}
	k := steps[init.call].kinds[0]
	s.state.Lock()
	defer s.state.Unlock()
	s.ops[k].active = err == nil
	s.ops[k].life = init.conn.life
	if k == kindSearch {
		s.replays++
	}
	return err
}

// doubt forgets the operations of the kinds in flags: the daemon may have them or not, and
// is told to end them before the next call.
func (s *session) doubt(flags ck.Flags) {
	s.state.Lock()
	defer s.state.Unlock()
	s.cancel |= flags
	for k := range s.ops {
		if flags.Has(cancelFlag[k]) {
			s.ops[k].active = false
		}
	}
	if flags == cancelAll {
		s.doubts.Add(1)
	}
}

// disturbs is what a call may have done to the operations of its session, where it has no
// answer.
func disturbs(call p11rpc.CallID) (flags ck.Flags) {
	for _, k := range steps[call].kinds {
		flags |= cancelFlag[k]
	}
	return flags
}
