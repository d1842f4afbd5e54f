package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestTextIsNotPrinted(t *testing.T) {
	s := Text("canary")
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s)
	fmt.Fprintf(&b, "%v %s %x %q %+v %#v %d", s, s, s, s, s, s, s)
	fmt.Fprintf(&b, "%v %+v", struct{ S Text }{s}, []Text{s})
	if text := b.String(); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") || strings.Contains(text, "99 97") {
		t.Errorf("printed: %s", text)
	}
}

func TestTextRefuses(t *testing.T) {
	if _, err := json.Marshal(Text("\xff")); err == nil {
		t.Error("what is not text is written")
	}
	var s Text
	for _, in := range []string{"1", "null1", "[1]", `"`} {
		require.Error(t, json.Unmarshal([]byte(in), &s), "%s is read", in)
	}
	s = Text("1234")
	s.Wipe()
	require.Equal(t, "\x00\x00\x00\x00", string(s), "not wiped")
}

// FuzzText writes and reads back every text.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "1234", `a"b\c`, "ü\u2028<>", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := json.Marshal(Text(text))
		require.Equal(t, utf8.ValidString(text), (err == nil), "%q: %v", text, err)
		if err != nil {
			return
		}
		var back Text
		if err := json.Unmarshal(b, &back); err != nil || string(back) != text {
			t.Errorf("%q became %q (%v)", text, []byte(back), err)
		}
	})
}
