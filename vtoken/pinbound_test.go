package vtoken_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// newBoundWorld is a world whose alice has a PIN-bound token.
func newBoundWorld(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	require.NoError(w.t, w.store.DeleteToken(w.alice.ID))
	var err error
	w.alice, err = w.store.AddBoundToken("alice", "alice's bound card", userPIN, soPIN)
	require.NoError(w.t, err)
	return w
}

// worlds are those in which alice's token is like any other, and PIN-bound.
var (
	worlds     = [2]func(testing.TB) *world{newWorld, newBoundWorld}
	worldNames = [2]string{"plain", "PIN-bound"}
)

// signs checks that the one private key of the token signs.
func (w *world) signs(c *vtoken.Client, h ck.SessionHandle) {
	w.t.Helper()
	keys := w.find(c, h, ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY)))
	require.Len(w.t, keys, 1, "there are %d private keys", len(keys))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, keys[0]))
	_, err := c.Sign(h, make([]byte, 32), big1K)
	require.NoError(w.t, err)
}

func (w *world) find(c *vtoken.Client, h ck.SessionHandle, t ...ck.Attribute) []ck.ObjectHandle {
	w.t.Helper()
	require.NoError(w.t, c.FindObjectsInit(h, t))
	found, err := c.FindObjects(h, 100)
	require.NoError(w.t, err)
	require.NoError(w.t, c.FindObjectsFinal(h))
	return found
}

// The key and the hashes of the PINs are in memory while somebody is logged in,
// and only then: further logins are quick meanwhile, and the first is not.
func TestBoundMemory(t *testing.T) {
	w := newBoundWorld(t)
	held := func(want int) {
		t.Helper()
		if got := w.engine.HeldKeys(); got != want {
			t.Errorf("%d keys or PINs of bound tokens are in memory, want %d", got, want)
		}
	}
	held(0)
	one, h := w.loggedIn(rw)
	held(2) // the key and the PIN
	_, _ = w.ecPair(one, h, true)
	w.signs(one, h)
	hashes := w.store.Hashes()
	two, h2 := w.loggedIn(ro)
	require.Equal(t, hashes, w.store.Hashes(), "the PIN was hashed again, though somebody is logged in with it")
	w.signs(two, h2)
	require.NoError(w.t, one.Logout(h))
	held(2)
	w.signs(two, h2)
	two.Close()
	held(0)
	require.NoError(w.t, one.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.Equal(t, hashes+1, w.store.Hashes(), "the PIN was not hashed again, though nobody was logged in")
	w.signs(one, h)
	require.NoError(w.t, one.Logout(h))
	// PINs that are given without a login leave nothing behind either.
	require.NoError(w.t, one.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	held(0)
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(one.Login(h, ck.CKU_SO, pinOf("wrong"))))
	held(0)
}

// Whoever sets a PIN, in a session of the user, of the SO or of nobody: the new
// one opens the keys, and the old one nothing.
func TestBoundPINChanges(t *testing.T) {
	for name, change := range map[string]func(w *world, c *vtoken.Client, h ck.SessionHandle){
		"user": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			require.NoError(w.t, c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
			w.signs(c, h)
		},
		"nobody": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			require.NoError(w.t, c.Logout(h))
			require.NoError(w.t, c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
		},
		"SO": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			so, soh := w.open(rw)
			require.NoError(w.t, so.Login(soh, ck.CKU_SO, pinOf(soPIN)))
			require.NoError(w.t, so.InitPIN(soh, pinOf("5678")))
			so.Close()
		},
		"SO after its own": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			require.NoError(w.t, c.Logout(h))
			require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
			require.NoError(w.t, c.SetPIN(h, pinOf(soPIN), pinOf("new SO PIN")))
			require.NoError(w.t, c.Logout(h))
			require.Equal(w.t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_SO, pinOf(soPIN))))
			require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf("new SO PIN")))
			require.NoError(w.t, c.InitPIN(h, pinOf("5678")))
			require.NoError(w.t, c.Logout(h))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBoundWorld(t)
			c, h := w.loggedIn(rw)
			w.ecPair(c, h, true)
			change(w, c, h)
			c.Close()
			w.restart() // nothing but the store remembers
			c, h = w.open(rw)
			require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
			require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
			w.signs(c, h)
		})
	}
}

