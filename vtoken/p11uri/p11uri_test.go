package p11uri

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestString(t *testing.T) {
	for _, c := range []struct {
		name string
		path Path
		want string
	}{
		{"nothing", Path{}, "pkcs11:"},
		{"plain", Path{Token: "alice", Serial: "00A1"}, "pkcs11:token=alice;serial=00A1"},
		{"reserved", Path{Token: "a b;c/d?e%f=g&h"}, "pkcs11:token=a%20b%3Bc%2Fd%3Fe%25f%3Dg%26h"},
		{"utf-8", Path{Token: "Zoë"}, "pkcs11:token=Zo%C3%AB"},
		{"id", Path{ID: []byte{0x41, 0xFF, 0}, Type: Private}, "pkcs11:id=%41%FF%00;type=private"},
		{"object", Path{Object: "Alice's key", Type: Cert}, "pkcs11:object=Alice%27s%20key;type=cert"},
		{"32 bytes", Path{Token: strings.Repeat("x", 40)}, "pkcs11:token=" + strings.Repeat("x", 32)},
		{"between characters", Path{Token: strings.Repeat("x", 31) + "ëy"}, "pkcs11:token=" + strings.Repeat("x", 31)},
		{"blanks at the end", Path{Token: "a  "}, "pkcs11:token=a"},
	} {
		if got := c.path.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzString checks that what is written reads back, and holds no character
// that a parser could take for one of its own.
func FuzzString(f *testing.F) {
	f.Add("label", "serial", "object", []byte{1, 2})
	f.Add("a;b%", "Zoë", "\x00\xff", []byte(nil))
	f.Fuzz(func(t *testing.T, token, serial, object string, id []byte) {
		s := Path{Token: token, Serial: serial, Object: object, ID: id}.String()
		want := map[string]string{"token": Cut(token, labelLen), "serial": Cut(serial, serialLen), "object": object, "id": string(id)}
		rest, ok := strings.CutPrefix(s, Scheme)
		require.True(t, ok)
		require.False(t, strings.ContainsAny(rest, "?&# \n/"))
		for attr := range strings.SplitSeq(rest, ";") {
			name, value, _ := strings.Cut(attr, "=")
			got, err := url.PathUnescape(value)
			if name != "" && (err != nil || got != want[name]) {
				t.Errorf("%s is %q (%v), want %q", name, got, err, want[name])
			}
			delete(want, name)
		}
		for name, value := range want {
			if value != "" {
				t.Errorf("%s is missing", name)
			}
		}
		if utf8.ValidString(token) && !utf8.ValidString(Cut(token, labelLen)) {
			t.Errorf("cut inside a character: %q", Cut(token, labelLen))
		}
	})
}

// Letters, digits and four marks stand for themselves, and every other byte is escaped.
func TestEveryByte(t *testing.T) {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	for c := range 256 {
		want := string(rune(c))
		if c >= 0x80 || !strings.ContainsRune(plain, rune(c)) {
			want = fmt.Sprintf("%%%02X", c)
		}
		require.Equal(t, "pkcs11:object="+want, Path{Object: string([]byte{byte(c)})}.String())
		require.Equal(t, fmt.Sprintf("pkcs11:id=%%%02X", c), Path{ID: []byte{byte(c)}}.String())
	}
}

// A text is cut where it is too long, and nowhere else.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"ë", 1, ""}, {"aë", 2, "a"}, {"aë", 3, "aë"},
		{"a b", 2, "a"}, {"\xff\xff\xff", 2, "\xff\xff"}, {"\x80\x80", 1, ""},
	} {
		require.Equal(t, c.want, Cut(c.s, c.n), "%q to %d bytes", c.s, c.n)
	}
	require.Equal(t, "pkcs11:token="+strings.Repeat("x", 32)+";serial="+strings.Repeat("y", 16),
		Path{Token: strings.Repeat("x", 33), Serial: strings.Repeat("y", 17)}.String())
}
