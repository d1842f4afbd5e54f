package kek

import (
	"fmt"
	"strings"
)

// maxURI bounds a KEK URI in bytes.
const maxURI = 1024

// URI is a parsed KEK URI: a scheme and what the scheme's provider makes of the
// rest, such as "file:/var/lib/vtoken/kek.key".
type URI struct {
	Scheme string // lower-case letters, digits and "+-.", as RFC 3986 section 3.1 says
	Opaque string // everything after the first colon, up to the question mark
	Query  string // everything after the first question mark, or empty
}

// Parse reads a KEK URI. It fails with [ErrURI].
func Parse(s string) (URI, error) {
	if len(s) > maxURI {
		return URI{}, fmt.Errorf("%w: %d bytes long, at most %d are allowed", ErrURI, len(s), maxURI)
	}
	if strings.Contains(s, "pin-value=") { // RFC 7512; this error does not repeat it
		return URI{}, fmt.Errorf("%w: a PIN does not belong in a URI, which others can read; write it into a file and give pin-source=file:/path", ErrURI)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return URI{}, fmt.Errorf("%w: %q has a control character", ErrURI, s)
	}
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !validScheme(scheme) {
		return URI{}, fmt.Errorf("%w: %q does not start with a scheme and a colon, as file:/path does", ErrURI, s)
	}
	u := URI{Scheme: scheme}
	u.Opaque, u.Query, _ = strings.Cut(rest, "?")
	if u.Opaque == "" {
		return URI{}, fmt.Errorf("%w: %q says nothing after the colon", ErrURI, s)
	}
	return u, nil
}

// validScheme accepts only lower case, so that every scheme has one spelling.
func validScheme(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// String is the text that [Parse] reads.
func (u URI) String() string {
	s := u.Scheme + ":" + u.Opaque
	if u.Query != "" {
		s += "?" + u.Query
	}
	return s
}

// Attributes splits a list of name=value pairs such as "file=/path;slot=1". It
// fails with [ErrURI] on a pair without a name and on a repeated name.
func Attributes(list string) (map[string]string, error) {
	attrs := make(map[string]string)
	for pair := range strings.SplitSeq(list, ";") {
		name, value, found := strings.Cut(pair, "=")
		if _, twice := attrs[name]; !found || name == "" || twice {
			return nil, fmt.Errorf("%w: %q is not a list of different name=value pairs", ErrURI, list)
		}
		attrs[name] = value
	}
	return attrs, nil
}
