package jwtauth

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// Claims are the claims of a token that are checked (RFC 7519, section 4.1; RFC 9068,
// section 2.2). Missing ones are empty; others are ignored.
type Claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	ID        string   `json:"jti"`
	ClientID  string   `json:"client_id"`
	Audience  Strings  `json:"aud"`
	Scopes    Scopes   `json:"scope"`
	IssuedAt  *Instant `json:"iat"`
	ExpiresAt *Instant `json:"exp"`
	NotBefore *Instant `json:"nbf"`
}

// Strings is a claim that is one string or several.
type Strings []string

// UnmarshalJSON reads a string or an array of strings.
func (s *Strings) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(s))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*s = Strings{one}
	return nil
}

// Scopes are the scopes of a token: a string separated by blanks, or an array.
type Scopes []string

// UnmarshalJSON reads either form.
func (s *Scopes) UnmarshalJSON(b []byte) error {
	var list Strings
	if err := list.UnmarshalJSON(b); err != nil {
		return err
	}
	*s = nil
	for _, part := range list {
		*s = append(*s, strings.Fields(part)...)
	}
	return nil
}

// Instant is a time in seconds since 1970, as a number or as a string with a number.
// Fractions of a second are dropped.
type Instant struct{ time.Time }

// maxSeconds is the end of the year 9999.
const maxSeconds = 253402300799

// UnmarshalJSON reads either form.
func (i *Instant) UnmarshalJSON(b []byte) error {
	text := string(b)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxSeconds || strings.ContainsAny(text, "xX_iI+") {
		return fmt.Errorf("%.32q is not a time in seconds since 1970", text)
	}
	i.Time = time.Unix(int64(seconds), 0).UTC()
	return nil
}
