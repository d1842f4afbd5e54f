package kek

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// TestRefusals: a refused secret is not tried again; another one is, and so is the same one after
// its file was written again.
func TestRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(file, []byte("wrong"), 0o600))
	var r Refusals
	here, there := URI{Scheme: "pkcs11", Opaque: "token=a"}, URI{Scheme: "pkcs11", Opaque: "token=b"}
	wrong := secret.Bytes("wrong")
	require.NoError(t, r.Refused(here, file, wrong), "before it was tried")
	r.Note(here, file, wrong)
	require.ErrorIs(t, r.Refused(here, file, wrong), ErrUnavailable, "after it was refused")
	require.NoError(t, r.Refused(there, file, wrong), "for another KEK")
	require.NoError(t, r.Refused(here, file, secret.Bytes("right")), "another secret")
	later := time.Now().Add(time.Second)
	require.NoError(t, os.Chtimes(file, later, later))
	require.NoError(t, r.Refused(here, file, wrong), "after its file was written")
}

// TestRefusalsAreBounded: what is remembered does not grow without end, and nil
// remembers nothing.
func TestRefusalsAreBounded(t *testing.T) {
	var r Refusals
	for i := range 3 * maxRefusals {
		r.Note(URI{Scheme: "pkcs11"}, "", secret.Bytes{byte(i), byte(i >> 8)})
	}
	require.LessOrEqual(t, len(r.list), maxRefusals, "%d are remembered", len(r.list))
	var none *Refusals
	none.Note(URI{}, "", nil)
	require.NoError(t, none.Refused(URI{}, "", nil))
}
