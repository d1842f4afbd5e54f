package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// The functions below do what their C namesakes do; sections are those of
// PKCS#11 3.1. Signing is in sign.go.

// InitPIN is C_InitPIN (section 5.5.8).
func (c *Client) InitPIN(h ck.SessionHandle, pin secret.Bytes) error {
	return c.in(h, p11rpc.CallInitPIN, pin)
}

// SetPIN is C_SetPIN (section 5.5.9).
func (c *Client) SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error {
	return c.in(h, p11rpc.CallSetPIN, oldPIN, newPIN)
}

// Login is C_Login (section 5.6.8).
func (c *Client) Login(h ck.SessionHandle, user ck.UserType, pin secret.Bytes) error {
	return c.login(h, p11rpc.CallLogin, user, pin)
}

// LoginUser is C_LoginUser (section 5.6.9).
func (c *Client) LoginUser(h ck.SessionHandle, user ck.UserType, pin, username secret.Bytes) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	if err := s.since(1, p11rpc.CallLoginUser); err != nil {
		return err
	}
	return c.login(h, p11rpc.CallLoginUser, user, pin, username)
}

func (c *Client) login(h ck.SessionHandle, call p11rpc.CallID, user ck.UserType, secrets ...secret.Bytes) error {
	x, err := c.beginSession(h, call)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Ulong(uint64(user))
	for _, s := range secrets {
		x.enc.Data(s)
	}
	err = x.plain()
	if err == nil && user != ck.CKU_CONTEXT_SPECIFIC {
		c.sessions.forgetPrivate(x.session.slot) // of a login before, which ended unnoticed
	}
	return err
}

// Logout is C_Logout (section 5.6.10).
func (c *Client) Logout(h ck.SessionHandle) error {
	x, err := c.beginSession(h, p11rpc.CallLogout)
	if err != nil {
		return err
	}
	defer x.free()
	err = x.plain()
	if x.repeated && ck.CodeOf(err) == ck.CKR_USER_NOT_LOGGED_IN {
		err = nil // the first time did it
	}
	if err == nil {
		c.sessions.forgetPrivate(x.session.slot)
	}
	return err
}

// GetOperationState is C_GetOperationState (section 5.6.5).
func (c *Client) GetOperationState(h ck.SessionHandle, out Out) (uint64, error) {
	return c.out(h, p11rpc.CallGetOperationState, out)
}

// SetOperationState is C_SetOperationState (section 5.6.6).
func (c *Client) SetOperationState(h ck.SessionHandle, state []byte, encryption, authentication ck.ObjectHandle) error {
	x, err := c.beginSession(h, p11rpc.CallSetOperationState)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Data(state)
	x.enc.Ulong(uint64(encryption))
	x.enc.Ulong(uint64(authentication))
	return x.plain()
}

// EncryptInit is C_EncryptInit (section 5.8.1).
func (c *Client) EncryptInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.start(h, p11rpc.CallEncryptInit, m, key)
}

// Encrypt is C_Encrypt (section 5.8.2).
func (c *Client) Encrypt(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	return c.wholeOut(h, encryption, data, out)
}

// EncryptUpdate is C_EncryptUpdate (section 5.8.3).
func (c *Client) EncryptUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallEncryptUpdate, part, out)
}

// EncryptFinal is C_EncryptFinal (section 5.8.4).
func (c *Client) EncryptFinal(h ck.SessionHandle, out Out) (uint64, error) {
	return c.out(h, p11rpc.CallEncryptFinal, out)
}

// DecryptInit is C_DecryptInit (section 5.10.1).
func (c *Client) DecryptInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.start(h, p11rpc.CallDecryptInit, m, key)
}

// Decrypt is C_Decrypt (section 5.10.2).
func (c *Client) Decrypt(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	return c.wholeOut(h, decryption, data, out)
}

// DecryptUpdate is C_DecryptUpdate (section 5.10.3).
func (c *Client) DecryptUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallDecryptUpdate, part, out)
}

// DecryptFinal is C_DecryptFinal (section 5.10.4).
func (c *Client) DecryptFinal(h ck.SessionHandle, out Out) (uint64, error) {
	return c.out(h, p11rpc.CallDecryptFinal, out)
}

// DigestInit is C_DigestInit (section 5.12.1).
func (c *Client) DigestInit(h ck.SessionHandle, m *ck.Mechanism) error {
	x, err := c.beginSession(h, p11rpc.CallDigestInit)
	if err != nil {
		return err
	}
	defer x.free()
	x.mechanism(m)
	return x.plain()
}

// Digest is C_Digest (section 5.12.2).
func (c *Client) Digest(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	if len(data) <= largest {
		return c.inOut(h, p11rpc.CallDigest, data, out)
	}
	return c.wholeResult(data, out,
		func(data []byte, out Out) (uint64, error) { return c.Digest(h, data, out) },
		func(data []byte) error { return c.DigestUpdate(h, data) },
		func(out Out) (uint64, error) { return c.DigestFinal(h, out) })
}

