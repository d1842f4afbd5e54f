package keystore

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
)

func TestCandidates(t *testing.T) {
	const (
		module = "pkcs11:object=a?module-path=/m.so"
		chip   = "tpm2:device=/dev/tpmrm0"
		secret = chip + "?auth-file=/etc/words"
		words  = "passphrase:file=/root/words"
	)
	for _, test := range []struct {
		uri   string
		named []string
		trust trust
		want  []string
	}{
		{"file:kek.key", nil, obeyQuiet, []string{"file:kek.key"}},
		{"file:kek.key", nil, obeyNothing, nil},
		{chip, nil, obeyQuiet, []string{chip}},
		{chip, []string{secret}, obeyQuiet, []string{secret}},
		{chip, []string{secret, chip}, obeyQuiet, []string{chip, secret}},
		{secret, nil, obeyReading, nil},
		{module, nil, obeyReading, nil},
		{module, []string{module}, obeyNothing, []string{module}},
		{module, []string{words, module + "2"}, obeyQuiet, []string{module + "2"}},
		{words, nil, obeyQuiet, nil},
		{words, nil, obeyReading, []string{words}},
		{words, []string{"passphrase:file=/media/words"}, obeyQuiet, []string{"passphrase:file=/media/words"}},
	} {
		o := Options{Dir: "/data", KEKs: test.named}
		got, err := o.candidates(recipient{URI: test.uri}, test.trust)
		require.Equal(t, test.want, got, "%+v", test)
		if test.want == nil {
			require.ErrorIs(t, err, errNotNamed, "%+v", test)
			require.ErrorContains(t, err, "kek: ['"+test.uri+"']")
		}
	}
	o := Options{Dir: "/data", added: new(added)}
	o.added.note(module)
	got, err := o.candidates(recipient{URI: module}, obeyQuiet)
	require.NoError(t, err)
	require.Equal(t, []string{module}, got, "added in this run")
}

// The id is that of the store, through a rotation and a restore, and another store has
// another one.
func TestStoreID(t *testing.T) {
	dir, file, _ := backedUp(t)
	s := open(t, dir)
	id := s.ID()
	require.Len(t, id, 2*idSize)
	require.NoError(t, s.RotateRoot(t.Context()))
	require.Equal(t, id, s.ID())
	closeStore(t, s)
	other := open(t, tempDir(t))
	require.NotEqual(t, id, other.ID())
	closeStore(t, other)

	o := options(dir)
	mine := kek.Pin{ID: id, Where: "a file", Undo: "remove that file"}
	another := kek.Pin{ID: other.ID(), Where: "a TPM", Undo: "remove that index"}
	o.Pinned = []kek.Pin{mine, mine}
	closeStore(t, openWith(t, o))
	o.Pinned = []kek.Pin{mine, another}
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "its id is "+id+", and "+other.ID()+" is pinned in a TPM; put the right data folder back, or, where this store is meant, remove that index")
	restored := elsewhere(t, dir)
	restored.Pinned = []kek.Pin{another}
	_, err = Restore(t.Context(), restored, bytes.NewReader(file))
	require.ErrorIs(t, err, ErrForeign)
}
