package mech

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// The work of one call of PBKDF2 is iterations × blocks, since each block of the key takes all of
// the iterations. maxIterations bounds it to some seconds, during which it pauses. The salt goes
// into each block once.
const (
	maxIterations = 10_000_000
	maxKDFSalt    = 4096 // bytes
)

// maxKDFInfo bounds what a derivation mixes into each block of a key, which it hashes
// as often as there are blocks.
const maxKDFInfo = 64 << 10 // bytes

// checkInfo refuses too much of it.
func checkInfo(size int) error {
	if size > maxKDFInfo {
		return badParameter("%d bytes go into each block of the key; at most %d do", size, maxKDFInfo)
	}
	return nil
}

// pbkdf2Mechanisms is PBKDF2 (section 6.28.4; RFC 8018): C_GenerateKey makes a key
// of a password.
func pbkdf2Mechanisms() []*Descriptor {
	return []*Descriptor{{
		Type:       ck.CKM_PKCS5_PBKD2,
		KeyTypes:   []ck.KeyType{ck.CKK_GENERIC_SECRET, ck.CKK_AES, ck.CKK_CHACHA20, ck.CKK_HKDF},
		MinKeySize: 1, MaxKeySize: object.MaxSecretLen,
		SlowToMake:  true,
		GenerateKey: generatePBKDF2,
	}}
}

// pbkdf2Hash is the hash of a pseudo-random function, which is HMAC with it.
func pbkdf2Hash(prf uint64) (hashAlg, error) {
	for _, h := range hashAlgs() {
		if h.pbkdf2 == prf && prf != 0 {
			return h, nil
		}
	}
	return hashAlg{}, badParameter("pseudo-random function %d is not supported", prf)
}

func generatePBKDF2(p ck.Parameter, t ck.Template, pause func() error) (ck.Template, error) {
	v, err := parameterOf[ck.PBKD2Params](p)
	if err != nil {
		return nil, err
	}
	h, err := pbkdf2Hash(v.PRF)
	switch {
	case err != nil:
		return nil, err
	case v.SaltSource != ck.CKZ_SALT_SPECIFIED:
		return nil, badParameter("the source of the salt, %d, is not CKZ_SALT_SPECIFIED", v.SaltSource)
	case v.Iterations == 0 || v.Iterations > maxIterations:
		return nil, badParameter("%d iterations; 1 to %d are made", v.Iterations, maxIterations)
	case len(v.Salt) > maxKDFSalt:
		return nil, badParameter("the salt has %d bytes; it may have %d", len(v.Salt), maxKDFSalt)
	case len(v.PRFData) > 0:
		return nil, badParameter("the pseudo-random function takes no data")
	}
	d, err := derivedKey(t)
	if err != nil {
		return nil, err
	}
	n, err := d.lengthOr(0)
	if err != nil {
		return nil, err
	}
	if blocks := uint64((n + h.hash.Size() - 1) / h.hash.Size()); v.Iterations > maxIterations/blocks {
		return nil, badParameter("%d iterations for each of %d blocks of a key of %d bytes; at most %d are made in all", v.Iterations, blocks, n, maxIterations)
	}
	value, err := pbkdf2Key(h.new, v, n, pause)
	if err != nil {
		return nil, err
	}
	return d.attributes(value), nil
}

// pauseEach is how many iterations are made between two pauses: a few milliseconds.
const pauseEach = 4096

// pbkdf2Key is PBKDF2 (RFC 8018, section 5.2) with HMAC, for a key of n bytes. It is ours
// because that of the standard library does not pause.
func pbkdf2Key(hash func() hash.Hash, v ck.PBKD2Params, n int, pause func() error) (key []byte, err error) {
	prf := hmac.New(hash, v.Password)
	size := prf.Size()
	u, block, key := make([]byte, size), make([]byte, size), make([]byte, 0, n+size)
	defer clear(u)
	defer clear(block)
	defer func() {
		if err != nil {
			clear(key[:cap(key)])
		}
	}()
	for i := uint32(1); len(key) < n; i++ {
		prf.Reset()
		prf.Write(v.Salt)
		prf.Write(binary.BigEndian.AppendUint32(nil, i))
		u = prf.Sum(u[:0])
		copy(block, u)
		for round := uint64(1); round < v.Iterations; round++ {
			if round%pauseEach == 0 {
				if err := pause(); err != nil {
					return nil, err
				}
			}
			prf.Reset()
			prf.Write(u)
			u = prf.Sum(u[:0])
			subtle.XORBytes(block, block, u)
		}
		key = append(key, block...)
	}
	return key[:n], nil
}
