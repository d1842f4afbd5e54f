package remote

import (
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// WrapKeyAuthenticated is C_WrapKeyAuthenticated (section 5.18.6 of 3.2). It
// writes the nonce and the tag to where p has room for them.
func (c *Client) WrapKeyAuthenticated(h ck.SessionHandle, p *ck.WrapParams, wrapping, key ck.ObjectHandle, aad []byte, out Out) (uint64, error) {
	x, err := c.beginExtended(h, p11rpc.CallWrapKeyAuthenticated)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Message(tagless(&p.MessageParams))
	x.enc.Ulong(uint64(wrapping))
	x.enc.Ulong(uint64(key))
	x.enc.Data(aad)
	x.enc.Buffer(out.buffer())
	if err := x.run(); err != nil {
		return 0, err
	}
	o, err := x.dec.Output(out.buffer())
	nonce, tag := x.dec.Data(), x.dec.Data()
	if done := x.done(); done != nil {
		return 0, done
	}
	if err == nil && !out.Null {
		copy(out.To, o.Data)
		copy(generated(&p.MessageParams), nonce)
		copy(p.Tag, tag)
	}
	return o.Len, err
}

// UnwrapKeyAuthenticated is C_UnwrapKeyAuthenticated (section 5.18.7 of 3.2). It
// is C_UnwrapKey with the tag at the end of the wrapped key.
func (c *Client) UnwrapKeyAuthenticated(h ck.SessionHandle, p *ck.WrapParams, unwrapping ck.ObjectHandle, wrapped []byte, t ck.Template, aad []byte) (ck.ObjectHandle, error) {
	all := *p
	all.AAD = aad
	m := &ck.Mechanism{Type: p.Mechanism, Parameter: &all}
	return c.UnwrapKey(h, m, unwrapping, slices.Concat(wrapped, p.Tag), t)
}

// wrapWithTag is C_WrapKey with CK_GCM_WRAP_PARAMS or CK_CCM_WRAP_PARAMS: the tag
// is at the end of the wrapped key.
func (c *Client) wrapWithTag(h ck.SessionHandle, p *ck.WrapParams, wrapping, key ck.ObjectHandle, out Out) (uint64, error) {
	own := *p
	own.Tag = make([]byte, p.TagBits/8)
	inner := Out{Null: out.Null, To: out.To[:max(0, len(out.To)-len(own.Tag))]}
	n, err := c.WrapKeyAuthenticated(h, &own, wrapping, key, p.AAD, inner)
	if err == nil && !out.Null {
		copy(out.To[n:], own.Tag)
	}
	return n + uint64(len(own.Tag)), err
}
