package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Where a token holds what it may, every call that would make another object is refused
// with CKR_DEVICE_MEMORY and makes none; session objects, and what is there, go on.
func TestQuota(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	one, err := c.CreateObject(h, data("one", "v", onToken, public))
	require.NoError(w.t, err)
	w.store.Quota = record.Quota{Objects: 2}

	pair := func(token bool) error {
		_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
			ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256), ck.Bool(ck.CKA_TOKEN, token)}, ck.Template{ck.Bool(ck.CKA_TOKEN, token)})
		return err
	}
	var over *record.OverQuota
	require.ErrorAs(t, pair(true), &over)
	require.Len(t, findAll(t, c, h, ck.Template{onToken}), 1, "half a pair")
	_, err = c.CopyObject(h, one, ck.Template{ck.String(ck.CKA_LABEL, "two")})
	require.NoError(w.t, err)
	for name, call := range map[string]func() error{
		"C_CreateObject": func() error { _, err := c.CreateObject(h, data("three", "v", onToken, public)); return err },
		"C_CopyObject":   func() error { _, err := c.CopyObject(h, one, nil); return err },
		"C_GenerateKey": func() error {
			_, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), onToken})
			return err
		},
		"C_GenerateKeyPair": func() error { return pair(true) },
	} {
		require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(call()), name)
	}
	require.Len(t, findAll(t, c, h, ck.Template{onToken}), 2)
	require.NoError(w.t, pair(false))
	require.NoError(w.t, c.SetAttributeValue(h, one, ck.Template{ck.String(ck.CKA_LABEL, "another")}))
	require.NoError(w.t, c.DestroyObject(h, one))
	_, err = c.CreateObject(h, data("three", "v", onToken, public))
	require.NoError(w.t, err)
}
