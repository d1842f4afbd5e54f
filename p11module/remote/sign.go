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
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(key))
	if err := x.enc.End(); err != nil {
		x.free()
		return err
	}
	request := x.enc.Bytes()[codeLen:]
	settled := s.conn.inits.Load()
	if !s.signing && s.settled == settled && bytes.Equal(request, s.accepted) {
		s.held, s.otpInfo = x, otpInfo
		return nil
	}
	defer x.free()
	err = s.start(x)
	if err == nil {
		s.otpInfo = otpInfo
	}
	if err == nil && m != nil {
		s.accepted, s.settled = append(s.accepted[:0], request...), settled
	}
	s.signing = s.signing && m != nil
	return err
}

// start sends a SignInit.
func (s *session) start(x *exchange) error {
	if err := x.send(); err != nil {
		return s.refuse(err)
	}
	s.signing = true
	return x.done()
}

func (s *session) refuse(err error) error {
	s.accepted = s.accepted[:0]
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
	x.enc.Buffer(out.buffer())
	if err := x.enc.End(); err != nil {
		return 0, err
	}
	if err := s.sendSign(x); err != nil {
		return 0, s.ended(err, out)
	}
	n, err := x.outputRead(out)
	s.place(out, n, err)
	return n, s.ended(err, out)
}

// sendSign sends a Sign and what is held back in front of it, and opens the
// answer.
func (s *session) sendSign(x *exchange) error {
	first := s.held
	if first == nil {
		return x.send()
	}
	s.held = nil
	defer first.free()
	if err := s.conn.roundTrip(x.limit(), first, x); err != nil {
		return err
	}
	if err := first.open(); err != nil {
		return s.refuse(err)
	}
	s.signing = true
	return x.open()
}

// ended notes whether the signature is still under way (section 5.2): it is
// after a question for the length and after a buffer that was too short.
func (s *session) ended(err error, out Out) error {
	if code := ck.CodeOf(err); code != ck.CKR_BUFFER_TOO_SMALL && (code != ck.CKR_OK || !out.Null) {
		s.signing = false
	}
	return err
}

// SignUpdate is C_SignUpdate (section 5.13.3).
func (c *Client) SignUpdate(h ck.SessionHandle, data []byte) error {
	s, err := c.flushed(h)
	if err != nil {
		return err
	}
	x := s.begin(p11rpc.CallSignUpdate)
	defer x.free()
	x.enc.Data(data)
	return x.plain()
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
	return n, s.ended(err, out)
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
	if err := s.conn.since(1, p11rpc.CallSessionCancel); err != nil {
		return err
	}
	s.mu.Lock()
	s.flush()
	s.mu.Unlock()
	x := s.begin(p11rpc.CallSessionCancel)
	defer x.free()
	x.enc.Ulong(uint64(flags))
	err = x.plain()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && flags.Has(ck.CKF_SIGN) {
		s.signing, s.failed = false, nil
	}
	if err == nil && flags.Has(ck.CKF_VERIFY) {
		s.signature = nil
	}
	if err == nil && flags.Has(ck.CKF_FIND_OBJECTS) {
		s.search = search{}
	}
	return err
}

// since refuses a call that the version of the protocol has not.
func (c *conn) since(version byte, call p11rpc.CallID) error {
	if c.version >= version {
		return nil
	}
	return ck.Errorf(ck.CKR_FUNCTION_NOT_SUPPORTED, "%v needs protocol version %d, the server speaks %d", call, version, c.version)
}
