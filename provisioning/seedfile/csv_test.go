package seedfile_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/secret"
)

func describe(v any) string { return fmt.Sprintf("%+v", v) }

func TestCSV(t *testing.T) {
	const file = "\ufeff# a comment\r\nSerial Number; no\n"
	_, err := seedfile.Read(t.Context(), seedfile.CSV, []byte(file), seedfile.Options{})
	require.ErrorContains(t, err, "not known")
	f, err := seedfile.Read(t.Context(), seedfile.CSV, []byte("\ufeff"+`Serial_Number, "Seed", algorithm, digits, period, counter, window, manufacturerCode, productCode, description, loginName, domain, pin, expires
1, 3132333435363738393031323334353637383930, HMAC-SHA512, 8, 60, , 3, DN, "ST, two", "a ""token""", anna, example, 0042, 2031-02-03T04:05:06Z
# a comment
2, 31323334353637383930, , , , 7,,,,,,,,
3,31 32 33 34 35 36 37 38 39 3,,,,,,,,,,,,
4,3132,,,,
5,,,,,,,,,,,,,
,3132,,,,,,,,,,,,
`), seedfile.Options{})
	if err != nil || len(f.Tokens) != 2 {
		t.Fatalf("%v, %+v", err, f)
	}
	same(t, "1", f.Tokens[0], seedfile.Token{
		Serial: "1", Seed: secret.Bytes("12345678901234567890"), Hash: "SHA512", Digits: 8, Period: 60, Window: 3, Manufacturer: "DN", Model: "ST, two",
		Description: `a "token"`, Login: "anna", Domain: "example", PIN: secret.Bytes("0042"), ExpiresAt: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
	})
	same(t, "2", f.Tokens[1], seedfile.Token{Serial: "2", Seed: secret.Bytes("1234567890"), Hash: "SHA1", Digits: 6, Counter: 7})
	for i, want := range []string{"line 5 (3): the seed is not HEX", "line 6 (4): the row has more", "line 7 (5): there is no seed", "line 8: there is no serial"} {
		if i >= len(f.Problems) || !strings.HasPrefix(f.Problems[i].String(), want) {
			t.Errorf("%v, want %s", f.Problems, want)
		}
	}
	f.Wipe()
	if !f.Tokens[0].Seed.Equal(make(secret.Bytes, 20)) || !f.Tokens[0].PIN.Equal(make(secret.Bytes, 4)) {
		t.Error("wiping leaves something")
	}
}

func TestCSVSeeds(t *testing.T) {
	for column, value := range map[string]string{"seedBase32": "gezdgnbvgy3tqojq", "seed base64": "MTIzNDU2Nzg5MA==", "secretkeyhex": "31323334353637383930"} {
		f, err := seedfile.Read(t.Context(), seedfile.CSV, []byte("serial,"+column+"\nx,"+value+"\n"), seedfile.Options{})
		if err != nil || len(f.Tokens) != 1 || string(f.Tokens[0].Seed) != "1234567890" {
			t.Errorf("%s: %v, %+v", column, err, f)
		}
	}
	for file, want := range map[string]string{
		"":                                  "empty",
		"seed\n1\n":                         `no column "serial"`,
		"serial,serial\n":                   "twice",
		"serial,seed\n\"x,1\n":              "broken off in line",
		"serial,seed,seedbase32\n1,31,GE\n": "two seeds",
		"serial,seed,period\n1,31,x\n":      "the period is no whole number",
		"serial,seed,hash\n1,31,MD5\n":      "the hash",
		"serial,seed\n1," + strings.Repeat("0", 5000): "5000 characters",
	} {
		f, err := seedfile.Read(t.Context(), seedfile.CSV, []byte(file), seedfile.Options{})
		if text := describe(err) + describe(f); !strings.Contains(text, want) {
			t.Errorf("%q: %s", file, text)
		}
	}
}

// The sample of the vendor has quoted values and blanks after commas.
func TestAssignments(t *testing.T) {
	f, err := seedfile.Read(t.Context(), seedfile.Batch, []byte("domain,loginName,manufacturerCode,productCode,serial,status,pin\n"+
		`"example.com", "m`+"\xfc"+`ller", "DN", "MT", "0012", "ACTIVE", "1234"`+"\r\n"+`"", "anna", "DN", "MT", "0013", "", ""`+"\n"+`,,DN,MT,1,,`+"\n"),
		seedfile.Options{Charset: "iso-8859-1"})
	if err != nil || len(f.Assignments) != 2 || len(f.Problems) != 1 || f.Problems[0].Line != 4 {
		t.Fatalf("%v, %+v", err, f)
	}
	a, b := f.Assignments[0], f.Assignments[1]
	if a.Line != 2 || a.Domain != "example.com" || a.Login != "müller" || a.Manufacturer != "DN" || a.Model != "MT" || a.Serial != "0012" || a.Status != "ACTIVE" || string(a.PIN) != "1234" {
		t.Errorf("%+v", a)
	}
	if b.Login != "anna" || b.PIN != nil {
		t.Errorf("%+v", b)
	}
	if _, err := seedfile.Read(t.Context(), seedfile.Batch, []byte("x"), seedfile.Options{Charset: "klingon"}); err == nil {
		t.Error("an unknown character set")
	}
	f.Wipe()
}

