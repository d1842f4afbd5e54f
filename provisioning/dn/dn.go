package dn

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"vtoken/provisioning/text"
)

// maxDN is the length in bytes of a distinguished name as text, maxRDNs how many
// parts it may have.
const (
	maxDN   = 1024
	maxRDNs = 32
)

// nameTypes are the attribute types that go by a name (RFC 4514, section 3, and
// those that certificates have besides), in lower case.
var nameTypes = []struct {
	names []string
	oid   asn1.ObjectIdentifier
	tag   int // of the string; 0 is PrintableString or UTF8String
	most  int // characters (RFC 5280, appendix A.1)
}{
	{[]string{"cn"}, asn1.ObjectIdentifier{2, 5, 4, 3}, 0, 64},
	{[]string{"sn", "surname"}, asn1.ObjectIdentifier{2, 5, 4, 4}, 0, 128},
	{[]string{"serialnumber"}, asn1.ObjectIdentifier{2, 5, 4, 5}, asn1.TagPrintableString, 64},
	{[]string{"c"}, asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.TagPrintableString, 2},
	{[]string{"l"}, asn1.ObjectIdentifier{2, 5, 4, 7}, 0, 128},
	{[]string{"st", "s"}, asn1.ObjectIdentifier{2, 5, 4, 8}, 0, 128},
	{[]string{"street"}, asn1.ObjectIdentifier{2, 5, 4, 9}, 0, 128},
	{[]string{"o"}, asn1.ObjectIdentifier{2, 5, 4, 10}, 0, 64},
	{[]string{"ou"}, asn1.ObjectIdentifier{2, 5, 4, 11}, 0, 64},
	{[]string{"t", "title"}, asn1.ObjectIdentifier{2, 5, 4, 12}, 0, 64},
	{[]string{"g", "gn", "givenname"}, asn1.ObjectIdentifier{2, 5, 4, 42}, 0, 64},
	{[]string{"initials"}, asn1.ObjectIdentifier{2, 5, 4, 43}, 0, 64},
	{[]string{"uid"}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, 0, 256},
	{[]string{"dc"}, asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.TagIA5String, 63},
	{[]string{"e", "email", "emailaddress"}, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.TagIA5String, 255},
}

// Parse reads a distinguished name in the form of RFC 4514, the most specific part
// first, and returns it in DER. Blanks around separators are allowed. A name without a
// common name is refused. Errors are sentences for the author of the name.
func Parse(name string) ([]byte, error) {
	switch {
	case name == "":
		return nil, errors.New("the subject is empty; give a distinguished name such as CN=John Smith,O=Example,C=GB")
	case len(name) > maxDN || !utf8.ValidString(name):
		return nil, fmt.Errorf("the subject is not UTF-8 of at most %d bytes", maxDN)
	}
	var names pkix.RDNSequence
	hasCN := false
	for rest, more := name, true; more; {
		var set pkix.RelativeDistinguishedNameSET
		for plus := true; plus; {
			a, end, left, err := parseAttribute(rest)
			if err != nil {
				return nil, err
			}
			hasCN = hasCN || a.Type.Equal(nameTypes[0].oid)
			set, rest = append(set, a), left
			plus, more = end == '+', end != 0
		}
		if names = append(names, set); len(names) > maxRDNs {
			return nil, fmt.Errorf("the subject has more than %d parts", maxRDNs)
		}
	}
	if !hasCN {
		return nil, errors.New("the subject has no common name; begin it with CN=")
	}
	slices.Reverse(names) // RFC 4514, section 2.1
	der, err := asn1.Marshal(names)
	if err != nil {
		return nil, errors.New("the subject cannot be encoded as a distinguished name; check it")
	}
	return der, nil
}

