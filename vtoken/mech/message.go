package mech

import "vtoken/vtoken/ck"

// These make the parameter of a whole encryption out of that of one message. The
// encryption puts the tag at the end of the ciphertext, a message has it in its
// parameter.

func gcmMessage(m ck.MessageParams, aad []byte) ck.Parameter {
	return ck.GCMParams{IV: m.Nonce, IVBits: uint64(len(m.Nonce)) * 8, AAD: aad, TagBits: m.TagBits}
}

func ccmMessage(m ck.MessageParams, aad []byte) ck.Parameter {
	return ck.CCMParams{DataLen: m.DataLen, Nonce: m.Nonce, AAD: aad, MACLen: m.TagBits / 8}
}

func chachaMessage(m ck.MessageParams, aad []byte) ck.Parameter {
	return ck.ChaCha20Poly1305Params{Nonce: m.Nonce, AAD: aad}
}
