package e2e

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/oath"
)

// addSeed adds a seed in the forms that files and answers have for it.
func (n numbers) addSeed(name string, seed []byte) {
	n[name] = seed
	for form, text := range map[string]string{
		"hexadecimal": hex.EncodeToString(seed), "base32": base32.StdEncoding.EncodeToString(seed),
		"base64": base64.StdEncoding.EncodeToString(seed[:len(seed)/3*3]),
	} {
		n[name+" in "+form] = []byte(text)
	}
}

// Files of seeds, and a package of one.
const (
	seedXML = "<data><header><manufacturerCode>DN</manufacturerCode><productCode>SE</productCode><encode>BASE64</encode>" +
		"<encrypt>NONE</encrypt><digits>6</digits></header><tokens>%s</tokens></data>"
	pskcFile    = `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">%s</KeyContainer>`
	pskcPackage = `<KeyPackage><DeviceInfo><Manufacturer>Acme</Manufacturer><SerialNo>pskc-%d</SerialNo></DeviceInfo>
<Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
<Data><Secret><PlainValue>%s</PlainValue></Secret></Data></Key></KeyPackage>`
)

// TestMemoryOfSeeds: a seed that was imported, given, handed out or used to verify
// passwords is not in the daemon's memory afterwards.
func TestMemoryOfSeeds(t *testing.T) {
	t.Parallel()
	d, secrets := start(t), numbers{}
	require.NoError(t, d.NewUser("alice"))
	file := func(name, text string) string {
		path := filepath.Join(d.Dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	seeds := make([][]byte, 20)
	csv, xml, pskc := "serial,seed,loginname,pin\n", "", ""
	for i := range seeds {
		seeds[i] = make([]byte, 20)
		_, _ = rand.Read(seeds[i])
		secrets.addSeed(fmt.Sprintf("seed %d", i), seeds[i])
		text := base64.StdEncoding.EncodeToString(seeds[i])
		switch {
		case i == 0: // is given
		case i < 7:
			pin := fmt.Sprintf("Canary of PIN %d", i)
			secrets["PIN of "+pin] = []byte(pin)
			csv += fmt.Sprintf("csv-%d,%x,alice,%s\n", i, seeds[i], pin)
		case i < 14:
			xml += fmt.Sprintf("<token><serial>xml-%d</serial><seed>%s</seed></token>", i, text)
		default:
			pskc += fmt.Sprintf(pskcPackage, i, text)
		}
	}
	vtoken(t, d, "import", "csv", file("seeds.csv", csv))
	vtoken(t, d, "import", "xml", file("seeds.xml", fmt.Sprintf(seedXML, xml)))
	vtoken(t, d, "import", "pskc", file("seeds.pskc", fmt.Sprintf(pskcFile, pskc)))
	id := vtoken(t, d, "otp", "add", "--user", "alice", "--serial", "given", "--seed-file", file("given.seed", hex.EncodeToString(seeds[0])))
	made := vtoken(t, d, "otp", "add", "--user", "alice", "--serial", "made")
	uri, err := url.Parse(vtoken(t, d, "otp", "uri", made))
	require.NoError(t, err)
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(uri.Query().Get("secret"))
	require.NoError(t, err)
	secrets.addSeed("seed that was handed out", seed)
	gone(t, d, secrets, "after seeds were imported, given and handed out")

	for counter := range uint64(3) {
		code, err := oath.Key{Seed: seeds[0], Hash: "SHA1", Digits: 6}.Code(counter)
		require.NoError(t, err)
		vtoken(t, d, "otp", "verify", id, "--code-file", file("code", string(code)))
	}
	_, err = d.Vtoken("otp", "verify", id, "--code-file", file("code", "000000"))
	require.Error(t, err, "a wrong password was right")
	gone(t, d, secrets, "after passwords were verified")
}
