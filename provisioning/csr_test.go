package provisioning_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

func requestPEM(csr provisioning.CSR) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr.DER})
}

// TestCSRByOpenSSL has openssl check the signature of requests and read every field.
func TestCSRByOpenSSL(t *testing.T) {
	w := newWorld(t)
	clientAuth := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	logon := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
	for _, c := range []struct {
		n    provisioning.NewCSR
		want []string
	}{
		{provisioning.NewCSR{Subject: "CN=x"}, []string{"Public-Key: (2048 bit)", "sha256WithRSAEncryption", "Subject: CN = x"}},
		{provisioning.NewCSR{Subject: "CN=John Smith,OU=Test,O=THALES, C=GB", RSABits: 3072, Signature: x509.SHA512WithRSA}, []string{"Public-Key: (3072 bit)", "sha512WithRSAEncryption", "Subject: C = GB, O = THALES, OU = Test, CN = John Smith"}},
		{provisioning.NewCSR{Subject: "CN=x", RSABits: 4096, Signature: x509.SHA1WithRSA}, []string{"Public-Key: (4096 bit)", "sha1WithRSAEncryption"}},
		{provisioning.NewCSR{Subject: "CN=x", Curve: "P-256"}, []string{"Public-Key: (256 bit)", "ecdsa-with-SHA256"}},
		{provisioning.NewCSR{Subject: "CN=x", Curve: "P-384"}, []string{"Public-Key: (384 bit)", "ecdsa-with-SHA384"}},
		{provisioning.NewCSR{
			Subject: "CN=x", Curve: "P-256", KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
			ExtKeyUsage: []asn1.ObjectIdentifier{clientAuth, logon}, Emails: []string{"john@example.com"}, UPNs: []string{"jürgen@example.com"},
		}, []string{
			"Key Usage: critical", "Digital Signature, Non Repudiation, Key Encipherment, Data Encipherment", "TLS Web Client Authentication, Microsoft Smartcard Login",
			"email:john@example.com", "othername: UPN",
		}},
		{provisioning.NewCSR{Subject: "CN=x", Curve: "P-256", KeyUsage: x509.KeyUsageKeyAgreement | x509.KeyUsageEncipherOnly | x509.KeyUsageDecipherOnly}, []string{"Key Agreement, Encipher Only, Decipher Only"}},
	} {
		csr, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "alice", c.n)
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), "openssl", "req", "-verify", "-noout", "-text", "-nameopt", "oneline")
		cmd.Stdin = bytes.NewReader(requestPEM(csr))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "verify OK") {
			t.Fatalf("openssl: %v\n%s", err, out)
		}
		text := strings.NewReplacer(" = ", "=", "UPN::", "UPN:", "UPN:<unsupported>", "UPN").Replace(string(out))
		for _, want := range c.want {
			if !strings.Contains(text, strings.ReplaceAll(want, " = ", "=")) {
				t.Errorf("%+v: %q is not in\n%s", c.n, want, out)
			}
		}
		if len(c.n.UPNs) > 0 && !bytes.Contains(csr.DER, []byte("jürgen@example.com")) {
			t.Error("the UPN is not in the request")
		}
	}
}

func TestBadCSR(t *testing.T) {
	w := newWorld(t)
	many := make([]string, 33)
	before := w.store.Commits()
	for kind, list := range map[provisioning.Kind][]provisioning.NewCSR{
		provisioning.BadInput: {
			{}, {Subject: "O=x"}, {Subject: "CN=x", RSABits: 1024}, {Subject: "CN=x", RSABits: 2049}, {Subject: "CN=x", KeyUsage: x509.KeyUsageCertSign},
			{Subject: "CN=x", KeyUsage: x509.KeyUsageCRLSign}, {Subject: "CN=x", KeyUsage: 1 << 9}, {Subject: "CN=x", Emails: []string{"no address"}},
			{Subject: "CN=x", Emails: []string{"John <john@example.com>"}}, {Subject: "CN=x", Emails: []string{"jürgen@example.com"}},
			{Subject: "CN=x", UPNs: []string{""}}, {Subject: "CN=x", UPNs: []string{"a\x00b"}}, {Subject: "CN=x", UPNs: many},
		},
		provisioning.NotSupported: {
			{Subject: "CN=x", Curve: "P-521"}, {Subject: "CN=x", Signature: x509.MD5WithRSA}, {Subject: "CN=x", Curve: "P-256", Signature: x509.SHA256WithRSA},
		},
	} {
		for _, n := range list {
			_, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "alice", n)
			wantKind(t, err, kind)
		}
	}
	_, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "nobody", provisioning.NewCSR{Subject: "CN=x"})
	wantKind(t, err, provisioning.UserNotFound)
	if w.store.Commits() != before {
		t.Error("a refused request changed something")
	}
}

// ecRequest makes a request on a curve, which is quick.
func (w *world) ecRequest(user string) provisioning.CSR {
	w.t.Helper()
	csr, err := w.core.GenerateCSR(w.t.Context(), w.admin, w.tenant, user, provisioning.NewCSR{Subject: "CN=" + user, Curve: "P-256"})
	require.NoError(w.t, err)
	return csr
}

