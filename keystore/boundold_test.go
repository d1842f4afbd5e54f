package keystore

import (
	"os"
	"path/filepath"
	"testing"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// boundStore is a store with a PIN-bound token that an earlier version made, with
// the PINs "user PIN" and "SO PIN" and one object.
const boundStore = "testdata/bound"

// TestOldBoundStore: the format of PIN-bound tokens stays readable.
func TestOldBoundStore(t *testing.T) {
	if *writeOld {
		dir := tempDir(t)
		s := open(t, dir)
		tok, _ := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
		addPrivate(t, s, tok.ID, "label", "hidden")
		closeStore(t, s)
		for _, name := range []string{storeFile, "kek.key"} {
			copyTo(t, filepath.Join(dir, name), filepath.Join(boundStore, name), 0o644)
		}
	}
	dir := tempDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{storeFile, "kek.key"} {
		copyTo(t, filepath.Join(boundStore, name), filepath.Join(dir, name), 0o600)
	}
	s := open(t, dir)
	defer closeStore(t, s)
	tokens := 0
	view(t, s, func(tx *Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		if err != nil {
			return err
		}
		list, err := tx.TokensOfTenant(tenant.ID, 0, 0)
		for _, tok := range list {
			tokens++
			for role, p := range map[pin.Role]string{pin.User: "user PIN", pin.SO: "SO PIN"} {
				if got, err := value(t, s, tok.ID, 1, role, p); err != nil || got != "hidden" {
					t.Errorf("with the %v PIN: %q, %v", role, got, err)
				}
			}
		}
		return err
	})
	r := check(t, s)
	require.Equal(t, 1, tokens, "%d tokens, %q", tokens, r.Problems)
	require.Empty(t, r.Problems, "%d tokens, %q", tokens, r.Problems)
}

func copyTo(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	write(t, to, string(data), mode)
}
