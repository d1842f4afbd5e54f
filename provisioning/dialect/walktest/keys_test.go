package walktest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	p "vtoken/provisioning"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// password is that of the PFX.
const password = "correct horse"

const ckaValue = ck.CKA_VALUE

// keys are what is put on cards: a PFX, and a key with its certificate.
type keys struct {
	pfx, pkcs8, certificate []byte
}

func newKeys(t testing.TB) keys {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "walker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return keys{nativetest.PFX(t, password), pkcs8, der}
}

// pending has the key wait for its certificate, as if a user had asked for it.
func (w *walk) pending(user string) record.KeyID {
	w.t.Helper()
	k := record.PendingKey{
		ID: record.KeyID(guid(w.rng.Uint64())), Tenant: w.tenant, User: record.UserID(user), PKCS8: w.keys.pkcs8,
		CreatedAt: w.now, ExpiresAt: w.now.AddDate(1, 0, 0),
	}
	require.NoError(w.t, w.store.Update(func(tx p.Tx) error { fresh := k; return tx.PutPendingKey(&fresh) }))
	return k.ID
}

// forget removes a pending key, on a token or not.
func (w *walk) forget(id record.KeyID) {
	w.t.Helper()
	require.NoError(w.t, w.store.Update(func(tx p.Tx) error { return tx.DeletePendingKey(id) }))
}

func objectID(t p.Token) object.ID { return object.ID(t.OTP.Key) }

// secret is a credential's, by its name.
func (w *walk) secret(name, dialect string) string {
	w.t.Helper()
	_, key, err := w.core.CreateAPIKey(w.t.Context(), p.System("test"), w.tenant, p.NewAPIKey{Name: name, Role: w.role, Dialect: dialect})
	require.NoError(w.t, err)
	return string(key)
}

// securidEnter signs a token for an hour.
func securidEnter(w *walk) string {
	k, text := w.credential("securid", p.Signer)
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(w.t, err)
	claims := map[string]any{"sub": k.ID, "aud": url + "/AdminInterface/restapi/v1", "iat": w.now.Unix(), "exp": w.now.Add(time.Hour).Unix()}
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		require.NoError(w.t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(map[string]any{"typ": "JWT", "alg": "RS256"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(w.t, err)
	return "Bearer " + input + "." + base64.RawURLEncoding.EncodeToString(signature)
}
