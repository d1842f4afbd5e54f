package provisioning

import (
	"strings"
	"unicode"
)

// deceptive are characters that make a name look like another one, or like more than a
// name, in a list or a log. New names and labels have none of them. Names that are stored
// already, and labels that applications make with C_InitToken, may have some and keep
// working.
var deceptive = [...]struct {
	what string // with its article
	is   func(rune) bool
}{
	{"a control character", unicode.IsControl},
	{"a line break", in(unicode.Zl, unicode.Zp)},
	{"a character that changes the direction of writing", in(unicode.Bidi_Control)},
	{"a character that is not seen", in(unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)},
	{"a digit that is none of 0 to 9", func(r rune) bool { return unicode.IsDigit(r) && (r < '0' || r > '9') }},
	{"a blank that is none of the space bar", func(r rune) bool { return unicode.Is(unicode.Zs, r) && r != ' ' }},
	{"a character for private use", in(unicode.Co)},
}

// in reports characters that are in one of the tables.
func in(tables ...*unicode.RangeTable) func(rune) bool {
	return func(r rune) bool { return unicode.In(r, tables...) }
}

// checkClear refuses text with a deceptive character.
func checkClear(what, s string) error {
	for _, d := range deceptive {
		if i := strings.IndexFunc(s, d.is); i >= 0 {
			return Errorf(BadInput, "the %s has %s in it (%+q); leave it out", what, d.what, []rune(s[i:])[0])
		}
	}
	return nil
}
