//go:build cgo

package p11hsm

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest"
	"vtoken/vtoken/secret"
)

const (
	softHSM = "/usr/lib/softhsm/libsofthsm2.so"
	userPIN = "1234567"
)

// TestMain makes a SoftHSM with the tokens "kek" and "other". SoftHSM reads its
// configuration once in a process, so that all tests share it.
func TestMain(m *testing.M) {
	code, err := withHSM(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withHSM(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "hsm")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	conf := filepath.Join(dir, "softhsm2.conf")
	err = errors.Join(
		os.Mkdir(filepath.Join(dir, "tokens"), 0o700),
		os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nlog.level = ERROR\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "pin"), []byte(userPIN+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "wrong"), []byte("7654321\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "empty"), []byte("\n"), 0o600),
		os.Setenv("SOFTHSM2_CONF", conf), os.Setenv("VTOKEN_TEST_HSM", dir))
	if err != nil {
		return 0, err
	}
	for _, label := range []string{"kek", "other"} {
		out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", userPIN, "--so-pin", "87654321").CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
	}
	return m.Run(), nil
}

func dir() string { return os.Getenv("VTOKEN_TEST_HSM") }

func query(module, pin string) string {
	return "?module-path=" + module + "&pin-source=file:" + filepath.Join(dir(), pin)
}

func uri(path string) string { return "pkcs11:token=kek;" + path + query(softHSM, "pin") }

func try(t *testing.T, text string, generate bool) (*provider, error) {
	t.Helper()
	u, err := kek.Parse(text)
	require.NoError(t, err)
	p, err := new(Modules).Open(t.Context(), u, kek.Env{Dir: t.TempDir(), Generate: generate, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p.(*provider), nil
}

func open(t *testing.T, text string, generate bool) *provider {
	t.Helper()
	p, err := try(t, text, generate)
	require.NoError(t, err)
	return p
}

func key() secret.Bytes { return secret.Bytes(strings.Repeat("k", 32)) }

// attribute reads a boolean attribute of the provider's key.
func attribute(t *testing.T, p *provider, kind uint) bool {
	t.Helper()
	got, err := p.module.GetAttributeValue(p.key.session, p.key.handle, []*pkcs11.Attribute{pkcs11.NewAttribute(kind, nil)})
	require.NoError(t, err)
	return got[0].Value[0] == 1
}

// aes makes an AES key that may do only what is named.
func aes(t *testing.T, label string, uses ...uint) {
	t.Helper()
	p := open(t, uri("object=helper-of-"+label), true)
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
	}
	for _, use := range []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP} {
		template = append(template, pkcs11.NewAttribute(use, false))
		for _, u := range uses {
			if u == use {
				template[len(template)-1] = pkcs11.NewAttribute(use, true)
			}
		}
	}
	_, err := p.module.GenerateKey(p.key.session, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), template)
	require.NoError(t, err)
}

func TestProvider(t *testing.T) {
	aes(t, "wrapper", pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP)
	for name, c := range map[string]struct {
		path     string
		generate bool
		ways     string
	}{
		"AES":     {"object=generated-aes", true, "\x01"},
		"RSA":     {"object=generated-rsa;type=private;id=%01%02", true, "\x04\x05"},
		"KeyWrap": {"object=wrapper", false, "\x02\x03"},
	} {
		t.Run(name, func(t *testing.T) {
			text := uri(c.path)
			if c.generate {
				p := open(t, text, true)
				require.True(t, attribute(t, p, pkcs11.CKA_SENSITIVE), "the generated key is not guarded")
				require.False(t, attribute(t, p, pkcs11.CKA_EXTRACTABLE), "the generated key is not guarded")
				require.True(t, attribute(t, p, pkcs11.CKA_PRIVATE), "the generated key is not guarded")
				_, err := try(t, text, true)
				require.ErrorIs(t, err, kek.ErrUnavailable)
				require.ErrorContains(t, err, "already has a key", "generated twice")
			}
			blob, err := open(t, text, false).Wrap(t.Context(), key())
			require.NoError(t, err)
			require.Contains(t, c.ways, string(blob[2]), "it was wrapped in way %d", blob[2])
			other := "pkcs11:token=other;object=other-of-" + name + query(softHSM, "pin")
			if strings.Contains(c.path, "private") {
				other = strings.Replace(other, "?", ";type=private?", 1)
			}
			open(t, other, true)
			kektest.Run(t, kektest.Case{Open: new(Modules).Open, URI: text, Other: other, Dir: dir(), BadURIs: badURIs(), Missing: missing(), Changes: 200})
		})
	}
}

func badURIs() []string {
	return []string{
		"pkcs11:token=kek?module-path=/m", "pkcs11:object=kek", "pkcs11:object=%zz?module-path=/m", "pkcs11:object=?module-path=/m",
		"pkcs11:object=a;object=b?module-path=/m", "pkcs11:object=a;slot=1?module-path=/m", "pkcs11:object=a;slot-id=x?module-path=/m",
		"pkcs11:object=a;type=cert?module-path=/m", "pkcs11:object=a?module-path=/m&module-path=/n",
		"pkcs11:object=a?module-path=/m&pin-value=1234", "pkcs11:object=a?module-path=", "pkcs11:object=a?module-path=/m&x=1",
	}
}

