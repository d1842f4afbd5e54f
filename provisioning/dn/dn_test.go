package dn_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"vtoken/provisioning/dn"
)

// goodNames are distinguished names and what pkix prints of them.
var goodNames = map[string]string{
	"CN=John Smith,OU=Test,O=THALES, C=GB":         "CN=John Smith,OU=Test,O=THALES,C=GB",
	"cn = John ,  o= X  ":                          "CN=John,O=X",
	`CN=Smith\, John,O="Example, Inc.",C=NL`:       `CN=Smith\, John,O=Example\, Inc.,C=NL`,
	`CN=J\C3\BCrgen`:                               "CN=Jürgen",
	`CN=a\ `:                                       `CN=a\ `,
	"CN=x+UID=7,O=y":                               "CN=x+0.9.2342.19200300.100.1.1=#130137,O=y",
	"O=y;CN=x":                                     "O=y,CN=x",
	"OID.2.5.4.3=x":                                "CN=x",
	"2.5.4.97=NTRNL-1,CN=x":                        "2.5.4.97=#13074e54524e4c2d31,CN=x",
	"CN=x,E=a@b.example,DC=example,DC=com":         "",
	"CN=" + strings.Repeat("ü", 64):                "CN=" + strings.Repeat("ü", 64),
	"CN=x,OU=a,OU=b,L=l,ST=s,STREET=r,T=t,SN=n,G=": "-",
}

var badNames = []string{
	"", "John Smith", "O=Example", "CN=", "CN= ", "CN=x,", "CN=x,,O=y", "=x", "CN=x,C=GBR", "CN=x,C=Ü",
	"CN=x,E=jürgen@example.com", "XX=y,CN=x", "9.9.9=y,CN=x", "CN=" + strings.Repeat("x", 65), `CN=x\`, `CN=x\q`, `CN="x`,
	"CN=a<b", "CN=a\x00b", `CN=a\00b`, `CN=\FF`, "CN=a\xff", "CN=" + strings.Repeat(`\41`, 400), strings.Repeat("OU=x,", 32) + "CN=x",
}

func TestDN(t *testing.T) {
	for text, want := range goodNames {
		der, err := dn.Parse(text)
		if want == "-" {
			if err == nil {
				t.Errorf("%q is a name", text)
			}
			continue
		}
		var got pkix.RDNSequence
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if rest, err := asn1.Unmarshal(der, &got); err != nil || len(rest) > 0 {
			t.Errorf("%q: %x: %v", text, der, err)
		} else if want != "" && !strings.EqualFold(got.String(), want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for _, text := range badNames {
		if der, err := dn.Parse(text); err == nil {
			t.Errorf("%q: %x", text, der)
		}
	}
}

// FuzzDN: what is taken for a name is one, with a common name, in DER.
func FuzzDN(f *testing.F) {
	for text := range goodNames {
		f.Add(text)
	}
	for _, text := range badNames {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		der, err := dn.Parse(text)
		if err != nil {
			return
		}
		var names pkix.RDNSequence
		rest, err := asn1.Unmarshal(der, &names)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%x: %v", der, err)
		}
		var n pkix.Name
		n.FillFromRDNSequence(&names)
		if n.CommonName == "" {
			t.Fatalf("%q has no common name", text)
		}
	})
}
