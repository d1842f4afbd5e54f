package vtoken_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// overtaken is a store in which something happens just before a commit, of which the engine
// hears only later.
type overtaken struct {
	*enginetest.Store
	first func(tx vtoken.Tx) error // nil is nothing
}

func (s *overtaken) Update(fn func(tx vtoken.Tx) error) error {
	return s.Store.Update(func(tx vtoken.Tx) error {
		if s.first != nil {
			if err := s.first(tx); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// commits are the calls that commit a change of a token, or of one of its objects.
func commits(w *world, c *vtoken.Client, h ck.SessionHandle, o, otp ck.ObjectHandle) (token,
	objects map[string]func() error) {
	token = map[string]func() error{
		"SetPIN":       func() error { return c.SetPIN(h, pinOf(userPIN), pinOf("5678")) },
		"CreateObject": func() error { _, err := c.CreateObject(h, data("x", "y", onToken)); return err },
		"CopyObject":   func() error { _, err := c.CopyObject(h, o, nil); return err },
	}
	objects = map[string]func() error{
		"SetAttributeValue": func() error { return c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_LABEL, "z")}) },
		"DestroyObject":     func() error { return c.DestroyObject(h, o) },
		"Sign": func() error {
			if err := c.SignInit(h, hotp, otp); err != nil {
				return err
			}
			_, err := c.Sign(h, nil, big1K)
			_ = c.SessionCancel(h, ck.CKF_SIGN)
			return err
		},
	}
	return token, objects
}

// A commit to a token that was disabled or deleted an instant before is CKR_DEVICE_REMOVED, and one
// to an object that was destroyed says that.
func TestCommitsThatComeTooLate(t *testing.T) {
	w := newWorld(t)
	store := &overtaken{Store: w.store}
	e, err := vtoken.New(store, vtoken.Options{
		Now:  func() time.Time { return time.Now().Add(time.Duration(w.waited.Load())) },
		Wait: func(_ context.Context, d time.Duration) { w.waited.Add(int64(d)) },
	})
	require.NoError(t, err)
	w.engine = e
	c, h := w.loggedIn(rw)
	o, err := c.CreateObject(h, data("x", "y", onToken))
	require.NoError(t, err)
	otp := w.otpKey(c, h, true)
	token, objects := commits(w, c, h, o, otp)
	other := w.connect(bobUID)
	bobs, err := other.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	token["Login"] = func() error { return other.Login(bobs, ck.CKU_USER, pinOf("0000")) }

	missing := func(tx vtoken.Tx) error { return record.ErrNotFound }
	disable := func(tx vtoken.Tx) error {
		for _, id := range []record.TokenID{w.alice.ID, w.bob.ID} {
			r, err := tx.Token(id)
			if err != nil {
				return err
			}
			r = r.Clone()
			r.Enabled = false
			if err := tx.PutToken(r); err != nil {
				return err
			}
		}
		return nil
	}
	store.first = disable
	for _, calls := range []map[string]func() error{token, objects} {
		for name, call := range calls {
			require.Equal(t, ck.CKR_DEVICE_REMOVED, ck.CodeOf(call()), name)
		}
	}
	store.first = missing
	for name, call := range objects {
		code := ck.CKR_OBJECT_HANDLE_INVALID
		if name == "Sign" {
			code = ck.CKR_OPERATION_NOT_INITIALIZED
		}
		require.Equal(t, code, ck.CodeOf(call()), name)
	}
	store.first = func(tx vtoken.Tx) error {
		for _, handle := range []ck.ObjectHandle{o, otp} {
			if err := tx.DeleteObject(w.alice.ID, object.ID(handle)); err != nil {
				return err
			}
		}
		return nil
	}
	for name, call := range objects {
		code := ck.CKR_OBJECT_HANDLE_INVALID
		if name == "Sign" {
			code = ck.CKR_OPERATION_NOT_INITIALIZED
		}
		require.Equal(t, code, ck.CodeOf(call()), "%s of an object that is gone", name)
	}
	store.first = nil
	for name, call := range token {
		if name != "Login" {
			require.NoError(t, call(), name)
		}
	}
	_, err = c.GetObjectSize(h, o)
	require.NoError(t, err, "nothing of what failed was done")
}

// Two applications that initialize a blank token at once: the later one is told.
func TestInitTokenTwiceAtOnce(t *testing.T) {
	w := newWorld(t)
	store := &overtaken{Store: w.store}
	e, err := vtoken.New(store, vtoken.Options{MayMake: func(record.Peer) bool { return true }})
	require.NoError(t, err)
	w.engine = e
	c := w.connect(aliceUID)
	list := slots(t, c)
	require.Len(t, list, 2)
	blank, err := c.TokenIn(list[1])
	require.NoError(t, err)
	store.first = func(tx vtoken.Tx) error {
		r, err := tx.Token(blank.ID)
		if err != nil {
			return err
		}
		r = r.Clone()
		r.Initialized = true
		return tx.PutToken(r)
	}
	require.Equal(t, ck.CKR_FUNCTION_FAILED, ck.CodeOf(c.InitToken(list[1], pinOf("so-secret"), "mine")))
	store.first = func(vtoken.Tx) error { return record.ErrNotFound }
	require.ErrorIs(t, c.InitToken(list[1], pinOf("so-secret"), "mine"), record.ErrNotFound)
	store.first = nil
	require.NoError(t, c.InitToken(list[1], pinOf("so-secret"), "mine"))
}
