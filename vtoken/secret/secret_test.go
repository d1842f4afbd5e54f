package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/secret"
)

// TestNothingPrintsASecret tries Go's ordinary ways from a value to a text.
func TestNothingPrintsASecret(t *testing.T) {
	const canary = "canary-4711"
	s := secret.Bytes(canary)
	type holder struct{ PIN secret.Bytes }
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("login", "pin", s, "holder", holder{s}, "pointer", &holder{s})
	}
	texts := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U"} {
		texts = append(texts, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder{s}), fmt.Sprintf(verb, &holder{s}), fmt.Sprintf(verb, []secret.Bytes{s}))
	}
	for _, v := range []any{s, holder{s}, map[string]any{"pin": s}} {
		text, err := json.Marshal(v)
		require.Error(t, err, "json.Marshal(%T) wrote %s", v, text)
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
			require.NotContains(t, text, form, "%q shows the secret as %q", text, form)
		}
	}
}

func TestEqualCloneWipe(t *testing.T) {
	a := secret.Bytes("1234")
	b := a.Clone()
	if !a.Equal(b) || a.Equal(secret.Bytes("1235")) || a.Equal(secret.Bytes("123")) {
		t.Error("Equal is wrong")
	}
	a.Wipe()
	if !bytes.Equal(a, make([]byte, 4)) || string(b) != "1234" {
		t.Errorf("after Wipe: %x, its clone %x", []byte(a), []byte(b))
	}
}

// A secret says that it is one, and no encoding takes it.
func TestSecretsSayWhatTheyAre(t *testing.T) {
	const redacted = "[secret]"
	s := secret.Bytes("1234")
	require.Equal(t, redacted, s.String())
	require.Equal(t, redacted, s.GoString())
	require.Equal(t, redacted, fmt.Sprintf("%x", s))
	require.Equal(t, redacted, s.LogValue().String())
	for _, encode := range []func() ([]byte, error){s.MarshalText, s.MarshalJSON, s.MarshalBinary} {
		text, err := encode()
		require.ErrorIs(t, err, secret.ErrEncode)
		require.Nil(t, text)
	}
	require.Nil(t, secret.Bytes(nil).Clone())
	require.True(t, secret.Bytes(nil).Equal(secret.Bytes{}))

	text := secret.Text("1234")
	require.Equal(t, redacted, text.String())
	require.Equal(t, redacted, text.GoString())
	require.Equal(t, redacted, fmt.Sprintf("%s", text))
	require.Equal(t, redacted, text.LogValue().String())
	text.Bytes().Wipe()
	require.Equal(t, "\x00\x00\x00\x00", string(text), "it is the same memory")

	// Null is no text, and changes nothing.
	held := struct{ PIN secret.Text }{secret.Text("old")}
	require.NoError(t, json.Unmarshal([]byte(`{"PIN":null}`), &held))
	require.Equal(t, "old", string(held.PIN))
	require.NoError(t, json.Unmarshal([]byte(`{"PIN":"new"}`), &held))
	require.Equal(t, "new", string(held.PIN))
}
