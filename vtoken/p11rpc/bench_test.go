package p11rpc

import (
	"testing"

	"vtoken/vtoken/ck"
)

// The request and the answer of C_Sign, written and read.
func BenchmarkSign(b *testing.B) {
	digest, signature := make([]byte, 32), make([]byte, 64)
	var e Encoder
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		e.BeginRequest(1, CallSign)
		e.Ulong(5)
		e.Data(digest)
		e.Buffer(ck.Buffer{Len: 64})
		_ = e.End()
		if _, err := d.Request(e.Bytes()[headerLen:]); err != nil {
			b.Fatal(err)
		}
		_, _, _ = d.Session(), d.Data(), d.Buffer()
		if err := d.Done(); err != nil {
			b.Fatal(err)
		}
		e.Reset()
		e.BeginResponse(1, CallSign)
		e.Output(ck.Output{Data: signature, Len: 64})
		_ = e.End()
		if err := d.Response(e.Bytes()[headerLen:], CallSign); err != nil {
			b.Fatal(err)
		}
		if _, err := d.Output(ck.Buffer{Len: 64}); err != nil {
			b.Fatal(err)
		}
		e.Reset()
	}
}

// A template of four attributes, written and read.
func BenchmarkTemplate(b *testing.B) {
	template := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Bool(ck.CKA_TOKEN, true),
		ck.String(ck.CKA_LABEL, "a key"), ck.Bytes(ck.CKA_ID, []byte{1, 2, 3, 4}),
	}
	var e Encoder
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		e.BeginRequest(1, CallFindObjectsInit)
		e.Ulong(5)
		e.Template(template)
		_ = e.End()
		if _, err := d.Request(e.Bytes()[headerLen:]); err != nil {
			b.Fatal(err)
		}
		_, _ = d.Session(), d.Template()
		if err := d.Done(); err != nil {
			b.Fatal(err)
		}
		e.Reset()
	}
}

// The mechanism of C_SignInit, which travels with every C_Sign, written and read.
func BenchmarkMechanism(b *testing.B) {
	for _, m := range []ck.Mechanism{
		{Type: ck.CKM_ECDSA},
		{Type: ck.CKM_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32}},
		{Type: ck.CKM_SHA256_HMAC_GENERAL, Parameter: ck.MACGeneralParams(16)},
		{Type: ck.CKM_EDDSA, Parameter: ck.EdDSAParams{Context: []byte("context")}},
	} {
		b.Run(m.Type.String(), func(b *testing.B) {
			e, d := Encoder{Version: Extended}, Decoder{Version: Extended}
			b.ReportAllocs()
			for b.Loop() {
				e.BeginRequest(1, CallSignInit)
				e.Ulong(5)
				e.Mechanism(&m)
				e.Ulong(7)
				_ = e.End()
				if _, err := d.Request(e.Bytes()[headerLen:]); err != nil {
					b.Fatal(err)
				}
				_, _, _ = d.Session(), d.Mechanism(), d.Object()
				if err := d.Done(); err != nil {
					b.Fatal(err)
				}
				e.Reset()
			}
		})
	}
}
