package mech

import (
	"crypto/hmac"
	"encoding/binary"
	"hash"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// sp800108Mechanisms is the derivation in counter mode of NIST SP 800-108
// (section 6.42.7), with HMAC or CMAC and without additional keys.
func sp800108Mechanisms() []*Descriptor {
	types := []ck.KeyType{ck.CKK_GENERIC_SECRET, ck.CKK_AES}
	for _, h := range hashAlgs() {
		if !h.weak {
			types = append(types, h.keyType)
		}
	}
	return []*Descriptor{{
		Type: ck.CKM_SP800_108_COUNTER_KDF, KeyTypes: types,
		MinKeySize: 1, MaxKeySize: object.MaxSecretLen,
		Derive: deriveCounter,
	}}
}

func deriveCounter(k *Key, p ck.Parameter, t ck.Template) (ck.Template, error) {
	v, err := parameterOf[ck.SP800108Params](p)
	if err != nil {
		return nil, err
	}
	prf, err := prfOf(k, v.PRF)
	if err != nil {
		return nil, err
	}
	d, err := derivedKey(t)
	if err != nil {
		return nil, err
	}
	n, err := d.lengthOr(0)
	if err != nil {
		return nil, err
	}
	value, err := counterKDF(prf, v.Data, n)
	if err != nil {
		return nil, err
	}
	return d.attributes(value), nil
}

// prfOf is the pseudo-random function with the key in it.
func prfOf(k *Key, t ck.MechanismType) (hash.Hash, error) {
	if t == ck.CKM_AES_CMAC {
		b, err := aesBlock(k)
		if err != nil {
			return nil, err
		}
		return newCMAC(b), nil
	}
	for _, h := range hashAlgs() {
		if h.hmac != t || h.weak {
			continue
		}
		if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_GENERIC_SECRET && k.Type != h.keyType {
			return nil, wrongKey(k, "key for this pseudo-random function")
		}
		return hmac.New(h.new, k.Secret), nil
	}
	return nil, badParameter("%v is no pseudo-random function that is supported", t)
}

// counterKDF is n bytes of the function over the parts, with a counter that
// starts at 1 (SP 800-108 section 4.1).
func counterKDF(prf hash.Hash, parts []ck.PRFData, n int) ([]byte, error) {
	blocks := (n + prf.Size() - 1) / prf.Size()
	if err := checkParts(parts, uint64(blocks)); err != nil {
		return nil, err
	}
	var out []byte
	for i := 1; i <= blocks; i++ {
		prf.Reset()
		for _, part := range parts {
			switch part.Type {
			case ck.SP800108IterationVariable:
				prf.Write(encodeNumber(uint64(i), part))
			case ck.SP800108DKMLength:
				bytes := n
				if part.Method == ck.SP800108SumOfSegments {
					bytes = blocks * prf.Size()
				}
				prf.Write(encodeNumber(8*uint64(bytes), part))
			default:
				prf.Write(part.Value)
			}
		}
		out = prf.Sum(out)
	}
	clear(out[n:])
	return out[:n], nil
}

// checkParts sees to it that there is one counter that can count to blocks, at
// most one length, and else only bytes.
func checkParts(parts []ck.PRFData, blocks uint64) error {
	counters, lengths, size := 0, 0, 0
	for _, part := range parts {
		size += len(part.Value) + 8
		switch part.Type {
		case ck.SP800108IterationVariable:
			counters++
			if part.WidthBits%8 != 0 || part.WidthBits < 8 || part.WidthBits > 32 || blocks>>part.WidthBits != 0 {
				return badParameter("a counter of %d bits; it has 8, 16, 24 or 32, enough for %d blocks", part.WidthBits, blocks)
			}
		case ck.SP800108DKMLength:
			lengths++
			if part.WidthBits%8 != 0 || part.WidthBits < 8 || part.WidthBits > 64 {
				return badParameter("a length of %d bits; it has 8 to 64 in steps of 8", part.WidthBits)
			}
			if part.Method != ck.SP800108SumOfKeys && part.Method != ck.SP800108SumOfSegments {
				return badParameter("method %d of making the length is not known", part.Method)
			}
		case ck.SP800108ByteArray:
		default:
			return badParameter("a part of type %d has no place in counter mode", part.Type)
		}
	}
	if err := checkInfo(size); err != nil {
		return err
	}
	if counters != 1 || lengths > 1 {
		return badParameter("%d counters and %d lengths; counter mode has one counter and at most one length", counters, lengths)
	}
	return nil
}

// encodeNumber is a number in the width and order of a part.
func encodeNumber(v uint64, part ck.PRFData) []byte {
	n := part.WidthBits / 8
	if part.LittleEndian {
		return binary.LittleEndian.AppendUint64(nil, v)[:n]
	}
	return binary.BigEndian.AppendUint64(nil, v)[8-n:]
}
