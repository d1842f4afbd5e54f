// Package p11uri writes PKCS#11 URIs (RFC 7512) that name tokens and their
// objects, so that people can paste them into OpenSSL, GnuTLS, p11-kit and
// OpenSSH.
//
// It escapes more than the RFC asks for: everything but letters, digits and
// "-._~". Such URIs need no quotes in a shell except for the semicolon, and
// parsers with their own idea of the reserved characters agree on them. It
// imports the standard library only, and it does not parse.
package p11uri

import (
	"strings"
	"unicode/utf8"
)

// The lengths in bytes of the fields of CK_TOKEN_INFO that URIs are compared
// with (PKCS#11 2.40, section 3.2).
const (
	labelLen  = 32
	serialLen = 16
)

// Scheme is what every URI begins with.
const Scheme = "pkcs11:"

// The values of the attribute "type" (RFC 7512 section 2.3).
const (
	Cert      = "cert"
	Data      = "data"
	Private   = "private"
	Public    = "public"
	SecretKey = "secret-key"
)

// Path is the path part of a URI. What is empty is left out, and so asks for
// nothing.
type Path struct {
	Token  string // the token's label, cut as PKCS#11 shows it
	Serial string // the token's serial number, cut likewise
	Object string // CKA_LABEL
	ID     []byte // CKA_ID
	Type   string // one of the constants above
}

// String is the URI.
func (p Path) String() string {
	attrs := []struct{ name, value string }{
		{"token", escape(Cut(p.Token, labelLen))},
		{"serial", escape(Cut(p.Serial, serialLen))},
		{"id", escapeAll(p.ID)},
		{"object", escape(p.Object)},
		{"type", p.Type},
	}
	var parts []string
	for _, a := range attrs {
		if a.value != "" {
			parts = append(parts, a.name+"="+a.value)
		}
	}
	return Scheme + strings.Join(parts, ";")
}

// Cut is the longest beginning of s that fits n bytes and ends between
// characters, without the blanks at its end: the fixed fields of PKCS#11 are
// padded with blanks, and clients strip them.
func Cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.TrimRight(s, " ")
}

const upperHex = "0123456789ABCDEF"

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			writeEscaped(&b, c)
		}
	}
	return b.String()
}

// escapeAll escapes every byte, as the RFC advises for ids, which are binary.
func escapeAll(id []byte) string {
	var b strings.Builder
	for _, c := range id {
		writeEscaped(&b, c)
	}
	return b.String()
}

func writeEscaped(b *strings.Builder, c byte) {
	b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
