package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Subject is a store that [Run] checks, with one user in it.
type Subject struct {
	Store vtoken.Store
	// Tenant and User are the user's. Processes of UID act for the user, and nobody for
	// those of the next uid.
	Tenant record.TenantID
	User   record.UserID
	UID    uint32
	// DeleteToken is what an administrator does.
	DeleteToken func(record.TokenID) error
}

// Run checks that a store keeps the contract of vtoken.Store. open makes an empty one.
func Run(t *testing.T, open func(t testing.TB) Subject) {
	for _, c := range []struct {
		name  string
		check func(*suite)
	}{
		{"users", (*suite).users},
		{"tokens", (*suite).tokens},
		{"objects", (*suite).objects},
		{"secrets", (*suite).secrets},
		{"all or nothing", (*suite).allOrNothing},
		{"a transaction reads what it wrote", (*suite).ownWrites},
		{"changes", (*suite).changes},
		{"a token goes with its objects", (*suite).deleteToken},
		{"updates at the same time", (*suite).concurrent},
		{"verifiers", (*suite).verifiers},
		{"PIN-bound tokens", (*suite).pinBound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			w := &suite{Assertions: require.New(t), Subject: s}
			s.Store.Watch(func(changes []record.Change) {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.told = append(w.told, changes...)
			})
			c.check(w)
		})
	}
}

type suite struct {
	*require.Assertions
	Subject

	mu   sync.Mutex
	told []record.Change
}

// nowhere is the id of nothing.
const nowhere = "11111111-2222-4333-8444-555555555555"

func (s *suite) read(fn func(vtoken.ReadTx)) {
	s.NoError(s.Store.View(func(tx vtoken.ReadTx) error { fn(tx); return nil }))
}

func (s *suite) write(fn func(vtoken.Tx) error) { s.NoError(s.Store.Update(fn)) }

func (s *suite) refused(want error, fn func(vtoken.Tx) error) { s.ErrorIs(s.Store.Update(fn), want) }

// taken are the changes that were told since the last call.
func (s *suite) taken() []record.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = nil
	return told
}

// newToken stores a token of the user.
func (s *suite) newToken(label string, pinBound bool) *record.Token {
	var made *record.Token
	s.write(func(tx vtoken.Tx) error {
		made = &record.Token{
			Tenant: s.Tenant, Holders: record.HeldBy(s.User, time.Time{}, ""), Label: label, PINBound: pinBound,
			Activation: record.Activated, Complete: true, Enabled: true, Initialized: true, MaxRSABits: object.MaxRSABits,
			UserPIN: pin.State{Policy: pin.Default}, SOPIN: pin.State{Policy: pin.Default},
		}
		return tx.NewToken(made)
	})
	return made
}

// newObject stores an object of a token.
func (s *suite) newObject(token record.TokenID, t ck.Template) *object.Object {
	built := s.build(t)
	var made object.Object
	s.write(func(tx vtoken.Tx) error {
		made = *built
		return tx.PutObject(token, &made)
	})
	return &made
}

func (s *suite) build(t ck.Template) *object.Object {
	o, err := object.Build(object.Source{Origin: object.Create}, append(ck.Template{ck.Bool(ck.CKA_TOKEN, true)}, t...))
	s.NoError(err)
	return o
}

func dataObject(value string) ck.Template {
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_PRIVATE, false), ck.String(ck.CKA_VALUE, value)}
}

func secretKey(value string, private bool) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
		ck.Bool(ck.CKA_PRIVATE, private), ck.String(ck.CKA_VALUE, value),
	}
}

func (s *suite) users() {
	s.read(func(tx vtoken.ReadTx) {
		users, err := tx.UsersOf(record.Peer{UID: s.UID})
		s.NoError(err)
		s.Len(users, 1)
		s.Equal(s.User, users[0].ID)
		s.Equal(s.Tenant, users[0].Tenant)
		s.True(users[0].Enabled)
		users, err = tx.UsersOf(record.Peer{UID: s.UID + 1})
		s.NoError(err)
		s.Empty(users)
	})
}

