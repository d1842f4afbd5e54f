package pfx

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
)

// idECPublicKey is the algorithm of EC keys (RFC 5480).
var idECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// readCurves are the curves on which crypto/x509 reads keys (RFC 5480, section 2.1.1.1).
var readCurves = []string{
	"1.3.132.0.33",        // P-224
	"1.2.840.10045.3.1.7", // P-256
	"1.3.132.0.34",        // P-384
	"1.3.132.0.35",        // P-521
}

// onUnknownCurve reports whether PKCS #8 holds an EC key whose named curve crypto/x509
// does not know. The library has no error value for it.
func onUnknownCurve(der []byte) bool {
	var info struct { // RFC 5958, section 2, in part
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil || !info.Algorithm.Algorithm.Equal(idECPublicKey) {
		return false
	}
	defer clear(info.Key)
	var curve asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err != nil {
		var inner struct { // RFC 5915, section 3
			Version int
			Value   []byte
			Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
			Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
		}
		if _, err := asn1.Unmarshal(info.Key, &inner); err != nil {
			return false
		}
		clear(inner.Value)
		curve = inner.Curve
	}
	return !slices.Contains(readCurves, curve.String())
}
