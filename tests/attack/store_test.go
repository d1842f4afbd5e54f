package attack

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/schema"
	"vtoken/tests/harness"
)

// The attackers of this file write to the data folder of a daemon that does not run, as
// who has the disk does, or beside one that does. They have no key.

const pin, soPIN = "24681357", "87654321"

// used is a daemon that was used, and stopped.
func used(t *testing.T, flags ...string) *harness.Daemon {
	t.Helper()
	d := start(t, flags...)
	require.NoError(t, d.NewToken("Card", pin, soPIN))
	require.NoError(t, d.Stop())
	return d
}

// plant changes the URI of the store's only recipient.
func plant(t *testing.T, d *harness.Daemon, uri string) {
	t.Helper()
	e, err := bolt.Open(filepath.Join(d.DataDir, "vtoken.db"))
	require.NoError(t, err)
	require.NoError(t, e.Update(func(w kv.Writer) error {
		var at, changed []byte
		err := w.Scan([]byte{schema.PrefixRecipient}, nil, func(key, value []byte) error {
			var r map[string]any
			if err := json.Unmarshal(value, &r); err != nil {
				return err
			}
			r["uri"] = uri
			at = append([]byte(nil), key...)
			changed, err = json.Marshal(r)
			return err
		})
		if err != nil {
			return err
		}
		return w.Put(at, changed)
	}))
	require.NoError(t, e.Close())
}

// TestPlantedModule writes the URI of an HSM's module into the store. The module is in
// the data folder or elsewhere, and leaves a mark in whatever process loads it.
func TestPlantedModule(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]func(*harness.Daemon) string{
		"in the data folder": func(d *harness.Daemon) string { return d.DataDir },
		"elsewhere":          func(d *harness.Daemon) string { return t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			d := used(t)
			mark, module := filepath.Join(t.TempDir(), "mark"), filepath.Join(folder(d), "evil.so")
			source := filepath.Join(t.TempDir(), "evil.c")
			require.NoError(t, os.WriteFile(source, []byte(`#include <stdio.h>
__attribute__((constructor)) static void loaded(void) { FILE *f = fopen("`+mark+`", "w"); if (f) fclose(f); }
`), 0o600))
			out, err := exec.Command("cc", "-shared", "-fPIC", "-o", module, source).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.NoError(t, os.Chmod(filepath.Dir(module), 0o700))
			uri := "pkcs11:object=x?module-path=" + module
			plant(t, d, uri)
			require.ErrorContains(t, d.Start(), "exit status 3")
			require.NoFileExists(t, mark, "a module that stands in the store was loaded")
			require.Contains(t, d.Log(), "kek: ['"+uri+"']", "the administrator is told what to write where the KEK is theirs")
		})
	}
}

// TestModuleInTheDataFolder names a module in the data folder in the configuration: it is
// not loaded all the same, because others may have put it there.
func TestModuleInTheDataFolder(t *testing.T) {
	t.Parallel()
	d := used(t)
	module := filepath.Join(d.DataDir, "softhsm.so")
	text, err := os.ReadFile(harness.SoftHSMModule)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(module, text, 0o600))
	_, err = d.Vtoken("kek", "add", "pkcs11:object=x?module-path="+module)
	require.Error(t, err)
	require.NoError(t, d.Start())
	_, err = d.Vtoken("kek", "add", "pkcs11:object=x?module-path="+module)
	require.ErrorContains(t, err, "is in the data folder")
}

// TestPlantedAddress writes the address of a TPM into the store.
func TestPlantedAddress(t *testing.T) {
	t.Parallel()
	d := used(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	plant(t, d, "tpm2:tcp="+l.Addr().String())
	done := make(chan bool, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_ = c.Close()
		}
		done <- err == nil
	}()
	require.ErrorContains(t, d.Start(), "exit status 3")
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now()))
	require.False(t, <-done, "the daemon connected where the store told it to")
}

