package provisioning

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"unicode/utf16"
)

// Limits on what a PFX may ask of us before its password is known to be right.
// Exporters use 2,000 to 600,000 iterations for each of two to four keys.
const (
	maxIterations = 4_000_000 // in all
	maxSafes      = 8
	maxBags       = 64
)

// pfxScan is what can be read of a PFX without its password.
type pfxScan struct {
	keyName string // friendly name of the first key, or empty
	work    int    // iterations of key derivation so far
}

// The shapes of RFC 7292 and RFC 8018 that the scan looks at. They are no
// stricter than the library's, so that nothing it accepts goes unseen.
type (
	pfxShape struct {
		Version  int
		AuthSafe contentShape
		MacData  macShape `asn1:"optional"`
	}
	contentShape struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macShape struct {
		Mac struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	encryptedShape struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
		}
	}
	bagShape struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue    `asn1:"tag:0,explicit"`
		Attributes []attributeShape `asn1:"set,optional"`
	}
	attributeShape struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"set"`
	}
	shroudedShape struct {
		Algorithm pkix.AlgorithmIdentifier
	}
	// pbeShape begins PBEParameter and PBKDF2-params.
	pbeShape struct {
		Salt       asn1.RawValue
		Iterations int
	}
	// kdfShape begins PBES2-params and PBMAC1-params.
	kdfShape struct {
		KDF pkix.AlgorithmIdentifier
	}
)

// The object identifiers that the scan tells apart.
var (
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidFriendlyName  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidMicrosoftCSP  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 17, 1}
)

// scanPFX reads what a PFX shows without its password: the key's friendly name,
// and how much work it asks for, which is refused where it is unreasonable. A
// count inside of encrypted contents is not seen; whoever made it had to know
// the password.
func scanPFX(data []byte) (pfxScan, error) {
	var scan pfxScan
	damaged := Errorf(BadInput, "the file is not a PFX, or it is damaged; export it again")
	if len(data) > 1 && data[0] == 0x30 && data[1] == 0x80 {
		return scan, Errorf(BadInput, "the PFX is encoded in BER with indefinite lengths, which is not supported; convert it with `openssl pkcs12` first")
	}
	var pfx pfxShape
	if rest, err := asn1.Unmarshal(data, &pfx); err != nil || len(rest) > 0 {
		return scan, damaged
	}
	// One of the two counts, by the algorithm; both are looked at, so that it does
	// not matter which.
	if err := scan.add(max(pfx.MacData.Iterations, kdfIterations(pfx.MacData.Mac.Algorithm))); err != nil {
		return scan, err
	}
	var content []byte
	var safes []contentShape
	if _, err := asn1.Unmarshal(pfx.AuthSafe.Content.Bytes, &content); err != nil {
		return scan, damaged
	}
	if _, err := asn1.Unmarshal(content, &safes); err != nil || len(safes) > maxSafes {
		return scan, damaged
	}
	for _, safe := range safes {
		if err := scan.safe(safe); err != nil {
			return scan, err
		}
	}
	return scan, nil
}

// safe looks at one of the contents: at the algorithm of an encrypted one, at
// the bags of a plain one. What cannot be read is left to the library.
func (s *pfxScan) safe(c contentShape) error {
	switch {
	case c.Type.Equal(oidEncryptedData):
		var e encryptedShape
		if _, err := asn1.Unmarshal(c.Content.Bytes, &e); err != nil {
			return nil
		}
		return s.add(kdfIterations(e.Info.Algorithm))
	case c.Type.Equal(oidData):
		var content []byte
		var bags []bagShape
		if _, err := asn1.Unmarshal(c.Content.Bytes, &content); err != nil {
			return nil
		}
		if _, err := asn1.Unmarshal(content, &bags); err != nil {
			return nil
		}
		if len(bags) > maxBags {
			return Errorf(BadInput, "the PFX has %d entries; at most %d are imported at once", len(bags), maxBags)
		}
		for _, bag := range bags {
			if err := s.bag(bag); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *pfxScan) bag(b bagShape) error {
	if !b.ID.Equal(oidKeyBag) && !b.ID.Equal(oidShroudedBag) {
		return nil
	}
	if s.keyName == "" {
		s.keyName = friendlyName(b.Attributes)
	}
	var shrouded shroudedShape
	if _, err := asn1.Unmarshal(b.Value.Bytes, &shrouded); err != nil {
		return nil
	}
	return s.add(kdfIterations(shrouded.Algorithm))
}

// kdfIterations is the count of a password-based algorithm, 0 where it has none.
func kdfIterations(a pkix.AlgorithmIdentifier) int {
	params := a.Parameters.FullBytes
	var nested kdfShape
	if _, err := asn1.Unmarshal(params, &nested); err == nil {
		params = nested.KDF.Parameters.FullBytes
	}
	var pbe pbeShape
	if _, err := asn1.Unmarshal(params, &pbe); err != nil {
		return 0
	}
	return pbe.Iterations
}

// add counts iterations and refuses too many of them.
func (s *pfxScan) add(iterations int) error {
	if iterations > maxIterations || s.work+iterations > maxIterations {
		return Errorf(BadInput, "the PFX asks for %d or more rounds of key derivation; export it again with at most %d in all", iterations, maxIterations)
	}
	s.work += max(iterations, 0)
	return nil
}

// friendlyName is the friendlyName attribute (RFC 2985, section 5.5.1), a
// BMPString, as UTF-8; empty where there is none. On a key that Windows exported,
// which has the name of its provider too, it is a container's name and nothing
// for people.
func friendlyName(attributes []attributeShape) string {
	if slices.ContainsFunc(attributes, func(a attributeShape) bool { return a.ID.Equal(oidMicrosoftCSP) }) {
		return ""
	}
	for _, a := range attributes {
		var v asn1.RawValue
		if !a.ID.Equal(oidFriendlyName) {
			continue
		}
		if _, err := asn1.Unmarshal(a.Value.Bytes, &v); err != nil || v.Tag != asn1.TagBMPString || len(v.Bytes)%2 != 0 {
			continue
		}
		units := make([]uint16, 0, len(v.Bytes)/2)
		for b := v.Bytes; len(b) > 0; b = b[2:] {
			units = append(units, uint16(b[0])<<8|uint16(b[1]))
		}
		return string(utf16.Decode(units))
	}
	return ""
}