func missing() []string {
	return []string{
		"pkcs11:token=kek;object=a" + query("/no/such.so", "pin"), "pkcs11:token=kek;object=a" + query("/bin/true", "pin"),
		"pkcs11:token=kek;object=a" + query(softHSM, "none"), "pkcs11:token=kek;object=a" + query(softHSM, "empty"),
		"pkcs11:token=none;object=a" + query(softHSM, "pin"), uri("object=none"), uri("object=none;id=%01"),
		"pkcs11:object=a" + query(softHSM, "pin"), // two tokens fit
	}
}

// refuses opens a URI that cannot be used, and looks for words in the error.
func refuses(t *testing.T, text, words string) {
	t.Helper()
	_, err := try(t, text, false)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, words)
}

func TestReasons(t *testing.T) {
	refuses(t, "pkcs11:token=other;object=x"+query(softHSM, "wrong"), "refuses the PIN")
	refuses(t, "pkcs11:token=other;object=x"+query(softHSM, "pin"), "kek add --generate")
	refuses(t, "pkcs11:token=other;object=x"+query("/bin/true", "pin"), "cannot be loaded")
	refuses(t, "pkcs11:token=none;object=x"+query(softHSM, "pin"), `"kek"`)
	aes(t, "twin", pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT)
	aes(t, "twin2", pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT)
	p := open(t, uri("object=twin2"), false)
	label := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, "twin")}
	require.NoError(t, p.module.SetAttributeValue(p.key.session, p.key.handle, label))
	refuses(t, uri("object=twin"), "more than one key")
	aes(t, "useless")
	_, err := open(t, uri("object=useless"), false).Wrap(t.Context(), key())
	require.ErrorIs(t, err, kek.ErrUnavailable, "a key that may do nothing")
}

// TestWrongPINIsTriedOnce: one wrong PIN costs one of the HSM's tries, however often
// the KEK is opened with it; a KEK that is opened for a counter costs none.
func TestWrongPINIsTriedOnce(t *testing.T) {
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "counted", "--pin", userPIN, "--so-pin", "87654321").CombinedOutput()
	require.NoError(t, err, "%s", out)
	file := filepath.Join(t.TempDir(), "pin")
	require.NoError(t, os.WriteFile(file, []byte("7654321\n"), 0o600))
	u, err := kek.Parse("pkcs11:token=counted;object=x?module-path=" + softHSM + "&pin-source=file:" + file)
	require.NoError(t, err)
	env := kek.Env{Dir: dir(), Refused: new(kek.Refusals), Log: slog.New(slog.DiscardHandler)}
	for i, want := range []string{"refuses the PIN", "was refused before", "was refused before"} {
		_, err := new(Modules).Open(t.Context(), u, env)
		if !errors.Is(err, kek.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("time %d: %v; want %q", i+1, err, want)
		}
	}
	require.NoError(t, os.WriteFile(file, []byte(userPIN+"\n"), 0o600))
	_, err = new(Modules).Open(t.Context(), u, env)
	require.Error(t, err, "with the right PIN: %v", err)
	require.ErrorContains(t, err, "no key that fits", "with the right PIN")
	env.Count = true
	_, err = new(Modules).Open(t.Context(), u, env)
	require.ErrorIs(t, err, kek.ErrCountsNothing, "for a counter")
}

// TestKeyDeleted deletes the key while a provider has it.
func TestKeyDeleted(t *testing.T) {
	p := open(t, uri("object=doomed"), true)
	blob, err := p.Wrap(t.Context(), key())
	require.NoError(t, err)
	require.NoError(t, p.module.DestroyObject(p.key.session, p.key.handle))
	_, err = p.Unwrap(t.Context(), blob)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorContains(t, err, "was it deleted", "unwrap")
	_, err = p.Status(t.Context())
	require.ErrorIs(t, err, kek.ErrUnavailable, "status")
}

// TestComesBack takes the session, and the whole module, from a provider.
func TestComesBack(t *testing.T) {
	p := open(t, uri("object=lost"), true)
	blob, err := p.Wrap(t.Context(), key())
	require.NoError(t, err)
	for name, lose := range map[string]func() error{
		"session": func() error { return p.module.CloseSession(p.key.session) },
		"login":   func() error { return p.module.Logout(p.key.session) },
		"module":  func() error { return p.module.Finalize() },
	} {
		require.NoError(t, lose())
		if got, err := p.Unwrap(t.Context(), blob); err != nil || !got.Equal(key()) {
			t.Errorf("after the %s was lost: %v", name, err)
		}
	}
}

// TestModuleRestarts has one provider initialize the module again while another one has a
// session with the same number.
func TestModuleRestarts(t *testing.T) {
	open(t, uri("object=first"), true)
	open(t, uri("object=second"), true)
	var modules Modules
	var both [2]*provider
	for i, path := range []string{"object=first", "object=second"} {
		u, err := kek.Parse(uri(path))
		require.NoError(t, err)
		p, err := modules.Open(t.Context(), u, kek.Env{Dir: dir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		both[i] = p.(*provider)
	}
	if both[0].module != both[1].module {
		t.Fatal("the module was loaded twice")
	}
	var blobs [2][]byte
	for i, p := range both {
		blob, err := p.Wrap(t.Context(), key())
		require.NoError(t, err)
		blobs[i] = blob
	}
	both[0].module.mu.Lock()
	both[0].restart()
	both[0].module.mu.Unlock()
	for _, i := range []int{1, 0} {
		if got, err := both[i].Unwrap(t.Context(), blobs[i]); err != nil || !got.Equal(key()) {
			t.Errorf("provider %d: %v", i, err)
		}
	}
}
