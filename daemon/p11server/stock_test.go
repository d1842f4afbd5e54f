package p11server

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// stockClient is where Debian's p11-kit-modules puts p11-kit's own client.
const stockClient = "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so"

// The distribution's client talks to the server. It needs the Debian packages
// opensc and p11-kit-modules, which "make test" installs.
func TestStockClient(t *testing.T) {
	s := serve(t, Options{}, nil)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-I"}, "Cryptoki version 3.0"},
		{[]string{"-L"}, "token label        : fake token"},
		{[]string{"-M", "--slot", "7"}, "ECDSA, keySize={256,521}, sign"},
	} {
		cmd := exec.Command("pkcs11-tool", append([]string{"--module", stockClient}, tc.args...)...)
		cmd.Env = append(cmd.Environ(), "P11_KIT_SERVER_ADDRESS=unix:path="+s.path)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v: %v\n%s\nserver:\n%s", tc.args, err, out, s.log)
		require.Contains(t, string(out), tc.want, "%v: no %q in\n%s", tc.args, tc.want, out)
	}
}
