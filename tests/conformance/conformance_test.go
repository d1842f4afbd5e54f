// Package conformance holds what any PKCS#11 token must do, as scripts of stock
// clients. They run in the square of {our module, the stock p11-kit client} and
// {our daemon, p11-kit server with SoftHSM behind it}: both ends of the wire are
// so held against the reference, and the scripts themselves against a token
// that is not ours.
package conformance

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

func TestSquare(t *testing.T) {
	bin, err := harness.Build()
	require.NoError(t, err)
	stock, err := harness.P11KitClient()
	require.NoError(t, err)
	modules := map[string]string{"vtoken-module": bin + "/vtoken-pkcs11.so", "p11-kit-client": stock}
	backends := map[string]func(string) (harness.Backend, func() error, error){
		"vtoken-daemon": harness.OpenDaemon(bin), "p11-kit-server": harness.OpenSoftHSM,
	}
	for moduleName, module := range modules {
		for backendName, open := range backends {
			t.Run(moduleName+"/"+backendName, func(t *testing.T) {
				s := harness.Script{Dir: "testdata", Bin: bin, Module: module, Open: open}
				testscript.Run(t, s.Params())
			})
		}
	}
}
