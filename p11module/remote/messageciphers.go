package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// The parameter of a message has pointers, which p11-kit would pass on as they
// are: these functions are for daemons of ours, and so are their Inits, which
// p11-kit has, too. An encryption writes the tag, and a nonce that it generated,
// to where its parameter has room for them; a decryption writes nothing there.

func (c *Client) messageCipherInit(h ck.SessionHandle, call p11rpc.CallID, m *ck.Mechanism, key ck.ObjectHandle) error {
	x, err := c.beginExtended(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Mechanism(m)
	x.enc.Ulong(uint64(key))
	return x.plain()
}

// made is memory for what an encryption made, nil for what is not to be kept.
type made struct{ nonce, tag []byte }

func (c *Client) messageCipher(h ck.SessionHandle, call p11rpc.CallID, p *ck.MessageParams, aad, data []byte, out Out, flags ck.Flags, to made) (uint64, error) {
	x, err := c.beginExtended(h, call)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Message(p)
	x.enc.Data(aad)
	x.enc.Data(data)
	x.enc.Buffer(out.buffer())
	x.enc.Ulong(uint64(flags))
	if err := x.run(); err != nil {
		return 0, err
	}
	o, err := x.dec.Output(out.buffer())
	nonce, tag := x.dec.Data(), x.dec.Data()
	if done := x.done(); done != nil {
		return 0, done
	}
	if err == nil {
		copy(out.To, o.Data)
		copy(to.nonce, nonce)
		copy(to.tag, tag)
	}
	return o.Len, err
}

// MessageEncryptInit is C_MessageEncryptInit (section 5.9.1).
func (c *Client) MessageEncryptInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.messageCipherInit(h, p11rpc.CallMessageEncryptInit, m, key)
}

// EncryptMessage is C_EncryptMessage (section 5.9.2).
func (c *Client) EncryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, plain []byte, out Out) (uint64, error) {
	to := made{nonce: generated(p), tag: p.Tag}
	if out.Null {
		to = made{}
	}
	return c.messageCipher(h, p11rpc.CallEncryptMessage2, tagless(p), aad, plain, out, 0, to)
}

// EncryptMessageBegin is C_EncryptMessageBegin (section 5.9.3).
func (c *Client) EncryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error {
	_, err := c.messageCipher(h, p11rpc.CallEncryptMessageBegin2, tagless(p), aad, nil, Out{Null: true}, 0, made{nonce: generated(p)})
	return err
}

// EncryptMessageNext is C_EncryptMessageNext (section 5.9.4).
func (c *Client) EncryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, plain []byte, out Out, flags ck.Flags) (uint64, error) {
	var to made
	if flags.Has(ck.CKF_END_OF_MESSAGE) && !out.Null {
		to.tag = p.Tag
	}
	return c.messageCipher(h, p11rpc.CallEncryptMessageNext2, tagless(p), nil, plain, out, flags, to)
}

// tagless is p for an encryption, which has no use for what is in the host's
// memory where the tag goes.
func tagless(p *ck.MessageParams) *ck.MessageParams {
	sent := *p
	sent.Tag = make([]byte, len(p.Tag))
	return &sent
}

// generated is the memory for a nonce that is generated. One that is given may
// be where nobody can write.
func generated(p *ck.MessageParams) []byte {
	if p.Generator == ck.CKG_NO_GENERATE {
		return nil
	}
	return p.Nonce
}

// MessageEncryptFinal is C_MessageEncryptFinal (section 5.9.5).
func (c *Client) MessageEncryptFinal(h ck.SessionHandle) error {
	return c.messages(h, p11rpc.CallMessageEncryptFinal)
}

// MessageDecryptInit is C_MessageDecryptInit (section 5.11.1).
func (c *Client) MessageDecryptInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.messageCipherInit(h, p11rpc.CallMessageDecryptInit, m, key)
}

// DecryptMessage is C_DecryptMessage (section 5.11.2).
func (c *Client) DecryptMessage(h ck.SessionHandle, p *ck.MessageParams, aad, encrypted []byte, out Out) (uint64, error) {
	return c.messageCipher(h, p11rpc.CallDecryptMessage2, p, aad, encrypted, out, 0, made{})
}

// DecryptMessageBegin is C_DecryptMessageBegin (section 5.11.3).
func (c *Client) DecryptMessageBegin(h ck.SessionHandle, p *ck.MessageParams, aad []byte) error {
	_, err := c.messageCipher(h, p11rpc.CallDecryptMessageBegin2, p, aad, nil, Out{Null: true}, 0, made{})
	return err
}

// DecryptMessageNext is C_DecryptMessageNext (section 5.11.4).
func (c *Client) DecryptMessageNext(h ck.SessionHandle, p *ck.MessageParams, encrypted []byte, out Out, flags ck.Flags) (uint64, error) {
	return c.messageCipher(h, p11rpc.CallDecryptMessageNext2, p, nil, encrypted, out, flags, made{})
}

// MessageDecryptFinal is C_MessageDecryptFinal (section 5.11.5).
func (c *Client) MessageDecryptFinal(h ck.SessionHandle) error {
	return c.messages(h, p11rpc.CallMessageDecryptFinal)
}
