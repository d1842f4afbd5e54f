package bolt_test

import (
	"path/filepath"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/kv/kvtest"
)

func create(t testing.TB) (*bolt.Engine, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	e, err := bolt.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return e, path
}

func TestEngine(t *testing.T) {
	kvtest.Run(t, func(t *testing.T) kv.Engine {
		e, _ := create(t)
		return e
	})
}
