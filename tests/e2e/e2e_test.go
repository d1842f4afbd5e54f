// Package e2e proves the main job with real programs: the daemon, the CLI, the
// module, and stock clients (pkcs11-tool, curl, openssl). Most of it are scripts
// that read like a terminal session; what needs two users, a killed daemon or a
// broken store is in Go. Run it as root: some tests act as other users.
package e2e

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

func TestMain(m *testing.M) {
	if err := harness.ManyAtOnce(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// build builds the programs, or ends the test.
func build(t *testing.T) string {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	return bin
}

// start starts a daemon in a folder of its own, which ends with the test. The
// log of a failed test is shown.
func start(t *testing.T, flags ...string) *harness.Daemon {
	t.Helper()
	bin := build(t)
	dir, err := harness.TempDir()
	require.NoError(t, err)
	d := harness.NewDaemon(bin, dir)
	t.Cleanup(func() {
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Log())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, d.Start(flags...))
	return d
}

// modules are the two ways in, by name.
func modules(t *testing.T) map[string]string {
	t.Helper()
	stock, err := harness.P11KitClient()
	require.NoError(t, err)
	return map[string]string{"vtoken-module": build(t) + "/vtoken-pkcs11.so", "p11-kit-client": stock}
}

// TestScripts runs what works by either way in by both.
func TestScripts(t *testing.T) {
	t.Parallel()
	for name, module := range modules(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, "testdata/both", module)
		})
	}
}

// TestModuleScripts runs what is true of our module only.
func TestModuleScripts(t *testing.T) {
	t.Parallel()
	run(t, "testdata/module", modules(t)["vtoken-module"])
}

func run(t *testing.T, scripts, module string) {
	bin := build(t)
	s := harness.Script{Dir: scripts, Bin: bin, Module: module, Open: harness.OpenDaemon(bin)}
	testscript.Run(t, s.Params())
}
