package jwtauth

import (
	"crypto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The examples of RFC 7515, appendix A: the payload of all, and the keys of A.2 (RSA)
// and A.3 (EC).
const (
	rfcPayload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcKeys    = `{"keys":[
		{"kty":"RSA","kid":"A.2","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
		{"kty":"EC","kid":"A.3","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	rfcRS256 = "eyJhbGciOiJSUzI1NiJ9." + rfcPayload + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfcES256 = "eyJhbGciOiJFUzI1NiJ9." + rfcPayload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	// A.1 (which is RFC 7519, section 3.1, too) has a shared secret, A.5 no signature.
	rfcHS256 = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcPayload + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rfcNone  = "eyJhbGciOiJub25lIn0." + rfcPayload + "."
)

func rfcKey(t *testing.T, kid string) crypto.PublicKey {
	t.Helper()
	keys, err := ParseKeySet([]byte(rfcKeys))
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys (%v)", len(keys), err)
	}
	return keys[kid]
}

// TestPublishedVectors checks the signatures of the RFC. Its claims name no audience,
// so that they are refused after that.
func TestPublishedVectors(t *testing.T) {
	for _, c := range []struct{ token, kid, algorithm, other string }{
		{rfcRS256, "A.2", RS256, "A.3"}, {rfcES256, "A.3", ES256, "A.2"},
	} {
		token, err := Parse(c.token)
		require.NoError(t, err)
		if err := token.signed(rfcKey(t, c.kid)); err != nil {
			t.Errorf("%s: %v", c.algorithm, err)
		}
		if err := token.signed(rfcKey(t, c.other)); err == nil {
			t.Errorf("%s: the other key checks it", c.algorithm)
		}
		if claims := token.Unverified(); claims.Issuer != "joe" || claims.ExpiresAt.Unix() != 1300819380 || claims.Audience != nil {
			t.Errorf("%+v", claims)
		}
		_, err = token.Verify(rfcKey(t, c.kid), Rules{Algorithms: []string{c.algorithm}, Audiences: []string{""}}, time.Unix(1300819379, 0))
		if err == nil || !strings.Contains(err.Error(), "aud") {
			t.Errorf("%s: %v", c.algorithm, err)
		}
		for i := range len(c.token) {
			changed := []byte(c.token)
			if changed[i] ^= 1; changed[i] == '.' || string(changed) == c.token {
				continue
			}
			other, err := Parse(string(changed))
			if err == nil && i < len(c.token)-1 && other.signed(rfcKey(t, c.kid)) == nil { // the last has bits that do not count
				t.Errorf("%s: a change at %d is not noticed", c.algorithm, i)
			}
		}
	}
	for _, bad := range []string{rfcHS256, rfcNone} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s is a token", bad)
		}
	}
}