// TestStoreCertificate: a key goes to a token with its certificate, once, and only
// with its own.
func TestStoreCertificate(t *testing.T) {
	w := newWorld(t)
	csr, other := w.ecRequest("alice"), w.ecRequest("alice")
	signed, wrong := dialecttest.Certify(t, string(requestPEM(csr))), dialecttest.Certify(t, string(requestPEM(other)))
	store := func(ref provisioning.TokenRef, id record.KeyID, data []byte) error {
		_, err := w.core.StoreCertificate(t.Context(), w.admin, ref, id, data)
		return err
	}
	_, err := w.core.CreateUser(t.Context(), w.admin, w.tenant, "bob")
	require.NoError(t, err)
	bobs := w.ecRequest("bob")
	before := w.store.Commits()
	wantKind(t, store(w.ref, csr.Key.ID, wrong), provisioning.BadInput)
	wantKind(t, store(w.ref, csr.Key.ID, []byte("no certificate")), provisioning.BadInput)
	wantKind(t, store(w.ref, csr.Key.ID, make([]byte, provisioning.MaxCertificates+1)), provisioning.TooLarge)
	wantKind(t, store(w.ref, "11111111-2222-4333-8444-555555555555", signed), provisioning.KeyNotFound)
	wantKind(t, store(w.ref, bobs.Key.ID, signed), provisioning.KeyNotFound)
	wantKind(t, store(w.ref, "", signed), provisioning.BadInput)
	if w.store.Commits() != before {
		t.Error("a refused certificate changed something")
	}
	require.NoError(t, store(w.ref, csr.Key.ID, signed))
	wantKind(t, store(w.ref, csr.Key.ID, signed), provisioning.Conflict)
	wantKind(t, store(w.ref, "", signed), provisioning.Conflict)
	classes := map[ck.ObjectClass]int{}
	for _, o := range w.store.ObjectsOf(w.ref.ID) {
		classes[o.Class()]++
	}
	if classes[ck.CKO_PRIVATE_KEY] != 1 || classes[ck.CKO_PUBLIC_KEY] != 1 || classes[ck.CKO_CERTIFICATE] != 2 {
		t.Errorf("the token has %v", classes)
	}
	again := dialecttest.Certify(t, string(requestPEM(csr))) // of another CA
	if err := store(w.ref, "", again); err != nil {
		t.Errorf("another certificate of a key on the token: %v", err)
	}
	_, err = w.core.Complete(t.Context(), w.admin, w.ref, true)
	require.NoError(t, err)
	wantKind(t, store(w.ref, other.Key.ID, wrong), provisioning.Sealed)
}

// TestStoreCertificateTooLarge: a token for 2048 bits takes no larger key.
func TestStoreCertificateTooLarge(t *testing.T) {
	w := newWorld(t)
	csr, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "alice", provisioning.NewCSR{Subject: "CN=x", RSABits: 3072})
	require.NoError(t, err)
	_, err = w.core.StoreCertificate(t.Context(), w.admin, w.token(2048), csr.Key.ID, dialecttest.Certify(t, string(requestPEM(csr))))
	wantKind(t, err, provisioning.BadInput)
	if !strings.Contains(err.Error(), "the certificate has an RSA key of 3072 bits") {
		t.Error(err)
	}
}

// TestPendingKeys: they are bounded, listed, deleted, and swept after their time.
func TestPendingKeys(t *testing.T) {
	w := newWorld(t)
	count := func() int {
		t.Helper()
		list, err := w.core.PendingKeys(t.Context(), w.admin, w.tenant, "alice")
		require.NoError(t, err)
		return len(list)
	}
	first := w.ecRequest("alice")
	for range 15 {
		w.ecRequest("alice")
	}
	_, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "alice", provisioning.NewCSR{Subject: "CN=x", Curve: "P-256"})
	wantKind(t, err, provisioning.Conflict)
	require.NoError(t, w.core.DeletePendingKey(t.Context(), w.admin, w.tenant, "alice", first.Key.ID))
	wantKind(t, w.core.DeletePendingKey(t.Context(), w.admin, w.tenant, "alice", first.Key.ID), provisioning.KeyNotFound)
	if n := count(); n != 15 {
		t.Errorf("%d keys wait, want 15", n)
	}
	w.now = w.now.Add(provisioning.PendingLifetime - time.Second)
	last := w.ecRequest("alice")
	w.now = w.now.Add(time.Second)
	if n := count(); n != 1 {
		t.Errorf("%d keys wait after their time, want 1", n)
	}
	require.NoError(t, w.core.SweepPendingKeys(t.Context()))
	err = w.store.View(func(tx provisioning.ReadTx) error {
		all, err := tx.PendingKeys(w.tenant)
		if len(all) != 1 || all[0].ID != last.Key.ID {
			t.Errorf("%d keys are left in the store, want 1", len(all))
		}
		return err
	})
	require.NoError(t, err)
}