// parseAttribute reads TYPE=value and what ends it: ',', '+' or 0 at the end.
func parseAttribute(s string) (a pkix.AttributeTypeAndValue, end byte, rest string, err error) {
	kind, after, ok := strings.Cut(s, "=")
	if !ok {
		return a, 0, "", errors.New("a part of the subject has no equals sign; write parts as CN=John Smith, and a comma inside of a value as \\,")
	}
	value, end, rest, ok := parseValue(strings.TrimLeft(after, " "))
	if !ok {
		return a, 0, "", errors.New("a value in the subject is malformed; write special characters with a backslash before them")
	}
	oid, tag, most, ok := nameType(strings.TrimSpace(kind))
	if !ok {
		return a, 0, "", fmt.Errorf(
			"the subject has a part of unknown type %q; use CN, OU, O, L, ST, C, DC, UID, E and the like, or an OID",
			text.Clip(strings.TrimSpace(kind)))
	}
	if n := utf8.RuneCountInString(value); n == 0 || n > most {
		return a, 0, "", fmt.Errorf("the part %s of the subject has %d characters; it can have 1 to %d",
			text.Clip(strings.TrimSpace(kind)), n, most)
	}
	a = pkix.AttributeTypeAndValue{Type: oid, Value: value}
	if tag != 0 {
		if !fitsTag(value, tag) {
			return a, 0, "", fmt.Errorf("the part %s of the subject has a character that it cannot have",
				text.Clip(strings.TrimSpace(kind)))
		}
		a.Value = asn1.RawValue{Tag: tag, Bytes: []byte(value)}
	}
	return a, end, rest, nil
}

// IsIA5String reports whether s is ASCII without control characters, which is what an
// IA5String of a certificate may have.
func IsIA5String(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e || r < ' ' })
}

// nameType is the attribute type of that name or OID.
func nameType(name string) (oid asn1.ObjectIdentifier, tag, most int, ok bool) {
	name = strings.ToLower(name)
	for _, t := range nameTypes {
		if slices.Contains(t.names, name) || t.oid.String() == strings.TrimPrefix(name, "oid.") {
			return t.oid, t.tag, t.most, true
		}
	}
	oid, ok = parseOID(strings.TrimPrefix(name, "oid."))
	return oid, 0, text.MaxName, ok
}

// fitsTag reports whether a text can be a string of that tag.
func fitsTag(s string, tag int) bool {
	if tag == asn1.TagIA5String {
		return IsIA5String(s)
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(" '()+,-./:=?", r)
	})
}

// parseOID reads an OID of at least two numbers.
func parseOID(s string) (asn1.ObjectIdentifier, bool) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || part != strconv.FormatUint(n, 10) || len(oid) >= 32 {
			return nil, false
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || oid[0] > 2 || oid[0] < 2 && oid[1] >= 40 {
		return nil, false
	}
	return oid, true
}

// parseValue reads a value to its separator: quoted, or with backslashes before
// special characters or two hexadecimal digits. Blanks at its end do not count.
func parseValue(s string) (value string, end byte, rest string, ok bool) {
	var b strings.Builder
	keep := 0 // length of the value without blanks that were not escaped
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			raw, n := unescape(s[i+1:])
			if n == 0 {
				return "", 0, "", false
			}
			b.WriteByte(raw)
			i, keep = i+n, b.Len()
		case c == '"' && (quoted || b.Len() == 0):
			quoted = !quoted
		case !quoted && (c == ',' || c == ';' || c == '+'):
			return finish(b.String()[:keep], map[bool]byte{true: '+', false: ','}[c == '+'], s[i+1:])
		case c < ' ' || !quoted && strings.IndexByte(`"<>`, c) >= 0:
			return "", 0, "", false
		default:
			if b.WriteByte(c); c != ' ' || quoted {
				keep = b.Len()
			}
		}
	}
	if quoted {
		return "", 0, "", false
	}
	return finish(b.String()[:keep], 0, "")
}

func finish(value string, end byte, rest string) (string, byte, string, bool) {
	control := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f })
	return value, end, rest, utf8.ValidString(value) && !control
}

// unescape reads what follows a backslash: the byte it stands for and how many
// characters it takes, 0 where that is none.
func unescape(s string) (b byte, n int) {
	if len(s) >= 2 {
		if raw, err := hex.DecodeString(s[:2]); err == nil {
			return raw[0], 2
		}
	}
	if len(s) >= 1 && strings.IndexByte(` "#+,;<=>\`, s[0]) >= 0 {
		return s[0], 1
	}
	return 0, 0
}
