package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSecretIsNotPrinted(t *testing.T) {
	s := Secret("canary")
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s)
	fmt.Fprintf(&b, "%v %s %x %q %+v %#v %d", s, s, s, s, s, s, s)
	fmt.Fprintf(&b, "%v %+v", NewPIN{Role: "user", PIN: s, CurrentPIN: s}, CreatedAPIKey{Key: s})
	if text := b.String(); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") || strings.Contains(text, "99 97") {
		t.Errorf("printed: %s", text)
	}
}

func TestSecretRefuses(t *testing.T) {
	if _, err := json.Marshal(Secret("\xff")); err == nil {
		t.Error("what is not text is written")
	}
	var s Secret
	for _, in := range []string{"1", "null1", "[1]", `"`} {
		if err := json.Unmarshal([]byte(in), &s); err == nil {
			t.Errorf("%s is read", in)
		}
	}
	s = Secret("1234")
	s.Wipe()
	if string(s) != "\x00\x00\x00\x00" {
		t.Error("not wiped")
	}
}

// FuzzSecret writes and reads back every text.
func FuzzSecret(f *testing.F) {
	for _, seed := range []string{"", "1234", `a"b\c`, "ü\u2028<>", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := json.Marshal(Secret(text))
		if (err == nil) != utf8.ValidString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		var back Secret
		if err := json.Unmarshal(b, &back); err != nil || string(back) != text {
			t.Errorf("%q became %q (%v)", text, []byte(back), err)
		}
	})
}
