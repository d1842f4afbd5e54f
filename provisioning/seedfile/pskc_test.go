package seedfile_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/secret"
)

// preShared is the key of figure 6.
var preShared = secret.Bytes("\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12")

func figure(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "rfc6030", name+".xml"))
	require.NoError(t, err)
	return data
}

// The examples of RFC 6030.
func TestPSKCFigures(t *testing.T) {
	const seed = "12345678901234567890"
	may31 := time.Date(2006, 5, 31, 0, 0, 0, 0, time.UTC)
	common := seedfile.Token{Serial: "987654321", Manufacturer: "Manufacturer", Seed: secret.Bytes(seed), Hash: "SHA1", Digits: 8}
	with := func(change func(*seedfile.Token)) seedfile.Token { c := common; change(&c); return c }
	for _, c := range []struct {
		name    string
		options seedfile.Options
		first   seedfile.Token
		tokens  int
	}{
		{"figure2", seedfile.Options{}, seedfile.Token{Serial: "12345678", Seed: secret.Bytes("1234"), Hash: "SHA1", Digits: 6}, 1},
		{"figure3", seedfile.Options{}, common, 1},
		{"figure5", seedfile.Options{}, common, 1}, // and a PIN, which is passed over
		{"figure6", seedfile.Options{Key: preShared}, common, 1},
		{"figure7", seedfile.Options{Password: secret.Bytes("qwerty")}, with(func(t *seedfile.Token) { t.Manufacturer = "TokenVendorAcme" }), 1},
		{"figure10", seedfile.Options{}, with(func(t *seedfile.Token) {
			t.Manufacturer, t.Serial, t.ExpiresAt = "TokenVendorAcme", "654321", may31
		}), 4},
	} {
		f, err := seedfile.Read(t.Context(), seedfile.PSKC, figure(t, c.name), c.options)
		if err != nil || len(f.Tokens) != c.tokens || len(f.Problems) > 0 {
			t.Errorf("%s: %v, %+v", c.name, err, f)
			continue
		}
		same(t, c.name, f.Tokens[0], c.first)
	}
}

func same(t *testing.T, name string, got, want seedfile.Token) {
	t.Helper()
	if !got.Seed.Equal(want.Seed) || !got.PIN.Equal(want.PIN) {
		t.Errorf("%s: seed %x and PIN %q; want %x and %q", name, []byte(got.Seed), []byte(got.PIN), []byte(want.Seed), []byte(want.PIN))
	}
	if got.Line == 0 {
		t.Errorf("%s: no line", name)
	}
	got.Line, got.Seed, want.Seed, got.PIN, want.PIN = 0, nil, nil, nil, nil
	if want.Line = 0; describe(got) != describe(want) {
		t.Errorf("%s: %+v; want %+v", name, got, want)
	}
}

// A key that is derived elsewhere is a problem of that row.
func TestPSKCWithoutSecret(t *testing.T) {
	f, err := seedfile.Read(t.Context(), seedfile.PSKC, figure(t, "figure4"), seedfile.Options{})
	if err != nil || len(f.Tokens) != 0 || len(f.Problems) != 1 || f.Problems[0].Serial != "987654321" || f.Problems[0].Line != 6 {
		t.Errorf("%v, %+v", err, f)
	}
}

