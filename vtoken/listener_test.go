package vtoken_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// scribe is a listener that writes down what it hears.
type scribe struct {
	mu     sync.Mutex
	lines  []string
	refuse error // of every act that may be refused
	deaf   bool  // does not want to hear of the end of acts
	took   time.Duration
}

func (s *scribe) Begin(e vtoken.Event) (func(vtoken.Event), error) {
	s.write("begin", e)
	if s.refuse != nil || s.deaf {
		return nil, s.refuse
	}
	return func(e vtoken.Event) {
		s.write("end", e)
		s.mu.Lock()
		s.took += e.Took
		s.mu.Unlock()
	}, nil
}

func (s *scribe) Did(e vtoken.Event) { s.write("did", e) }

func (s *scribe) Closed() { s.write("closed", vtoken.Event{}) }

func (s *scribe) write(when string, e vtoken.Event) {
	line := fmt.Sprintf("%s %s", when, e.Act)
	if e.Token != nil {
		line += " on " + e.Token.Label
	}
	if e.Slot != 0 {
		line += " in its slot"
	}
	if e.User == ck.CKU_USER {
		line += " user"
	}
	if e.Mechanism != 0 {
		line += " " + e.Mechanism.String()
	}
	if o := e.Object; o != nil {
		line += fmt.Sprintf(" of %v", o.Class)
		if o.IsKey {
			line += fmt.Sprintf(" %v", o.KeyType)
		}
		if o.Token {
			line += " token"
		}
		if o.ID != nil {
			line += fmt.Sprintf(" id=%x", o.ID)
		}
	}
	if e.Attribute != 0 {
		line += " " + e.Attribute.String()
	}
	if e.PINLocked {
		line += " locked"
	}
	if e.Err != nil {
		line += fmt.Sprintf(" %v", ck.CodeOf(e.Err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// heard returns what was heard since the last call.
func (s *scribe) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// listened is a world whose applications a scribe hears.
func listened(t *testing.T) (*world, *scribe) {
	t.Helper()
	w, s := newWorld(t), new(scribe)
	e, err := vtoken.New(w.store, vtoken.Options{
		Listen: func(p record.Peer) vtoken.Listener {
			require.Equal(t, peerOf(aliceUID), p)
			return s
		},
		Now:  func() time.Time { return time.Now().Add(time.Duration(w.waited.Load())) },
		Wait: func(_ context.Context, d time.Duration) { w.waited.Add(int64(d)) },
	})
	require.NoError(t, err)
	w.engine = e
	return w, s
}

// The listener hears of each act as it begins and as it ends, with what it is done to.
func TestListenerHearsActs(t *testing.T) {
	w, s := listened(t)
	c, h := w.open(rw)
	require.Empty(t, s.heard(), "a session is no act")
	id := ck.Bytes(ck.CKA_ID, []byte{7})
	var pub, priv, key ck.ObjectHandle
	aes := ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}
	length := ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))
	digest := sha256.Sum256(nil)
	kw := ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	var wrapping, victim ck.ObjectHandle
	const on = " on alice's card in its slot"
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"wrong login", func() error { return c.Login(h, ck.CKU_USER, pinOf("0000")) }, []string{
			"begin login user", "end login" + on + " user CKR_PIN_INCORRECT",
		}},
		{"login", func() error { return c.Login(h, ck.CKU_USER, pinOf(userPIN)) }, []string{
			"begin login user", "end login" + on + " user",
		}},
		{"login by name", func() error { return c.LoginUser(h, ck.CKU_SO, pinOf(soPIN), nil) }, []string{
			"begin login", "end login" + on + " CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
		}},
		{"generate", func() (err error) {
			key, err = c.GenerateKey(h, aes, ck.Template{length, onToken, id})
			return err
		}, []string{
			"begin generate-key CKM_AES_KEY_GEN of CKO_DATA token",
			"end generate-key" + on + " CKM_AES_KEY_GEN of CKO_SECRET_KEY CKK_AES token id=07",
		}},
		{"fail to generate", func() error {
			_, err := c.GenerateKey(h, aes, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY)})
			return err
		}, []string{
			"begin generate-key CKM_AES_KEY_GEN of CKO_SECRET_KEY",
			"end generate-key" + on + " CKM_AES_KEY_GEN of CKO_SECRET_KEY CKR_TEMPLATE_INCOMPLETE",
		}},
		{"generate a pair", func() error { pub, priv = w.ecPair(c, h, false, id); return nil }, []string{
			"begin generate-key CKM_EC_KEY_PAIR_GEN of CKO_DATA",
			"end generate-key" + on + " CKM_EC_KEY_PAIR_GEN of CKO_PRIVATE_KEY CKK_EC id=07",
		}},
		{"sign", func() error {
			if err := c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA}, priv); err != nil {
				return err
			}
			_, err := c.Sign(h, digest[:], big1K)
			return err
		}, []string{"did sign" + on + " CKM_ECDSA"}},
		{"create", func() error { _, err := c.CreateObject(h, data("x", "y", onToken)); return err }, []string{
			"begin create-key of CKO_DATA token", "end create-key" + on + " of CKO_DATA token",
		}},
		{"copy", func() error { _, err := c.CopyObject(h, pub, ck.Template{onToken}); return err }, []string{
			"begin copy-key" + on + " of CKO_PUBLIC_KEY CKK_EC token id=",
			"end copy-key" + on + " of CKO_PUBLIC_KEY CKK_EC token id=",
		}},
		{"copy as it was", func() error { _, err := c.CopyObject(h, pub, nil); return err }, []string{
			"begin copy-key" + on + " of CKO_PUBLIC_KEY CKK_EC id=", "end copy-key" + on + " of CKO_PUBLIC_KEY CKK_EC id=",
		}},
		{"read a label", func() error {
			_, err := c.GetAttributeValue(h, key, []ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: big1K}})
			return err
		}, nil},
		{"ask for the length of a value", func() error {
			_, err := c.GetAttributeValue(h, key, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: query}})
			return err
		}, nil},
		{"read a value", func() error {
			_, err := c.GetAttributeValue(h, key, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
			return err
		}, []string{
			"begin read-key" + on + " of CKO_SECRET_KEY CKK_AES token id=07",
			"end read-key" + on + " of CKO_SECRET_KEY CKK_AES token id=07 CKR_ATTRIBUTE_SENSITIVE",
		}},
		{"keys to wrap", func() error {
			wrapping = w.aes(c, h, ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true))
			victim = w.aes(c, h, ck.Bool(ck.CKA_EXTRACTABLE, true), ck.Bool(ck.CKA_WRAP_WITH_TRUSTED, false),
				ck.Bool(ck.CKA_SENSITIVE, false), id)
			s.heard()
			return nil
		}, nil},
		{"read what may be read", func() error {
			_, err := c.GetAttributeValue(h, victim,
				[]ck.AttributeQuery{{Type: ck.CKA_ID, Buffer: big1K}, {Type: ck.CKA_VALUE, Buffer: big1K}})
			return err
		}, []string{
			"begin read-key" + on + " of CKO_SECRET_KEY CKK_AES id=07",
			"end read-key" + on + " of CKO_SECRET_KEY CKK_AES id=07 CKA_VALUE",
		}},
		{"ask how long a wrapped key is",
			func() error { _, err := c.WrapKey(h, kw, wrapping, victim, query); return err }, nil},
		{"wrap and unwrap", func() error {
			out, err := c.WrapKey(h, kw, wrapping, victim, big1K)
			if err != nil {
				return err
			}
			_, err = c.UnwrapKey(h, kw, wrapping, out.Data, ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
			})
			return err
		}, []string{
			"begin wrap-key CKM_AES_KEY_WRAP", "end wrap-key" + on + " CKM_AES_KEY_WRAP of CKO_SECRET_KEY CKK_AES id=07",
			"begin unwrap-key CKM_AES_KEY_WRAP of CKO_SECRET_KEY",
			"end unwrap-key" + on + " CKM_AES_KEY_WRAP of CKO_SECRET_KEY CKK_AES id=",
		}},
		{"wrap what is not there", func() error { _, err := c.WrapKey(h, kw, wrapping, 12345, big1K); return err },
			[]string{
				"begin wrap-key CKM_AES_KEY_WRAP", "end wrap-key" + on + " CKM_AES_KEY_WRAP CKR_KEY_HANDLE_INVALID",
			}},
		{"derive", func() error {
			_, err := c.DeriveKey(h, w.ecdh(c, h, pub), priv, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
			return err
		}, []string{
			"begin derive-key CKM_ECDH1_DERIVE of CKO_DATA",
			"end derive-key" + on + " CKM_ECDH1_DERIVE of CKO_SECRET_KEY CKK_GENERIC_SECRET id=",
		}},
		{"destroy", func() error { return c.DestroyObject(h, key) }, []string{
			"begin destroy-key" + on + " of CKO_SECRET_KEY CKK_AES token id=07",
			"end destroy-key" + on + " of CKO_SECRET_KEY CKK_AES token id=07",
		}},
		{"set the PIN", func() error { return c.SetPIN(h, pinOf(userPIN), pinOf("5678")) }, []string{
			"begin set-pin user", "end set-pin" + on + " user",
		}},
		{"log out", func() error { return c.Logout(h) }, nil},
		{"as the SO", func() error {
			if err := c.Login(h, ck.CKU_SO, pinOf(soPIN)); err != nil {
				return err
			}
			if err := c.InitPIN(h, pinOf("8765")); err != nil {
				return err
			}
			return c.SetPIN(h, pinOf(soPIN), pinOf("another-secret"))
		}, []string{
			"begin login", "end login" + on, "begin init-pin user", "end init-pin" + on + " user",
			"begin set-pin user", "end set-pin" + on,
		}},
		{"without a session", func() error { return c.Login(12345, ck.CKU_USER, pinOf(userPIN)) }, []string{
			"begin login user", "end login user CKR_SESSION_HANDLE_INVALID",
		}},
		{"initialize", func() error {
			if err := c.CloseSession(h); err != nil {
				return err
			}
			return c.InitToken(w.alice.Slot, pinOf("another-secret"), "new label")
		}, []string{"begin init-token in its slot", "end init-token on new label in its slot"}},
	} {
		err := step.do()
		got := s.heard()
		require.Equal(t, step.want, got, "%s: %v", step.name, err)
	}
	require.NotZero(t, s.took)
	c.Close()
	require.Equal(t, []string{"closed "}, s.heard())
}

