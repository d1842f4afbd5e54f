package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Data that is too large for one frame goes in several. A call of an operation in parts is
// made several times. A call in one part becomes an operation in parts, with the same results:
// its length is asked for first, so that a question for the length and a buffer that is too
// short change nothing. What mechanisms do not do in parts, they refuse, which ends the
// operation as any error does.

const (
	// largest is the most data that one frame carries, with a signature or a parameter beside
	// them and with as much of an answer.
	largest = p11rpc.MaxBody - 64<<10
	// partSize is how much of larger data goes in one frame. It is whole blocks, so that output
	// never overtakes input where both are the same memory of the host.
	partSize = 4 << 20
)

// update is a call with a part of the data, answered with success alone.
func (c *Client) update(h ck.SessionHandle, call p11rpc.CallID, data []byte) error {
	for len(data) > largest {
		if err := c.in(h, call, data[:partSize]); err != nil {
			return err
		}
		data = data[partSize:]
	}
	return c.in(h, call, data)
}

// updateOut is a call with a part of the data that is answered with data.
func (c *Client) updateOut(h ck.SessionHandle, call p11rpc.CallID, data []byte, out Out) (uint64, error) {
	if len(data) <= largest {
		return c.inOut(h, call, data, out)
	}
	n, err := c.foretell(h, call, data)
	switch {
	case err != nil || out.Null:
		return n, err
	case n > uint64(len(out.To)):
		return n, ck.CKR_BUFFER_TOO_SMALL
	}
	return c.updateParts(h, call, data, out.To)
}

// updateParts makes a call with each part of the data, and returns how much came out.
func (c *Client) updateParts(h ck.SessionHandle, call p11rpc.CallID, data, to []byte) (done uint64, err error) {
	for len(data) > 0 {
		part := data[:min(len(data), partSize)]
		n, err := c.inOut(h, call, part, c.room(h, to[done:]))
		if err == nil && n > uint64(len(to))-done || ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL {
			err = ck.Errorf(ck.CKR_DEVICE_ERROR, "%v puts out more than the daemon said before", call)
			c.refuse(h, call)
		}
		if err != nil {
			return 0, err
		}
		done += n
		data = data[len(part):]
	}
	return done, nil
}

// room is the memory for an output that may be empty. Version 0 of the protocol takes no
// memory for a question.
func (c *Client) room(h ck.SessionHandle, to []byte) Out {
	if s := c.sessions.find(h); len(to) == 0 && s != nil && s.version == 0 {
		to = make([]byte, 1)
	}
	return Out{To: to}
}

func (c *Client) refuse(h ck.SessionHandle, call p11rpc.CallID) {
	if s := c.sessions.find(h); s != nil {
		s.refuse(call)
	}
}

// foretell is how much a call with the data would put out, without sending them. Outputs grow
// with each 16 bytes of input by the same length, which may be none, from the second block on;
// so the daemon is asked for the lengths that two short beginnings have.
func (c *Client) foretell(h ck.SessionHandle, call p11rpc.CallID, data []byte) (uint64, error) {
	const step = 16
	short := 2*step + len(data)%step
	a, err := c.inOut(h, call, data[:short], Out{Null: true})
	if err != nil {
		return 0, err
	}
	b, err := c.inOut(h, call, data[:short+step], Out{Null: true})
	if err != nil {
		return 0, err
	}
	return a + (b-a)*uint64((len(data)-short)/step), nil
}

// wholeResult does in parts what C_Digest and C_Sign do in one: all of the output comes at the
// end, and is as long whatever the data is.
func (c *Client) wholeResult(
	data []byte, out Out, whole func([]byte, Out) (uint64, error), update func([]byte) error, final func(Out) (uint64, error),
) (uint64, error) {
	n, err := whole(data[:0], Out{Null: true})
	switch {
	case err != nil || out.Null:
		return n, err
	case n > uint64(len(out.To)):
		return n, ck.CKR_BUFFER_TOO_SMALL
	}
	if err := update(data); err != nil {
		return 0, err
	}
	return final(out)
}

// cipherCalls are the calls of an operation with output all the way.
type cipherCalls struct {
	whole, update, final p11rpc.CallID
	kind                 kind
}

var (
	encryption = cipherCalls{p11rpc.CallEncrypt, p11rpc.CallEncryptUpdate, p11rpc.CallEncryptFinal, kindEncrypt}
	decryption = cipherCalls{p11rpc.CallDecrypt, p11rpc.CallDecryptUpdate, p11rpc.CallDecryptFinal, kindDecrypt}
)

// wholeOut is C_Encrypt or C_Decrypt.
func (c *Client) wholeOut(h ck.SessionHandle, calls cipherCalls, data []byte, out Out) (uint64, error) {
	if len(data) <= largest {
		return c.inOut(h, calls.whole, data, out)
	}
	n, err := c.foretell(h, calls.whole, data)
	if err != nil || out.Null {
		return n, err
	}
	if n > uint64(len(out.To)) {
		// What a decryption puts out is known at its end, and may fit.
		first, err := c.foretell(h, calls.update, data)
		switch {
		case err != nil:
			return 0, err
		case calls.kind == kindEncrypt || first > uint64(len(out.To)):
			return n, ck.CKR_BUFFER_TOO_SMALL
		}
	}
	done, err := c.updateParts(h, calls.update, data, out.To)
	if err != nil {
		return 0, err
	}
	n, err = c.out(h, calls.final, c.room(h, out.To[done:]))
	if ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL {
		c.again(h, calls)
	}
	return done + n, err
}

// again has an operation that was made in parts be one that has only begun: the next call in
// one part starts it again in front of it, as after a restart of the daemon.
func (c *Client) again(h ck.SessionHandle, calls cipherCalls) {
	s := c.sessions.find(h)
	if s == nil {
		return
	}
	if s.version != p11rpc.Joined {
		s.refuse(calls.whole)
		return
	}
	s.state.Lock()
	defer s.state.Unlock()
	o := &s.ops[calls.kind]
	o.parts, o.life = false, 0
}

// untouched is for a call in one part that has no length to ask for: as the daemon would, it
// refuses an operation that was begun in parts, and ends it.
func (c *Client) untouched(h ck.SessionHandle, call p11rpc.CallID, k kind) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.state.Lock()
	parts := s.ops[k].active && s.ops[k].parts
	s.state.Unlock()
	if !parts {
		return nil
	}
	s.refuse(call)
	return ck.Errorf(ck.CKR_OPERATION_ACTIVE, "the operation was begun in parts; it has ended, begin it again")
}
