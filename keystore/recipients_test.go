package keystore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/all"
	"vtoken/vtoken/record"
)

// words makes the file of a passphrase in a data folder.
func words(t *testing.T, dir, name string) (uri string) {
	t.Helper()
	write(t, filepath.Join(dir, name), "the words of "+name, 0o600)
	return "passphrase:file=" + name
}

func addKEK(t *testing.T, s *Store, uri string) KEK {
	t.Helper()
	k, err := s.AddKEK(t.Context(), uri, false)
	if err != nil || k.Err != nil {
		t.Fatalf("add %s: %v, %v", uri, err, k.Err)
	}
	return k
}

func TestKEKsAddRemove(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	added := addKEK(t, s, words(t, dir, "one"))
	list, err := s.KEKs(t.Context())
	if err != nil || len(list) != 2 || list[0].URI != DefaultKEK || list[0].Recovery || !list[1].Recovery || list[1].ID != added.ID {
		t.Fatalf("%+v, %v", list, err)
	}
	if list[0].Status.Kind != "file" || list[1].Status.Kind != "passphrase" || list[0].Err != nil || list[1].Err != nil {
		t.Errorf("%+v", list)
	}
	if _, err := s.AddKEK(t.Context(), added.URI, false); !errors.Is(err, record.ErrExists) {
		t.Errorf("added twice: %v", err)
	}
	if err := s.RemoveKEK(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	sound(t, s, 0)
	closeStore(t, s)
	if err := os.Remove(filepath.Join(dir, "kek.key")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir) // with the passphrase alone
	defer closeStore(t, s)
	view(t, s, func(tx *Tx) error { _, err := tx.Token(tok.ID); return err })
}

func TestKEKsRefused(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	for uri, want := range map[string]error{
		"nonsense": kek.ErrURI, "file:": kek.ErrURI, "file:x?y": kek.ErrURI, "gopher:x": kek.ErrUnavailable,
		"passphrase:file=none": kek.ErrUnavailable, "tpm2:unix=/no/such": kek.ErrUnavailable,
		"pkcs11:object=a?module-path=/no/such": kek.ErrUnavailable,
	} {
		if _, err := s.AddKEK(t.Context(), uri, false); !errors.Is(err, want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if err := s.RemoveKEK(t.Context(), "none"); !errors.Is(err, record.ErrNotFound) {
		t.Errorf("remove what is not there: %v", err)
	}
	list, err := s.KEKs(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := s.RemoveKEK(t.Context(), list[0].ID); !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), "the last one") {
		t.Errorf("remove the last one: %v", err)
	}
	sound(t, s, 0)
}

// TestKEKRemoveWouldLockOut keeps the one KEK that opens, where the others'
// files are away.
func TestKEKRemoveWouldLockOut(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	k := addKEK(t, s, words(t, dir, "one"))
	if err := os.Remove(filepath.Join(dir, "one")); err != nil {
		t.Fatal(err)
	}
	list, err := s.KEKs(t.Context())
	if err != nil || list[0].Err != nil || !errors.Is(list[1].Err, kek.ErrUnavailable) {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.RemoveKEK(t.Context(), list[0].ID); !errors.Is(err, ErrKEK) || !strings.Contains(err.Error(), "none of the others") {
		t.Errorf("%v", err)
	}
	if err := s.RemoveKEK(t.Context(), k.ID); err != nil { // the dead one may go
		t.Error(err)
	}
}

// TestKEKsAreBounded fills the store with recipients.
// TestRecipientsAreNotTried: what is known of the KEKs without trying them is how
// they did when they were last tried.
func TestRecipientsAreNotTried(t *testing.T) {
	dir := tempDir(t)
	o := options(dir)
	opened := map[string]int{}
	o.Providers = map[string]kek.OpenFunc{}
	for scheme, open := range all.Providers() {
		o.Providers[scheme] = func(ctx context.Context, u kek.URI, env kek.Env) (kek.Provider, error) {
			opened[scheme]++
			return open(ctx, u, env)
		}
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := func() Recipient {
		t.Helper()
		list, err := s.Recipients()
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	if r := first(); r.URI != DefaultKEK || r.Tried.IsZero() || !r.Opens || r.Recovery {
		t.Errorf("after the start: %+v", r)
	}
	before := opened["file"]
	first()
	if opened["file"] != before {
		t.Error("listing the recipients opens a KEK")
	}
	if err := os.Rename(filepath.Join(dir, "kek.key"), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	if list, err := s.KEKs(t.Context()); err != nil || list[0].Err == nil {
		t.Fatalf("%v, %v", list, err)
	}
	if r := first(); r.Opens {
		t.Errorf("after it failed: %+v", r)
	}
}

func TestKEKsAreBounded(t *testing.T) {
	s, _ := inMemory(t)
	for i := 1; i < maxRecipients; i++ {
		addKEK(t, s, "file:"+strings.Repeat("x", i))
	}
	if _, err := s.AddKEK(t.Context(), "file:more", false); !errors.Is(err, ErrKEK) {
		t.Errorf("%v", err)
	}
	if n, err := unwrapAll(t, s); n != maxRecipients || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
