package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// The functions below came with 3.0, and with version 1 of the protocol.

// beginMessages is a call about messages.
func (c *Client) beginMessages(h ck.SessionHandle, call p11rpc.CallID) (*exchange, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	if err := s.since(1, call); err != nil {
		return nil, err
	}
	return c.beginSession(h, call)
}

// messages is a call about messages with data, answered with success alone.
func (c *Client) messages(h ck.SessionHandle, call p11rpc.CallID, list ...[]byte) error {
	x, err := c.beginMessages(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	for _, data := range list {
		x.enc.Data(data)
	}
	return x.plain()
}

func (c *Client) messageInit(h ck.SessionHandle, call p11rpc.CallID, m *ck.Mechanism, key ck.ObjectHandle) error {
	x, err := c.beginMessages(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(key))
	return x.plain()
}

// MessageSignInit is C_MessageSignInit (section 5.14.1).
func (c *Client) MessageSignInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.messageInit(h, p11rpc.CallMessageSignInit, m, key)
}

// SignMessage is C_SignMessage (section 5.14.2).
func (c *Client) SignMessage(h ck.SessionHandle, parameter, data []byte, out Out) (uint64, error) {
	if len(data) > largest {
		return c.wholeResult(data, out,
			func(data []byte, out Out) (uint64, error) { return c.SignMessage(h, parameter, data, out) },
			func(data []byte) error {
				if err := c.SignMessageBegin(h, parameter); err != nil {
					return err
				}
				_, err := c.SignMessageNext(h, parameter, data, nil)
				return err
			},
			func(out Out) (uint64, error) { return c.SignMessageNext(h, parameter, nil, &out) })
	}
	x, err := c.beginMessages(h, p11rpc.CallSignMessage)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Data(parameter)
	x.enc.Data(data)
	return x.output(out)
}

// SignMessageBegin is C_SignMessageBegin (section 5.14.3).
func (c *Client) SignMessageBegin(h ck.SessionHandle, parameter []byte) error {
	return c.messages(h, p11rpc.CallSignMessageBegin, parameter)
}

// SignMessageNext is C_SignMessageNext (section 5.14.4). Without out there are
// more parts to come.
func (c *Client) SignMessageNext(h ck.SessionHandle, parameter, data []byte, out *Out) (uint64, error) {
	if len(data) > largest {
		return c.signMessageParts(h, parameter, data, out)
	}
	x, err := c.beginMessages(h, p11rpc.CallSignMessageNext)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Data(parameter)
	x.enc.Data(data)
	if out == nil {
		x.enc.Byte(0)
		return x.output(Out{Null: true})
	}
	x.enc.Byte(1)
	return x.output(*out)
}

// signMessageParts is SignMessageNext for data that one frame does not hold.
func (c *Client) signMessageParts(h ck.SessionHandle, parameter, data []byte, out *Out) (uint64, error) {
	if out != nil {
		n, err := c.SignMessageNext(h, parameter, nil, &Out{Null: true})
		switch {
		case err != nil || out.Null:
			return n, err
		case n > uint64(len(out.To)):
			return n, ck.CKR_BUFFER_TOO_SMALL
		}
	}
	for len(data) > largest {
		if _, err := c.SignMessageNext(h, parameter, data[:partSize], nil); err != nil {
			return 0, err
		}
		data = data[partSize:]
	}
	return c.SignMessageNext(h, parameter, data, out)
}

// MessageSignFinal is C_MessageSignFinal (section 5.14.5).
func (c *Client) MessageSignFinal(h ck.SessionHandle) error {
	return c.messages(h, p11rpc.CallMessageSignFinal)
}

// MessageVerifyInit is C_MessageVerifyInit (section 5.16.1).
func (c *Client) MessageVerifyInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.messageInit(h, p11rpc.CallMessageVerifyInit, m, key)
}

// VerifyMessage is C_VerifyMessage (section 5.16.2).
func (c *Client) VerifyMessage(h ck.SessionHandle, parameter, data, signature []byte) error {
	if len(data) <= largest {
		return c.messages(h, p11rpc.CallVerifyMessage, parameter, data, signature)
	}
	if err := c.VerifyMessageBegin(h, parameter); err != nil {
		c.refuse(h, p11rpc.CallVerifyMessage)
		return err
	}
	return c.VerifyMessageNext(h, parameter, data, append([]byte{}, signature...)) // not nil
}

// VerifyMessageBegin is C_VerifyMessageBegin (section 5.16.3).
func (c *Client) VerifyMessageBegin(h ck.SessionHandle, parameter []byte) error {
	return c.messages(h, p11rpc.CallVerifyMessageBegin, parameter)
}

// VerifyMessageNext is C_VerifyMessageNext (section 5.16.4). Without a signature
// there are more parts to come.
func (c *Client) VerifyMessageNext(h ck.SessionHandle, parameter, data, signature []byte) error {
	for len(data) > largest {
		if err := c.messages(h, p11rpc.CallVerifyMessageNext, parameter, data[:partSize], nil); err != nil {
			return err
		}
		data = data[partSize:]
	}
	return c.messages(h, p11rpc.CallVerifyMessageNext, parameter, data, signature)
}

// MessageVerifyFinal is C_MessageVerifyFinal (section 5.16.5).
func (c *Client) MessageVerifyFinal(h ck.SessionHandle) error {
	return c.messages(h, p11rpc.CallMessageVerifyFinal)
}
