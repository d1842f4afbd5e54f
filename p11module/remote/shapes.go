package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Most functions have one of a few shapes; these are the bodies of all of them.

// numbers is a call with numbers, answered with success alone.
func (c *Client) numbers(h ck.SessionHandle, call p11rpc.CallID, args ...uint64) error {
	x, err := c.beginSession(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	for _, arg := range args {
		x.enc.Ulong(arg)
	}
	return x.plain()
}

// in is a call with data, one or more, answered with success alone.
func (c *Client) in(h ck.SessionHandle, call p11rpc.CallID, list ...[]byte) error {
	x, err := c.beginSession(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	for _, data := range list {
		x.enc.Data(data)
	}
	return x.plain()
}

// out is a call that is answered with data.
func (c *Client) out(h ck.SessionHandle, call p11rpc.CallID, out Out) (uint64, error) {
	x, err := c.beginSession(h, call)
	if err != nil {
		return 0, err
	}
	defer x.free()
	return x.output(out)
}

// inOut is a call with data that is answered with data.
func (c *Client) inOut(h ck.SessionHandle, call p11rpc.CallID, data []byte, out Out) (uint64, error) {
	x, err := c.beginSession(h, call)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Data(data)
	return x.output(out)
}

// start is a call that starts an operation with a key; a nil mechanism cancels.
func (c *Client) start(h ck.SessionHandle, call p11rpc.CallID, m *ck.Mechanism, key ck.ObjectHandle) error {
	x, err := c.beginSession(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	x.mechanism(m)
	x.enc.Ulong(uint64(key))
	return x.plain()
}
