package vtoken_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// turns counts the turns that are asked for, and lets a test do something before one begins
// and at each pause.
type turns struct {
	owners []string
	before func()
	pause  func()
	refuse error
}

func (q *turns) Do(ctx context.Context, owner string, work func(pause func() error)) error {
	q.owners = append(q.owners, owner)
	if before := q.before; before != nil {
		q.before = nil
		before()
	}
	if err := errors.Join(ctx.Err(), q.refuse); err != nil {
		return err
	}
	work(func() error {
		if q.pause != nil {
			q.pause()
		}
		return ctx.Err()
	})
	return nil
}

// hashCounter counts the verifiers that were made.
type hashCounter struct {
	*enginetest.Store
	made int
}

func (s *hashCounter) HashPIN(id record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error) {
	s.made++
	return s.Store.HashPIN(id, role, p, bound)
}

// queued is a world whose slow work waits for its turn.
func queued(t *testing.T) (*world, *turns, *hashCounter) {
	w, q := newWorld(t), new(turns)
	store := &hashCounter{Store: w.store}
	e, err := vtoken.New(store, vtoken.Options{Turns: q})
	require.NoError(t, err)
	w.engine = e
	return w, q, store
}

// rsaPair makes a key pair and returns the private key.
func rsaPair(c *vtoken.Client, h ck.SessionHandle, bits uint64, usage ck.AttributeType) (ck.ObjectHandle, error) {
	_, key, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, bits)},
		ck.Template{ck.Bool(usage, true)})
	return key, err
}

// TestSlowWorkWaits: each kind of slow work asks for a turn in the name of the OS user. It
// is not done where the application has gone, nor where there is too much of it.
func TestSlowWorkWaits(t *testing.T) {
	w, q, _ := queued(t)
	legacy, err := policy.Parse("legacy")
	require.NoError(t, err)
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Policy = legacy })) // PBKDF2
	c, h := w.loggedIn(rw)
	large, err := rsaPair(c, h, 3072, ck.CKA_SIGN)
	require.NoError(t, err)
	decrypts, err := rsaPair(c, h, 3072, ck.CKA_DECRYPT)
	require.NoError(t, err)
	_, slhdsa, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_SLH_DSA_SHA2_128F)}, nil)
	require.NoError(t, err)
	given, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	withoutPrimes := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA), ck.Bytes(ck.CKA_MODULUS, given.N.Bytes()),
		ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}), ck.Bytes(ck.CKA_PRIVATE_EXPONENT, given.D.Bytes()),
	}
	begin := func(init func(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle) error, m ck.MechanismType, key ck.ObjectHandle) {
		require.NoError(t, init(h, ck.Mechanism{Type: m}, key))
	}
	buf := ck.Buffer{Len: 1 << 16}
	for name, slow := range map[string]struct{ prepare, call func() error }{
		"an RSA key pair": {nil, func() error { _, err := rsaPair(c, h, 2048, ck.CKA_SIGN); return err }},
		"an SLH-DSA key pair": {nil, func() error {
			_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
				ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_SLH_DSA_SHA2_128F)}, nil)
			return err
		}},
		"an RSA key without its primes": {nil, func() error { _, err := c.CreateObject(h, withoutPrimes); return err }},
		"PBKDF2": {nil, func() error {
			_, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_PKCS5_PBKD2, Parameter: ck.PBKD2Params{
				SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("saltsalt"), Iterations: 1000, PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA256, Password: []byte("password"),
			}}, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
			return err
		}},
		"a signature with RSA-3072": {func() error { begin(c.SignInit, ck.CKM_SHA256_RSA_PKCS, large); return nil },
			func() error { _, err := c.Sign(h, []byte("text"), buf); return err }},
		"the end of a signature in parts": {func() error {
			begin(c.SignInit, ck.CKM_SHA256_RSA_PKCS, large)
			return c.SignUpdate(h, []byte("text"))
		}, func() error { _, err := c.SignFinal(h, buf); return err }},
		"a signature of a message": {func() error { begin(c.MessageSignInit, ck.CKM_SHA256_RSA_PKCS, large); return nil },
			func() error {
				_, err := c.SignMessage(h, nil, []byte("text"), buf)
				return errors.Join(err, c.MessageSignFinal(h))
			}},
		"a decryption with RSA-3072": {func() error { begin(c.DecryptInit, ck.CKM_RSA_X_509, decrypts); return nil },
			func() error { _, err := c.Decrypt(h, make([]byte, 384), buf); return err }},
		"a signature with SLH-DSA": {func() error { begin(c.SignInit, ck.CKM_SLH_DSA, slhdsa); return nil },
			func() error { _, err := c.Sign(h, []byte("text"), buf); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			if slow.prepare != nil {
				require.NoError(t, slow.prepare())
			}
			q.owners = nil
			require.NoError(t, slow.call())
			require.NotEmpty(t, q.owners)
			for _, owner := range q.owners {
				require.Equal(t, "uid 1001", owner)
			}
			if slow.prepare != nil {
				require.NoError(t, slow.prepare())
			}
			q.refuse = errors.New("too much")
			require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(slow.call()))
			q.refuse = nil
		})
	}
}

