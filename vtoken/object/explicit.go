package object

import (
	"bytes"
	"encoding/asn1"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"vtoken/vtoken/ck"
)

// ecParameters is ECParameters of X9.62 (RFC 3279 section 2.3.5), the form of CKA_EC_PARAMS in
// which a curve is spelled out (section 6.3.3, ecParameters).
type ecParameters struct {
	Version int
	Field   struct {
		Type  asn1.ObjectIdentifier
		Prime *big.Int
	}
	Curve struct {
		A, B []byte
		Seed asn1.BitString `asn1:"optional"`
	}
	Base     []byte
	Order    *big.Int
	Cofactor *big.Int `asn1:"optional"`
}

// primeField is the type of the fields of all curves of CKK_EC here.
var primeField = asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}

// domain is the numbers of a curve of CKK_EC: of its field, its equation and its group, whose
// cofactor is 1.
type domain struct {
	p, a, b, n *big.Int
	base       []byte // uncompressed
}

// explicitCurve finds the curve that is spelled out. Other numbers than those of a curve that is
// supported are CKR_CURVE_NOT_SUPPORTED: nobody has looked whether such a curve is safe.
func explicitCurve(params []byte) (Curve, error) {
	var v ecParameters
	rest, err := asn1.Unmarshal(params, &v)
	again, unwritten := asn1.Marshal(v) // what it leaves out was not looked at
	if err != nil || len(rest) > 0 || unwritten != nil || !bytes.Equal(again, params) {
		return Curve{}, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "CKA_EC_PARAMS spells out a curve that is not over a prime field; name the curve by its OID")
	}
	for _, c := range Curves() {
		if g, ok := c.group.(interface{ domain() domain }); ok && v.are(c, g.domain()) {
			return c, nil
		}
	}
	return Curve{}, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "CKA_EC_PARAMS spells out a curve that is none of those that are supported")
}

// are reports whether these are the numbers of the curve. The seed counts for nothing, because the
// coefficients that it leads to are compared.
func (v ecParameters) are(c Curve, d domain) bool {
	if v.Version < 1 || v.Version > 3 || !v.Field.Type.Equal(primeField) || v.Field.Prime == nil || v.Order == nil {
		return false
	}
	same := func(octets []byte, n *big.Int) bool { return new(big.Int).SetBytes(octets).Cmp(n) == 0 }
	if v.Field.Prime.Cmp(d.p) != 0 || !same(v.Curve.A, d.a) || !same(v.Curve.B, d.b) || v.Order.Cmp(d.n) != 0 ||
		v.Cofactor != nil && v.Cofactor.Cmp(one) != 0 {
		return false
	}
	base, err := c.decodePoint(v.Base)
	if err != nil {
		return false
	}
	raw, ok := c.encodePoint(base)
	return ok && bytes.Equal(raw, d.base)
}

func (g nist) domain() domain {
	p := g.Params()
	size := (p.BitSize + 7) / 8
	base := make([]byte, 1+2*size)
	base[0] = 4
	p.Gx.FillBytes(base[1 : 1+size])
	p.Gy.FillBytes(base[1+size:])
	return domain{p.P, new(big.Int).Sub(p.P, big.NewInt(3)), p.B, p.N, base}
}

func (koblitz) domain() domain {
	p := secp256k1.Params()
	base := make([]byte, 65)
	base[0] = 4
	p.Gx.FillBytes(base[1:33])
	p.Gy.FillBytes(base[33:])
	return domain{p.P, new(big.Int), big.NewInt(7), p.N, base}
}
