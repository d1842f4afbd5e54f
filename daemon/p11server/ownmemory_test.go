package p11server

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Whatever is in a parameter, wiping the request changes nothing of the copy.
func TestOwnParameter(t *testing.T) {
	memory := bytes.Repeat([]byte{7}, 16)
	for _, p := range []ck.Parameter{
		nil, ck.RawParameter(memory), ck.RSAPkcsPssParams{SLen: 7}, ck.AESCtrParams{CounterBits: 7}, ck.MACGeneralParams(7),
		ck.RSAPkcsOaepParams{SourceData: memory}, ck.ECDH1DeriveParams{SharedData: memory, PublicData: memory},
		ck.GCMParams{IV: memory, AAD: memory}, ck.CCMParams{Nonce: memory, AAD: memory}, ck.EdDSAParams{Context: memory},
		ck.ChaCha20Poly1305Params{Nonce: memory, AAD: memory}, ck.HKDFParams{Salt: memory, Info: memory},
		ck.PBKD2Params{Salt: memory, PRFData: memory, Password: memory},
		ck.SP800108Params{Data: []ck.PRFData{{Value: memory}, {Type: 7}}},
		ck.SignContext{Context: memory}, ck.OTPParams{{Type: ck.CK_OTP_COUNTER, Value: memory}},
	} {
		mine, again := cloneMechanism(&ck.Mechanism{Parameter: p}), cloneMechanism(&ck.Mechanism{Parameter: p})
		require.True(t, reflect.DeepEqual(mine.Parameter, p), "%T: %v became %v", p, p, mine.Parameter)
		clear(memory)
		if !reflect.DeepEqual(mine, again) || p != nil && reflect.DeepEqual(mine.Parameter, p) != pointerless(p) {
			t.Errorf("%T: shares memory with the request", p)
		}
		copy(memory, bytes.Repeat([]byte{7}, 16))
	}
}

func pointerless(p ck.Parameter) bool {
	switch p.(type) {
	case ck.RSAPkcsPssParams, ck.AESCtrParams, ck.MACGeneralParams:
		return true
	}
	return false
}
