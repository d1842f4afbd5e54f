package keystore

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"

	"github.com/stretchr/testify/require"
)

func fileHas(t *testing.T, dir, text string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, storeFile))
	require.NoError(t, err)
	return strings.Contains(string(data), text)
}

// recipientOf is the recipient of a URI.
func recipientOf(t *testing.T, s *Store, uri string) recipient {
	t.Helper()
	list, err := s.recipients()
	require.NoError(t, err)
	i := slices.IndexFunc(list, func(r recipient) bool { return r.URI == uri })
	require.GreaterOrEqual(t, i, 0, "there is no recipient %s", uri)
	return list[i]
}

// wrapped is how the store file shows the wrapped root key of a recipient.
func (r recipient) wrapped() string { return base64.StdEncoding.EncodeToString(r.Wrapped) }

// TestRemovedKEKIsGone: the store file has nothing left that a KEK unwraps which
// was removed, so that its key file, forgotten in the data folder, opens nothing.
func TestRemovedKEKIsGone(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	addKEK(t, s, words(t, dir, "words"))
	gone := recipientOf(t, s, DefaultKEK)
	require.NoError(t, s.RemoveKEK(t.Context(), text(gone.ID)))
	s.scrubs.done.Wait()
	require.False(t, fileHas(t, dir, gone.wrapped()),
		"the store file still has the root key wrapped for a KEK that was removed")
}

// TestRemovedKEKIsGoneAfterAKill: where the daemon is killed before it is gone, the
// next start sees to it.
func TestRemovedKEKIsGoneAfterAKill(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	addKEK(t, s, words(t, dir, "words"))
	s.scrubs.done.Wait()
	gone := recipientOf(t, s, DefaultKEK)
	update(t, s, func(tx *Tx) error { return tx.remove(schema.Record(schema.PrefixRecipient, gone.ID)) })
	killed := copyFolder(t, dir)
	closeStore(t, s)
	require.True(t, fileHas(t, killed, gone.wrapped()), "nothing is left to be overwritten; the test tests nothing")
	require.NoError(t, os.Chmod(filepath.Join(killed, "words"), 0o600))
	s = open(t, killed)
	defer closeStore(t, s)
	s.scrubs.done.Wait()
	require.False(t, fileHas(t, killed, gone.wrapped()), "the next start leaves what a killed daemon left")
}

// TestRotatedKeyIsGone: after a rotation nothing in the store file is sealed under
// the old root key.
func TestRotatedKeyIsGone(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	manyTenants(t, s, 2*rotationBatch)
	s.scrubs.done.Wait()
	id := s.root.sealing().ID()
	old := string(id[:])
	require.True(t, fileHas(t, dir, old), "nothing is sealed under the root key; the test tests nothing")
	rotate(t, s)
	s.scrubs.done.Wait()
	require.False(t, fileHas(t, dir, old), "the store file still has data sealed under the old root key")
}

var _ kv.Engine = (*inUse)(nil)

// inUse is storage that is being read for the first calls of Scrub.
type inUse struct {
	kv.Engine
	times, scrubs int
}

func (e *inUse) Scrub(from int) (int, error) {
	if e.scrubs++; e.scrubs <= e.times {
		return 0, kv.ErrInUse
	}
	return (from + 1) % 3, nil
}

// TestScrubWaits: a view that lasts puts the scrubbing off, and no more.
func TestScrubWaits(t *testing.T) {
	e := &inUse{times: 2}
	s := &Store{db: kv.Group(e), log: options("").withDefaults().Log}
	s.scrub()
	s.scrubs.done.Wait()
	require.Equal(t, 2+3, e.scrubs, "the storage was scrubbed %d times", e.scrubs)
}