// What is quick does not wait: signatures with P-256 and RSA-2048, a PIN that was right
// before, and steps of an operation that do not compute with its key.
func TestQuickWorkDoesNotWait(t *testing.T) {
	w, q, _ := queued(t)
	c, h := w.loggedIn(rw)
	require.Len(t, q.owners, 1, "the first login compares the PIN")
	small, err := rsaPair(c, h, 2048, ck.CKA_SIGN)
	require.NoError(t, err)
	large, err := rsaPair(c, h, 3072, ck.CKA_SIGN)
	require.NoError(t, err)
	_, ec := w.ecPair(c, h, false)
	q.owners = nil
	other, oh := w.loggedIn(rw)
	require.NoError(t, other.Logout(oh))
	for _, key := range []struct {
		m      ck.MechanismType
		handle ck.ObjectHandle
	}{{ck.CKM_SHA256_RSA_PKCS, small}, {ck.CKM_ECDSA, ec}} {
		require.NoError(t, c.SignInit(h, ck.Mechanism{Type: key.m}, key.handle))
		_, err := c.Sign(h, make([]byte, 32), ck.Buffer{Len: 1024})
		require.NoError(t, err)
	}
	require.NoError(t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, large))
	require.NoError(t, c.SignUpdate(h, []byte("text")))
	require.Empty(t, q.owners)
}

// A SetPIN that waits is refused where the PIN was changed meanwhile, before it costs
// anything.
func TestSetPINThatNoLongerApplies(t *testing.T) {
	w, q, store := queued(t)
	c, h := w.loggedIn(rw)
	other, oh := w.open(rw)
	q.before = func() { require.NoError(t, other.SetPIN(oh, pinOf(userPIN), pinOf("5678"))) }
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.SetPIN(h, pinOf(userPIN), pinOf("9999"))))
	require.Equal(t, 1, store.made)
	require.NoError(t, other.Login(oh, ck.CKU_USER, pinOf("5678")))
}

// The calls of an application that has gone cost no comparison, no try and no verifier.
func TestGoneApplication(t *testing.T) {
	w, q, store := queued(t)
	w.loggedIn(rw) // the PIN is remembered
	for name, call := range map[string]func(c *vtoken.Client, h ck.SessionHandle) error{
		"C_Login": func(c *vtoken.Client, h ck.SessionHandle) error { return c.Login(h, ck.CKU_USER, pinOf("wrong")) },
		"C_SetPIN": func(c *vtoken.Client, h ck.SessionHandle) error {
			return c.SetPIN(h, pinOf(userPIN), pinOf("5678"))
		},
		"C_GenerateKeyPair": func(c *vtoken.Client, h ck.SessionHandle) error {
			_, err := rsaPair(c, h, 8192, ck.CKA_SIGN)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, h := w.open(rw)
			if name == "C_GenerateKeyPair" {
				require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			}
			q.before = c.Cancel
			require.Equal(t, ck.CKR_FUNCTION_CANCELED, ck.CodeOf(call(c, h)))
		})
	}
	require.Zero(t, store.made)
	c, h := w.open(rw)
	info, err := c.GetTokenInfo(w.alice.Slot)
	require.NoError(t, err)
	require.False(t, info.Flags.Has(ck.CKF_USER_PIN_COUNT_LOW), "no try was counted")
	require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
}

// A key that is being made ends with its application.
func TestKeyEndsWithItsApplication(t *testing.T) {
	w, q, _ := queued(t)
	c, h := w.loggedIn(rw)
	pauses := 0
	q.pause = func() {
		if pauses++; pauses == 3 {
			c.Cancel()
		}
	}
	_, err := rsaPair(c, h, 8192, ck.CKA_SIGN)
	require.Equal(t, ck.CKR_FUNCTION_CANCELED, ck.CodeOf(err))
	require.Equal(t, 3, pauses)
}

// Who waits after wrong PINs and goes has no further try.
func TestDelayEndsWithTheApplication(t *testing.T) {
	w := newWorld(t)
	var c *vtoken.Client
	e, err := vtoken.New(w.store, vtoken.Options{Wait: func(ctx context.Context, _ time.Duration) {
		c.Cancel()
		<-ctx.Done()
	}})
	require.NoError(t, err)
	w.engine = e
	c = w.connect(aliceUID)
	h := w.session(c, rw)
	for _, p := range []string{"wrong1", "wrong2"} {
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(p))))
	}
	require.Equal(t, ck.CKR_FUNCTION_CANCELED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
}

// TestOwnerOfTurns: slow work stands in the line of the owner that the options name.
func TestOwnerOfTurns(t *testing.T) {
	w, q := newWorld(t), new(turns)
	e, err := vtoken.New(w.store, vtoken.Options{Turns: q, Owner: func(record.Peer) string { return "somebody" }})
	require.NoError(t, err)
	w.engine = e
	w.loggedIn(rw)
	require.Equal(t, []string{"somebody"}, q.owners)
}
