package mech_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

func valueOf(t testing.TB, made, tpl ck.Template) []byte {
	t.Helper()
	o, err := object.Build(object.Source{Origin: object.Derive, Made: made}, tpl)
	require.NoError(t, err)
	return o.Secret.Get(ck.CKA_VALUE)
}

func TestMLKEMVectors(t *testing.T) {
	d := lookup(t, ck.CKM_ML_KEM)
	keys := map[string]*mech.Key{}
	n := 0
	for _, v := range vectors(t, "mlkem.txt") {
		if v["private"] != "" {
			s := setNamed(t, v["set"])
			keys[v["set"]] = parsed(t, ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_ML_KEM),
				ck.Ulong(ck.CKA_PARAMETER_SET, s.Number), ck.Bytes(ck.CKA_VALUE, unhex(t, v["private"])),
			}, nil)
		}
		if v["ciphertext"] == "" {
			continue
		}
		n++
		made, err := d.Decapsulate(keys[v["set"]], nil, unhex(t, v["ciphertext"]), generic(0))
		require.NoError(t, err)
		if got := valueOf(t, made, generic(0)); hex.EncodeToString(got) != v["secret"] {
			t.Errorf("%s: the secret is %x", v["set"], got)
		}
	}
	if n < 30 || len(keys) != 3 {
		t.Errorf("%d vectors for %d keys", n, len(keys))
	}
}

func TestMLKEMRoundTrip(t *testing.T) {
	d := lookup(t, ck.CKM_ML_KEM)
	aes := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	for _, s := range object.ParameterSets() {
		if s.KeyType != ck.CKK_ML_KEM {
			continue
		}
		priv, pub := pairOf(t, fromSeed(t, s, random(64)))
		for _, tpl := range []ck.Template{aes, append(aes, ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))), generic(32)} {
			ciphertext, made, err := d.Encapsulate(pub, nil, tpl)
			require.NoError(t, err)
			if n, err := d.CiphertextLen(pub, nil); err != nil || n != len(ciphertext) {
				t.Errorf("%s: %d bytes were told, %d came: %v", s.Name, n, len(ciphertext), err)
			}
			here := valueOf(t, made, tpl)
			made, err = d.Decapsulate(priv, nil, ciphertext, tpl)
			require.NoError(t, err)
			if there := valueOf(t, made, tpl); !bytes.Equal(here, there) || len(here) != 32 {
				t.Errorf("%s: %x and %x", s.Name, here, there)
			}
			_, err = d.Decapsulate(priv, nil, ciphertext[1:], tpl)
			wantCode(t, err, ck.CKR_WRAPPED_KEY_LEN_RANGE)
		}
		_, _, err := d.Encapsulate(pub, nil, generic(16))
		wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
		_, _, err = d.Encapsulate(pub, ck.RawParameter{1}, generic(32))
		wantCode(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
		_, _, err = d.Encapsulate(priv, nil, generic(32))
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
		_, err = d.Decapsulate(pub, nil, nil, generic(32))
		wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	}
}
