package text_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/text"
)

func TestClip(t *testing.T) {
	for s, want := range map[string]string{
		"":                      "",
		"short":                 "short",
		strings.Repeat("x", 65): strings.Repeat("x", 65),
		strings.Repeat("x", 66): strings.Repeat("x", 65) + "…",
		strings.Repeat("ü", 40): strings.Repeat("ü", 33) + "…", // never within a character
	} {
		require.Equal(t, want, text.Clip(s))
	}
}

func TestLabel(t *testing.T) {
	for s, want := range map[string]string{
		" a b ":                      "a b",
		"a\x00b\n":                   "ab",
		"a\xffb":                     "ab",
		strings.Repeat("x", 300):     strings.Repeat("x", 255),
		strings.Repeat("ü", 200):     strings.Repeat("ü", 127), // 254 bytes
		"x" + strings.Repeat(" ", 9): "x",
	} {
		require.Equal(t, want, text.Label(s))
	}
}
