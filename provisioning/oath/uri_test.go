package oath_test

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pquerna/otp"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/oath"
	"vtoken/vtoken/secret"
)

func TestURI(t *testing.T) {
	k := oath.Key{Seed: seed(20), Hash: oath.SHA1, Digits: 6}
	for want, e := range map[string]oath.Enrolment{
		"otpauth://hotp/Example%20Ltd:anna@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Ltd&algorithm=SHA1&digits=6&counter=7": {Key: k, Counter: 7, Issuer: "Example Ltd", Account: "anna@example.com"},
		"otpauth://totp/anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=60":                                                {Key: k, Period: 60, Account: "anna"},
		"otpauth://totp/%C3%84&%3F=%23:a%2Fb?secret=GEZDGNBVGY3TQOJQGE&issuer=%C3%84%26%3F%3D%23&algorithm=SHA512&digits=8&period=30": {
			Key: oath.Key{Seed: seed(11), Hash: oath.SHA512, Digits: 8}, Period: 30, Issuer: "Ä&?=#", Account: "a/b"},
	} {
		got, err := e.URI()
		if err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", []byte(got), err, want)
			continue
		}
		read, err := otp.NewKeyFromURL(string(got))
		if err != nil || read.AccountName() != e.Account || read.Issuer() != e.Issuer || int(read.Digits()) != e.Digits ||
			read.Algorithm().String() != e.Hash || e.Period > 0 && int(read.Period()) != e.Period {
			t.Errorf("%s reads as %s of %s: %v", []byte(got), read.AccountName(), read.Issuer(), err)
		}
	}
	for _, e := range []oath.Enrolment{
		{Key: k}, {Key: k, Account: "a:b"}, {Key: k, Account: "a", Issuer: "x:y"}, {Key: k, Account: strings.Repeat("a", 101)},
	} {
		if _, err := e.URI(); err == nil {
			t.Errorf("account %q of issuer %q", e.Account, e.Issuer)
		}
	}
}

// zbarimg reads the QR code as what was put in.
func TestPNG(t *testing.T) {
	k := oath.Key{Seed: seed(64), Hash: oath.SHA512, Digits: 8}
	for _, account := range []string{"anna", strings.Repeat("Ä", 50)} {
		uri, err := oath.Enrolment{Key: k, Period: 30, Issuer: account, Account: account}.URI()
		require.NoError(t, err)
		picture, err := oath.PNG(uri)
		require.NoError(t, err)
		c, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil || c.Width != c.Height || c.Width < 250 || c.Width > 1000 {
			t.Errorf("%d by %d pixels, %v", c.Width, c.Height, err)
		}
		file := filepath.Join(t.TempDir(), "qr.png")
		require.NoError(t, os.WriteFile(file, picture, 0o600))
		out, err := exec.Command("zbarimg", "--quiet", "--raw", file).Output()
		if err != nil || strings.TrimSpace(string(out)) != string(uri) {
			t.Errorf("zbarimg (install it with tools/sh/packages.sh test) read %q, %v", out, err)
		}
	}
	if _, err := oath.PNG(secret.Bytes(strings.Repeat("x", 4000))); err == nil {
		t.Error("a QR code of 4000 bytes")
	}
}
