package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"vtoken/vtoken/ck"
)

// maxGCMEncrypted is the most bytes that one IV of GCM encrypts (NIST SP 800-38D section 5.2.1.1).
const maxGCMEncrypted = 1<<36 - 32

// gcmEncrypter encrypts with GCM and puts its output out as the data come. What comes in one
// part, Whole encrypts with the library's own GCM, which is faster.
type gcmEncrypter struct {
	*gcm
	block cipher.Block
	hash  *ghash // nil until the first part
	// counter is the first counter block; stream is the key stream from there, or nil where it is
	// to be begun.
	counter [aes.BlockSize]byte
	stream  cipher.Stream
	done    uint64 // bytes that were put out
	rest    []byte // ciphertext that is no whole block to hash yet
}

// OneParter is an ability of a [Cipher]: to do the operation in one go, in place of Update and
// Final.
type OneParter interface {
	Whole(in []byte) ([]byte, error)
}

func newGCMEncrypter(k *Key, p ck.Parameter) (Cipher, error) {
	b, err := aesBlock(k)
	if err != nil {
		return nil, err
	}
	g, err := newGCM(k, p)
	if err != nil {
		return nil, err
	}
	return &gcmEncrypter{gcm: g, block: b}, nil
}

// Whole is of [OneParter].
func (c *gcmEncrypter) Whole(in []byte) ([]byte, error) {
	out := c.Seal(nil, c.iv, in, c.aad)
	return out[:len(out)-gcmTagSize+c.tag], nil
}

// begin makes the first counter block, and hashes the associated data.
func (c *gcmEncrypter) begin() (err error) {
	if c.hash != nil {
		return nil
	}
	if c.hash, err = newGHash(c.block); err != nil {
		return err
	}
	if len(c.iv) == len(c.counter)-4 {
		copy(c.counter[:], c.iv)
		c.counter[len(c.counter)-1] = 1
	} else {
		c.hash.addPadded(c.iv)
		c.hash.addLengths(0, uint64(len(c.iv)))
		c.counter, c.hash.sum = c.hash.sum, [aes.BlockSize]byte{}
	}
	c.hash.addPadded(c.aad)
	return nil
}

func (c *gcmEncrypter) UpdateLen(n int) int { return n }

func (c *gcmEncrypter) Update(in []byte) ([]byte, error) {
	if uint64(len(in)) > maxGCMEncrypted-c.done {
		return nil, ck.Errorf(ck.CKR_DATA_LEN_RANGE, "more than %d bytes of data with one IV", uint64(maxGCMEncrypted))
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	out := make([]byte, len(in))
	c.encipher(out, in)
	fresh := out
	if len(c.rest) > 0 {
		n := min(aes.BlockSize-len(c.rest), len(fresh))
		c.rest, fresh = append(c.rest, fresh[:n]...), fresh[n:]
		if len(c.rest) == aes.BlockSize {
			c.hash.add(c.rest)
			c.rest = c.rest[:0]
		}
	}
	whole := len(fresh) / aes.BlockSize * aes.BlockSize
	c.hash.add(fresh[:whole])
	c.rest = append(c.rest, fresh[whole:]...)
	return out, nil
}

// encipher goes on with the key stream. Only the last 32 bits of the counter count, and begin
// again with 0 after the highest.
func (c *gcmEncrypter) encipher(out, in []byte) {
	at := len(c.counter) - 4
	for len(in) > 0 {
		number := binary.BigEndian.Uint32(c.counter[at:]) + 1 + uint32(c.done/aes.BlockSize)
		if c.stream == nil {
			block := c.counter
			binary.BigEndian.PutUint32(block[at:], number)
			c.stream = cipher.NewCTR(c.block, block[:])
			var skipped [aes.BlockSize]byte
			c.stream.XORKeyStream(skipped[:c.done%aes.BlockSize], skipped[:c.done%aes.BlockSize])
		}
		left := (1<<32-uint64(number))*aes.BlockSize - c.done%aes.BlockSize
		n := int(min(uint64(len(in)), left))
		c.stream.XORKeyStream(out[:n], in[:n])
		if c.done += uint64(n); uint64(n) == left {
			c.stream = nil
		}
		out, in = out[n:], in[n:]
	}
}

func (c *gcmEncrypter) FinalLen(int) int { return c.tag }

func (c *gcmEncrypter) Final() ([]byte, error) {
	if err := c.begin(); err != nil {
		return nil, err
	}
	c.hash.addPadded(c.rest)
	c.hash.addLengths(uint64(len(c.aad)), c.done)
	tag := make([]byte, aes.BlockSize)
	c.block.Encrypt(tag, c.counter[:])
	subtle.XORBytes(tag, tag, c.hash.sum[:])
	return tag[:c.tag:c.tag], nil
}

// Save is of [Saver]: how many bytes went through, their hash, and what is not hashed yet.
func (c *gcmEncrypter) Save() ([]byte, error) {
	if c.hash == nil {
		return nil, nil
	}
	return slices.Concat(binary.BigEndian.AppendUint64(nil, c.done), c.hash.sum[:], c.rest), nil
}

// Restore is of [Saver].
func (c *gcmEncrypter) Restore(state []byte) error {
	if len(state) == 0 {
		return nil
	}
	const fixed = 8 + aes.BlockSize
	if len(state) < fixed || uint64(len(state)-fixed) != binary.BigEndian.Uint64(state)%aes.BlockSize ||
		binary.BigEndian.Uint64(state) > maxGCMEncrypted {
		return badState("an encryption with GCM", len(state))
	}
	if err := c.begin(); err != nil {
		return err
	}
	c.done = binary.BigEndian.Uint64(state)
	c.hash.sum = [aes.BlockSize]byte(state[8:fixed])
	c.rest = slices.Clone(state[fixed:])
	c.stream = nil
	return nil
}

// Confined is of [Saver].
func (c *gcmEncrypter) Confined() bool { return true }
