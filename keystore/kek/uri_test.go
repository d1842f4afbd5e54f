package kek

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPINInURI: a PIN that stands in a URI is not repeated in the error.
func TestPINInURI(t *testing.T) {
	_, err := Parse("pkcs11:token=t;object=o?module-path=/m&pin-value=31415926")
	require.ErrorIs(t, err, ErrURI)
	require.NotContains(t, err.Error(), "31415926")
	require.ErrorContains(t, err, "pin-source")
}

func TestParse(t *testing.T) {
	for text, want := range map[string]URI{
		"file:/a/b":            {"file", "/a/b", ""},
		"passphrase:file=/p":   {"passphrase", "file=/p", ""},
		"tpm2:device=/d?pcr=7": {"tpm2", "device=/d", "pcr=7"},
		"x-1+2.3:a:b?c?d":      {"x-1+2.3", "a:b", "c?d"},
	} {
		if got, err := Parse(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "file", ":x", "file:", "file:?x", "FILE:/x", "1x:/y", "/path:x", "file:/a\nb", "file:" + strings.Repeat("x", maxURI)} {
		if _, err := Parse(text); !errors.Is(err, ErrURI) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Each rule of a URI lets through what is next to what it refuses.
func TestParseBounds(t *testing.T) {
	longest := "file:" + strings.Repeat("x", maxURI-len("file:"))
	for _, text := range []string{longest, "a:x", "z:x", "a0:x", "a9:x", "az:x", "file:/a b", "file:/a~", "file:x?"} {
		u, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, strings.TrimSuffix(text, "?"), u.String())
	}
	for _, text := range []string{
		longest + "x", "`:x", "{:x", "a`:x", "a{:x", "a/:x", "aA:x", "0:x", "+:x", "-:x", ".:x", "a,:x", "file:/a\x1f", "file:/a\x7f", "file:?",
	} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrURI, text)
	}
}

// A list has different names, each with a value, which may be empty.
func TestAttributes(t *testing.T) {
	for list, want := range map[string]map[string]string{
		"a=1": {"a": "1"}, "a=1;b=2": {"a": "1", "b": "2"}, "a=": {"a": ""}, "a=b=c": {"a": "b=c"},
	} {
		got, err := Attributes(list)
		require.NoError(t, err, list)
		require.Equal(t, want, got, list)
	}
	for _, list := range []string{"", "a", "=1", "a=1;", ";a=1", "a=1;a=2", "a=1;b", "a=1;=2"} {
		_, err := Attributes(list)
		require.ErrorIs(t, err, ErrURI, list)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"file:/a", "passphrase:file=/p", "tpm2:device=/dev/tpmrm0?pcrs=7+11", ":", "a:b?"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(u.String())
		if err != nil || again != u {
			t.Errorf("%q: %+v, then %+v, %v", s, u, again, err)
		}
		_, _ = Attributes(u.Opaque)
	})
}