func (s *suite) tokens() {
	first, second := s.newToken("first", false), s.newToken("second", false)
	for _, t := range []*record.Token{first, second} {
		s.NotEmpty(t.ID)
		s.NotEmpty(t.Serial)
		s.NotZero(t.Slot)
		s.NotZero(t.Version)
	}
	s.NotEqual(first.ID, second.ID)
	s.NotEqual(first.Serial, second.Serial)
	s.Less(first.Slot, second.Slot, "slot ids go up")
	s.read(func(tx vtoken.ReadTx) {
		list, err := tx.TokensOf(s.User)
		s.NoError(err)
		s.Len(list, 2)
		s.Equal([]record.TokenID{first.ID, second.ID}, []record.TokenID{list[0].ID, list[1].ID}, "by slot id")
		list, err = tx.TokensOf(nowhere)
		s.NoError(err)
		s.Empty(list)
		_, err = tx.Token(nowhere)
		s.ErrorIs(err, record.ErrNotFound)
	})
	var changed *record.Token
	s.write(func(tx vtoken.Tx) error {
		old, err := tx.Token(first.ID)
		if err != nil {
			return err
		}
		changed = old.Clone()
		changed.Label = "changed"
		return tx.PutToken(changed)
	})
	s.Greater(changed.Version, first.Version)
	changed.Label = "the caller's own"
	s.read(func(tx vtoken.ReadTx) {
		got, err := tx.Token(first.ID)
		s.NoError(err)
		s.Equal("changed", got.Label)
		s.Equal(changed.Version, got.Version)
	})
	s.refused(record.ErrNotFound, func(tx vtoken.Tx) error {
		t := first.Clone()
		t.ID = nowhere
		return tx.PutToken(t)
	})
}

func (s *suite) objects() {
	token, other := s.newToken("token", false), s.newToken("other", false)
	first, second := s.newObject(token.ID, dataObject("first")), s.newObject(token.ID, dataObject("second"))
	elsewhere := s.newObject(other.ID, dataObject("elsewhere"))
	s.NotZero(first.ID)
	s.Less(first.ID, second.ID)
	s.NotContains([]object.ID{first.ID, second.ID}, elsewhere.ID, "ids are of the store")
	value := func(id object.ID) string {
		var v string
		s.read(func(tx vtoken.ReadTx) {
			o, err := tx.Object(token.ID, id)
			s.NoError(err)
			v = string(o.Attrs.Get(ck.CKA_VALUE))
		})
		return v
	}
	list := func(token record.TokenID) (ids []object.ID) {
		s.read(func(tx vtoken.ReadTx) {
			list, err := tx.Objects(token)
			s.NoError(err)
			for _, o := range list {
				ids = append(ids, o.ID)
			}
		})
		return ids
	}
	s.Equal([]object.ID{first.ID, second.ID}, list(token.ID))
	s.Equal([]object.ID{elsewhere.ID}, list(other.ID))
	changed := s.build(dataObject("changed"))
	changed.ID = first.ID
	s.write(func(tx vtoken.Tx) error { o := *changed; return tx.PutObject(token.ID, &o) })
	s.Equal("changed", value(first.ID))
	s.read(func(tx vtoken.ReadTx) {
		o, err := tx.Object(token.ID, first.ID)
		s.NoError(err)
		s.Greater(o.Version, first.Version)
		_, err = tx.Object(token.ID, elsewhere.ID)
		s.ErrorIs(err, record.ErrNotFound, "an object of another token")
	})
	s.refused(record.ErrNotFound, func(tx vtoken.Tx) error {
		o := *changed
		o.ID = elsewhere.ID + 100
		return tx.PutObject(token.ID, &o)
	})
	s.refused(record.ErrNotFound, func(tx vtoken.Tx) error {
		o := *s.build(dataObject("nowhere"))
		return tx.PutObject(nowhere, &o)
	})
	s.write(func(tx vtoken.Tx) error { return tx.DeleteObject(token.ID, second.ID) })
	s.refused(record.ErrNotFound, func(tx vtoken.Tx) error { return tx.DeleteObject(token.ID, second.ID) })
	s.refused(record.ErrNotFound, func(tx vtoken.Tx) error { return tx.DeleteObject(token.ID, elsewhere.ID) })
	s.Equal([]object.ID{first.ID}, list(token.ID))
	third := s.newObject(token.ID, dataObject("third"))
	s.Greater(third.ID, elsewhere.ID, "ids are not used again")
	s.write(func(tx vtoken.Tx) error { return tx.DeleteObjects(token.ID) })
	s.Empty(list(token.ID))
	s.Equal([]object.ID{elsewhere.ID}, list(other.ID))
}