// DigestUpdate is C_DigestUpdate (section 5.12.3).
func (c *Client) DigestUpdate(h ck.SessionHandle, part []byte) error {
	return c.update(h, p11rpc.CallDigestUpdate, part)
}

// DigestKey is C_DigestKey (section 5.12.4).
func (c *Client) DigestKey(h ck.SessionHandle, key ck.ObjectHandle) error {
	return c.numbers(h, p11rpc.CallDigestKey, uint64(key))
}

// DigestFinal is C_DigestFinal (section 5.12.5).
func (c *Client) DigestFinal(h ck.SessionHandle, out Out) (uint64, error) {
	return c.out(h, p11rpc.CallDigestFinal, out)
}

// SignRecoverInit is C_SignRecoverInit (section 5.13.5).
func (c *Client) SignRecoverInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.start(h, p11rpc.CallSignRecoverInit, m, key)
}

// SignRecover is C_SignRecover (section 5.13.6).
func (c *Client) SignRecover(h ck.SessionHandle, data []byte, out Out) (uint64, error) {
	return c.inOut(h, p11rpc.CallSignRecover, data, out)
}

// VerifyInit is C_VerifyInit (section 5.15.1).
func (c *Client) VerifyInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	err := c.start(h, p11rpc.CallVerifyInit, m, key)
	if err == nil {
		c.forgetSignature(h)
	}
	return err
}

// Verify is C_Verify (section 5.15.2).
func (c *Client) Verify(h ck.SessionHandle, data, signature []byte) error {
	if len(data) <= largest {
		return c.verify(h, p11rpc.CallVerify, data, signature)
	}
	if err := c.untouched(h, p11rpc.CallVerify, kindVerify); err != nil {
		return err
	}
	if err := c.VerifyUpdate(h, data); err != nil {
		return err
	}
	return c.VerifyFinal(h, signature)
}

// VerifyUpdate is C_VerifyUpdate (section 5.15.3).
func (c *Client) VerifyUpdate(h ck.SessionHandle, part []byte) error {
	return c.verify(h, p11rpc.CallVerifyUpdate, part)
}

// VerifyFinal is C_VerifyFinal (section 5.15.4).
func (c *Client) VerifyFinal(h ck.SessionHandle, signature []byte) error {
	return c.verify(h, p11rpc.CallVerifyFinal, signature)
}

// VerifyRecoverInit is C_VerifyRecoverInit (section 5.15.5).
func (c *Client) VerifyRecoverInit(h ck.SessionHandle, m *ck.Mechanism, key ck.ObjectHandle) error {
	return c.start(h, p11rpc.CallVerifyRecoverInit, m, key)
}

// VerifyRecover is C_VerifyRecover (section 5.15.6).
func (c *Client) VerifyRecover(h ck.SessionHandle, signature []byte, out Out) (uint64, error) {
	return c.inOut(h, p11rpc.CallVerifyRecover, signature, out)
}

// DigestEncryptUpdate is C_DigestEncryptUpdate (section 5.17.1).
func (c *Client) DigestEncryptUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallDigestEncryptUpdate, part, out)
}

// DecryptDigestUpdate is C_DecryptDigestUpdate (section 5.17.2).
func (c *Client) DecryptDigestUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallDecryptDigestUpdate, part, out)
}

// SignEncryptUpdate is C_SignEncryptUpdate (section 5.17.3).
func (c *Client) SignEncryptUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallSignEncryptUpdate, part, out)
}

// DecryptVerifyUpdate is C_DecryptVerifyUpdate (section 5.17.4).
func (c *Client) DecryptVerifyUpdate(h ck.SessionHandle, part []byte, out Out) (uint64, error) {
	return c.updateOut(h, p11rpc.CallDecryptVerifyUpdate, part, out)
}

// SeedRandom is C_SeedRandom (section 5.19.1).
func (c *Client) SeedRandom(h ck.SessionHandle, seed []byte) error {
	return c.in(h, p11rpc.CallSeedRandom, seed)
}

// randomPart is how much one call asks for.
const randomPart = 1 << 20

// GenerateRandom is C_GenerateRandom (section 5.19.2): it fills to. Nothing is
// asked for no bytes, which older protocols cannot tell from no memory.
func (c *Client) GenerateRandom(h ck.SessionHandle, to []byte) error {
	if _, err := c.session(h); err != nil {
		return err
	}
	for len(to) > 0 {
		part := to[:min(len(to), randomPart)]
		if err := c.random(h, part); err != nil {
			return err
		}
		to = to[len(part):]
	}
	return nil
}

func (c *Client) random(h ck.SessionHandle, to []byte) error {
	n, err := c.out(h, p11rpc.CallGenerateRandom, Out{To: to})
	if err == nil && n != uint64(len(to)) {
		return ck.Errorf(ck.CKR_DEVICE_ERROR, "%d random bytes where %d were asked for", n, len(to))
	}
	return err
}