// replaceBy puts the store of another daemon, with the key that opens it, in place.
func replaceBy(t *testing.T, d, other *harness.Daemon) {
	t.Helper()
	for _, name := range []string{"vtoken.db", "kek.key"} {
		text, err := os.ReadFile(filepath.Join(other.DataDir, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, name), text, 0o600))
	}
}

// TestForeignStore puts a whole store in place whose keys the attacker has: users would
// fill it. A pin tells, and so does an audit log.
func TestForeignStore(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string]func() []string{
		"by the pin":       func() []string { return []string{"--store-pin", filepath.Join(t.TempDir(), "pin", "store")} },
		"by the audit log": func() []string { return []string{"--audit-dir", filepath.Join(t.TempDir(), "audit")} },
	} {
		t.Run(name, func(t *testing.T) {
			named := flags()
			d := used(t, named...)
			theirs := used(t)
			kept, err := os.ReadFile(filepath.Join(d.DataDir, "vtoken.db"))
			require.NoError(t, err)
			key, err := os.ReadFile(filepath.Join(d.DataDir, "kek.key"))
			require.NoError(t, err)
			if name == "by the pin" { // with its audit log, which is in the data folder
				require.NoError(t, os.RemoveAll(filepath.Join(d.DataDir, "audit")))
			}
			replaceBy(t, d, theirs)
			require.ErrorContains(t, d.Start(named...), "exit status 4")
			require.Contains(t, d.Log(), "ALARM: the data folder holds another store")
			require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, "vtoken.db"), kept, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, "kek.key"), key, 0o600))
			require.NoError(t, d.Start(named...), "the right one is taken again")
		})
	}
}

// TestMissingStore takes the store away, as an unmounted disk does. There is no new one
// before an administrator says so.
func TestMissingStore(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(d *harness.Daemon) error{
		"the file":   func(d *harness.Daemon) error { return os.Remove(filepath.Join(d.DataDir, "vtoken.db")) },
		"the folder": func(d *harness.Daemon) error { return os.RemoveAll(d.DataDir) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pin", "store")
			d := used(t, "--store-pin", file)
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, lose(d))
			require.ErrorContains(t, d.Start("--store-pin", file), "exit status 4")
			require.Contains(t, d.Log(), "--init")
			require.NoFileExists(t, filepath.Join(d.DataDir, "vtoken.db"))
			require.NoError(t, d.Start("--store-pin", file, "--init"))
			after, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NotEqual(t, before, after)
			require.NoError(t, d.Stop())
			require.Error(t, d.Start("--store-pin", file, "--init"), "--init left in the unit")
			require.NoError(t, d.Start("--store-pin", file))
		})
	}
}

// TestMissingStoreByAuditLog: without a pin, the audit log says that there was a store.
func TestMissingStoreByAuditLog(t *testing.T) {
	t.Parallel()
	d := used(t)
	require.NoError(t, os.Remove(filepath.Join(d.DataDir, "vtoken.db")))
	require.ErrorContains(t, d.Start(), "exit status 4")
	require.Contains(t, d.Log(), "its audit log is in")
	require.NoError(t, d.Start("--init"))
}

// TestStoreReplacedUnderTheDaemon renames the store file, and puts a copy in its place:
// nothing is acknowledged that the next start would not find.
func TestStoreReplacedUnderTheDaemon(t *testing.T) {
	t.Parallel()
	for name, copied := range map[string]bool{"renamed": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			d := start(t)
			require.NoError(t, d.NewToken("Card", pin, soPIN))
			path := filepath.Join(d.DataDir, "vtoken.db")
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Rename(path, path+".away"))
			if copied {
				require.NoError(t, os.WriteFile(path, text, 0o600))
			}
			require.Error(t, d.NewToken("Late", pin, soPIN), "a token was acknowledged that is in no store")
			require.Contains(t, d.Log(), "ALARM: the store file was renamed")
		})
	}
}
