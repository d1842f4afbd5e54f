package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the length that names may have: those of tenants, users and API keys in
// characters, labels of tokens and objects in bytes.
const MaxName = 255

// maxClip is the length in bytes of what a message shows of a caller's text.
const maxClip = 64

// Clip returns the beginning of s, for messages, and an ellipsis where something is cut
// off.
func Clip(s string) string {
	for n := range s {
		if n > maxClip {
			return s[:n] + "…"
		}
	}
	return s
}

// Label makes a label of s: at most [MaxName] bytes without control characters, and
// without blanks at the ends. It may be empty.
func Label(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > MaxName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimSpace(s)
}
