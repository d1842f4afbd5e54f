package provisioning_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

const password = "correct-horse"

// corpusFile is a line of testdata/pfx/corpus.txt.
type corpusFile struct {
	name, password string
	certs          int    // 0 where it is refused
	want           string // the label, or a part of the reason
}

func corpus(t testing.TB) []corpusFile {
	t.Helper()
	f, err := os.Open("testdata/pfx/corpus.txt")
	require.NoError(t, err)
	defer f.Close()
	var list []corpusFile
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		c := corpusFile{name: fields[0], password: fields[1], want: strings.Join(fields[3:], " ")}
		if fields[2] == "ok" {
			c.certs, _ = strconv.Atoi(fields[3])
			c.want = strings.Join(fields[4:], " ")
		}
		list = append(list, c)
	}
	files, err := filepath.Glob("testdata/pfx/*.p12")
	if err != nil || len(files) != len(list) || len(list) < 40 {
		t.Fatalf("corpus.txt has %d lines for %d files (%v)", len(list), len(files), err)
	}
	return list
}

func pfxFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/pfx/" + name + ".p12")
	require.NoError(t, err)
	return data
}

// TestCorpus imports a PFX of every producer: it is imported whole, or refused with the
// reason, and then nothing is stored.
func TestCorpus(t *testing.T) {
	for _, c := range corpus(t) {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ref := w.token(4096)
			before := w.store.Commits()
			got, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, c.name), secret.Bytes(c.password))
			if c.certs == 0 {
				wantKind(t, err, provisioning.BadInput)
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("refused with %q, want a reason with %q", err, c.want)
				}
				if w.store.Commits() != before || len(w.store.ObjectsOf(ref.ID)) != 0 {
					t.Error("a refused PFX left something behind")
				}
				return
			}
			require.NoError(t, err)
			if got.Label != c.want || len(got.Serials) != c.certs {
				t.Errorf("label %q, serials %v; want %q, %d of them", got.Label, got.Serials, c.want, c.certs)
			}
			checkImported(t, w.store.ObjectsOf(ref.ID), got)
		})
	}
}

// checkImported checks what applications rely on: one CKA_ID for a key, its public key
// and its certificate, no other certificate with that CKA_ID, and the subject, issuer and
// serial number of each certificate.
func checkImported(t *testing.T, all []*object.Object, im provisioning.Import) {
	t.Helper()
	one := func(class ck.ObjectClass) *object.Object {
		var found *object.Object
		for _, o := range all {
			if o.Class() == class && bytes.Equal(o.KeyID(), im.KeyID) {
				if found != nil {
					t.Errorf("two objects of class %v have one id", class)
				}
				found = o
			}
		}
		if found == nil {
			t.Fatalf("no object of class %v has id %x", class, im.KeyID)
		}
		if found.Label() != im.Label {
			t.Errorf("%v has the label %q, not %q", class, found.Label(), im.Label)
		}
		return found
	}
	private, public, leaf := one(ck.CKO_PRIVATE_KEY), one(ck.CKO_PUBLIC_KEY), one(ck.CKO_CERTIFICATE)
	if len(im.KeyID) != 20 {
		t.Errorf("id %x", im.KeyID)
	}
	if !private.Private() || !private.Sensitive() || private.Extractable() || !private.Bool(ck.CKA_SIGN) || private.Secret == nil {
		t.Errorf("private key is not as it should be: %v", private.Attrs)
	}
	if public.Private() || leaf.Private() || !public.Bool(ck.CKA_VERIFY) {
		t.Error("public key or certificate hides from those who are not logged in")
	}
	if len(all) != 2+len(im.Serials) {
		t.Errorf("%d objects for %d certificates", len(all), len(im.Serials))
	}
	for _, o := range all {
		if !o.Token() {
			t.Errorf("%v %q is no token object", o.Class(), o.Label())
		}
		if o.Class() == ck.CKO_CERTIFICATE {
			checkCertificate(t, o)
		}
	}
	subject := leaf.Attrs.Get(ck.CKA_SUBJECT)
	if !bytes.Equal(subject, private.Attrs.Get(ck.CKA_SUBJECT)) || !bytes.Equal(subject, public.Attrs.Get(ck.CKA_SUBJECT)) {
		t.Error("key and certificate have different subjects")
	}
}

func checkCertificate(t *testing.T, o *object.Object) {
	t.Helper()
	cert, err := x509.ParseCertificate(o.Attrs.Get(ck.CKA_VALUE))
	require.NoError(t, err)
	for attr, want := range map[ck.AttributeType][]byte{ck.CKA_SUBJECT: cert.RawSubject, ck.CKA_ISSUER: cert.RawIssuer} {
		if !bytes.Equal(o.Attrs.Get(attr), want) {
			t.Errorf("%v of %q is not that of the certificate", attr, o.Label())
		}
	}
	if len(o.Attrs.Get(ck.CKA_SERIAL_NUMBER)) < 3 || o.Label() == "" || len(o.KeyID()) != 20 {
		t.Errorf("certificate %q has serial %x, id %x", o.Label(), o.Attrs.Get(ck.CKA_SERIAL_NUMBER), o.KeyID())
	}
}

