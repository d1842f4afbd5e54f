package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is the time of these tests.
var at = time.Unix(1_800_000_000, 0)

// keys are made once: RSA takes its time.
var keys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return k
})

// sign makes a token by hand, with whatever header and payload.
func sign(t testing.TB, header, payload string, key crypto.Signer) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch k := key.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
	case *ecdsa.PrivateKey:
		r, s, failed := ecdsa.Sign(rand.Reader, k, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), failed
	}
	require.NoError(t, err)
	return input + "." + encode(signature)
}

// legacy are rules such as an administrator's API key has.
var legacy = Rules{Algorithms: []string{RS256}, Type: "JWT", Audiences: []string{"https://example.com/v1"}, MaxAge: time.Hour}

const goodHeader = `{"typ":"JWT","alg":"RS256"}`

// claims are a payload around now, in seconds.
func claims(iat, exp int) string {
	return fmt.Sprintf(`{"sub":"id","iat":%d,"exp":%d,"aud":"https://example.com/v1"}`, at.Unix()+int64(iat), at.Unix()+int64(exp))
}

// TestRules tries what a token can have wrong, one thing at a time.
func TestRules(t *testing.T) {
	k := keys()
	text := strings.NewReplacer("1799999900", `"1799999900"`, "1800000100", `"1800000100"`)
	for name, c := range map[string]struct {
		header, payload string
		good            bool
	}{
		"good":                      {goodHeader, claims(0, 3600), true},
		"an hour, to the second":    {goodHeader, claims(-10, 3590), true},
		"numbers as text":           {goodHeader, text.Replace(claims(-100, 100)), true},
		"parts of a second":         {goodHeader, `{"iat":1800000000.9,"exp":1800000010.25,"aud":["x","https://example.com/v1"]}`, true},
		"expired within the skew":   {goodHeader, claims(-100, -59), true},
		"issued within the skew":    {goodHeader, claims(60, 3600), true},
		"a kid and other claims":    {`{"alg":"RS256","kid":"x","typ":"JWT"}`, `{"iat":1800000000,"exp":1800000010,"aud":"https://example.com/v1","x":[{}]}`, true},
		"with its own key":          {`{"alg":"RS256","typ":"JWT","jku":"https://evil.example"}`, claims(0, 10), true}, // not looked at
		"expired":                   {goodHeader, claims(-100, -60), false},
		"from the future":           {goodHeader, claims(61, 3600), false},
		"for more than an hour":     {goodHeader, claims(0, 3601), false},
		"for ever":                  {goodHeader, `{"iat":1800000000,"aud":"https://example.com/v1"}`, false},
		"of no time":                {goodHeader, `{"exp":1800000010,"aud":"https://example.com/v1"}`, false},
		"null times":                {goodHeader, `{"iat":null,"exp":null,"aud":"https://example.com/v1"}`, false},
		"not yet":                   {goodHeader, `{"nbf":1800000061,"iat":1800000000,"exp":1800000100,"aud":"https://example.com/v1"}`, false},
		"for nobody":                {goodHeader, `{"iat":1800000000,"exp":1800000010}`, false},
		"for somebody else":         {goodHeader, `{"iat":1800000000,"exp":1800000010,"aud":"https://example.com"}`, false},
		"for one in another case":   {goodHeader, `{"iat":1800000000,"exp":1800000010,"aud":"https://EXAMPLE.com/v1"}`, false},
		"claims in another case":    {goodHeader, `{"IAT":1800000000,"EXP":1800000010,"AUD":"https://example.com/v1"}`, false},
		"two audiences":             {goodHeader, `{"aud":"x","iat":1800000000,"exp":1800000010,"aud":"https://example.com/v1"}`, false},
		"a time that is none":       {goodHeader, `{"iat":1800000000,"exp":"tomorrow","aud":"https://example.com/v1"}`, false},
		"a time in hexadecimal":     {goodHeader, `{"iat":1800000000,"exp":"0x6B49D20A","aud":"https://example.com/v1"}`, false},
		"an endless time":           {goodHeader, `{"iat":1800000000,"exp":"Inf","aud":"https://example.com/v1"}`, false},
		"a time that is no number":  {goodHeader, `{"iat":1800000000,"exp":"NaN","aud":"https://example.com/v1"}`, false},
		"a time before time":        {goodHeader, `{"iat":-1,"exp":1800000010,"aud":"https://example.com/v1"}`, false},
		"a huge time":               {goodHeader, `{"iat":1800000000,"exp":1e300,"aud":"https://example.com/v1"}`, false},
		"a time that is an object":  {goodHeader, `{"iat":1800000000,"exp":{},"aud":"https://example.com/v1"}`, false},
		"an audience that is none":  {goodHeader, `{"iat":1800000000,"exp":1800000010,"aud":{"https://example.com/v1":1}}`, false},
		"no claims":                 {goodHeader, `null`, false},
		"claims that are a list":    {goodHeader, `[]`, false},
		"claims that are no JSON":   {goodHeader, `{`, false},
		"no typ":                    {`{"alg":"RS256"}`, claims(0, 10), false},
		"another typ":               {`{"alg":"RS256","typ":"at+jwt"}`, claims(0, 10), false},
		"typ in another case":       {`{"alg":"RS256","typ":"jwt"}`, claims(0, 10), false},
		"typ that is no text":       {`{"alg":"RS256","typ":["JWT"]}`, claims(0, 10), false},
		"another algorithm":         {`{"alg":"RS512","typ":"JWT"}`, claims(0, 10), false},
		"PSS":                       {`{"alg":"PS256","typ":"JWT"}`, claims(0, 10), false},
		"an algorithm of other key": {`{"alg":"ES256","typ":"JWT"}`, claims(0, 10), false},
		"none":                      {`{"alg":"none","typ":"JWT"}`, claims(0, 10), false},
		"None":                      {`{"alg":"nOnE","typ":"JWT"}`, claims(0, 10), false},
		"no algorithm":              {`{"typ":"JWT"}`, claims(0, 10), false},
		"two algorithms":            {`{"alg":"none","typ":"JWT","alg":"RS256"}`, claims(0, 10), false},
		"critical headers":          {`{"alg":"RS256","typ":"JWT","crit":["exp"],"exp":1}`, claims(0, 10), false},
		"no base64":                 {`{"alg":"RS256","typ":"JWT","b64":false}`, claims(0, 10), false},
		"no base64, critical":       {`{"alg":"RS256","typ":"JWT","b64":false,"crit":["b64"]}`, claims(0, 10), false},
		"a header that is no JSON":  {`{`, claims(0, 10), false},
	} {
		token, err := Parse(sign(t, c.header, c.payload, k.rsa))
		if err == nil {
			_, err = token.Verify(&k.rsa.PublicKey, legacy, at)
		}
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForged are tokens of others, also such as take the public key for a secret.
func TestForged(t *testing.T) {
	k := keys()
	good := sign(t, goodHeader, claims(0, 10), k.rsa)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	require.NoError(t, err)
	hs256 := func(secret []byte) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." + body
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	other := sign(t, goodHeader, claims(0, 20), k.rsa)
	for name, token := range map[string]string{
		"another's key":           sign(t, goodHeader, claims(0, 10), k.other),
		"an EC key":               sign(t, `{"typ":"JWT","alg":"ES256"}`, claims(0, 10), k.ec),
		"HS256 of the key":        hs256(der),
		"HS256 of the PEM":        hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"no signature":            head + "." + body + ".",
		"no last part":            head + "." + body,
		"four parts":              good + ".x",
		"no payload":              head + ".." + signature,
		"the signature of others": head + "." + body + other[strings.LastIndex(other, "."):],
		"padded":                  good + "=",
		"with a blank":            " " + good,
		"as JSON":                 `{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`,
		"nothing":                 "",
		"dots":                    "..",
		"too long":                good + strings.Repeat("A", MaxToken),
	} {
		parsed, err := Parse(token)
		if err == nil {
			_, err = parsed.Verify(&k.rsa.PublicKey, legacy, at)
		}
		if err == nil {
			t.Errorf("%s is taken for good", name)
		}
	}
	parsed, err := Parse(good)
	require.NoError(t, err)
	for range 3 { // the same token may be used again
		if _, err := parsed.Verify(&k.rsa.PublicKey, legacy, at); err != nil {
			t.Error(err)
		}
	}
	for _, key := range []crypto.PublicKey{nil, der, &k.ec.PublicKey, k.rsa, &k.other.PublicKey} {
		if _, err := parsed.Verify(key, legacy, at); err == nil {
			t.Errorf("a %T checks it", key)
		}
	}
}

func TestElliptic(t *testing.T) {
	k := keys()
	r := Rules{Algorithms: []string{RS256, ES256}, Audiences: []string{"https://example.com/v1"}, Issuer: "me"}
	payload := `{"iss":"me","client_id":"c","exp":1800000010,"aud":"https://example.com/v1","scope":"a b"}`
	token, err := Parse(sign(t, `{"alg":"ES256","kid":"k1"}`, payload, k.ec))
	require.NoError(t, err)
	require.Equal(t, "k1", token.KeyID())
	c, err := token.Verify(&k.ec.PublicKey, r, at)
	if err != nil || c.ClientID != "c" || len(c.Scopes) != 2 || c.Scopes[1] != "b" {
		t.Errorf("%+v (%v)", c, err)
	}
	r.Issuer = "you"
	if _, err := token.Verify(&k.ec.PublicKey, r, at); err == nil {
		t.Error("the issuer does not matter")
	}
	r.Algorithms = []string{RS256}
	if _, err := token.Verify(&k.ec.PublicKey, r, at); err == nil {
		t.Error("the algorithm does not matter")
	}
}

func TestSmallKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, key := range []crypto.PublicKey{&small.PublicKey, &p384.PublicKey, nil, "x"} {
		if AlgorithmOf(key) != "" {
			t.Errorf("a %T is for %s", key, AlgorithmOf(key))
		}
	}
}

func TestReplays(t *testing.T) {
	now := at
	r := NewReplays(func() time.Time { return now })
	c := Claims{ID: "1", ExpiresAt: &Instant{at.Add(time.Minute)}}
	require.NoError(t, r.Use("a", c))
	if err := r.Use("b", c); err != nil {
		t.Errorf("another client's: %v", err)
	}
	if err := r.Use("a", c); err == nil {
		t.Error("a token works twice")
	}
	now = at.Add(time.Minute + Skew - time.Second)
	if err := r.Use("a", c); err == nil {
		t.Error("a token works twice within the skew")
	}
	for _, bad := range []Claims{{}, {ID: "2"}, {ExpiresAt: c.ExpiresAt}} {
		if err := r.Use("a", bad); err == nil {
			t.Errorf("%+v", bad)
		}
	}
}

// TestReplaysAreBounded: a client that has used up its share is refused, others are
// not, and after the tokens have expired all is well.
func TestReplaysAreBounded(t *testing.T) {
	now := at
	r := NewReplays(func() time.Time { return now })
	use := func(client string, n int) error {
		return r.Use(client, Claims{ID: fmt.Sprint(n), ExpiresAt: &Instant{at.Add(time.Minute)}})
	}
	for client := range 10 {
		for n := range 1000 {
			require.NoError(t, use(fmt.Sprint(client), n))
		}
		if err := use(fmt.Sprint(client), 1000); err == nil {
			t.Fatal("no bound for a client")
		}
	}
	if err := use("last", 1); err == nil {
		t.Error("no bound for all")
	}
	now = at.Add(time.Minute + Skew)
	if err := use("last", 1); err != nil || len(r.used) != 1 || len(r.each) != 1 {
		t.Errorf("%v, %d used, %d clients", err, len(r.used), len(r.each))
	}
}

func TestReplaysAtOnce(t *testing.T) {
	r := NewReplays(func() time.Time { return at })
	var all sync.WaitGroup
	var mu sync.Mutex
	first := 0
	for range 16 {
		all.Go(func() {
			if r.Use("a", Claims{ID: "1", ExpiresAt: &Instant{at.Add(time.Minute)}}) == nil {
				mu.Lock()
				first++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if first != 1 {
		t.Errorf("%d were first", first)
	}
}

func FuzzParse(f *testing.F) {
	k := keys()
	seeds := []string{
		rfcRS256, rfcES256, rfcHS256, rfcNone, sign(f, goodHeader, claims(0, 10), k.rsa),
		sign(f, `{"typ":"JWT","alg":"ES256","kid":"x","crit":["b64"],"b64":false}`, `{"aud":["a","b"],"scope":["x y"],"exp":"17"}`, k.ec), "..", "",
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	if t, err := Parse(seeds[4]); err != nil || t.signed(&k.rsa.PublicKey) != nil {
		f.Fatalf("the seed is no token: %v", err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := Parse(text)
		if err != nil {
			return
		}
		for _, key := range []crypto.PublicKey{&k.other.PublicKey, &k.ec.PublicKey} {
			if _, err := token.Verify(key, legacy, at); err == nil {
				t.Errorf("%q is a good token", text)
			}
		}
	})
}
