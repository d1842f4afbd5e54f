package kek

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vtoken/vtoken/secret"
)

// TestRefusals: a secret that was refused is not tried again, another one is, and
// the same one is after its file was written anew.
func TestRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r Refusals
	here, there := URI{Scheme: "pkcs11", Opaque: "token=a"}, URI{Scheme: "pkcs11", Opaque: "token=b"}
	wrong := secret.Bytes("wrong")
	if err := r.Refused(here, file, wrong); err != nil {
		t.Errorf("before it was tried: %v", err)
	}
	r.Note(here, file, wrong)
	if err := r.Refused(here, file, wrong); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after it was refused: %v", err)
	}
	if err := r.Refused(there, file, wrong); err != nil {
		t.Errorf("for another KEK: %v", err)
	}
	if err := r.Refused(here, file, secret.Bytes("right")); err != nil {
		t.Errorf("another secret: %v", err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
	if err := r.Refused(here, file, wrong); err != nil {
		t.Errorf("after its file was written: %v", err)
	}
}

// TestRefusalsAreBounded: what is remembered does not grow without end, and nil
// remembers nothing.
func TestRefusalsAreBounded(t *testing.T) {
	var r Refusals
	for i := range 3 * maxRefusals {
		r.Note(URI{Scheme: "pkcs11"}, "", secret.Bytes{byte(i), byte(i >> 8)})
	}
	if len(r.list) > maxRefusals {
		t.Errorf("%d are remembered", len(r.list))
	}
	var none *Refusals
	none.Note(URI{}, "", nil)
	if err := none.Refused(URI{}, "", nil); err != nil {
		t.Error(err)
	}
}
