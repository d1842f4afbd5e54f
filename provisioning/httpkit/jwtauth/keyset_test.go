package jwtauth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const rfcRSA = `"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"`

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func key(kid, more string) string { return `{` + rfcRSA + `,"kid":"` + kid + `"` + more + `}` }

// TestParseKeySet takes the keys that check tokens, and leaves the others.
func TestParseKeySet(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int // keys, 0 is an error
	}{
		"one":                 {set(key("a", "")), 1},
		"for signatures":      {set(key("a", `,"use":"sig","alg":"RS256"`)), 1},
		"two":                 {set(key("a", ""), key("b", "")), 2},
		"for encryption":      {set(key("a", `,"use":"enc"`)), 0},
		"another algorithm":   {set(key("a", `,"alg":"HS256"`), key("b", `,"alg":"ES256"`)), 0},
		"without a kid":       {set(`{` + rfcRSA + `}`), 0},
		"a secret key":        {set(`{"kty":"oct","kid":"a","k":"AAAA"}`), 0},
		"a private key":       {set(`{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`), 0},
		"a point on no curve": {set(`{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}`), 0},
		"one broken, one not": {set(`{"kty":"new"}`, `17`, key("a", "")), 1},
		"a kid twice":         {set(key("a", ""), key("a", "")), 0},
		"no keys":             {`{"keys":[]}`, 0},
		"something else":      {`{"error":"x"}`, 0},
		"no JSON":             {`<html>`, 0},
		"too many":            {set(strings.Split(strings.Repeat(key("a", "")+"|", 101), "|")[:101]...), 0},
		"too large":           {set(key("a", `,"x":"`+strings.Repeat("x", maxKeySet)+`"`)), 0},
	} {
		keys, err := ParseKeySet([]byte(c.text))
		if len(keys) != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%s: %d keys (%v)", name, len(keys), err)
		}
	}
}

// place is where a key set is kept, which can change, fail and be asked too often.
type place struct {
	mu    sync.Mutex
	text  string
	err   error
	asked int
}

func (p *place) read(context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return []byte(p.text), p.err
}

// TestKeySet follows a key set over a day.
func TestKeySet(t *testing.T) {
	now := at
	p := &place{text: set(key("a", ""))}
	s := NewKeySet(p.read, func() time.Time { return now })
	want := func(kid string, there bool, asked int) {
		t.Helper()
		if k, err := s.Key(t.Context(), kid); (k != nil) != there || (err == nil) != there || p.asked != asked {
			t.Errorf("key %q: %v (%v), asked %d times, want %d", kid, k != nil, err, p.asked, asked)
		}
	}
	want("a", true, 1)
	want("a", true, 1)
	want("b", false, 1) // read just now
	now = now.Add(time.Minute)
	p.text = set(key("b", ""))
	want("a", true, 1)
	want("b", true, 2)
	want("a", false, 2)
	now = now.Add(time.Minute)
	for range 100 {
		want("x", false, 3)
	}
	now = now.Add(15 * time.Minute)
	p.err = errors.New("no network")
	want("b", true, 4) // still good
	want("b", true, 4)
	now = now.Add(time.Minute)
	p.err, p.text = nil, "<html>"
	want("b", true, 5)
	now = now.Add(24 * time.Hour)
	want("b", false, 6) // too old
	want("b", false, 6)
	now = now.Add(time.Minute)
	p.text = set(key("b", ""))
	want("b", true, 7)
}

func TestKeySetAtOnce(t *testing.T) {
	p := &place{text: set(key("a", ""))}
	s := NewKeySet(p.read, func() time.Time { return at })
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 100 {
				if _, err := s.Key(t.Context(), "a"); err != nil {
					t.Error(err)
				}
				_, _ = s.Key(t.Context(), fmt.Sprint(i, n))
			}
		})
	}
	all.Wait()
	if p.asked != 1 {
		t.Errorf("asked %d times", p.asked)
	}
}

func TestSources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	require.NoError(t, os.WriteFile(file, []byte(rfcKeys), 0o600))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			fmt.Fprint(w, rfcKeys)
		case "/elsewhere":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/huge":
			for range 1000 {
				fmt.Fprint(w, strings.Repeat(" ", 1000))
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	transport := server.Client().Transport
	for name, c := range map[string]struct {
		read func(context.Context) ([]byte, error)
		good bool
	}{
		"a file":        {FromFile(file), true},
		"no file":       {FromFile(file + "x"), false},
		"a URL":         {FromURL(server.URL+"/keys", transport), true},
		"a redirect":    {FromURL(server.URL+"/elsewhere", transport), false},
		"not found":     {FromURL(server.URL+"/nothing", transport), false},
		"too large":     {FromURL(server.URL+"/huge", transport), false},
		"unknown CA":    {FromURL(server.URL+"/keys", nil), false},
		"plain HTTP":    {FromURL(strings.Replace(server.URL, "https", "http", 1)+"/keys", transport), false},
		"a file's URL":  {FromURL("file://"+file, transport), false},
		"no URL at all": {FromURL("%", transport), false},
	} {
		k, err := NewKeySet(c.read, nil).Key(t.Context(), "A.2")
		if (err == nil) != c.good || (k != nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{rfcKeys, set(key("a", `,"use":"sig"`)), set(`{"kty":"oct","kid":"a","k":"AAAA"}`), set(), ""} {
		f.Add([]byte(seed))
	}
	if keys, err := ParseKeySet([]byte(rfcKeys)); err != nil || len(keys) != 2 {
		f.Fatalf("the seed is no key set: %v", err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeySet(data)
		for kid, k := range keys {
			if err != nil || kid == "" || AlgorithmOf(k) == "" {
				t.Errorf("%q: %T (%v)", kid, crypto.PublicKey(k), err)
			}
		}
	})
}
