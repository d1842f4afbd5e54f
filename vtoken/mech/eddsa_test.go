package mech_test

import (
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

func TestEdDSAVectors(t *testing.T) {
	schemes := map[string]int{}
	for _, v := range vectors(t, "eddsa.txt") {
		c := curveNamed(t, v["curve"])
		o, priv := privateOn(t, c, unhex(t, v["seed"]))
		if point := o.Attrs.Get(ck.CKA_EC_POINT); hex.EncodeToString(point[2:]) != v["public"] {
			t.Errorf("the public key of %s is %x", v["seed"], point)
		}
		pub := parsed(t, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC_EDWARDS),
			ck.Bytes(ck.CKA_EC_PARAMS, c.OID), ck.Bytes(ck.CKA_EC_POINT, unhex(t, v["public"])),
		}, nil)
		params := ck.EdDSAParams{PhFlag: v["ph"] == "true", Context: unhex(t, v["context"])}
		forms := []ck.Parameter{params}
		if !params.PhFlag && len(params.Context) == 0 {
			forms = append(forms, nil)
		}
		message := unhex(t, v["message"])
		for _, p := range forms {
			if sig := sign(t, ck.CKM_EDDSA, priv, p, pieces(message)...); hex.EncodeToString(sig) != v["signature"] {
				t.Errorf("%s, %v: signature of %s is %x", v["curve"], p, v["message"], sig)
			}
			if err := verify(t, ck.CKM_EDDSA, pub, p, unhex(t, v["signature"]), message); err != nil {
				t.Errorf("%s, %v: %v", v["curve"], p, err)
			}
		}
		other := params
		other.Context = []byte("another")
		err := verify(t, ck.CKM_EDDSA, pub, other, unhex(t, v["signature"]), message)
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
		schemes[v["curve"]+v["ph"]+map[bool]string{true: "ctx"}[len(params.Context) > 0]]++
	}
	for _, want := range []string{"edwards25519false", "edwards25519falsectx", "edwards25519true", "edwards448false", "edwards448falsectx", "edwards448true"} {
		if schemes[want] == 0 {
			t.Errorf("no vector of %s", want)
		}
	}
}

func TestEdDSARefuses(t *testing.T) {
	for _, c := range curves(ck.CKK_EC_EDWARDS) {
		priv, pub := pairOn(t, c)
		d := lookup(t, ck.CKM_EDDSA)
		_, err := d.Sign(priv, ck.EdDSAParams{Context: make([]byte, 256)})
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
		_, err = d.Sign(priv, ck.RawParameter(make([]byte, 24)))
		require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
		_, err = d.Sign(pub, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
		_, err = d.Verify(priv, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
}