func (s *suite) secrets() {
	token := s.newToken("token", false)
	key := s.newObject(token.ID, secretKey("secret value", true))
	s.read(func(tx vtoken.ReadTx) {
		for _, get := range []func() (*object.Object, error){
			func() (*object.Object, error) { return tx.Object(token.ID, key.ID) },
			func() (*object.Object, error) {
				list, err := tx.Objects(token.ID)
				s.Len(list, 1)
				return list[0], err
			},
		} {
			o, err := get()
			s.NoError(err)
			s.True(o.Sealed(), "reading gives no secrets")
			s.NotContains(fmt.Sprintf("%v", o.Attrs), "secret value")
		}
	})
	open := func() string {
		set, err := s.Store.OpenSecret(token.ID, key.ID, nil)
		s.NoError(err)
		return string(set.Get(ck.CKA_VALUE))
	}
	s.Equal("secret value", open())
	s.write(func(tx vtoken.Tx) error {
		o, err := tx.Object(token.ID, key.ID)
		if err != nil {
			return err
		}
		next := o.WithSecret(nil)
		next.Attrs = next.Attrs.With(ck.String(ck.CKA_LABEL, "label"))
		return tx.PutObject(token.ID, next)
	})
	s.Equal("secret value", open(), "the secret stays where none is given")
	_, err := s.Store.OpenSecret(token.ID, key.ID+100, nil)
	s.ErrorIs(err, record.ErrNotFound)
	_, err = s.Store.OpenSecret(nowhere, key.ID, nil)
	s.ErrorIs(err, record.ErrNotFound)
}

func (s *suite) allOrNothing() {
	token := s.newToken("token", false)
	object := s.build(dataObject("data"))
	s.taken()
	refusal := ck.Errorf(ck.CKR_DEVICE_ERROR, "refused")
	s.refused(refusal, func(tx vtoken.Tx) error {
		t := token.Clone()
		t.Label = "changed"
		o := *object
		s.NoError(tx.PutToken(t))
		s.NoError(tx.PutObject(token.ID, &o))
		s.NoError(tx.NewToken(&record.Token{Tenant: s.Tenant, Holders: token.Holders, Label: "new"}))
		return refusal
	})
	s.read(func(tx vtoken.ReadTx) {
		t, err := tx.Token(token.ID)
		s.NoError(err)
		s.Equal("token", t.Label)
		objects, err := tx.Objects(token.ID)
		s.NoError(err)
		s.Empty(objects)
		tokens, err := tx.TokensOf(s.User)
		s.NoError(err)
		s.Len(tokens, 1)
	})
	s.Empty(s.taken(), "nothing is told of what was not committed")
}

func (s *suite) ownWrites() {
	token := s.newToken("token", false)
	data := s.build(dataObject("data"))
	s.write(func(tx vtoken.Tx) error {
		o := *data
		s.NoError(tx.PutObject(token.ID, &o))
		got, err := tx.Object(token.ID, o.ID)
		s.NoError(err)
		s.Equal("data", string(got.Attrs.Get(ck.CKA_VALUE)))
		list, err := tx.Objects(token.ID)
		s.NoError(err)
		s.Len(list, 1)
		t := token.Clone()
		t.Label = "changed"
		s.NoError(tx.PutToken(t))
		again, err := tx.Token(token.ID)
		s.NoError(err)
		s.Equal("changed", again.Label)
		made := record.Token{Tenant: s.Tenant, Holders: token.Holders, Label: "new"}
		s.NoError(tx.NewToken(&made))
		tokens, err := tx.TokensOf(s.User)
		s.NoError(err)
		s.Len(tokens, 2)
		s.NoError(tx.DeleteObject(token.ID, o.ID))
		_, err = tx.Object(token.ID, o.ID)
		s.ErrorIs(err, record.ErrNotFound)
		return nil
	})
}

func (s *suite) changes() {
	token := s.newToken("token", false)
	told := s.taken()
	s.Len(told, 1)
	s.Equal(token.ID, told[0].TokenID)
	s.Equal(token.Version, told[0].Token.Version)

	key := s.newObject(token.ID, secretKey("secret value", false))
	told = s.taken()
	s.Len(told, 1)
	s.Equal(record.Change{TokenID: token.ID, ObjectID: key.ID, Object: told[0].Object}, told[0])
	s.True(told[0].Object.Sealed(), "changes tell no secrets")
	s.Equal(key.Version, told[0].Object.Version)

	s.write(func(tx vtoken.Tx) error {
		t := token.Clone()
		t.Label = "changed"
		if err := tx.PutToken(t); err != nil {
			return err
		}
		return tx.DeleteObject(token.ID, key.ID)
	})
	told = s.taken()
	s.Len(told, 2)
	s.Equal("changed", told[0].Token.Label, "changes come in their order")
	s.Greater(told[0].Token.Version, token.Version)
	s.Equal(record.Change{TokenID: token.ID, ObjectID: key.ID}, told[1])
}

func (s *suite) deleteToken() {
	token := s.newToken("token", false)
	key := s.newObject(token.ID, secretKey("secret value", false))
	s.taken()
	s.NoError(s.DeleteToken(token.ID))
	deleted := false
	for _, change := range s.taken() {
		deleted = deleted || change.TokenID == token.ID && change.Deleted
	}
	s.True(deleted, "the deletion is told")
	s.read(func(tx vtoken.ReadTx) {
		_, err := tx.Token(token.ID)
		s.ErrorIs(err, record.ErrNotFound)
		_, err = tx.Object(token.ID, key.ID)
		s.ErrorIs(err, record.ErrNotFound)
		tokens, err := tx.TokensOf(s.User)
		s.NoError(err)
		s.Empty(tokens)
	})
	_, err := s.Store.OpenSecret(token.ID, key.ID, nil)
	s.ErrorIs(err, record.ErrNotFound)
}

