package remote

import (
	"bytes"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// One round trip per signature. A SignInit that repeats one the daemon accepted
// before (the same session, mechanism, parameter and key, and nothing in between
// that could change the answer) is answered at once and held back; the Sign that
// follows carries it in the same write. Should the daemon refuse it after all,
// Sign answers with its code. Any other call in the session sends it first.

const codeLen = 12 // what differs between two frames of the same request

// SignInit is C_SignInit (section 5.13.1); a nil mechanism cancels.
func (c *Client) SignInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	s.failed = nil
	otpInfo := givesOTPInfo(m)
	x := s.begin(p11rpc.CallSignInit)
	x.mechanism(m)
	x.enc.Ulong(uint64(key))
	if err := x.enc.End(); err != nil {
		x.free()
		return err
	}
	settled := c.inits.Load() + 1
	if s.settled == settled && s.accepted(x) {
		s.held, s.otpInfo = x, otpInfo
		return nil
	}
	defer x.free()
	err = s.start(x)
	if err == nil {
		s.otpInfo = otpInfo
	}
	if err == nil && m != nil {
		s.settled = settled
	}
	return err
}

// accepted reports whether a SignInit is like the last one that the daemon accepted, and no
// signature is under way.
func (s *session) accepted(x *exchange) bool {
	s.state.Lock()
	defer s.state.Unlock()
	o := &s.ops[kindSign]
	return !o.active && s.cancel == 0 && len(o.init) > codeLen && bytes.Equal(x.frame()[codeLen:], o.init[codeLen:])
}

// start sends a SignInit.
func (s *session) start(x *exchange) error {
	err := x.sendPlain()
	if err != nil {
		s.settled = 0
	}
	return err
}

// flush sends the SignInit that is held back, alone.
func (s *session) flush() {
	if s.held == nil {
		return
	}
	x := s.held
	s.held = nil
	s.failed = s.start(x)
	x.free()
}

// drop forgets the SignInit that is held back.
func (s *session) drop() {
	if s.held != nil {
		s.held.free()
		s.held = nil
	}
}

// Sign is C_Sign (section 5.13.2).
func (c *Client) Sign(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	if len(data) > largest {
		return c.signLarge(h, data, out)
	}
	s, err := c.session(h)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		err, s.failed = s.failed, nil
		return 0, err
	}
	x := s.begin(p11rpc.CallSign)
	defer x.free()
	x.enc.Data(data)
	x.offer(out)
	if err := x.end(); err != nil {
		s.drop()
		return 0, err
	}
	if err := s.sendSign(x); err != nil {
		x.settle(err)
		return 0, err
	}
	n, err := x.outputRead(out)
	s.place(out, n, err)
	return n, err
}

// signLarge is Sign for data that one frame does not hold. (It is not part of Sign, whose
// memory it would cost.)
func (c *Client) signLarge(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	return c.wholeResult(data, out,
		func(data []byte, out Out) (uint64, error) { return c.Sign(h, data, out) },
		func(data []byte) error { return c.SignUpdate(h, data) },
		func(out Out) (uint64, error) { return c.SignFinal(h, out) })
}

// sendSign sends a Sign and what is held back in front of it, and opens the
// answer.
func (s *session) sendSign(x *exchange) error {
	init := s.held
	if init == nil {
		return x.send()
	}
	s.held = nil
	defer init.free()
	if err := s.client.perform(s, init, x); err != nil {
		return err
	}
	err := init.answer
	if err == nil {
		err = init.done()
	}
	init.settle(err)
	if err != nil {
		s.settled = 0
		return err
	}
	return x.answer
}

// signatureCounts reports whether the signature that is under way is one that may be made
// once.
func (s *session) signatureCounts() bool {
	s.state.Lock()
	defer s.state.Unlock()
	return s.ops[kindSign].counts
}

// SignUpdate is C_SignUpdate (section 5.13.3).
func (c *Client) SignUpdate(h ck.SessionHandle, data []byte) error {
	if _, err := c.flushed(h); err != nil {
		return err
	}
	return c.update(h, p11rpc.CallSignUpdate, data)
}

// SignFinal is C_SignFinal (section 5.13.4).
func (c *Client) SignFinal(h ck.SessionHandle, out Out) (uint64, error) {
	s, err := c.flushed(h)
	if err != nil {
		return 0, err
	}
	x := s.begin(p11rpc.CallSignFinal)
	defer x.free()
	n, err := x.output(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place(out, n, err)
	return n, err
}

// flushed is the session after what it held back was sent and accepted.
func (c *Client) flushed(h ck.SessionHandle) (*session, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	err, s.failed = s.failed, nil
	return s, err
}

// SessionCancel is C_SessionCancel (section 5.6.13).
func (c *Client) SessionCancel(h ck.SessionHandle, flags ck.Flags) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	if err := s.since(1, p11rpc.CallSessionCancel); err != nil {
		return err
	}
	s.mu.Lock()
	s.flush()
	s.mu.Unlock()
	x := s.begin(p11rpc.CallSessionCancel)
	defer x.free()
	x.enc.Ulong(uint64(flags &^ ck.CKF_END_OF_MESSAGE)) // which means something else between our ends
	if err := x.plain(); err != nil {
		return err
	}
	s.state.Lock()
	for k := range s.ops {
		if flags.Has(cancelFlag[k]) {
			s.ops[k].active = false
		}
	}
	s.state.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if flags.Has(ck.CKF_SIGN) {
		s.failed = nil
	}
	if flags.Has(ck.CKF_FIND_OBJECTS) {
		s.search = search{}
	}
	return nil
}
