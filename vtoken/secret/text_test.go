package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
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
	text := b.String()
	require.NotContains(t, text, "canary", "printed: %s", text)
	require.NotContains(t, text, "63616e617279", "printed: %s", text)
	require.NotContains(t, text, "99 97", "printed: %s", text)
}

func TestTextRefuses(t *testing.T) {
	_, err := json.Marshal(Text("\xff"))
	require.Error(t, err, "what is not text is written")
	var s Text
	for _, in := range []string{"1", "null1", "[1]", `"`} {
		if err := json.Unmarshal([]byte(in), &s); err == nil {
			t.Errorf("%s is read", in)
		}
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
		require.Equal(t, utf8.ValidString(text), err == nil)
		if err != nil {
			return
		}
		var back Text
		err = json.Unmarshal(b, &back)
		require.NoError(t, err, "%q became %q", text, []byte(back))
		require.Equal(t, text, string(back), "%q became %q", text, []byte(back))
	})
}
