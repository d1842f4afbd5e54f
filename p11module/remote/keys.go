package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// GenerateKey is C_GenerateKey (section 5.18.1).
func (c *Client) GenerateKey(h ck.SessionHandle, m *ck.Mechanism, t ck.Template) (ck.ObjectHandle, error) {
	x, err := c.beginSession(h, p11rpc.CallGenerateKey)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Template(t)
	return x.object()
}

// GenerateKeyPair is C_GenerateKeyPair (section 5.18.2).
func (c *Client) GenerateKeyPair(h ck.SessionHandle, m *ck.Mechanism, public, private ck.Template) (pub, priv ck.ObjectHandle, err error) {
	x, err := c.beginSession(h, p11rpc.CallGenerateKeyPair)
	if err != nil {
		return 0, 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Template(public)
	x.enc.Template(private)
	if err := x.run(); err != nil {
		return 0, 0, err
	}
	pub, priv = x.dec.Object(), x.dec.Object()
	return pub, priv, x.done()
}

// WrapKey is C_WrapKey (section 5.18.3).
func (c *Client) WrapKey(h ck.SessionHandle, m *ck.Mechanism, wrapping, key ck.ObjectHandle, out Out) (uint64, error) {
	x, err := c.beginSession(h, p11rpc.CallWrapKey)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(wrapping))
	x.enc.Ulong(uint64(key))
	return x.output(out)
}

// UnwrapKey is C_UnwrapKey (section 5.18.4).
func (c *Client) UnwrapKey(h ck.SessionHandle, m *ck.Mechanism, unwrapping ck.ObjectHandle, wrapped []byte, t ck.Template) (ck.ObjectHandle, error) {
	x, err := c.beginSession(h, p11rpc.CallUnwrapKey)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(unwrapping))
	x.enc.Data(wrapped)
	x.enc.Template(t)
	return x.object()
}

// DeriveKey is C_DeriveKey (section 5.18.5).
func (c *Client) DeriveKey(h ck.SessionHandle, m *ck.Mechanism, base ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	x, err := c.beginSession(h, p11rpc.CallDeriveKey)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(base))
	x.enc.Template(t)
	return x.object()
}
