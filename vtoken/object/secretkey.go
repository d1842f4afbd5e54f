package object

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"math/bits"

	"vtoken/vtoken/ck"
)

// maxSecret is the most bytes of a secret key's value: as many as HKDF makes, 255 hashes of the
// largest (RFC 5869 section 2.3).
const maxSecret = 255 * 64

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

// desLengths are the lengths of keys for DES, and for triple DES with two and
// three keys.
var desLengths = map[ck.KeyType]int{ck.CKK_DES: 8, ck.CKK_DES2: 16, ck.CKK_DES3: 24}

// completeDES checks the length and the odd parity of each byte (section 6.17.1);
// the check value is made as that of AES.
func completeDES(d *draft) error {
	value := d.attrs.Get(ck.CKA_VALUE)
	t, _ := d.attrs.Ulong(ck.CKA_KEY_TYPE)
	if n := desLengths[ck.KeyType(t)]; len(value) != n {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "a key of type %v has %d bytes, not %d", ck.KeyType(t), n, len(value))
	}
	for _, b := range value {
		if bits.OnesCount8(b)%2 == 0 {
			return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "a byte of the DES key has even parity; set the low bit of each so that the parity is odd")
		}
	}
	block, err := NewDES(value)
	if err != nil {
		return err
	}
	kcv := make([]byte, block.BlockSize())
	block.Encrypt(kcv, kcv)
	return d.putSecret(value, kcv[:3])
}

// NewDES is DES or triple DES, by the length of the key: 8, 16 or 24 bytes, else
// CKR_ATTRIBUTE_VALUE_INVALID.
func NewDES(value []byte) (block cipher.Block, err error) {
	switch len(value) {
	case 8:
		block, err = des.NewCipher(value)
	case 16:
		block, err = des.NewTripleDESCipher(append(value[:16:16], value[:8]...))
	default:
		block, err = des.NewTripleDESCipher(value)
	}
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "set up DES: %w", err)
	}
	return block, nil
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