// TestSerials: upper-case hexadecimal, two digits a byte, the leaf first, then
// its issuers in order.
func TestSerials(t *testing.T) {
	w := newWorld(t)
	got, err := w.core.ImportPFX(t.Context(), w.admin, w.token(4096), pfxFile(t, "python-modern"), secret.Bytes(password))
	require.NoError(t, err)
	// The file has the root before the issuing authority.
	if want := "[A1B2C3D4E5F60718293A4B5C6D7E8F9001 B0 01]"; fmt.Sprint(got.Serials) != want {
		t.Errorf("serials %v, want %v", got.Serials, want)
	}
	if len(got.Warnings) != 0 {
		t.Errorf("warnings %v", got.Warnings)
	}
}

// TestDamagedPFX flips and cuts a good file everywhere: it is refused with a
// reason, never with a panic, and nothing is stored. A flip in what neither the
// contents nor their check cover (the parameters of the check's hash) does no
// harm, and then the file arrives as it is.
func TestDamagedPFX(t *testing.T) {
	w := newWorld(t)
	good := pfxFile(t, "openssl-nomaciter")
	want, err := w.core.ImportPFX(t.Context(), w.admin, w.ref, good, secret.Bytes(password))
	require.NoError(t, err)
	ref, harmless := w.token(4096), 0
	try := func(data []byte, what string, n int) {
		got, err := w.core.ImportPFX(context.Background(), w.admin, ref, data, secret.Bytes(password))
		if err == nil {
			harmless++
			checkImported(t, w.store.ObjectsOf(ref.ID), got)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s at %d: imported %v instead of %v", what, n, got, want)
			}
			ref = w.token(4096)
		} else if provisioning.KindOf(err) != provisioning.BadInput {
			t.Errorf("%s at %d: %v", what, n, err)
		} else if len(w.store.ObjectsOf(ref.ID)) != 0 {
			t.Errorf("%s at %d: refused and stored", what, n)
		}
	}
	for n := range good {
		flipped := bytes.Clone(good)
		flipped[n] ^= 0x10
		try(flipped, "a flipped bit", n)
		try(good[:n], "a cut", n)
	}
	if harmless > 4 {
		t.Errorf("%d flips went unnoticed", harmless)
	}
}

// TestImportRefused has a row for each reason that is not in the corpus.
func TestImportRefused(t *testing.T) {
	small, large := pfxFile(t, "openssl-modern"), pfxFile(t, "openssl-rsa3072")
	for name, c := range map[string]struct {
		data     []byte
		password string
		bits     int
		kind     provisioning.Kind
		reason   string
	}{
		"wrong password":             {small, "wrong", 4096, provisioning.BadInput, "password is wrong"},
		"empty password":             {small, "", 4096, provisioning.BadInput, "password is empty"},
		"password outside of BMP":    {small, "🔑", 4096, provisioning.BadInput, ""},
		"3072 bits on a V1 token":    {large, password, 2048, provisioning.BadInput, "is for up to 2048"},
		"empty file":                 {nil, password, 4096, provisioning.BadInput, "not a PFX"},
		"text":                       {[]byte("hello"), password, 4096, provisioning.BadInput, "not a PFX"},
		"too large":                  {make([]byte, provisioning.MaxPFX+1), password, 4096, provisioning.TooLarge, "at most 1048576"},
		"certificate of other key":   {foreignLeaf(t), password, 4096, provisioning.BadInput, "no certificate for it"},
		"33 certificates":            {manyCerts(t, 33), password, 4096, provisioning.BadInput, "33 certificates"},
		"the library's passwordless": {encode(t, pkcs12.Passwordless, ""), password, 4096, provisioning.BadInput, "MAC"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.core.ImportPFX(t.Context(), w.admin, w.token(c.bits), c.data, secret.Bytes(c.password))
			wantKind(t, err, c.kind)
			if !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%q has no %q", err, c.reason)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the reason tells the password")
			}
		})
	}
}

// TestImportAccepted has what the library itself writes, PBMAC1 among it.
func TestImportAccepted(t *testing.T) {
	for name, e := range map[string]*pkcs12.Encoder{
		"rc2": pkcs12.LegacyRC2, "3des": pkcs12.LegacyDES, "aes": pkcs12.Modern2023, "pbmac1": pkcs12.Modern2026,
	} {
		w := newWorld(t)
		ref := w.token(4096)
		got, err := w.core.ImportPFX(t.Context(), w.admin, ref, encode(t, e, password), secret.Bytes(password))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkImported(t, w.store.ObjectsOf(ref.ID), got)
	}
}