// An act that the listener refuses is not done.
func TestListenerRefuses(t *testing.T) {
	w, s := listened(t)
	c, h := w.open(rw)
	s.refuse = errors.New("not now")
	require.ErrorIs(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), s.refuse)
	_, err := c.CreateObject(h, data("x", "y", public))
	require.ErrorIs(t, err, s.refuse)
	require.ErrorIs(t, c.InitToken(w.alice.Slot, pinOf(soPIN), "x"), s.refuse)
	s.refuse = nil
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
	require.NoError(t, c.FindObjectsInit(h, data("x", "y")[1:2]))
	found, err := c.FindObjects(h, 9)
	require.NoError(t, err)
	require.Empty(t, found)

	s.deaf = true
	s.heard()
	require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.Equal(t, []string{"begin login user"}, s.heard())
}

// The listener hears that a PIN is locked, and the login says so, too.
func TestListenerHearsOfLockedPIN(t *testing.T) {
	w, s := listened(t)
	c, h := w.open(rw)
	tries := w.alice.UserPIN.TriesLeft()
	for i := range tries - 1 {
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong ", i)))))
	}
	s.heard()
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("wrong again"))))
	require.Equal(t, []string{
		"begin login user", "did lock-pin on alice's card in its slot user locked",
		"end login on alice's card in its slot user locked CKR_PIN_LOCKED",
	}, s.heard())
}
