package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"hash"
	"slices"

	"vtoken/vtoken/ck"
)

// aesCMACMechanisms are CMAC at full length and at the length of the parameter
// (section 6.14; NIST SP 800-38B).
func aesCMACMechanisms() []*Descriptor {
	full := cmacMechanism(ck.CKM_AES_CMAC, func(p ck.Parameter) (int, error) { return aes.BlockSize, noParameter(p) })
	general := cmacMechanism(ck.CKM_AES_CMAC_GENERAL, func(p ck.Parameter) (int, error) { return macLen(p, aes.BlockSize) })
	return []*Descriptor{full, general}
}

// macLen is the length of a MAC that a parameter asks for.
func macLen(p ck.Parameter, most int) (int, error) {
	n, err := parameterOf[ck.MACGeneralParams](p)
	if err != nil {
		return 0, err
	}
	if n == 0 || uint64(n) > uint64(most) {
		return 0, badParameter("a MAC of %d bytes; 1 to %d can be made", n, most)
	}
	return int(n), nil
}

func cmacMechanism(t ck.MechanismType, length func(ck.Parameter) (int, error)) *Descriptor {
	d := aesMechanism(t)
	d.Sign = func(k *Key, p ck.Parameter) (Signer, error) {
		s, n, err := cmacSink(k, p, aesBlock, length)
		if err != nil {
			return nil, err
		}
		return &signer{s, n, cutMAC(n)}, nil
	}
	d.Verify = cmacVerify(aesBlock, length)
	return d
}

func cmacVerify(block newBlockFunc, length func(ck.Parameter) (int, error)) func(*Key, ck.Parameter) (Verifier, error) {
	return func(k *Key, p ck.Parameter) (Verifier, error) {
		s, n, err := cmacSink(k, p, block, length)
		if err != nil {
			return nil, err
		}
		return &verifier{s, n, checkMAC(n)}, nil
	}
}

func cmacSink(k *Key, p ck.Parameter, block newBlockFunc, length func(ck.Parameter) (int, error)) (sink, int, error) {
	b, err := block(k)
	if err != nil {
		return nil, 0, err
	}
	n, err := length(p)
	return macSink{hashSink{newCMAC(b)}}, n, err
}

// cutMAC and checkMAC are what a MAC of n bytes is made and compared with.
func cutMAC(n int) func(mac []byte) ([]byte, error) {
	return func(mac []byte) ([]byte, error) { return mac[:n], nil }
}

func checkMAC(n int) func(mac, given []byte) error {
	return func(mac, given []byte) error { return valid(subtle.ConstantTimeCompare(mac[:n], given) == 1) }
}

// cmac is CMAC as a hash.Hash.
type cmac struct {
	cipher.Block
	chain []byte // of the blocks so far
	rest  []byte // up to a whole block that may be the last
}

func newCMAC(b cipher.Block) hash.Hash {
	return &cmac{Block: b, chain: make([]byte, b.BlockSize())}
}

func (c *cmac) Write(p []byte) (int, error) {
	total, size := len(p), c.BlockSize()
	for len(p) > 0 {
		if len(c.rest) == size {
			c.mix(c.chain, c.rest)
			c.rest = c.rest[:0]
		}
		n := min(len(p), size-len(c.rest))
		c.rest, p = append(c.rest, p[:n]...), p[n:]
	}
	return total, nil
}

// mix takes one block into the chain.
func (c *cmac) mix(chain, block []byte) {
	subtle.XORBytes(chain, chain, block)
	c.Encrypt(chain, chain)
}

func (c *cmac) Sum(b []byte) []byte {
	last := make([]byte, c.BlockSize())
	c.Encrypt(last, last)
	double(last)
	if len(c.rest) < len(last) {
		double(last)
		last[len(c.rest)] ^= 0x80
	}
	subtle.XORBytes(last, last[:len(c.rest)], c.rest)
	chain := append([]byte(nil), c.chain...)
	c.mix(chain, last)
	return append(b, chain...)
}

// double multiplies by x in the field of the block size (SP 800-38B section 5.3).
func double(b []byte) {
	carry := b[0] >> 7
	for i := range b[:len(b)-1] {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	poly := byte(0x87)
	if len(b) == 8 {
		poly = 0x1b
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ carry*poly
}

// MarshalBinary is the chain and the rest. It is for the next process of the daemon only.
func (c *cmac) MarshalBinary() ([]byte, error) { return slices.Concat(c.chain, c.rest), nil }

// UnmarshalBinary takes up what MarshalBinary returned.
func (c *cmac) UnmarshalBinary(state []byte) error {
	n := c.BlockSize()
	if len(state) < n || len(state) > 2*n {
		return badState("a CMAC", len(state))
	}
	c.chain, c.rest = slices.Clone(state[:n]), slices.Clone(state[n:])
	return nil
}

func (c *cmac) Reset()    { clear(c.chain); c.rest = c.rest[:0] }
func (c *cmac) Size() int { return c.BlockSize() }
