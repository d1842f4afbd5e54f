package mech

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// aesCCMMechanisms is counter mode with CBC-MAC (section 6.13.4; NIST SP
// 800-38C).
func aesCCMMechanisms() []*Descriptor {
	d := aesMechanism(ck.CKM_AES_CCM)
	d.Message = ccmMessage
	sealing(d, newCCM)
	d.Encrypt = func(k *Key, p ck.Parameter) (Cipher, error) {
		c, err := newCCM(k, p)
		if err != nil {
			return nil, err
		}
		return &whole{
			collector{max: c.length, code: ck.CKR_DATA_LEN_RANGE},
			func(n int) int { return n + c.tag }, c.encrypt,
		}, nil
	}
	d.Decrypt = func(k *Key, p ck.Parameter) (Cipher, error) {
		c, err := newCCM(k, p)
		if err != nil {
			return nil, err
		}
		return &whole{
			collector{max: c.length + c.tag, code: ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
			func(n int) int { return max(0, n-c.tag) }, c.decrypt,
		}, nil
	}
	return []*Descriptor{d}
}

// ccm is a key with a checked parameter.
type ccm struct {
	cipher.Block
	nonce, aad  []byte
	length, tag int // of the plaintext and of the tag, in bytes
}

func newCCM(k *Key, p ck.Parameter) (*ccm, error) {
	b, err := aesBlock(k)
	if err != nil {
		return nil, err
	}
	v, err := parameterOf[ck.CCMParams](p)
	if err != nil {
		return nil, err
	}
	switch {
	case len(v.Nonce) < 7 || len(v.Nonce) > 13:
		return nil, badParameter("a nonce of %d bytes; it has 7 to 13", len(v.Nonce))
	case v.MACLen < 4 || v.MACLen > 16 || v.MACLen%2 != 0:
		return nil, badParameter("a tag of %d bytes; it has 4, 6, 8, 10, 12, 14 or 16", v.MACLen)
	case v.DataLen > MaxGCM || bitsOf(v.DataLen) > 8*(15-len(v.Nonce)):
		return nil, badParameter("%d bytes of data; the nonce allows less, or they are more than %d", v.DataLen, MaxGCM)
	}
	return &ccm{b, bytes.Clone(v.Nonce), bytes.Clone(v.AAD), int(v.DataLen), int(v.MACLen)}, nil
}

func bitsOf(n uint64) (bits int) {
	for ; n > 0; n >>= 1 {
		bits++
	}
	return bits
}

func (c *ccm) encrypt(in []byte) ([]byte, error) {
	if len(in) != c.length {
		return nil, ck.Errorf(ck.CKR_DATA_LEN_RANGE, "%d bytes of data where the parameter says %d", len(in), c.length)
	}
	stream, mask := c.keyStream()
	out := make([]byte, len(in)+c.tag)
	stream.XORKeyStream(out, in)
	subtle.XORBytes(out[len(in):], c.mac(in)[:c.tag], mask)
	return out, nil
}

func (c *ccm) decrypt(in []byte) ([]byte, error) {
	if len(in) != c.length+c.tag {
		return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_LEN_RANGE, "%d bytes of encrypted data where the parameter says %d", len(in), c.length+c.tag)
	}
	stream, mask := c.keyStream()
	plain := make([]byte, c.length)
	stream.XORKeyStream(plain, in[:c.length])
	want := make([]byte, c.tag)
	subtle.XORBytes(want, c.mac(plain)[:c.tag], mask)
	if subtle.ConstantTimeCompare(want, in[c.length:]) != 1 {
		clear(plain)
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return plain, nil
}

// keyStream is the counter blocks from 1 on, and what block 0 encrypts to, which
// masks the tag (SP 800-38C appendix A.3).
func (c *ccm) keyStream() (cipher.Stream, []byte) {
	var counter [aes.BlockSize]byte
	counter[0] = byte(14 - len(c.nonce))
	copy(counter[1:], c.nonce)
	stream := cipher.NewCTR(c.Block, counter[:])
	mask := make([]byte, aes.BlockSize)
	stream.XORKeyStream(mask, mask)
	return stream, mask
}

// mac is the CBC-MAC of the formatted input (SP 800-38C appendix A.2).
func (c *ccm) mac(plain []byte) []byte {
	m := cbcMAC{Block: c.Block, sum: make([]byte, aes.BlockSize)}
	first := make([]byte, aes.BlockSize)
	first[0] = byte((c.tag-2)/2<<3 | (14 - len(c.nonce)))
	if len(c.aad) > 0 {
		first[0] |= 1 << 6
	}
	binary.BigEndian.PutUint64(first[8:], uint64(len(plain)))
	copy(first[1:], c.nonce) // over the leading zeroes of the length
	m.add(first)
	if len(c.aad) > 0 {
		m.add(append(ccmLength(len(c.aad)), c.aad...))
	}
	m.add(plain)
	return m.sum
}

// ccmLength is the encoded length of the additional data.
func ccmLength(n int) []byte {
	if n < 0xff00 {
		return binary.BigEndian.AppendUint16(nil, uint16(n))
	}
	return binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n))
}

// cbcMAC is a MAC over runs of bytes, each filled up with zeroes to whole blocks.
type cbcMAC struct {
	cipher.Block
	sum []byte
}

func (m *cbcMAC) add(run []byte) {
	for len(run) > 0 {
		n := min(len(run), len(m.sum))
		subtle.XORBytes(m.sum, m.sum[:n], run[:n])
		m.Encrypt(m.sum, m.sum)
		run = run[n:]
	}
}
