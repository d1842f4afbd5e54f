package p11rpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// ours is a parameter of each mechanism that only our own version carries.
func ours() (list []ck.Mechanism) {
	samples := map[ck.ParameterKind]ck.Parameter{
		ck.ParamECDH1:            ck.ECDH1DeriveParams{KDF: 1, SharedData: []byte("s"), PublicData: []byte("p")},
		ck.ParamEdDSA:            ck.EdDSAParams{PhFlag: true, Context: []byte("c")},
		ck.ParamGMAC:             ck.GCMParams{IV: []byte("iv"), IVBits: 16, TagBits: 96},
		ck.ParamCCM:              ck.CCMParams{DataLen: 5, Nonce: []byte("nonce"), AAD: []byte("a"), MACLen: 8},
		ck.ParamChaCha20Poly1305: ck.ChaCha20Poly1305Params{Nonce: []byte("nonce"), AAD: []byte("a")},
		ck.ParamHKDF: ck.HKDFParams{
			Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: 2, Salt: []byte("salt"), SaltKey: 7, Info: []byte("i"),
		},
		ck.ParamPBKD2: ck.PBKD2Params{
			SaltSource: 1, Salt: []byte("salt"), Iterations: 1000, PRF: 4, PRFData: []byte("d"), Password: []byte("p"),
		},
		ck.ParamSP800108: ck.SP800108Params{PRF: ck.CKM_SHA256_HMAC, Data: []ck.PRFData{
			{Type: 1, LittleEndian: true, WidthBits: 16}, {Type: 4, Value: []byte("label")}, {Type: 3, Method: 1, WidthBits: 32},
		}},
		ck.ParamOTP: ck.OTPParams{
			{Type: ck.CK_OTP_COUNTER, Value: make([]byte, 8)}, {Type: ck.CK_OTP_PIN, Value: []byte("1234")},
		},
		ck.ParamSignContext: ck.SignContext{Hedge: 2, Context: []byte("c")},
	}
	for t := range ck.MechanismType(0xffff) {
		kind := ck.ParameterKindOf(t)
		if kind > ck.ParamBytes && !kind.IsFlat() && !takesApart(t, MaxVersion) {
			list = append(list, ck.Mechanism{Type: t, Parameter: samples[kind]})
		}
	}
	return list
}

// mechanismBody is a request with the mechanism in it.
func mechanismBody(t testing.TB, m ck.Mechanism) []byte {
	t.Helper()
	e := Encoder{Version: Extended}
	e.BeginRequest(1, CallSignInit)
	e.Ulong(1)
	e.Mechanism(&m)
	e.Ulong(2)
	require.NoError(t, e.End())
	return frameOf(t, e.Bytes()).Body
}

func TestOurParametersTravel(t *testing.T) {
	list := ours()
	require.GreaterOrEqual(t, len(list), 20)
	for _, m := range list {
		require.NotNil(t, m.Parameter, "%v", m.Type)
		body := mechanismBody(t, m)
		d := Decoder{Version: Extended}
		_, err := d.Request(body)
		require.NoError(t, err)
		d.Session()
		got := d.Mechanism()
		d.Object()
		require.NoError(t, d.Done())
		require.NotNil(t, got)
		require.Equal(t, m, *got)
		for version := byte(0); version <= MaxVersion; version++ {
			e := Encoder{Version: version}
			e.BeginRequest(1, CallSignInit)
			e.Ulong(1)
			e.Mechanism(&m)
			e.Ulong(2)
			require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(e.End()), "%v", m.Type)
		}
		for n := range body {
			d := Decoder{Version: Extended}
			if _, err := d.Request(body[:n]); err == nil {
				d.Session()
				d.Mechanism()
				d.Object()
				require.NotNil(t, d.Done(), "%v, %v, %v", m.Type, n, len(body))
			}
		}
	}
}

// The parameter of a message, and the answer that its calls share.
func TestMessageTravels(t *testing.T) {
	p := &ck.MessageParams{Mechanism: ck.CKM_AES_CCM, Generator: 2, FixedBits: 3, DataLen: 4, TagBits: 32, Nonce: []byte("nonce"), Tag: []byte("tag.")}
	for call := CallEncryptMessage2; call <= CallDecryptMessageNext2; call++ {
		e := Encoder{Version: Extended}
		e.BeginRequest(1, call)
		e.Ulong(9)
		e.Message(p)
		e.Data([]byte("aad"))
		e.Data([]byte("data"))
		e.Buffer(ck.Buffer{Len: 7})
		e.Ulong(1)
		require.NoError(t, e.End())
		d := Decoder{Version: Extended}
		if got, err := d.Request(frameOf(t, e.Bytes()).Body); err != nil || got != call {
			t.Fatalf("%v arrives as %v, %v", call, got, err)
		}
		h, got, aad, data, buf, flags := d.Session(), d.Message(), d.Data(), d.Data(), d.Buffer(), d.Ulong()
		require.NoError(t, d.Done(), "%v", call)
		require.EqualValues(t, 9, h, "%v", call)
		require.Equal(t, p, got, "%v", call)
		require.Equal(t, "aad", string(aad), "%v", call)
		require.Equal(t, "data", string(data), "%v", call)
		require.EqualValues(t, 7, buf.Len, "%v", call)
		require.EqualValues(t, 1, flags, "%v", call)
	}
}

// What a stock client sends for a mechanism whose parameter p11-kit does not know arrives
// as bytes: the IV of CKM_AES_GMAC, and pointers of the client, which mean nothing here.
func TestBytesOfStockClients(t *testing.T) {
	for _, typ := range []ck.MechanismType{ck.CKM_AES_GMAC, ck.CKM_EDDSA, ck.CKM_XEDDSA} {
		e, d := Encoder{Version: MaxVersion}, Decoder{Version: MaxVersion}
		e.BeginRequest(1, CallSignInit)
		e.Ulong(1)
		e.take("M")
		e.uint32(uint32(typ))
		e.buf = append(e.buf, 1)
		e.array([]byte("twelve bytes"))
		e.Ulong(2)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		d.Session()
		require.Equal(t, &ck.Mechanism{Type: typ, Parameter: ck.RawParameter("twelve bytes")}, d.Mechanism())
		d.Object()
		require.NoError(t, d.Done())
	}
}
