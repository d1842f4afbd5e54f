package object

import (
	"crypto/aes"
	"crypto/sha1"

	"vtoken/vtoken/ck"
)

// maxSecret is the most bytes of a secret key's value.
const maxSecret = 4096

// MaxSecretLen is the longest generic secret or HMAC key, in bytes.
const MaxSecretLen = maxSecret

// completeAES checks the length of an AES key; its check value is the start of
// the encryption of a block of zeroes (sections 4.10.2 and 6.11.2).
func completeAES(d *draft) error {
	value := d.attrs.Get(ck.CKA_VALUE)
	block, err := aes.NewCipher(value)
	if err != nil {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "an AES key has 16, 24 or 32 bytes, not %d", len(value))
	}
	var kcv [aes.BlockSize]byte
	block.Encrypt(kcv[:], kcv[:])
	return d.putSecret(value, kcv[:3])
}

// completeChaCha20 checks the length of a ChaCha20 key (section 6.54.2).
func completeChaCha20(d *draft) error {
	if n := len(d.attrs.Get(ck.CKA_VALUE)); n != 32 {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "a ChaCha20 key has 32 bytes, not %d", n)
	}
	return completeGeneric(d)
}

// completeGeneric does the same for other secrets; their check value is the
// start of the SHA-1 hash of the value.
func completeGeneric(d *draft) error {
	value := d.attrs.Get(ck.CKA_VALUE)
	if len(value) == 0 || len(value) > maxSecret {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "a secret key has 1 to %d bytes, not %d", maxSecret, len(value))
	}
	hash := sha1.Sum(value)
	return d.putSecret(value, hash[:3])
}

func (d *draft) putSecret(value, kcv []byte) error {
	n, given := d.attrs.Ulong(ck.CKA_VALUE_LEN)
	if given && n != uint64(len(value)) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN is %d, the value has %d bytes", n, len(value))
	}
	d.attrs = d.attrs.With(ck.Ulong(ck.CKA_VALUE_LEN, uint64(len(value))))
	if d.given.Has(ck.CKA_CHECK_VALUE) && len(d.given.Get(ck.CKA_CHECK_VALUE)) == 0 {
		return nil // the application asks for none (section 4.10.2)
	}
	return d.putComputed(ck.CKA_CHECK_VALUE, kcv)
}
