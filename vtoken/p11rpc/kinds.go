package p11rpc

import (
	"slices"

	"vtoken/vtoken/ck"
)

// wireKind says in which form a value of that attribute type travels. Both ends
// must agree on it, so it is p11-kit's list and not that of package ck, which
// knows more types: what p11-kit does not know travels as bytes, in the host's
// own form (see hostBytes).
func wireKind(t ck.AttributeType, version byte) ck.ValueKind {
	if version == 0 && (t >= ck.CKA_VENDOR_DEFINED || t == ck.CKA_DERIVE_TEMPLATE) {
		return ck.KindBytes // types that p11-kit learned after 0.24
	}
	if isExtended(version) && ck.KindOf(t) == ck.KindTemplate {
		return ck.KindTemplate // p11-kit would pass on its pointers
	}
	return wireKinds[t]
}

// The vendor's attributes that p11-kit gives a form (common/pkcs11x.h), as
// offsets from CKA_VENDOR_DEFINED.
const (
	ibmRestrictable            = ck.CKA_VENDOR_DEFINED + 0x10001
	ibmNeverModifiable         = ck.CKA_VENDOR_DEFINED + 0x10002
	ibmRetainKey               = ck.CKA_VENDOR_DEFINED + 0x10003
	ibmAttrBound               = ck.CKA_VENDOR_DEFINED + 0x10004
	ibmKeyType                 = ck.CKA_VENDOR_DEFINED + 0x10005
	ibmUseAsData               = ck.CKA_VENDOR_DEFINED + 0x10008
	ibmStdCompliance1          = ck.CKA_VENDOR_DEFINED + 0x1000a
	ibmProtkeyExtractable      = ck.CKA_VENDOR_DEFINED + 0x1000c
	ibmProtkeyNeverExtractable = ck.CKA_VENDOR_DEFINED + 0x1000d
	ibmDilithiumKeyform        = ck.CKA_VENDOR_DEFINED + 0xd0001
	ibmKyberKeyform            = ck.CKA_VENDOR_DEFINED + 0xd0009
	ibmCCAAESKeyMode           = ck.CKA_VENDOR_DEFINED + 0xd0101
)

var wireKinds = func() map[ck.AttributeType]ck.ValueKind {
	kinds := make(map[ck.AttributeType]ck.ValueKind)
	for kind, types := range map[ck.ValueKind][]ck.AttributeType{
		ck.KindBool: {
			ck.CKA_TOKEN, ck.CKA_PRIVATE, ck.CKA_TRUSTED, ck.CKA_SENSITIVE, ck.CKA_ENCRYPT, ck.CKA_DECRYPT,
			ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER, ck.CKA_VERIFY,
			ck.CKA_VERIFY_RECOVER, ck.CKA_DERIVE, ck.CKA_EXTRACTABLE, ck.CKA_LOCAL,
			ck.CKA_NEVER_EXTRACTABLE, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_MODIFIABLE, ck.CKA_COPYABLE,
			ck.CKA_SECONDARY_AUTH, ck.CKA_ALWAYS_AUTHENTICATE, ck.CKA_WRAP_WITH_TRUSTED,
			ck.CKA_RESET_ON_INIT, ck.CKA_HAS_RESET, ck.CKA_COLOR,
			ibmRestrictable, ibmNeverModifiable, ibmRetainKey, ibmAttrBound, ibmUseAsData,
			ibmProtkeyExtractable, ibmProtkeyNeverExtractable,
		},
		ck.KindUlong: {
			ck.CKA_CLASS, ck.CKA_CERTIFICATE_TYPE, ck.CKA_CERTIFICATE_CATEGORY,
			ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, ck.CKA_KEY_TYPE, ck.CKA_MODULUS_BITS, ck.CKA_PRIME_BITS,
			ck.CKA_SUB_PRIME_BITS, ck.CKA_VALUE_BITS, ck.CKA_VALUE_LEN, ck.CKA_KEY_GEN_MECHANISM,
			ck.CKA_AUTH_PIN_FLAGS, ck.CKA_HW_FEATURE_TYPE, ck.CKA_PIXEL_X, ck.CKA_PIXEL_Y,
			ck.CKA_RESOLUTION, ck.CKA_CHAR_ROWS, ck.CKA_CHAR_COLUMNS, ck.CKA_BITS_PER_PIXEL,
			ck.CKA_MECHANISM_TYPE,
			ibmDilithiumKeyform, ibmCCAAESKeyMode, ibmStdCompliance1, ibmKeyType, ibmKyberKeyform,
		},
		ck.KindMechanisms: {ck.CKA_ALLOWED_MECHANISMS},
		ck.KindTemplate:   {ck.CKA_WRAP_TEMPLATE, ck.CKA_UNWRAP_TEMPLATE, ck.CKA_DERIVE_TEMPLATE},
	} {
		for _, t := range types {
			kinds[t] = kind
		}
	}
	return kinds
}()

// hostBytes turns a value that p11-kit carries as bytes from its canonical form
// to the host's or back: where it is a CK_ULONG, the stock peer passes the
// host's memory as it is. Both ends are on one host, and the hosts that we
// support are little endian.
func hostBytes(t ck.AttributeType, v []byte) []byte {
	if ck.KindOf(t) != ck.KindUlong || len(v) != 8 {
		return v
	}
	v = slices.Clone(v)
	slices.Reverse(v)
	return v
}
