package seedfile_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/seedfile"
	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// looks counts how often the reading looks whether its request has ended: once every
// 4096 steps of a derivation, and once for each row. Too often, and the request ends.
type looks struct {
	context.Context
	n, most int
}

func (l *looks) Err() error {
	if l.n++; l.n > l.most {
		return context.Canceled
	}
	return nil
}

// mostLooks is for a derivation of a million rounds for each of two blocks, and a few rows.
const mostLooks = 2*1_000_000/4096 + 100

// numbers are where numbers stand in XML.
var numbers = regexp.MustCompile(`(>\s*|=")\d+(\s*<|")`)

// TestEveryNumberHostile puts hostile numbers everywhere in good files of XML where
// there is a number, one at a time.
func TestEveryNumberHostile(t *testing.T) {
	values := []string{"0", "-1", "2147483647", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616",
		"1e400", "0x7fffffffffffffff", strings.Repeat("9", 100_000), ""}
	paths, err := filepath.Glob("testdata/rfc6030/*.xml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(paths), 7, "seeds")
	files := map[string]seedfile.Format{
		fmt.Sprintf(dual, "HEX", "AES256", "<salt>7361747373616c74</salt><iterations>9</iterations>", "<token><serial>1</serial><seed>31</seed><counter>1</counter></token>"): seedfile.SeedXML,
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		files[string(data)] = seedfile.PSKC
	}
	derived := 0
	for data, format := range files {
		if strings.Contains(data, "IterationCount") || strings.Contains(data, "iterations") {
			derived++
		}
		for _, at := range numbers.FindAllStringIndex(data, -1) {
			for _, value := range values {
				file := data[:at[0]] + numbers.ReplaceAllString(data[at[0]:at[1]], "${1}"+value+"${2}") + data[at[1]:]
				ctx := &looks{Context: t.Context(), most: mostLooks}
				_, _ = seedfile.Read(ctx, format, []byte(file), seedfile.Options{Password: secret.Bytes("qwerty"), Key: preShared})
				require.Less(t, ctx.n, mostLooks, "%s at %d of a file: %.40s works without end", format, at[0], value)
			}
		}
	}
	require.GreaterOrEqual(t, derived, 2, "seeds that derive a key")
}

// TestBombs are files that are small and want much.
func TestBombs(t *testing.T) {
	const head = `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">`
	for name, c := range map[string]struct {
		format seedfile.Format
		file   string
		want   string
	}{
		"entities":        {seedfile.PSKC, `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + head + `&b;</KeyContainer>`, "document type"},
		"an outer entity": {seedfile.SeedXML, `<!DOCTYPE x SYSTEM "file:///etc/passwd"><data/>`, "document type"},
		"depth":           {seedfile.PSKC, head + strings.Repeat("<a>", 1_000_000), "nested deeper"},
		"depth in a key":  {seedfile.PSKC, head + "<KeyPackage><Key>" + strings.Repeat("<a>", 1_000_000), "nested deeper"},
		"attributes":      {seedfile.PSKC, head + "<a " + strings.Repeat(`b="c" `, 100_000) + "/>", "attributes"},
		"rows":            {seedfile.PSKC, head + strings.Repeat("<KeyPackage/>", seedfile.MaxRows+1), "rows"},
		"lines":           {seedfile.CSV, "serial,seed\n" + strings.Repeat("a\n", seedfile.MaxRows+1), "rows"},
	} {
		_, err := seedfile.Read(t.Context(), c.format, []byte(c.file), seedfile.Options{})
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestManyRSA: each value of a few bytes asks for a decryption with a large key. The
// file is refused as a whole when its budget is spent, not row by row.
func TestManyRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	const row = `<KeyPackage><DeviceInfo><SerialNo>%d</SerialNo></DeviceInfo><Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><Data><Secret><EncryptedValue>` +
		`<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa_1_5"/><CipherData><CipherValue>AAAA</CipherValue></CipherData></EncryptedValue></Secret></Data></Key></KeyPackage>`
	file := `<KeyContainer Version="1.0"><EncryptionKey><X509Data/></EncryptionKey>`
	var rows strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&rows, row, i)
	}
	ctx := &looks{Context: t.Context(), most: 100_000}
	_, err = seedfile.Read(ctx, seedfile.PSKC, []byte(file+rows.String()+"</KeyContainer>"), seedfile.Options{PrivateKey: der, Work: 200_000})
	var over *work.OverError
	require.ErrorAs(t, err, &over)
	require.Less(t, ctx.n, 2*200_000/12_800+10, "two looks for each decryption that was paid")
}

// The request ends between two rows.
func TestRequestEnds(t *testing.T) {
	ctx := &looks{Context: t.Context(), most: 10}
	_, err := seedfile.Read(ctx, seedfile.CSV, []byte("serial,seed\n"+strings.Repeat("a,0102\n", 1000)), seedfile.Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 11, ctx.n)
}