// concurrent: what an update read has not changed when it commits.
func (s *suite) concurrent() {
	const each, many = 5, 8
	token := s.newToken("token", false)
	s.taken()
	errs := make(chan error, many)
	for range many {
		go func() {
			for range each {
				err := s.Store.Update(func(tx vtoken.Tx) error {
					old, err := tx.Token(token.ID)
					if err != nil {
						return err
					}
					t := old.Clone()
					t.UserPIN.Failed++
					return tx.PutToken(t)
				})
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range many {
		s.NoError(<-errs)
	}
	s.read(func(tx vtoken.ReadTx) {
		t, err := tx.Token(token.ID)
		s.NoError(err)
		s.EqualValues(each*many, t.UserPIN.Failed)
	})
	told := s.taken()
	s.Len(told, each*many)
	for i, change := range told {
		s.EqualValues(i+1, change.Token.UserPIN.Failed, "changes come in the order of the commits")
	}
}

func (s *suite) verifiers() {
	token, other := s.newToken("token", false), s.newToken("other", false)
	verifier, err := s.Store.HashPIN(token.ID, pin.User, secret.Bytes("1234"), nil)
	s.NoError(err)
	s.NotContains(string(verifier), "1234")
	again, err := s.Store.HashPIN(token.ID, pin.User, secret.Bytes("1234"), nil)
	s.NoError(err)
	s.NotEqual(verifier, again, "verifiers have a salt")
	for _, c := range []struct {
		what  string
		token record.TokenID
		role  pin.Role
		pin   string
		right bool
	}{
		{"the PIN", token.ID, pin.User, "1234", true},
		{"another PIN", token.ID, pin.User, "1235", false},
		{"no PIN", token.ID, pin.User, "", false},
		{"another role", token.ID, pin.SO, "1234", false},
		{"another token", other.ID, pin.User, "1234", false},
	} {
		right, bound, err := s.Store.CheckPIN(c.token, c.role, verifier, secret.Bytes(c.pin))
		s.NoError(err, c.what)
		s.Equal(c.right, right, c.what)
		s.Empty(bound, c.what)
	}
}

// pinBound: the private objects of a PIN-bound token open with the key that its PINs open.
func (s *suite) pinBound() {
	token := s.newToken("token", true)
	s.True(token.PINBound)
	public, private, err := s.Store.NewBoundKey()
	s.NoError(err)
	verifier, err := s.Store.HashPIN(token.ID, pin.User, secret.Bytes("1234"), private)
	s.NoError(err)
	s.write(func(tx vtoken.Tx) error {
		t := token.Clone()
		t.UserPIN.Verifier, t.BoundKey = verifier, public
		return tx.PutToken(t)
	})
	right, bound, err := s.Store.CheckPIN(token.ID, pin.User, verifier, secret.Bytes("1234"))
	s.NoError(err)
	s.True(right)
	s.Equal(private, bound)
	right, wrong, err := s.Store.CheckPIN(token.ID, pin.User, verifier, secret.Bytes("1235"))
	s.NoError(err)
	s.False(right)
	s.Empty(wrong)

	hidden, open := s.newObject(token.ID, secretKey("private", true)), s.newObject(token.ID, secretKey("public", false))
	set, err := s.Store.OpenSecret(token.ID, hidden.ID, bound)
	s.NoError(err)
	s.Equal("private", string(set.Get(ck.CKA_VALUE)))
	_, err = s.Store.OpenSecret(token.ID, hidden.ID, nil)
	s.Equal(ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	set, err = s.Store.OpenSecret(token.ID, open.ID, nil)
	s.NoError(err)
	s.Equal("public", string(set.Get(ck.CKA_VALUE)))

	otherPublic, otherPrivate, err := s.Store.NewBoundKey()
	s.NoError(err)
	_, err = s.Store.OpenSecret(token.ID, hidden.ID, otherPrivate)
	s.Error(err, "another key")
	replace := func(tx vtoken.Tx) error {
		old, err := tx.Token(token.ID)
		if err != nil {
			return err
		}
		t := old.Clone()
		t.BoundKey = otherPublic
		return tx.PutToken(t)
	}
	s.Error(s.Store.Update(replace), "another key on a token with objects")
	s.write(func(tx vtoken.Tx) error { return tx.DeleteObjects(token.ID) })
	s.write(replace)
}