const dual = `<?xml version="1.0"?><data><header><manufacturerCode>DN</manufacturerCode><productCode>ST</productCode><encode>%s</encode><encrypt>%s</encrypt>
<digits>8</digits><timeWindow>60</timeWindow><crypto>HmacSHA256</crypto><syncsize>5</syncsize>%s</header><tokens>
%s</tokens></data>`

func TestDualShield(t *testing.T) {
	want := seedfile.Token{Serial: "0001", Manufacturer: "DN", Model: "ST", Description: "one", Seed: secret.Bytes("12345678901234567890"), Hash: "SHA256", Digits: 8, Period: 60, Window: 5}
	for encoding, seed := range map[string]string{"HEX": "3132333435363738393031323334353637383930", "base32": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "BASE64": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="} {
		file := fmt.Sprintf(dual, encoding, "NONE", "", "<token><serial>0001</serial><seed>"+seed+"</seed><description>one</description></token>\n<token><serial>2</serial><seed>*</seed></token>")
		f, err := seedfile.Read(t.Context(), seedfile.SeedXML, []byte(file), seedfile.Options{})
		if err != nil || len(f.Tokens) != 1 || len(f.Problems) != 1 || f.Problems[0].Line != 4 {
			t.Fatalf("%v, %+v", err, f)
		}
		same(t, encoding, f.Tokens[0], want)
	}
	event := strings.Replace(fmt.Sprintf(dual, "", "", "", "<token><serial>1</serial><seed>31323334353637383930</seed><counter>9</counter></token>"), "<timeWindow>60</timeWindow>", "", 1)
	f, err := seedfile.Read(t.Context(), seedfile.SeedXML, []byte(event), seedfile.Options{})
	if err != nil || len(f.Tokens) != 1 || f.Tokens[0].Period != 0 || f.Tokens[0].Counter != 9 {
		t.Errorf("%v, %+v", err, f)
	}
}

// Encrypted seeds are made here as the package comment says.
func TestDualShieldEncrypted(t *testing.T) {
	key, err := pbkdf2.Key(sha256.New, "open sesame", []byte("saltsalt"), 1000, 32)
	require.NoError(t, err)
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	nonce := []byte("twelve bytes")
	seed := hex.EncodeToString(append(nonce, aead.Seal(nil, nonce, []byte("12345678901234567890"), []byte("0001"))...))
	header := "<salt>" + hex.EncodeToString([]byte("saltsalt")) + "</salt><iterations>1000</iterations>"
	file := fmt.Sprintf(dual, "HEX", "AES256", header, "<token><serial>0001</serial><seed>"+seed+"</seed></token>")
	f, err := seedfile.Read(t.Context(), seedfile.SeedXML, []byte(file), seedfile.Options{Password: secret.Bytes("open sesame")})
	if err != nil || len(f.Tokens) != 1 || string(f.Tokens[0].Seed) != "12345678901234567890" {
		t.Fatalf("%v, %+v", err, f)
	}
	for want, c := range map[string][2]string{
		"does not fit":  {file, "open says me"},
		"give it":       {file, ""},
		"does not fit:": {strings.Replace(file, ">0001<", ">0002<", 1), "open sesame"},
		"no <salt>":     {cut(file, "<salt>", "</salt>"), "open sesame"},
		"<iterations>":  {strings.Replace(file, ">1000<", ">1000000000<", 1), "open sesame"},
		"8 to 64":       {strings.Replace(file, "73616c74</salt>", "</salt>", 1), "open sesame"},
	} {
		f, err := seedfile.Read(t.Context(), seedfile.SeedXML, []byte(c[0]), seedfile.Options{Password: secret.Bytes(c[1])})
		if text := describe(err) + describe(f); !strings.Contains(text, want) || f != nil && len(f.Tokens) > 0 {
			t.Errorf("%s: %s", want, text)
		}
	}
}

func TestDualShieldBrokenFiles(t *testing.T) {
	good := fmt.Sprintf(dual, "HEX", "NONE", "", "<token><serial>1</serial><seed>31</seed></token>")
	for want, file := range map[string]string{
		"not seed XML":       "<KeyContainer/>",
		"no <header>":        "<data></data>",
		"before the <header": "<data><tokens><token></token></tokens></data>",
		"no encoding":        strings.Replace(good, "HEX", "BASE91", 1),
		"no encryption":      strings.Replace(good, "NONE", "ROT13", 1),
		"number of digits":   strings.Replace(good, ">8<", ">x<", 1),
		"the hash":           strings.Replace(good, "HmacSHA256", "HmacMD5", 1),
		"broken off":         good[:len(good)-9],
	} {
		_, err := seedfile.Read(t.Context(), seedfile.SeedXML, []byte(file), seedfile.Options{})
		require.ErrorContains(t, err, want)
	}
}
