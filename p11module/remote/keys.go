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
	if p, ok := m.Parameter.(*ck.WrapParams); ok {
		return c.wrapWithTag(h, p, wrapping, key, out)
	}
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
	if p, ok := m.Parameter.(*ck.WrapParams); ok {
		m = &ck.Mechanism{Type: m.Type, Parameter: p.Plain()}
	}
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

// EncapsulateKey is C_EncapsulateKey (section 5.18.8 of 3.2). The handle is 0
// where the caller asked for the length or offered too little memory.
func (c *Client) EncapsulateKey(h ck.SessionHandle, m *ck.Mechanism, public ck.ObjectHandle, t ck.Template, out Out) (uint64, ck.ObjectHandle, error) {
	x, err := c.beginExtended(h, p11rpc.CallEncapsulateKey)
	if err != nil {
		return 0, 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(public))
	x.enc.Template(t)
	x.enc.Buffer(out.buffer())
	if err := x.run(); err != nil {
		return 0, 0, err
	}
	ciphertext, err := x.dec.Output(out.buffer())
	key := x.dec.Object()
	if done := x.done(); done != nil {
		return 0, 0, done
	}
	copy(out.To, ciphertext.Data)
	return ciphertext.Len, key, err
}

// DecapsulateKey is C_DecapsulateKey (section 5.18.9 of 3.2).
func (c *Client) DecapsulateKey(h ck.SessionHandle, m *ck.Mechanism, private ck.ObjectHandle, t ck.Template, ciphertext []byte) (ck.ObjectHandle, error) {
	x, err := c.beginExtended(h, p11rpc.CallDecapsulateKey)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(private))
	x.enc.Template(t)
	x.enc.Data(ciphertext)
	return x.object()
}

// beginExtended is beginSession for a call that p11-kit's servers have not.
func (c *Client) beginExtended(h ck.SessionHandle, call p11rpc.CallID) (*exchange, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	if err := s.since(p11rpc.Extended, call); err != nil {
		return nil, err
	}
	return c.beginSession(h, call)
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
