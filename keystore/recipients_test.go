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
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
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
	require.NoError(t, err, "add %s: %v, %v", uri, err, k.Err)
	require.NoError(t, k.Err, "add %s: %v, %v", uri, err, k.Err)
	return k
}

func TestKEKsAddRemove(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	added := addKEK(t, s, words(t, dir, "one"))
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, DefaultKEK, list[0].URI)
	require.False(t, list[0].Recovery)
	require.True(t, list[1].Recovery)
	require.Equal(t, added.ID, list[1].ID)
	require.Equal(t, "file", list[0].Status.Kind)
	require.Equal(t, "passphrase", list[1].Status.Kind)
	require.NoError(t, list[0].Err)
	require.NoError(t, list[1].Err)
	_, err = s.AddKEK(t.Context(), added.URI, false)
	require.ErrorIs(t, err, record.ErrExists, "added twice")
	require.NoError(t, s.RemoveKEK(t.Context(), list[0].ID))
	sound(t, s, 0)
	closeStore(t, s)
	require.NoError(t, os.Remove(filepath.Join(dir, "kek.key")))
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
	require.ErrorIs(t, s.RemoveKEK(t.Context(), "none"), record.ErrNotFound, "remove what is not there")
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	err = s.RemoveKEK(t.Context(), list[0].ID)
	require.ErrorIs(t, err, ErrKEK)
	require.ErrorContains(t, err, "the last one", "remove the last one")
	sound(t, s, 0)
}

// TestKEKRemoveWouldLockOut keeps the one KEK that opens, where the others'
// files are away.
func TestKEKRemoveWouldLockOut(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	k := addKEK(t, s, words(t, dir, "one"))
	require.NoError(t, os.Remove(filepath.Join(dir, "one")))
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.NoError(t, list[0].Err)
	require.ErrorIs(t, list[1].Err, kek.ErrUnavailable)
	err = s.RemoveKEK(t.Context(), list[0].ID)
	require.ErrorIs(t, err, ErrKEK)
	require.ErrorContains(t, err, "none of the others")
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
	require.NoError(t, err)
	defer s.Close()
	first := func() Recipient {
		t.Helper()
		list, err := s.Recipients()
		require.NoError(t, err)
		require.Len(t, list, 1)
		return list[0]
	}
	r := first()
	require.Equal(t, DefaultKEK, r.URI, "after the start: %+v", r)
	require.False(t, r.Tried.IsZero(), "after the start: %+v", r)
	require.True(t, r.Opens, "after the start: %+v", r)
	require.False(t, r.Recovery, "after the start: %+v", r)
	before := opened["file"]
	first()
	require.Equal(t, before, opened["file"], "listing the recipients opens a KEK")
	require.NoError(t, os.Rename(filepath.Join(dir, "kek.key"), filepath.Join(dir, "away")))
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.Error(t, list[0].Err)
	r = first()
	require.False(t, r.Opens, "after it failed: %+v", r)
}

func TestKEKsAreBounded(t *testing.T) {
	s, _ := inMemory(t)
	for i := 1; i < maxRecipients; i++ {
		addKEK(t, s, "file:"+strings.Repeat("x", i))
	}
	_, err := s.AddKEK(t.Context(), "file:more", false)
	require.ErrorIs(t, err, ErrKEK)
	n, err := unwrapAll(t, s)
	require.Equal(t, maxRecipients, n)
	require.NoError(t, err)
}

// secretive is hardware that does not tell which counters it has.
type secretive struct{ *hardware }

func (secretive) OtherCounters(context.Context, secret.Bytes) ([]string, error) {
	return nil, kek.ErrUnavailable
}

// TestCountersCannotBeListed: a KEK that does not tell its counters opens the store and is
// ready all the same.
func TestCountersCannotBeListed(t *testing.T) {
	h := newHardware()
	o := h.on(tempDir(t))
	o.Providers["hardware"] = func(ctx context.Context, u kek.URI, e kek.Env) (kek.Provider, error) {
		_, err := h.open(ctx, u, e)
		return secretive{h}, err
	}
	s := openWith(t, o)
	defer closeStore(t, s)
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, list[0].Err)
	p, err := s.Protection()
	require.NoError(t, err)
	require.True(t, p.Counts)
}
