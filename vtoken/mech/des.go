package mech

import (
	"crypto/cipher"
	"crypto/des"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// desMechanisms are DES and triple DES (sections 6.17 to 6.19) for data that is
// there: they decrypt and verify. Nothing new is encrypted or authenticated with
// them, and no keys are made; keys come in by C_CreateObject or C_UnwrapKey.
func desMechanisms() []*Descriptor {
	single := []ck.KeyType{ck.CKK_DES}
	triple := []ck.KeyType{ck.CKK_DES2, ck.CKK_DES3}
	list := append(
		desDecryption(single, ck.CKM_DES_ECB, ck.CKM_DES_CBC, ck.CKM_DES_CBC_PAD),
		desDecryption(triple, ck.CKM_DES3_ECB, ck.CKM_DES3_CBC, ck.CKM_DES3_CBC_PAD)...)
	full := func(p ck.Parameter) (int, error) { return des.BlockSize, noParameter(p) }
	general := func(p ck.Parameter) (int, error) { return macLen(p, des.BlockSize) }
	return append(list,
		&Descriptor{Type: ck.CKM_DES3_CMAC, KeyTypes: triple, MinKeySize: 16, MaxKeySize: 24, Verify: cmacVerify(desBlock(triple), full)},
		&Descriptor{Type: ck.CKM_DES3_CMAC_GENERAL, KeyTypes: triple, MinKeySize: 16, MaxKeySize: 24, Verify: cmacVerify(desBlock(triple), general)})
}

func desDecryption(types []ck.KeyType, ecb, cbc, pad ck.MechanismType) []*Descriptor {
	minLen, maxLen := uint64(16), uint64(24)
	if len(types) == 1 {
		minLen, maxLen = des.BlockSize, des.BlockSize
	}
	block := desBlock(types)
	return []*Descriptor{
		{Type: ecb, KeyTypes: types, MinKeySize: minLen, MaxKeySize: maxLen,
			Decrypt: blockMode(block, newECBDecrypter, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)},
		{Type: cbc, KeyTypes: types, MinKeySize: minLen, MaxKeySize: maxLen,
			Decrypt: blockMode(block, newCBCDecrypter, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)},
		{Type: pad, KeyTypes: types, MinKeySize: minLen, MaxKeySize: maxLen, Decrypt: unpadMode(block)},
	}
}

// desBlock is the block cipher of a key of one of the types.
func desBlock(types []ck.KeyType) newBlockFunc {
	return func(k *Key) (cipher.Block, error) {
		if k.Class == ck.CKO_SECRET_KEY {
			for _, t := range types {
				if k.Type == t {
					return object.NewDES(k.Secret)
				}
			}
		}
		return nil, wrongKey(k, "DES key for this mechanism")
	}
}
