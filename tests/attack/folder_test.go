package attack

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestThiefOfTheFolder copies the whole data folder of a daemon whose KEK is elsewhere, and
// looks for what it knows: the key of the API, PINs, names. Without an auditor the audit log
// is the only file that says anything; with one, no file does.
func TestThiefOfTheFolder(t *testing.T) {
	t.Parallel()
	auditor, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for name, flags := range map[string][]string{
		"without an auditor": nil,
		"with an auditor":    {"--audit-recipient", auditor.Recipient().String()},
	} {
		t.Run(name, func(t *testing.T) {
			kek := filepath.Join(t.TempDir(), "kek.key")
			d := start(t, append(flags, "--kek", "file:"+kek)...)
			id := newToken(t, d, "alice", alice, "canary-label")
			key, err := d.Vtoken("apikey", "create", "canary-key")
			require.NoError(t, err)
			out, err := run(t, d, alice, "login", harness.PIN)
			require.NoError(t, err)
			require.Contains(t, out, "CKR_OK")
			require.NoError(t, d.Kill())
			seen := 0
			require.NoError(t, filepath.WalkDir(d.DataDir, func(path string, e fs.DirEntry, err error) error {
				if err != nil || !e.Type().IsRegular() {
					return err
				}
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				seen++
				for _, word := range []string{"PRIVATE KEY", "canary-label", harness.PIN, harness.SOPIN, key} {
					require.False(t, strings.Contains(string(text), word), "%s has %q in the clear", path, word)
				}
				if len(flags) > 0 || !strings.HasSuffix(path, ".log") {
					require.False(t, strings.Contains(string(text), id), "%s has the id of a token in the clear", path)
				}
				return nil
			}))
			require.GreaterOrEqual(t, seen, 3, "a store, a certificate and an audit log")
		})
	}
}