// TestImportTwice: the same key is a conflict and changes nothing; another key
// of the same chain shares its certificates.
func TestImportTwice(t *testing.T) {
	w := newWorld(t)
	ref := w.token(4096)
	for range 2 {
		_, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-modern"), secret.Bytes(password))
		if n := len(w.store.ObjectsOf(ref.ID)); n != 5 {
			t.Fatalf("%d objects, want 5 (%v)", n, err)
		}
	}
	_, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-modern"), secret.Bytes(password))
	wantKind(t, err, provisioning.Conflict)
	got, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
	require.NoError(t, err)
	if n := len(w.store.ObjectsOf(ref.ID)); n != 8 || len(got.Serials) != 3 {
		t.Errorf("%d objects, serials %v; the chain is there once", n, got.Serials)
	}
	certs, err := w.core.Certificates(t.Context(), w.admin, ref)
	if err != nil || len(certs) != 4 || !certs[0].HasKey || !certs[1].HasKey || certs[2].HasKey || certs[3].HasKey {
		t.Errorf("certificates %+v (%v)", certs, err)
	}
	infos, err := w.core.Objects(t.Context(), w.admin, ref)
	if err != nil || len(infos) != 8 {
		t.Fatalf("%d objects (%v)", len(infos), err)
	}
	if infos[0].Class != ck.CKO_PRIVATE_KEY || infos[0].Bits != 2048 || infos[5].Bits != 256 || infos[2].Serial != certs[0].Serial {
		t.Errorf("overview %+v", infos)
	}
}

// TestImportWarns of an expired certificate and of a label that is there twice.
func TestImportWarns(t *testing.T) {
	w := newWorld(t)
	ref := w.token(4096)
	w.now = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, file := range []string{"openssl-p256", "openssl-unrelated"} {
		got, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, file), secret.Bytes(password))
		if i == 1 {
			wantKind(t, err, provisioning.Conflict)
		} else if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "expired") {
			t.Errorf("%s: warnings %q (%v)", file, got.Warnings, err)
		}
	}
	for _, file := range []string{"java-rsa", "java-ec"} { // both call their key "signer"
		got, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, file), secret.Bytes(password))
		if err != nil || (file == "java-ec") != strings.Contains(fmt.Sprint(got.Warnings), `label "signer"`) {
			t.Errorf("%s: warnings %q (%v)", file, got.Warnings, err)
		}
	}
}

// TestImportAllOrNothing: a disk that is full leaves the token as it was.
func TestImportAllOrNothing(t *testing.T) {
	w := newWorld(t)
	ref := w.token(4096)
	w.store.FillDisk()
	_, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-modern"), secret.Bytes(password))
	wantKind(t, err, provisioning.StorageFull)
	if n := len(w.store.ObjectsOf(ref.ID)); n != 0 {
		t.Errorf("%d objects after a failed import", n)
	}
	w.store.Fail(nil)
	if _, err := w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-modern"), secret.Bytes(password)); err != nil {
		t.Errorf("after space came back: %v", err)
	}
	w.store.Fail(errors.New("a fault with a canary inside"))
	_, err = w.core.ImportPFX(t.Context(), w.admin, w.ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
	wantKind(t, err, provisioning.Internal)
	if strings.Contains(provisioning.AsError(err).Detail, "canary") {
		t.Error("the caller is told our inner troubles")
	}
}

// FuzzImport: no file panics, and what is stored fits together.
func FuzzImport(f *testing.F) {
	seeds := 0
	for _, c := range corpus(f) {
		if strings.Contains(c.name, "iter-") || strings.Contains(c.name, "rsa") {
			continue // slow, and no different
		}
		f.Add(pfxFile(f, c.name), c.password)
		seeds++
	}
	if seeds < 20 {
		f.Fatalf("%d seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		if len(data) > 1<<14 {
			return
		}
		w := newWorld(t)
		ref := w.token(4096)
		got, err := w.core.ImportPFX(context.Background(), w.admin, ref, data, secret.Bytes(password))
		if err != nil {
			if k := provisioning.KindOf(err); k != provisioning.BadInput {
				t.Fatalf("%v: %v", k, err)
			}
			return
		}
		checkImported(t, w.store.ObjectsOf(ref.ID), got)
	})
}

// identity is a key with a certificate that it signed itself.
func identity(t testing.TB, name string) (crypto.Signer, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return key, cert
}

func encode(t testing.TB, e *pkcs12.Encoder, password string) []byte {
	key, cert := identity(t, "one")
	return encodeAll(t, e, key, cert, nil, password)
}

func encodeAll(t testing.TB, e *pkcs12.Encoder, key crypto.Signer, cert *x509.Certificate, more []*x509.Certificate, password string) []byte {
	t.Helper()
	data, err := e.Encode(key, cert, more, password)
	require.NoError(t, err)
	return data
}

func foreignLeaf(t testing.TB) []byte {
	key, _ := identity(t, "one")
	_, cert := identity(t, "two")
	return encodeAll(t, pkcs12.Modern, key, cert, nil, password)
}

func manyCerts(t testing.TB, n int) []byte {
	key, cert := identity(t, "leaf")
	var more []*x509.Certificate
	for i := 1; i < n; i++ {
		_, c := identity(t, fmt.Sprint("extra ", i))
		more = append(more, c)
	}
	return encodeAll(t, pkcs12.Modern, key, cert, more, password)
}
