package mech

import (
	"crypto/rsa"
	"crypto/subtle"

	"filippo.io/bigmod"

	"vtoken/vtoken/ck"
)

// rawPublic is an RSA public key for the bare operation, which crypto/rsa does not
// offer.
type rawPublic struct {
	n *bigmod.Modulus
	e uint
}

// rawPrivate is a private key for the bare operation in Go. All arithmetic on
// secrets is in constant time, so no blinding is needed (filippo.io/bigmod is
// crypto/rsa's own arithmetic). Schemes that crypto/rsa has are left to crypto/rsa.
type rawPrivate struct {
	rawPublic
	p, q   *bigmod.Modulus
	dp, dq []byte
	qInv   *bigmod.Nat
}

// rawPublic is the public key's numbers, computed on first use.
func (k *Key) rawPublic() (*rawPublic, error) {
	k.raw.once.Do(func() { k.raw.key, k.raw.err = newRawPublic(k.RSAPublic) })
	return k.raw.key, k.raw.err
}

func newRawPublic(pub *rsa.PublicKey) (*rawPublic, error) {
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "prepare the RSA modulus: %w", err)
	}
	return &rawPublic{n: n, e: uint(pub.E)}, nil
}

// newRawPrivate takes a key whose CRT numbers are computed.
func newRawPrivate(key *rsa.PrivateKey) (*rawPrivate, error) {
	pub, err := newRawPublic(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	r := &rawPrivate{rawPublic: *pub}
	if r.p, err = bigmod.NewModulus(key.Primes[0].Bytes()); err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "prepare an RSA prime: %w", err)
	}
	if r.q, err = bigmod.NewModulus(key.Primes[1].Bytes()); err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "prepare an RSA prime: %w", err)
	}
	crt := key.Precomputed
	r.dp, r.dq = crt.Dp.FillBytes(make([]byte, r.p.Size())), crt.Dq.FillBytes(make([]byte, r.q.Size()))
	r.qInv, err = bigmod.NewNat().SetBytes(crt.Qinv.FillBytes(make([]byte, r.p.Size())), r.p)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "prepare the RSA coefficient: %w", err)
	}
	return r, nil
}

// size is the length of the modulus in bytes.
func (r *rawPublic) size() int { return r.n.Size() }

// number reads a big-endian number of up to size bytes; ok is false where it is
// not below the modulus.
func (r *rawPublic) number(b []byte) (*bigmod.Nat, bool) {
	padded := make([]byte, r.size())
	copy(padded[len(padded)-len(b):], b)
	x, err := bigmod.NewNat().SetBytes(padded, r.n)
	return x, err == nil
}

// public is in^e mod n, of size bytes; ok is false where in is not below n.
func (r *rawPublic) public(in []byte) (out []byte, ok bool) {
	x, ok := r.number(in)
	if !ok {
		return nil, false
	}
	return bigmod.NewNat().ExpShortVarTime(x, r.e, r.n).Bytes(r.n), true
}

// private is in^d mod n, of size bytes, by the Chinese remainder theorem
// (RFC 8017 section 5.1.2). The result is checked with the public exponent, as
// a result that a fault made wrong would reveal the key. ok is false where in
// is not below n.
func (r *rawPrivate) private(in []byte) (out []byte, ok bool, err error) {
	c, ok := r.number(in)
	if !ok {
		return nil, false, nil
	}
	t := bigmod.NewNat()
	m := bigmod.NewNat().Exp(t.Mod(c, r.p), r.dp, r.p)  // m = c^dp mod p
	m2 := bigmod.NewNat().Exp(t.Mod(c, r.q), r.dq, r.q) // m2 = c^dq mod q
	m.Sub(t.Mod(m2, r.p), r.p)
	m.Mul(r.qInv, r.p) // m = (m - m2) / q mod p
	m.ExpandFor(r.n)
	m.Mul(t.Mod(r.q.Nat(), r.n), r.n)
	m.Add(m2.ExpandFor(r.n), r.n)
	out = m.Bytes(r.n)
	check := bigmod.NewNat().ExpShortVarTime(m, r.e, r.n).Bytes(r.n)
	if subtle.ConstantTimeCompare(check, c.Bytes(r.n)) != 1 {
		return nil, true, ck.Errorf(ck.CKR_DEVICE_ERROR, "an RSA operation came out wrong; check the host's memory")
	}
	return out, true, nil
}
