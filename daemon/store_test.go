package main

import (
	"log/slog"
	"path/filepath"
	"testing"

	"vtoken/keystore"
	"vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
)

// TestCoreStore: the keystore keeps the contract of the provisioning core.
func TestCoreStore(t *testing.T) {
	provtest.Run(t, func(t testing.TB) provisioning.Store {
		s, err := keystore.Open(t.Context(), keystore.Options{
			Dir: filepath.Join(t.TempDir(), "data"), Providers: all.Providers(), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return coreStore{s}
	})
}
