package vtoken_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// lateStore lets something happen between a snapshot and its use.
type lateStore struct {
	*enginetest.Store
	mu    sync.Mutex
	after func()
}

func (s *lateStore) View(fn func(tx vtoken.ReadTx) error) error {
	err := s.Store.View(fn)
	s.mu.Lock()
	after := s.after
	s.after = nil
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return err
}

// What is committed while a token is being loaded is not missed.
func TestCommitsWhileLoading(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	old, err := c.CreateObject(h, data("old", "v", onToken, public))
	require.NoError(w.t, err)
	c.Close()

	late := &lateStore{Store: w.store}
	engine, err := vtoken.New(late, vtoken.Options{})
	require.NoError(w.t, err)
	late2 := engine.Connect(peerOf(aliceUID))
	defer late2.Close()
	slots(t, late2)

	var made ck.ObjectHandle
	views := 0
	var step func()
	step = func() {
		// OpenSession reads the users first and then the token.
		if views++; views == 1 {
			late.after = step
			return
		}
		require.NoError(w.t, w.store.Update(func(tx vtoken.Tx) error {
			o, err := object.Build(object.Source{}, data("new", "v", onToken, public))
			if err != nil {
				return err
			}
			if err := tx.PutObject(w.alice.ID, o); err != nil {
				return err
			}
			made = ck.ObjectHandle(o.ID)
			return tx.DeleteObject(w.alice.ID, object.ID(old))
		}))
		require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Label = "late" }))
	}
	late.after = step
	h, err = late2.OpenSession(w.alice.Slot, ro)
	require.NoError(w.t, err)
	if found := findAll(t, late2, h, nil); !slices.Equal(found, []ck.ObjectHandle{made}) {
		t.Errorf("found %v, want %v", found, made)
	}
	if info, err := late2.GetTokenInfo(w.alice.Slot); err != nil || info.Label != "late" {
		t.Errorf("label %q, %v", info.Label, err)
	}
}

// A token that goes while it is being opened is not opened.
func TestTokenGoesWhileOpening(t *testing.T) {
	for name, code := range map[string]ck.Error{"before its snapshot": ck.CKR_TOKEN_NOT_PRESENT, "after its snapshot": ck.CKR_DEVICE_REMOVED} {
		w := newWorld(t)
		late := &lateStore{Store: w.store}
		engine, err := vtoken.New(late, vtoken.Options{})
		require.NoError(w.t, err)
		c := engine.Connect(peerOf(aliceUID))
		slots(t, c)
		remove := func() { require.NoError(w.t, w.store.DeleteToken(w.alice.ID)) }
		late.after = remove
		if name == "after its snapshot" {
			late.after = func() { late.after = remove }
		}
		_, err = c.OpenSession(w.alice.Slot, ro)
		require.Equal(t, code, ck.CodeOf(err), "%s: %v", name, err)
		c.Close()
	}
}

// Users and tokens beyond the bounds of what is kept are read again when needed.
func TestForgetting(t *testing.T) {
	w := newWorld(t)
	const users = 1100
	tokens := make([]*record.Token, users)
	for i := range tokens {
		name := fmt.Sprint("user-", i)
		w.store.MapUser(uint32(5000+i), record.UserID(name))
		var err error
		tokens[i], err = w.store.AddToken(record.UserID(name), name, userPIN, soPIN)
		require.NoError(w.t, err)
	}
	for range 2 {
		for i, token := range tokens {
			c := w.engine.Connect(peerOf(uint32(5000 + i)))
			h, err := c.OpenSession(token.Slot, rw)
			require.NoError(w.t, err)
			require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			c.Close()
		}
	}
	if holders, loaded := w.engine.Kept(); holders > 1024 || loaded > 1024 {
		t.Errorf("%d users and %d tokens are kept", holders, loaded)
	}
}
