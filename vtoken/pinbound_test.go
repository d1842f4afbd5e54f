package vtoken_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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
	w.ok(w.store.DeleteToken(w.alice.ID))
	var err error
	w.alice, err = w.store.AddBoundToken("alice", "alice's bound card", userPIN, soPIN)
	w.ok(err)
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
	if len(keys) != 1 {
		w.t.Fatalf("there are %d private keys", len(keys))
	}
	w.ok(c.SignInit(h, ecdsaMech, keys[0]))
	_, err := c.Sign(h, make([]byte, 32), big1K)
	w.ok(err)
}

func (w *world) find(c *vtoken.Client, h ck.SessionHandle, t ...ck.Attribute) []ck.ObjectHandle {
	w.t.Helper()
	w.ok(c.FindObjectsInit(h, t))
	found, err := c.FindObjects(h, 100)
	w.ok(err)
	w.ok(c.FindObjectsFinal(h))
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
	if w.store.Hashes() != hashes {
		t.Error("the PIN was hashed again, though somebody is logged in with it")
	}
	w.signs(two, h2)
	w.ok(one.Logout(h))
	held(2)
	w.signs(two, h2)
	two.Close()
	held(0)
	w.ok(one.Login(h, ck.CKU_USER, pinOf(userPIN)))
	if w.store.Hashes() != hashes+1 {
		t.Error("the PIN was not hashed again, though nobody was logged in")
	}
	w.signs(one, h)
	w.ok(one.Logout(h))
	// PINs that are given without a login leave nothing behind either.
	w.ok(one.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	held(0)
	want(t, one.Login(h, ck.CKU_SO, pinOf("wrong")), ck.CKR_PIN_INCORRECT)
	held(0)
}

// Whoever sets a PIN, in a session of the user, of the SO or of nobody: the new
// one opens the keys, and the old one nothing.
func TestBoundPINChanges(t *testing.T) {
	for name, change := range map[string]func(w *world, c *vtoken.Client, h ck.SessionHandle){
		"user": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			w.ok(c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
			w.signs(c, h)
		},
		"nobody": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			w.ok(c.Logout(h))
			w.ok(c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
		},
		"SO": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			so, soh := w.open(rw)
			w.ok(so.Login(soh, ck.CKU_SO, pinOf(soPIN)))
			w.ok(so.InitPIN(soh, pinOf("5678")))
			so.Close()
		},
		"SO after its own": func(w *world, c *vtoken.Client, h ck.SessionHandle) {
			w.ok(c.Logout(h))
			w.ok(c.Login(h, ck.CKU_SO, pinOf(soPIN)))
			w.ok(c.SetPIN(h, pinOf(soPIN), pinOf("new SO PIN")))
			w.ok(c.Logout(h))
			want(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)), ck.CKR_PIN_INCORRECT)
			w.ok(c.Login(h, ck.CKU_SO, pinOf("new SO PIN")))
			w.ok(c.InitPIN(h, pinOf("5678")))
			w.ok(c.Logout(h))
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
			want(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), ck.CKR_PIN_INCORRECT)
			w.ok(c.Login(h, ck.CKU_USER, pinOf("5678")))
			w.signs(c, h)
		})
	}
}

// The SO can set the PIN of a locked token, and sees no key by it.
func TestBoundUnlockBySO(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	w.ok(c.Logout(h))
	for i := range pin.Default.MaxTries {
		err := c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong ", i)))
		if code := ck.CodeOf(err); code != ck.CKR_PIN_INCORRECT && code != ck.CKR_PIN_LOCKED {
			t.Fatal(err)
		}
	}
	want(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), ck.CKR_PIN_LOCKED)
	w.ok(c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	if keys := w.find(c, h, ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY))); len(keys) != 0 {
		t.Error("the SO sees the user's keys")
	}
	w.ok(c.InitPIN(h, pinOf("5678")))
	w.ok(c.Logout(h))
	w.ok(c.Login(h, ck.CKU_USER, pinOf("5678")))
	w.signs(c, h)
}

// C_InitToken gives a token a new key, which the same SO PIN opens.
func TestBoundInitToken(t *testing.T) {
	w := newBoundWorld(t)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true)
	w.ok(c.CloseSession(h))
	before := w.storedAlice()
	want(t, c.InitToken(w.alice.Slot, pinOf("wrong"), "again"), ck.CKR_PIN_INCORRECT)
	w.ok(c.InitToken(w.alice.Slot, pinOf(soPIN), "again"))
	after := w.storedAlice()
	if slices.Equal(before.BoundKey, after.BoundKey) || slices.Equal(before.SOPIN.Verifier, after.SOPIN.Verifier) || after.UserPIN.Set() {
		t.Error("the token has its old key, or an old PIN that opens it")
	}
	h = w.session(c, rw)
	w.ok(c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	w.ok(c.InitPIN(h, pinOf("5678")))
	w.ok(c.Logout(h))
	w.ok(c.Login(h, ck.CKU_USER, pinOf("5678")))
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
	w.ok(w.store.View(func(tx vtoken.ReadTx) error {
		all, err := tx.TokensOf("alice")
		for _, r := range all {
			if !r.Initialized {
				blank = r
			}
		}
		return err
	}))
	w.ok(w.store.ChangeToken(blank.ID, func(r *record.Token) { r.PINBound = true }))
	w.ok(c.InitToken(blank.Slot, pinOf(soPIN), "bound"))
	w.alice = blank
	if r := w.storedAlice(); len(r.BoundKey) == 0 {
		t.Fatal("the token has no key")
	}
	h := w.session(c, rw)
	w.ok(c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	w.ok(c.InitPIN(h, pinOf(userPIN)))
	w.ok(c.Logout(h))
	w.ok(c.Login(h, ck.CKU_USER, pinOf(userPIN)))
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
	w.ok(err)
	v, err := w.store.HashPIN(r.ID, pin.User, pinOf("5678"), bound)
	w.ok(err)
	w.ok(w.store.ChangeToken(r.ID, func(r *record.Token) { r.UserPIN.Verifier = v }))
	if got := w.engine.HeldKeys(); got != 0 {
		t.Errorf("%d keys or PINs are in memory after a reset", got)
	}
	want(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), ck.CKR_PIN_INCORRECT)
	w.ok(c.Login(h, ck.CKU_USER, pinOf("5678")))
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
		w.ok(err)
		v, err := w.store.HashPIN(r.ID, pin.User, pinOf("5678"), bound)
		w.ok(err)
		late := &changingStore{Store: w.store, then: func() {
			w.ok(w.store.ChangeToken(r.ID, func(r *record.Token) { r.UserPIN.Verifier = v }))
		}}
		w.engine, err = vtoken.New(late, vtoken.Options{})
		w.ok(err)
		c, h := w.open(rw)
		want(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), ck.CKR_PIN_INCORRECT)
		w.ok(c.Login(h, ck.CKU_USER, pinOf("5678")))
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
					w.ok(c.Logout(h))
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