// The SO can set the PIN of a locked token, and sees no key by it.
func TestBoundUnlockBySO(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	require.NoError(w.t, c.Logout(h))
	for i := range pin.Default.MaxTries {
		err := c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong ", i)))
		if code := ck.CodeOf(err); code != ck.CKR_PIN_INCORRECT && code != ck.CKR_PIN_LOCKED {
			t.Fatal(err)
		}
	}
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	if keys := w.find(c, h, ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY))); len(keys) != 0 {
		t.Error("the SO sees the user's keys")
	}
	require.NoError(w.t, c.InitPIN(h, pinOf("5678")))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
	w.signs(c, h)
}

// C_InitToken gives a token a new key, which the same SO PIN opens.
func TestBoundInitToken(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	require.NoError(w.t, c.CloseSession(h))
	before := w.storedAlice()
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.InitToken(w.alice.Slot, pinOf("wrong"), "again")))
	require.NoError(w.t, c.InitToken(w.alice.Slot, pinOf(soPIN), "again"))
	after := w.storedAlice()
	if slices.Equal(before.BoundKey, after.BoundKey) || slices.Equal(before.SOPIN.Verifier, after.SOPIN.Verifier) || after.UserPIN.Set() {
		t.Error("the token has its old key, or an old PIN that opens it")
	}
	h = w.session(c, rw)
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.InitPIN(h, pinOf("5678")))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
	w.ecPair(c, h, true)
	w.signs(c, h)
}

func (w *world) storedAlice() *record.Token {
	w.t.Helper()
	return w.stored(w.alice.ID)
}

// The blank token of a tenant whose tokens are bound.
func TestBoundBlank(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	slots(t, c)
	var blank *record.Token
	require.NoError(w.t, w.store.View(func(tx vtoken.ReadTx) error {
		all, err := tx.TokensOf("alice")
		for _, r := range all {
			if !r.Initialized {
				blank = r
			}
		}
		return err
	}))
	require.NoError(w.t, w.store.ChangeToken(blank.ID, func(r *record.Token) { r.PINBound = true }))
	require.NoError(w.t, c.InitToken(blank.Slot, pinOf(soPIN), "bound"))
	w.alice = blank
	if r := w.storedAlice(); len(r.BoundKey) == 0 {
		t.Fatal("the token has no key")
	}
	h := w.session(c, rw)
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.InitPIN(h, pinOf(userPIN)))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	w.ecPair(c, h, true)
	w.restart()
	c, h = w.loggedIn(rw)
	w.signs(c, h)
}

// A PIN that somebody else sets ends the logins, and with them the key in memory.
func TestBoundReset(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	r := w.storedAlice()
	_, bound, err := w.store.CheckPIN(r.ID, pin.SO, r.SOPIN.Verifier, pinOf(soPIN))
	require.NoError(w.t, err)
	v, err := w.store.HashPIN(r.ID, pin.User, pinOf("5678"), bound)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.ChangeToken(r.ID, func(r *record.Token) { r.UserPIN.Verifier = v }))
	if got := w.engine.HeldKeys(); got != 0 {
		t.Errorf("%d keys or PINs are in memory after a reset", got)
	}
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
	w.signs(c, h)
}

// changingStore changes the PIN while one is compared.
type changingStore struct {
	vtoken.Store
	once sync.Once
	then func()
}

func (s *changingStore) CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (bool, secret.Bytes, error) {
	right, bound, err := s.Store.CheckPIN(token, role, verifier, p)
	s.once.Do(s.then)
	return right, bound, err
}

// A PIN that is no longer the PIN when it was compared makes no login.
func TestPINChangedMeanwhile(t *testing.T) {
	for _, w := range []*world{newWorld(t), newBoundWorld(t)} {
		r := w.storedAlice()
		_, bound, err := w.store.CheckPIN(r.ID, pin.User, r.UserPIN.Verifier, pinOf(userPIN))
		require.NoError(w.t, err)
		v, err := w.store.HashPIN(r.ID, pin.User, pinOf("5678"), bound)
		require.NoError(w.t, err)
		late := &changingStore{Store: w.store, then: func() {
			require.NoError(w.t, w.store.ChangeToken(r.ID, func(r *record.Token) { r.UserPIN.Verifier = v }))
		}}
		w.engine, err = vtoken.New(late, vtoken.Options{})
		require.NoError(w.t, err)
		c, h := w.open(rw)
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
		require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
	}
}

// Applications that come and go: whoever is logged in has the key, and in the end
// nobody has.
func TestBoundConcurrently(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	c.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 20 {
				c, h := w.loggedIn(ro)
				w.signs(c, h)
				if i%2 == 0 {
					require.NoError(w.t, c.Logout(h))
				}
				c.Close()
			}
		})
	}
	all.Wait()
	if got := w.engine.HeldKeys(); got != 0 {
		t.Errorf("%d keys or PINs are in memory in the end", got)
	}
}
