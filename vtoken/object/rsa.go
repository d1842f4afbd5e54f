package object

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"math/big"

	"vtoken/vtoken/ck"
)

// The sizes of RSA keys, in bits of the modulus. A smaller key than
// MinRSAPrivateBits only verifies, unless [Source].MinRSABits says otherwise.
const (
	MinRSABits        = 1024
	MinRSAPrivateBits = 2048
	MaxRSABits        = 8192

	maxRSABytes     = MaxRSABits/8 + 1 // a leading zero is let through
	maxExponentBits = 31               // of the public exponent
)

var one = big.NewInt(1)

func (d *draft) bigInt(t ck.AttributeType) *big.Int {
	return new(big.Int).SetBytes(d.attrs.Get(t))
}

// put sets big integers in their one form: big endian, no leading zero.
func (d *draft) put(t ck.AttributeType, v *big.Int) {
	d.attrs = d.attrs.With(ck.Bytes(t, v.Bytes()))
}

// completeRSAPublic checks the modulus and the exponent (section 6.1.2).
func completeRSAPublic(d *draft) error {
	pub, err := rsaPublic(d.bigInt(ck.CKA_MODULUS), d.bigInt(ck.CKA_PUBLIC_EXPONENT), MinRSABits)
	if err != nil {
		return err
	}
	bits, given := d.attrs.Ulong(ck.CKA_MODULUS_BITS)
	if given && bits != uint64(pub.N.BitLen()) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "CKA_MODULUS_BITS is %d, the modulus has %d", bits, pub.N.BitLen())
	}
	d.attrs = d.attrs.With(ck.Ulong(ck.CKA_MODULUS_BITS, uint64(pub.N.BitLen())))
	return d.putRSA(pub)
}

// putRSA sets what public and private keys have in common.
func (d *draft) putRSA(pub *rsa.PublicKey) error {
	d.put(ck.CKA_MODULUS, pub.N)
	d.put(ck.CKA_PUBLIC_EXPONENT, big.NewInt(int64(pub.E)))
	return d.putPublicKeyInfo(pub)
}

// putPublicKeyInfo sets CKA_PUBLIC_KEY_INFO. A template that gives another one is refused;
// an empty one counts as none.
func (d *draft) putPublicKeyInfo(pub crypto.PublicKey) error {
	info, err := MarshalPublic(pub)
	if err != nil {
		return err
	}
	return d.putComputed(ck.CKA_PUBLIC_KEY_INFO, info)
}

// putComputed sets an attribute that follows from others. The template may say
// it too, if it says the same; an empty value counts as not said. Another value is
// CKR_ATTRIBUTE_VALUE_INVALID (sections 4.9 and 4.10).
func (d *draft) putComputed(t ck.AttributeType, v []byte) error {
	given := d.given.Get(t)
	if len(given) > 0 && string(given) != string(v) {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v is not that of the object's value; leave it out", t)
	}
	d.attrs = d.attrs.With(ck.Bytes(t, v))
	return nil
}

func rsaPublic(n, e *big.Int, minBits int) (*rsa.PublicKey, error) {
	if bits := n.BitLen(); bits < minBits || bits > MaxRSABits || n.Bit(0) == 0 {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"the RSA modulus has %d bits; odd ones of %d to %d are taken", bits, minBits, MaxRSABits)
	}
	if err := CheckRSAExponent(e); err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// CheckRSAExponent checks the size of a public exponent: CKR_ATTRIBUTE_VALUE_INVALID.
func CheckRSAExponent(e *big.Int) error {
	if e.BitLen() > maxExponentBits || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"the RSA public exponent is not an odd number of 3 to 2^31-1")
	}
	return nil
}

// completeRSAPrivate computes the numbers that the template leaves out and
// checks that all of them fit together (section 6.1.3).
func completeRSAPrivate(d *draft) error {
	n, e, dd := d.bigInt(ck.CKA_MODULUS), d.bigInt(ck.CKA_PUBLIC_EXPONENT), d.bigInt(ck.CKA_PRIVATE_EXPONENT)
	p, q := d.bigInt(ck.CKA_PRIME_1), d.bigInt(ck.CKA_PRIME_2)
	minBits := d.src.minRSABits()
	if err := recoverRSA(minBits, n, &e, &dd, &p, &q, d.src.pause); err != nil {
		return err
	}
	pub, err := rsaPublic(n, e, minBits)
	if err != nil {
		return err
	}
	key := &rsa.PrivateKey{PublicKey: *pub, D: dd, Primes: []*big.Int{p, q}}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the numbers of the RSA key do not fit together")
	}
	for _, a := range rsaSecret(key) {
		given := d.bigInt(a.Type)
		if given.Sign() != 0 && given.Cmp(new(big.Int).SetBytes(a.Value)) != 0 {
			return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v does not fit the other numbers of the RSA key", a.Type)
		}
		d.attrs = d.attrs.With(a)
	}
	return d.putRSA(pub)
}