func TestPSKCWrongKeys(t *testing.T) {
	six, seven := string(figure(t, "figure6")), string(figure(t, "figure7"))
	for name, c := range map[string]struct {
		file    string
		options seedfile.Options
		want    string
	}{
		"no key":            {six, seedfile.Options{}, "shared key"},
		"another key":       {six, seedfile.Options{Key: secret.Bytes("0123456789abcdef")}, "does not fit"},
		"a short key":       {six, seedfile.Options{Key: secret.Bytes("0123456789abcde")}, "15 bytes"},
		"no password":       {seven, seedfile.Options{Key: preShared}, "password"},
		"a wrong password":  {seven, seedfile.Options{Password: secret.Bytes("Qwerty")}, "does not fit"},
		"a changed value":   {strings.Replace(six, "AAECAwQF", "AAECAwQG", 1), seedfile.Options{Key: preShared}, "does not fit"},
		"a changed MAC":     {strings.Replace(six, "Su+N", "Su+O", 1), seedfile.Options{Key: preShared}, "does not fit"},
		"no MAC":            {cut(six, "<ValueMAC>", "</ValueMAC>"), seedfile.Options{Key: preShared}, "without a MAC"},
		"no MAC method":     {cut(six, "<MACMethod", "</MACMethod>"), seedfile.Options{Key: preShared}, "without a MAC"},
		"no encryption key": {cut(six, "<EncryptionKey>", "</EncryptionKey>"), seedfile.Options{Key: preShared}, "with what key"},
		"a costly password": {strings.Replace(seven, ">1000<", ">1000000000<", 1), seedfile.Options{Password: secret.Bytes("qwerty")}, "iteration"},
		"a long key":        {strings.Replace(seven, ">16<", ">1600000000<", 1), seedfile.Options{Password: secret.Bytes("qwerty")}, "length of the key"},
		"another MAC":       {strings.Replace(six, "hmac-sha1", "hmac-md5", 1), seedfile.Options{Key: preShared}, "hmac-md5"},
		"another cipher":    {strings.ReplaceAll(six, "aes128-cbc", "camellia128-cbc"), seedfile.Options{Key: preShared}, "camellia128-cbc"},
	} {
		f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(c.file), c.options)
		text := ""
		if err != nil {
			text = err.Error()
		} else if len(f.Tokens) == 0 && len(f.Problems) == 1 {
			text = f.Problems[0].Reason
		}
		if !strings.Contains(text, c.want) || strings.Contains(text, "\n") {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

// cut takes from the first to the second text out of a file.
func cut(file, from, to string) string {
	i, j := strings.Index(file, from), strings.Index(file, to)
	return file[:i] + file[j+len(to):]
}

// TOTP with everything that it may say, and keys that cannot be used.
func TestPSKCOfTOTP(t *testing.T) {
	const head = `<?xml version="1.0" encoding="ISO-8859-1"?><KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">`
	key := func(algorithm, parameters, data string) string {
		return `<KeyPackage><DeviceInfo><SerialNo> 1 </SerialNo><Model>M</Model></DeviceInfo><Key Id="k" Algorithm="` + algorithm + `"><FriendlyName>` + "\xe4" + `</FriendlyName><AlgorithmParameters>` +
			parameters + `</AlgorithmParameters><Data>` + data + `</Data><Policy><ExpiryDate>2030-01-01T00:00:00+01:00</ExpiryDate></Policy></Key></KeyPackage>`
	}
	const totp = "urn:ietf:params:xml:ns:keyprov:pskc:totp"
	const secretValue = `<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>`
	good := key(totp, `<Suite>HMAC-SHA256</Suite><ResponseFormat Length="6" Encoding="DECIMAL"/>`, secretValue+
		`<Time><PlainValue>0</PlainValue></Time><TimeInterval><PlainValue>60</PlainValue></TimeInterval><TimeDrift><PlainValue>4</PlainValue></TimeDrift>`)
	f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(head+good+`</KeyContainer>`), seedfile.Options{})
	if err != nil || len(f.Tokens) != 1 {
		t.Fatal(err, f)
	}
	same(t, "TOTP", f.Tokens[0], seedfile.Token{
		Serial: "1", Model: "M", Description: "ä", Seed: secret.Bytes("12345678901234567890"), Hash: "SHA256", Digits: 6, Period: 60, Drift: 4,
		ExpiresAt: time.Date(2029, 12, 31, 23, 0, 0, 0, time.UTC),
	})
	for want, bad := range map[string]string{
		"HOTP and TOTP":   key("urn:ietf:params:xml:ns:keyprov:pskc:ocra", "", secretValue),
		"decimal digits":  key(totp, `<ResponseFormat Length="6" Encoding="HEXADECIMAL"/>`, secretValue),
		"check digits":    key(totp, `<ResponseFormat Length="6" Encoding="DECIMAL" CheckDigits="true"/>`, secretValue),
		"length of pass":  key(totp, `<ResponseFormat Length="-6" Encoding="DECIMAL"/>`, secretValue),
		"the hash":        key(totp, `<Suite>HMAC-MD5</Suite>`, secretValue),
		"whole number":    key(totp, "", secretValue+`<TimeInterval><PlainValue>x</PlainValue></TimeInterval>`),
		"no secret":       key(totp, "", ""),
		"not BASE64":      key(totp, "", `<Secret><PlainValue>!</PlainValue></Secret>`),
		"no key in it":    `<KeyPackage><DeviceInfo><SerialNo>1</SerialNo></DeviceInfo></KeyPackage>`,
		"with what key":   key(totp, "", `<Secret><EncryptedValue><EncryptionMethod Algorithm="x#aes128-cbc"/></EncryptedValue></Secret>`),
		"date of expiry":  strings.Replace(good, "2030-01-01T", "2030-01-01X", 1),
		"no serial":       strings.NewReplacer("> 1 <", "><", `Id="k"`, "").Replace(good),
		"control charact": strings.Replace(good, "> 1 <", ">1&#10;2<", 1),
	} {
		f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(head+good+bad+`</KeyContainer>`), seedfile.Options{})
		if strings.Contains(want, "with what") {
			want = "without a MAC" // which is looked at first
		}
		if err != nil || len(f.Tokens) != 1 || len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Reason, want) {
			t.Errorf("%s: %v, %+v", want, err, f)
		}
	}
}

