package seedfile_test

import (
	"fmt"
	"strings"
	"testing"

	"vtoken/provisioning/seedfile"
	"vtoken/vtoken/secret"
)

// FuzzRead reads anything as each of the formats: without a panic, and with what
// is promised of rows and problems.
func FuzzRead(f *testing.F) {
	formats := []seedfile.Format{seedfile.PSKC, seedfile.SeedXML, seedfile.CSV, seedfile.Batch}
	seeds := [][]byte{
		[]byte("serial,seed,pin\n1,31323334353637383930,0000\n2,x,\n"),
		[]byte("domain,loginName,manufacturerCode,productCode,serial,status,pin\n\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"\n"),
		fmt.Appendf(nil, dual, "HEX", "NONE", "", "<token><serial>1</serial><seed>31</seed></token>"),
		fmt.Appendf(nil, dual, "HEX", "AES256", "<salt>7361747373616c74</salt><iterations>9</iterations>", "<token><serial>1</serial><seed>31</seed></token>"),
	}
	for _, name := range []string{"figure2", "figure3", "figure4", "figure5", "figure6", "figure7", "figure10"} {
		seeds = append(seeds, figure(f, name))
	}
	for _, s := range seeds {
		for i := range formats {
			f.Add(byte(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		if strings.Contains(string(data), "IterationCount") || strings.Contains(string(data), "iterations") {
			data = []byte(strings.ReplaceAll(strings.ReplaceAll(string(data), "00", "0"), "99", "9")) // fewer rounds are as good here
		}
		format := formats[int(which)%len(formats)]
		read, err := seedfile.Read(t.Context(), format, data, seedfile.Options{Password: secret.Bytes("qwerty"), Key: preShared, Charset: ""})
		if err != nil {
			if read != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q with a file", err)
			}
			return
		}
		for _, token := range read.Tokens {
			if token.Serial == "" || len(token.Seed) == 0 || token.Line < 1 || token.Hash == "" {
				t.Errorf("a token without a serial number or seed: %+v", token)
			}
		}
		for i, p := range read.Problems {
			if p.Reason == "" || strings.Contains(p.String(), "\n") || i > 0 && p.Line < read.Problems[i-1].Line {
				t.Errorf("problem %d: %q", i, p)
			}
		}
		read.Wipe()
	})
}
