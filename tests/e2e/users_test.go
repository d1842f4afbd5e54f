package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// Users of the operating system that exist nowhere else: the kernel needs no
// name for them.
const alice, bob, nobody = "61001", "61002", "61003"

// TestUsersSeeTheirOwnTokensOnly has two users, and one that is nobody's, at the
// same socket.
func TestUsersSeeTheirOwnTokensOnly(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Getuid(), "this test acts as other users: run it as root (sudo make test)")
	d := start(t)
	for login, uid := range map[string]string{"alice": alice, "bob": bob} {
		_, err := d.NewTokenFor(login, "card-of-"+login, harness.PIN, harness.SOPIN)
		require.NoError(t, err)
		_, err = d.Vtoken("user", "map", login, "--os-user", "#"+uid)
		require.NoError(t, err)
	}
	for name, module := range modules(t) {
		module = public(t, d, module)
		t.Run(name, func(t *testing.T) {
			expect(t, slots(t, d, alice, module), "card-of-alice", "card-of-bob")
			expect(t, slots(t, d, bob, module), "card-of-bob", "card-of-alice")
			expect(t, slots(t, d, nobody, module), "No slots", "card-of")
			ask := append([]string{"pkcs11-tool", "--module", module}, append(login("card-of-alice", harness.PIN), "-O")...)
			if _, err := command(d, alice, ask...); err != nil {
				t.Errorf("alice cannot log in to her own token: %v", err)
			}
			for _, uid := range []string{bob, nobody} {
				if out, err := command(d, uid, ask...); err == nil {
					t.Errorf("user %s logged in to alice's token:\n%s", uid, out)
				}
			}
		})
	}
	t.Run("remap", func(t *testing.T) { remap(t, d) })
	t.Run("admin socket", func(t *testing.T) {
		out, err := command(d, alice, public(t, d, d.Bin("vtoken")), "token", "list")
		require.Error(t, err, "alice is no administrator and listed tokens:\n%s", out)
	})
}

// remap takes the token from a user by the map alone.
func remap(t *testing.T, d *harness.Daemon) {
	_, err := d.Vtoken("user", "map", "alice", "--os-user", "#"+nobody)
	require.NoError(t, err)
	for uid, sees := range map[string]bool{alice: false, nobody: true} {
		out := slots(t, d, uid, public(t, d, d.Module()))
		if strings.Contains(out, "card-of-alice") != sees {
			t.Errorf("after the new map user %s sees:\n%s", uid, out)
		}
	}
}

// slots lists the slots that a user sees. Where there are none, pkcs11-tool 0.23
// says so and ends with status 1.
func slots(t *testing.T, d *harness.Daemon, uid, module string) string {
	t.Helper()
	out, err := command(d, uid, "pkcs11-tool", "--module", module, "-L")
	if !strings.Contains(out, "No slots") {
		require.NoError(t, err)
	}
	return out
}

// public copies a program to where every user can read it: the folder that the
// tests run in may be closed to others.
func public(t *testing.T, d *harness.Daemon, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	copied := filepath.Join(d.Dir, filepath.Base(path))
	require.NoError(t, os.RemoveAll(copied)) // a module that is loaded is not written to
	require.NoError(t, harness.WriteProgram(copied, b))
	require.NoError(t, os.Chmod(copied, 0o755))
	return copied
}

func expect(t *testing.T, out, has, hasNot string) {
	t.Helper()
	if !strings.Contains(out, has) || strings.Contains(out, hasNot) {
		t.Errorf("want %q and not %q in:\n%s", has, hasNot, out)
	}
}