// Files that are broken, or that only look like PSKC, are errors as a whole.
func TestPSKCBrokenFiles(t *testing.T) {
	for want, file := range map[string]string{
		"empty":              "",
		"no PSKC":            "<data/>",
		"version":            `<KeyContainer Version="2.0"/>`,
		"broken off":         `<KeyContainer Version="1.0"><KeyPackage>`,
		"document type":      `<!DOCTYPE x [<!ENTITY a "aaaa">]><KeyContainer Version="1.0">&a;</KeyContainer>`,
		"entity":             `<KeyContainer Version="1.0">&b;</KeyContainer>`,
		"nested deeper":      `<KeyContainer Version="1.0">` + strings.Repeat("<a>", 1000),
		"more than 32 attri": `<KeyContainer Version="1.0"><a ` + strings.Repeat(`x="1" `, 1000) + `/></KeyContainer>`,
		"character set":      `<?xml version="1.0" encoding="nonsense"?><KeyContainer/>`,
	} {
		f, err := seedfile.Read(t.Context(), seedfile.PSKC, []byte(file), seedfile.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || f != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := seedfile.Read(t.Context(), seedfile.PSKC, make([]byte, seedfile.MaxSize+1), seedfile.Options{}); err == nil {
		t.Error("a file over the size is read")
	}
	if _, err := seedfile.Read(t.Context(), "pgp", nil, seedfile.Options{}); err == nil {
		t.Error("a format that there is not")
	}
}

// What the reader says has nothing of the secrets.
func TestNoSecretInErrors(t *testing.T) {
	seed := hex.EncodeToString([]byte("a secret seed 12345"))
	for _, file := range []string{"serial,seed\nx," + seed + "g\n", "serial,seed\nx," + seed + "\"\n", "serial,seed,digits\nx," + seed + ",99999\n", "serial,seed\nx,y," + seed + "\n"} {
		f, err := seedfile.Read(t.Context(), seedfile.CSV, []byte(file), seedfile.Options{})
		text := describe(err) + describe(f)
		if strings.Contains(text, seed[:8]) || err == nil && len(f.Problems) != 1 {
			t.Errorf("%q: %s", file, text)
		}
	}
}
