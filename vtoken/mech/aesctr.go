package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"

	"vtoken/vtoken/ck"
)

// aesCTRMechanisms is counter mode (section 6.11.3).
func aesCTRMechanisms() []*Descriptor {
	d := aesMechanism(ck.CKM_AES_CTR)
	d.Encrypt, d.Decrypt = newCTR(ck.CKR_DATA_LEN_RANGE), newCTR(ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
	return []*Descriptor{d}
}

// ctr is a Cipher that ends before its counter repeats.
type ctr struct {
	cipher.Stream
	block  cipher.Block
	params ck.AESCtrParams
	left   uint64   // bytes until the counter has been through all its values
	code   ck.Error // the answer to more than that
}

func newCTR(code ck.Error) func(*Key, ck.Parameter) (Cipher, error) {
	return func(k *Key, p ck.Parameter) (Cipher, error) {
		b, err := aesBlock(k)
		if err != nil {
			return nil, err
		}
		params, err := parameterOf[ck.AESCtrParams](p)
		if err != nil {
			return nil, err
		}
		if params.CounterBits == 0 || params.CounterBits > 128 {
			return nil, badParameter("a counter of %d bits; it has 1 to 128", params.CounterBits)
		}
		return &ctr{
			Stream: cipher.NewCTR(b, params.CB[:]), block: b, params: params, left: ctrBytes(params), code: code,
		}, nil
	}
}

// seek makes the key stream go on after so many bytes.
func (c *ctr) seek(done uint64) {
	counter := c.params.CB
	low := binary.BigEndian.Uint64(counter[8:])
	sum, carry := bits.Add64(low, done/aes.BlockSize, 0)
	binary.BigEndian.PutUint64(counter[8:], sum)
	binary.BigEndian.PutUint64(counter[:8], binary.BigEndian.Uint64(counter[:8])+carry)
	c.Stream = cipher.NewCTR(c.block, counter[:])
	var skipped [aes.BlockSize]byte
	c.XORKeyStream(skipped[:done%aes.BlockSize], skipped[:done%aes.BlockSize])
}

// ctrBytes is the number of bytes until the counter, which is the low bits of
// the block, would carry out of its bits; what does not fit 64 bits is as good
// as endless. A counter of all 128 bits may carry: there is nothing above it.
func ctrBytes(p ck.AESCtrParams) uint64 {
	if p.CounterBits >= 60 {
		return ^uint64(0)
	}
	size := uint64(1) << p.CounterBits
	first := binary.BigEndian.Uint64(p.CB[8:]) & (size - 1)
	return (size - first) * aes.BlockSize
}

func (c *ctr) UpdateLen(n int) int { return n }

func (c *ctr) Update(in []byte) ([]byte, error) {
	if uint64(len(in)) > c.left {
		return nil, ck.Errorf(c.code, "the data is longer than the counter lasts")
	}
	c.left -= uint64(len(in))
	out := make([]byte, len(in))
	c.XORKeyStream(out, in)
	return out, nil
}

func (c *ctr) FinalLen(int) int { return 0 }

func (c *ctr) Final() ([]byte, error) { return nil, nil }
