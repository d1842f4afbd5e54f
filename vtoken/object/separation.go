package object

import (
	"slices"

	"vtoken/vtoken/ck"
)

// A key that wraps and decrypts hands out every key that it can wrap; one that
// unwraps and encrypts makes keys of known value (S01). So no key has both uses
// of a pair. Later changes are no way round it: wrapping and unwrapping can be
// given up but not gained, which also holds for copies, and a key that gave
// them up remembers it and gains no opposite use (S02).
//
// Generic secrets and HMAC keys are left out: no mechanism wraps or encrypts
// with them, and pkcs11-tool turns all uses on for what it derives.
var separated = []struct {
	wraps, ciphers ck.AttributeType
	bit            byte // in attrGaveUp
}{
	{ck.CKA_WRAP, ck.CKA_DECRYPT, gaveUpWrap},
	{ck.CKA_UNWRAP, ck.CKA_ENCRYPT, gaveUpUnwrap},
}

const (
	gaveUpWrap    byte = 1
	gaveUpUnwrap  byte = 2
	gaveUpEncrypt byte = 4 // of a key that wraps
)

// A counter mode is undone by encryption: who encrypts with the nonce that wrapped
// a key has what hides the key. So such a mode wraps only with a secret key that
// never had CKA_ENCRYPT ([Object.MaySeal]), and a secret key that wraps does not
// gain it.

// attrGaveUp is an attribute of our own, of 1 byte, on keys that gave up
// wrapping or unwrapping. Applications neither give nor read nor find it.
const attrGaveUp = ck.CKA_VENDOR_DEFINED | 0x76540001

// checkUses refuses combinations of attributes that no key may have. old is the
// key before the change, or nil for a new key.
func checkUses(attrs, old Set) error {
	past := gaveUp(old)
	for _, s := range separated {
		if noCipher(attrs) {
			break
		}
		wraps := attrs.Bool(s.wraps) || old.Bool(s.wraps) || past&s.bit != 0
		if wraps && attrs.Bool(s.ciphers) {
			return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT,
				"one key cannot have both %v and %v; use two keys", s.wraps, s.ciphers)
		}
	}
	if sealer(old) && !old.Bool(ck.CKA_ENCRYPT) && attrs.Bool(ck.CKA_ENCRYPT) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "a secret key that wraps does not gain CKA_ENCRYPT; use two keys")
	}
	if attrs.Bool(ck.CKA_ALWAYS_AUTHENTICATE) && !attrs.Bool(ck.CKA_PRIVATE) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "CKA_ALWAYS_AUTHENTICATE needs CKA_PRIVATE true")
	}
	return nil
}

// noCipher reports whether the key's type is one that no cipher takes.
func noCipher(attrs Set) bool {
	t, ok := attrs.Ulong(ck.CKA_KEY_TYPE)
	return ok && (t == uint64(ck.CKK_GENERIC_SECRET) || slices.Contains(HMACKeyTypes(), ck.KeyType(t)))
}

// withGivenUp records in the new attributes what the change gave up.
func withGivenUp(old, attrs Set) Set {
	bits := gaveUp(old)
	for _, s := range separated {
		if old.Bool(s.wraps) && !attrs.Bool(s.wraps) {
			bits |= s.bit
		}
	}
	if sealer(old) && old.Bool(ck.CKA_ENCRYPT) && !attrs.Bool(ck.CKA_ENCRYPT) {
		bits |= gaveUpEncrypt
	}
	if bits == 0 {
		return attrs
	}
	return attrs.With(ck.Bytes(attrGaveUp, []byte{bits}))
}

func gaveUp(s Set) byte {
	if v := s.Get(attrGaveUp); len(v) == 1 {
		return v[0]
	}
	return 0
}

// sealer reports whether the key is a secret one that wraps, or did.
func sealer(s Set) bool {
	class, _ := s.Ulong(ck.CKA_CLASS)
	return class == uint64(ck.CKO_SECRET_KEY) && !noCipher(s) && (s.Bool(ck.CKA_WRAP) || gaveUp(s)&gaveUpWrap != 0)
}

// MaySeal checks that the key, whose CKA_WRAP was checked before, may wrap in a
// counter mode: CKR_KEY_FUNCTION_NOT_PERMITTED where it encrypts, or did.
func (o *Object) MaySeal() error {
	if o.Bool(ck.CKA_ENCRYPT) || gaveUp(o.Attrs)&gaveUpEncrypt != 0 {
		return ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED, "a key that has or had CKA_ENCRYPT does not wrap in a counter mode; use another")
	}
	return nil
}
