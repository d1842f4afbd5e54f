package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
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
		if err == nil {
			t.Errorf("json.Marshal(%T) wrote %s", v, text)
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
			if strings.Contains(text, form) {
				t.Errorf("%q shows the secret as %q", text, form)
			}
		}
	}
}

func TestEqualCloneWipe(t *testing.T) {
	a := secret.Bytes("1234")
	b := a.Clone()
	require.True(t, a.Equal(b), "Equal is wrong")
	require.False(t, a.Equal(secret.Bytes("1235")), "Equal is wrong")
	require.False(t, a.Equal(secret.Bytes("123")), "Equal is wrong")
	a.Wipe()
	require.True(t, bytes.Equal(a, make([]byte, 4)), "after Wipe: %x, its clone %x", []byte(a), []byte(b))
	require.Equal(t, "1234", string(b), "after Wipe: %x, its clone %x", []byte(a), []byte(b))
}
