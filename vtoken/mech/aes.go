package mech

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"

	"vtoken/vtoken/ck"
)

// aesMechanism is a descriptor for AES keys; the caller adds the functions.
func aesMechanism(t ck.MechanismType) *Descriptor {
	return &Descriptor{Type: t, KeyTypes: []ck.KeyType{ck.CKK_AES}, MinKeySize: 16, MaxKeySize: 32}
}

func aesBlock(k *Key) (cipher.Block, error) {
	if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_AES {
		return nil, wrongKey(k, "AES key")
	}
	b, err := aes.NewCipher(k.Secret)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "an AES key has 16, 24 or 32 bytes, not %d", len(k.Secret))
	}
	return b, nil
}

// aesBlockMechanisms are the modes that work on whole blocks: ECB (section
// 6.10.4), CBC (6.10.5) and CBC with PKCS #7 padding (6.10.6).
func aesBlockMechanisms() []*Descriptor {
	ecb, cbc, pad := aesMechanism(ck.CKM_AES_ECB), aesMechanism(ck.CKM_AES_CBC), aesMechanism(ck.CKM_AES_CBC_PAD)
	ecb.Encrypt = blockMode(aesBlock, newECBEncrypter, ck.CKR_DATA_LEN_RANGE)
	ecb.Decrypt = blockMode(aesBlock, newECBDecrypter, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
	cbc.Encrypt = blockMode(aesBlock, newCBCEncrypter, ck.CKR_DATA_LEN_RANGE)
	cbc.Decrypt = blockMode(aesBlock, newCBCDecrypter, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
	pad.Encrypt = func(k *Key, p ck.Parameter) (Cipher, error) {
		mode, err := newMode(k, p, aesBlock, newCBCEncrypter)
		if err != nil {
			return nil, err
		}
		return &paddingCipher{blockCipher{mode: mode}}, nil
	}
	pad.Decrypt = unpadMode(aesBlock)
	return []*Descriptor{ecb, cbc, pad}
}

// newBlockFunc is the block cipher with a key.
type newBlockFunc func(*Key) (cipher.Block, error)

type newModeFunc func(cipher.Block, ck.Parameter) (mode, error)

// mode is a mode of whole blocks whose state can be saved.
type mode interface {
	cipher.BlockMode
	// chain is what the next block depends on, of the same length at all times.
	chain() []byte
	// resume goes on after what chain returned.
	resume(chain []byte)
}

func newMode(k *Key, p ck.Parameter, block newBlockFunc, mode newModeFunc) (mode, error) {
	b, err := block(k)
	if err != nil {
		return nil, err
	}
	return mode(b, p)
}

func blockMode(block newBlockFunc, newBlocks newModeFunc, length ck.Error) func(*Key, ck.Parameter) (Cipher, error) {
	return func(k *Key, p ck.Parameter) (Cipher, error) {
		mode, err := newMode(k, p, block, newBlocks)
		if err != nil {
			return nil, err
		}
		return &blockCipher{mode: mode, length: length}, nil
	}
}

// unpadMode decrypts CBC with PKCS #7 padding.
func unpadMode(block newBlockFunc) func(*Key, ck.Parameter) (Cipher, error) {
	return func(k *Key, p ck.Parameter) (Cipher, error) {
		mode, err := newMode(k, p, block, newCBCDecrypter)
		if err != nil {
			return nil, err
		}
		return &unpaddingCipher{blockCipher{mode: mode, hold: 1}}, nil
	}
}

func newCBCEncrypter(b cipher.Block, p ck.Parameter) (mode, error) {
	iv, err := cbcIV(b, p)
	if err != nil {
		return nil, err
	}
	return newCBC(b, cipher.NewCBCEncrypter, iv, false), nil
}

func newCBCDecrypter(b cipher.Block, p ck.Parameter) (mode, error) {
	iv, err := cbcIV(b, p)
	if err != nil {
		return nil, err
	}
	return newCBC(b, cipher.NewCBCDecrypter, iv, true), nil
}

// cbc is cipher block chaining, which remembers the last block of ciphertext.
type cbc struct {
	cipher.BlockMode
	block    cipher.Block
	start    func(b cipher.Block, iv []byte) cipher.BlockMode
	last     []byte
	decrypts bool
}

func newCBC(b cipher.Block, start func(cipher.Block, []byte) cipher.BlockMode, iv []byte, decrypts bool) *cbc {
	c := &cbc{block: b, start: start, decrypts: decrypts}
	c.resume(iv)
	return c
}

func (c *cbc) CryptBlocks(dst, src []byte) {
	if len(src) == 0 {
		return
	}
	at := len(src) - c.BlockSize()
	if c.decrypts {
		copy(c.last, src[at:]) // before dst, which may be the same memory
	}
	c.BlockMode.CryptBlocks(dst, src)
	if !c.decrypts {
		copy(c.last, dst[at:len(src)])
	}
}

func (c *cbc) chain() []byte { return c.last }

func (c *cbc) resume(chain []byte) {
	c.last = bytes.Clone(chain)
	c.BlockMode = c.start(c.block, c.last)
}

func cbcIV(b cipher.Block, p ck.Parameter) ([]byte, error) {
	iv, err := parameterOf[ck.RawParameter](p)
	if err != nil {
		return nil, err
	}
	if len(iv) != b.BlockSize() {
		return nil, badParameter("an IV of %d bytes; it has %d", len(iv), b.BlockSize())
	}
	return iv, nil
}

// ecb is the mode without a mode, which crypto/cipher does not have.
type ecb struct {
	cipher.Block
	crypt func(dst, src []byte)
}

func newECBEncrypter(b cipher.Block, p ck.Parameter) (mode, error) {
	return ecb{b, b.Encrypt}, noParameter(p)
}

func newECBDecrypter(b cipher.Block, p ck.Parameter) (mode, error) {
	return ecb{b, b.Decrypt}, noParameter(p)
}

func (e ecb) CryptBlocks(dst, src []byte) {
	for n := e.BlockSize(); len(src) > 0; dst, src = dst[n:], src[n:] {
		e.crypt(dst[:n], src[:n])
	}
}

func (e ecb) chain() []byte { return nil }
func (e ecb) resume([]byte) {}

// blockCipher is a Cipher over whole blocks. Data that does not end with a
// block is an error, whose code is length.
type blockCipher struct {
	mode   mode
	length ck.Error
	rest   []byte // input that is not put out yet
	hold   int    // 1 where the last byte that came in is held back, and so its block
}

func (c *blockCipher) UpdateLen(n int) int {
	return max(0, len(c.rest)+n-c.hold) / c.mode.BlockSize() * c.mode.BlockSize()
}

func (c *blockCipher) Update(in []byte) ([]byte, error) {
	n := c.UpdateLen(len(in))
	data := make([]byte, len(c.rest)+len(in))
	copy(data[copy(data, c.rest):], in)
	c.mode.CryptBlocks(data[:n], data[:n])
	c.rest = append(c.rest[:0], data[n:]...)
	return data[:n:n], nil
}

func (c *blockCipher) FinalLen(int) int { return 0 }

func (c *blockCipher) Final() ([]byte, error) {
	if len(c.rest) > 0 {
		return nil, ck.Errorf(c.length, "the data does not end with a block of %d bytes", c.mode.BlockSize())
	}
	return nil, nil
}

// paddingCipher encrypts with PKCS #7 padding.
type paddingCipher struct{ blockCipher }

func (c *paddingCipher) FinalLen(int) int { return c.mode.BlockSize() }

func (c *paddingCipher) Final() ([]byte, error) {
	block := make([]byte, c.mode.BlockSize())
	n := copy(block, c.rest)
	for i := n; i < len(block); i++ {
		block[i] = byte(len(block) - n)
	}
	c.mode.CryptBlocks(block, block)
	return block, nil
}

// unpaddingCipher decrypts and takes PKCS #7 padding off the last block, which
// it holds back until the end.
type unpaddingCipher struct{ blockCipher }

func (c *unpaddingCipher) FinalLen(int) int { return c.mode.BlockSize() }

func (c *unpaddingCipher) Final() ([]byte, error) {
	if len(c.rest) != c.mode.BlockSize() {
		return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_LEN_RANGE, "the encrypted data is not one or more blocks of %d bytes", c.mode.BlockSize())
	}
	block := make([]byte, c.mode.BlockSize())
	c.mode.CryptBlocks(block, c.rest)
	n, good := paddingLen(block)
	if good != 1 {
		clear(block)
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID // one code for all padding errors (softhsm/SoftHSMv2#690)
	}
	return block[:len(block)-n], nil
}

// paddingLen is the length of the PKCS #7 padding of a block, and 1 where the
// padding is good, computed in the same time for every block.
func paddingLen(block []byte) (n, good int) {
	last := block[len(block)-1]
	n = int(last)
	good = subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, len(block))
	for i, b := range block {
		inside := subtle.ConstantTimeLessOrEq(len(block)-i, n)
		good &= subtle.ConstantTimeByteEq(b, last) | (inside ^ 1)
	}
	return n, good
}