// rsaSecret are the secret numbers of a key.
func rsaSecret(key *rsa.PrivateKey) ck.Template {
	p, q := key.Primes[0], key.Primes[1]
	return ck.Template{
		ck.Bytes(ck.CKA_PRIVATE_EXPONENT, key.D.Bytes()),
		ck.Bytes(ck.CKA_PRIME_1, p.Bytes()),
		ck.Bytes(ck.CKA_PRIME_2, q.Bytes()),
		ck.Bytes(ck.CKA_EXPONENT_1, new(big.Int).Mod(key.D, new(big.Int).Sub(p, one)).Bytes()),
		ck.Bytes(ck.CKA_EXPONENT_2, new(big.Int).Mod(key.D, new(big.Int).Sub(q, one)).Bytes()),
		ck.Bytes(ck.CKA_COEFFICIENT, new(big.Int).ModInverse(q, p).Bytes()),
	}
}

// recoverRSA computes, of e, d and the primes, those that are zero. It needs the
// modulus, and both primes or both exponents.
func recoverRSA(minBits int, n *big.Int, e, d, p, q **big.Int, pause func() error) (err error) {
	if n.BitLen() < minBits || n.BitLen() > MaxRSABits {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the RSA modulus has %d bits; %d to %d are taken for private keys",
			n.BitLen(), minBits, MaxRSABits)
	}
	if (*p).Sign() == 0 && (*q).Sign() == 0 {
		if (*e).Sign() == 0 || (*d).Sign() == 0 {
			return ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE,
				"an RSA private key needs its primes, or both its exponents")
		}
		if (*d).Cmp(n) >= 0 || (*e).BitLen() > maxExponentBits {
			return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "an exponent of the RSA key is too large")
		}
		if *p, *q, err = factor(n, *e, *d, pause); err != nil {
			return err
		}
	}
	if *p == nil || (*p).Cmp(one) <= 0 || (*q).Cmp(one) <= 0 || new(big.Int).Mul(*p, *q).Cmp(n) != 0 {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the RSA modulus is not the product of the primes")
	}
	return recoverExponents(e, d, *p, *q)
}

func recoverExponents(e, d **big.Int, p, q *big.Int) error {
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	missing, other := d, *e
	if (*e).Sign() == 0 {
		missing, other = e, *d
	}
	if (*missing).Sign() != 0 {
		return nil
	}
	if other.Sign() == 0 {
		return ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "an RSA private key needs an exponent")
	}
	if *missing = new(big.Int).ModInverse(other, lambda); *missing == nil {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the RSA exponent has no inverse")
	}
	return nil
}

// factor finds the primes of n by both exponents: e*d-1 is a multiple of the
// order of every g, so the square roots of 1 along g^((e*d-1)/2^i) reveal a
// factor for half of all g (NIST SP 800-56B, appendix C). It returns nil where
// the exponents do not belong to n, mostly at the first g; the number of tries
// bounds the work on an n that was made to resist, and misses one key in 2^32.
func factor(n, e, d *big.Int, pause func() error) (p, q *big.Int, err error) {
	k := new(big.Int).Mul(e, d)
	k.Sub(k, one)
	if k.Sign() <= 0 || k.Bit(0) != 0 {
		return nil, nil, nil
	}
	twos := k.TrailingZeroBits()
	odd := new(big.Int).Rsh(k, twos)
	last := new(big.Int).Sub(n, one)
	for range 32 { // each of which may take a second
		if err := pause(); err != nil {
			return nil, nil, err
		}
		g, err := rand.Int(rand.Reader, last)
		if err != nil || g.Cmp(one) <= 0 {
			continue
		}
		root, fits := squareRootOfOne(g.Exp(g, odd, n), n, last, twos)
		if !fits {
			return nil, nil, nil
		}
		if root != nil {
			p = new(big.Int).GCD(nil, nil, root.Sub(root, one), n)
			return p, new(big.Int).Div(n, p), nil
		}
	}
	return nil, nil, nil
}

// squareRootOfOne squares y up to twos times. root is a square root of 1 that is
// neither 1 nor -1 (last), or nil; fits is false where 1 is never reached.
func squareRootOfOne(y, n, last *big.Int, twos uint) (root *big.Int, fits bool) {
	if y.Cmp(one) == 0 {
		return nil, true
	}
	for range twos {
		if y.Cmp(last) == 0 {
			return nil, true
		}
		x := new(big.Int).Mul(y, y)
		if x.Mod(x, n).Cmp(one) == 0 {
			return y, true
		}
		y = x
	}
	return nil, false
}
