package p11hsm

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vtoken/keystore/kek"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]target{
		"pkcs11:token=kek;object=kek?module-path=/m.so&pin-source=file:/pin":   {token: "kek", object: "kek", module: "/m.so", pin: "/pin"},
		"pkcs11:id=%01%ff;type=private?pin-source=file:///pin&module-path=m":   {id: "\x01\xff", class: "private", module: "m", pin: "/pin"},
		"pkcs11:serial=1;model=a%20b;manufacturer=c;id=x?module-path=/m%26.so": {serial: "1", model: "a b", manufacturer: "c", id: "x", module: "/m&.so"},
	} {
		u, err := kek.Parse(text)
		require.NoError(t, err)
		if got, err := parse(u); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestModuleIsChecked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m.so")
	write := func(mode, folder os.FileMode) string {
		for _, err := range []error{os.WriteFile(file, nil, 0o600), os.Chmod(file, mode), os.Chmod(dir, folder)} {
			require.NoError(t, err)
		}
		return file
	}
	_, err := checkModule(write(0o755, 0o755), "/data")
	require.NoError(t, err)
	for _, path := range []string{write(0o775, 0o755), filepath.Join(dir, "none.so")} {
		if _, err := checkModule(path, "/data"); !errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err = checkModule(write(0o755, 0o777), "/data")
	require.ErrorIs(t, err, kek.ErrUnavailable, "in a folder that all may write")
}

func FuzzURI(f *testing.F) {
	for _, seed := range []string{"pkcs11:object=a?module-path=/m", "pkcs11:id=%00;slot-id=3?module-path=/m&pin-source=file:/p", "pkcs11:object=%?x=%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := kek.Parse(s)
		if err != nil {
			return
		}
		to, err := parse(u)
		if err != nil && !errors.Is(err, kek.ErrURI) {
			t.Error(err)
		}
		if err == nil && (to.module == "" || to.object == "" && to.id == "") {
			t.Errorf("%q: %+v", s, to)
		}
	})
}

func FuzzBlob(f *testing.F) {
	b := &blob{way: 1, wrapped: []byte("wrapped"), sealed: []byte("sealed")}
	f.Add(append(b.header(), b.sealed...))
	f.Add([]byte{'H', 1, 1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := parseBlob(in)
		if err != nil {
			require.ErrorIs(t, err, kek.ErrWrongKey)
			return
		}
		again := append(b.header(), b.sealed...)
		require.Equal(t, in, again, "%x becomes %x", in, again)
	})
}
