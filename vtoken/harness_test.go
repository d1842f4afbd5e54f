package vtoken_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const (
	aliceUID, bobUID, strangerUID = 1001, 1002, 1003

	userPIN, soPIN = "1234", "so-secret"

	rw = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION
	ro = ck.CKF_SERIAL_SESSION
)

// world is a store with a token each for alice and bob, and an engine on it.
// Alice may make tokens.
type world struct {
	t      testing.TB
	store  *enginetest.Store
	engine *vtoken.Engine
	alice  *record.Token
	bob    *record.Token
	waited atomic.Int64 // how much the engine's clock is ahead, by calls that waited
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: enginetest.New()}
	w.store.MapUser(aliceUID, "alice")
	w.store.MapUser(bobUID, "bob")
	var err error
	w.alice, err = w.store.AddToken("alice", "alice's card", userPIN, soPIN)
	require.NoError(t, err)
	w.bob, err = w.store.AddToken("bob", "bob's card", userPIN, soPIN)
	require.NoError(t, err)
	w.restart()
	return w
}

// restart puts a new engine on the store, as a restart of the daemon does.
func (w *world) restart() {
	w.t.Helper()
	e, err := vtoken.New(w.store, vtoken.Options{
		MayMake: func(p record.Peer) bool { return p.UID == aliceUID },
		Now:     func() time.Time { return time.Now().Add(time.Duration(w.waited.Load())) },
		Wait:    func(_ context.Context, d time.Duration) { w.waited.Add(int64(d)) },
	})
	require.NoError(w.t, err)
	w.engine = e
}

func peerOf(uid uint32) record.Peer { return record.Peer{UID: uid} }

func (w *world) connect(uid uint32) *vtoken.Client {
	c := w.engine.Connect(peerOf(uid))
	w.t.Cleanup(c.Close)
	return c
}

// open is a new application of alice with a session.
func (w *world) open(flags ck.Flags) (*vtoken.Client, ck.SessionHandle) {
	w.t.Helper()
	c := w.connect(aliceUID)
	return c, w.session(c, flags)
}

func (w *world) session(c *vtoken.Client, flags ck.Flags) ck.SessionHandle {
	w.t.Helper()
	h, err := c.OpenSession(w.alice.Slot, flags)
	require.NoError(w.t, err)
	return h
}

// loggedIn is a new application of alice with a session in which she is logged in.
func (w *world) loggedIn(flags ck.Flags) (*vtoken.Client, ck.SessionHandle) {
	w.t.Helper()
	c, h := w.open(flags)
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	return c, h
}

func pinOf(s string) secret.Bytes { return secret.Bytes(s) }

var p256 = func() []byte {
	der, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	if err != nil {
		panic(err)
	}
	return der
}()

// ecPair generates a P-256 key pair; extra goes into the private template.
func (w *world) ecPair(c *vtoken.Client, h ck.SessionHandle, token bool, extra ...ck.Attribute) (pub, priv ck.ObjectHandle) {
	w.t.Helper()
	pub, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256), ck.Bool(ck.CKA_TOKEN, token)},
		append(ck.Template{ck.Bool(ck.CKA_TOKEN, token)}, extra...))
	require.NoError(w.t, err)
	return pub, priv
}

// data is a template of a data object.
func data(label, value string, attrs ...ck.Attribute) ck.Template {
	return append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.String(ck.CKA_LABEL, label), ck.String(ck.CKA_VALUE, value),
	}, attrs...)
}

var (
	onToken = ck.Bool(ck.CKA_TOKEN, true)
	public  = ck.Bool(ck.CKA_PRIVATE, false)
	private = ck.Bool(ck.CKA_PRIVATE, true)
	big1K   = ck.Buffer{Len: 1024}
	query   = ck.Buffer{Null: true}
)

// verifyP256 checks a raw signature with the point of a public key object.
func (w *world) verifyP256(c *vtoken.Client, h ck.SessionHandle, pub ck.ObjectHandle, digest, sig []byte) {
	w.t.Helper()
	r, err := c.GetAttributeValue(h, pub, []ck.AttributeQuery{{Type: ck.CKA_PUBLIC_KEY_INFO, Buffer: big1K}})
	require.NoError(w.t, err)
	parsed, err := x509.ParsePKIXPublicKey(r[0].Value)
	require.NoError(w.t, err)
	k := parsed.(*ecdsa.PublicKey)
	if k.Curve != elliptic.P256() || len(sig) != 64 {
		w.t.Fatalf("curve %v, signature of %d bytes", k.Curve.Params().Name, len(sig))
	}
	require.True(w.t, ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])),
		"the signature does not verify")
}
