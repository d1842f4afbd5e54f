package keystore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vtoken/keystore/box"
	"vtoken/keystore/envelope"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// hiddenOf is the secret of an object, or a hash of its box.
func hiddenOf(tx *Tx, token record.TokenID, id object.ID) (object.Set, error) {
	set, err := tx.secretOf(token, id, nil)
	if ck.CodeOf(err) != ck.CKR_USER_NOT_LOGGED_IN {
		return set, err
	}
	tid, err := parseID("token", token)
	if err != nil {
		return nil, err
	}
	keys, err := tx.keysOf(tid)
	if err != nil {
		return nil, err
	}
	blob, err := tx.get(schema.Object(tid, uint64(id), schema.PartBound))
	if err != nil {
		return nil, err
	}
	boxed, err := openBox(tid, keys, uint64(id), blob)
	return object.Set{ck.String(ck.CKA_VALUE, fmt.Sprintf("box %x", sha256.Sum256(boxed)))}, err
}

// unset is a PIN-bound token without PINs.
func unset(t testing.TB, s *Store, u record.User) (tok record.Token) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		tok = record.Token{Tenant: u.Tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Label: "bound", Complete: true, Enabled: true, Initialized: true, PINBound: true,
			UserPIN: pin.State{Policy: pin.Default}, SOPIN: pin.State{Policy: pin.Default}}
		return tx.NewToken(&tok)
	})
	return tok
}

// setPINs sets PINs of a bound token, the empty ones not.
func setPINs(t testing.TB, s *Store, id record.TokenID, public []byte, private secret.Bytes, pins map[pin.Role]string) {
	t.Helper()
	verifiers := map[pin.Role][]byte{}
	for role, p := range pins {
		v, err := s.HashPIN(id, role, secret.Bytes(p), private)
		require.NoError(t, err)
		verifiers[role] = v
	}
	update(t, s, func(tx *Tx) error {
		r, err := tx.Token(id)
		if err != nil {
			return err
		}
		r.BoundKey = public
		for role, v := range verifiers {
			*r.PIN(role) = r.PIN(role).Change(v, r.CreatedAt)
		}
		return tx.PutToken(r)
	})
}

// addBound makes a PIN-bound token with two PINs, and returns its private key.
func addBound(t testing.TB, s *Store, u record.User, user, so string) (record.Token, secret.Bytes) {
	t.Helper()
	tok := unset(t, s, u)
	public, private, err := s.NewBoundKey()
	require.NoError(t, err)
	setPINs(t, s, tok.ID, public, private, map[pin.Role]string{pin.User: user, pin.SO: so})
	return tok, private
}

// newPrivate is a private object.
func newPrivate(label, hidden string) *object.Object {
	o := newObject(label, hidden)
	o.Attrs = append(object.Set{ck.Bool(ck.CKA_PRIVATE, true)}, o.Attrs...)
	slices.SortFunc(o.Attrs, func(a, b ck.Attribute) int { return int(a.Type) - int(b.Type) })
	return o
}

// addPrivate adds a private object.
func addPrivate(t testing.TB, s *Store, token record.TokenID, label, hidden string) (id object.ID) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		o := newPrivate(label, hidden)
		err := tx.PutObject(token, o)
		id = o.ID
		return err
	})
	return id
}

// value opens a secret with the key that a PIN opens.
func value(t testing.TB, s *Store, token record.TokenID, id object.ID, role pin.Role, p string) (string, error) {
	t.Helper()
	r := stored(t, s, token)
	right, bound, err := s.CheckPIN(token, role, r.PIN(role).Verifier, secret.Bytes(p))
	if err != nil {
		return "", err
	}
	if !right {
		return "", ck.CKR_PIN_INCORRECT
	}
	defer bound.Wipe()
	set, err := s.OpenSecret(token, id, bound)
	return string(set.Get(ck.CKA_VALUE)), err
}

func stored(t testing.TB, s *Store, token record.TokenID) (r *record.Token) {
	t.Helper()
	view(t, s, func(tx *Tx) (err error) {
		r, err = tx.Token(token)
		return err
	})
	return r
}

func TestBound(t *testing.T) {
	s := temp(t)
	tok, _ := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
	open := addObject(t, s, tok.ID, "open", "for everybody")
	id := addPrivate(t, s, tok.ID, "bound", "hidden")

	for role, p := range map[pin.Role]string{pin.User: "user PIN", pin.SO: "SO PIN"} {
		if got, err := value(t, s, tok.ID, id, role, p); err != nil || got != "hidden" {
			t.Errorf("with the %v PIN: %q, %v", role, got, err)
		}
		if _, err := value(t, s, tok.ID, id, role, p+"x"); ck.CodeOf(err) != ck.CKR_PIN_INCORRECT {
			t.Errorf("with a wrong %v PIN: %v", role, err)
		}
	}
	if set, err := s.OpenSecret(tok.ID, id, nil); ck.CodeOf(err) != ck.CKR_USER_NOT_LOGGED_IN {
		t.Errorf("without a PIN: %q, %v", set.Get(ck.CKA_VALUE), err)
	}
	_, other, err := s.NewBoundKey()
	require.NoError(t, err)
	_, err = s.OpenSecret(tok.ID, id, other)
	require.ErrorIs(t, err, ErrTampered, "with another key")
	// What needs no login needs no PIN.
	set, err := s.OpenSecret(tok.ID, open, nil)
	require.NoError(t, err)
	require.Equal(t, "for everybody", string(set.Get(ck.CKA_VALUE)), "an object that is not private")
	r := check(t, s)
	require.Empty(t, r.Problems, "the check: %q", r.Problems)
}

// Everything but the PIN: the opened store with its root key, every record, and
// the code of the keystore. What was written is in none of it.
func TestBoundAgainstTheAdministrator(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	u := addUser(t, s, "alice")
	tok, _ := addBound(t, s, u, "user PIN", "SO PIN")
	id := addPrivate(t, s, tok.ID, "bound", "hidden-value")
	closeStore(t, s)

	s = open(t, dir) // the KEK is in the folder
	defer closeStore(t, s)
	view(t, s, func(tx *Tx) error {
		tid, _ := parseID("token", tok.ID)
		keys, err := tx.keysOf(tid)
		if err != nil {
			return err
		}
		// Every seal that the root key opens, and whether the value is in it.
		opened := 0
		for field := fieldHeader; field <= fieldBound; field++ {
			for object := range uint64(4) {
				err := tx.scan(nil, nil, func(key, blob []byte) error {
					for _, k := range []*envelope.Key{keys.record, keys.secret, tx.s.sys.header, tx.s.root.sealing()} {
						for _, value := range [][]byte{blob, blob[min(16, len(blob)):]} {
							plain, _, err := k.Open(place(keys.tenant, tid, object, field), value)
							if err != nil {
								continue
							}
							opened++
							if bytes.Contains(plain, []byte("hidden-value")) {
								t.Errorf("field %d shows the secret", field)
							}
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
		}
		if opened < 4 { // record, summary, attributes, box
			t.Errorf("only %d seals opened: the test does not test", opened)
		}
		if _, err := tx.secretOf(tok.ID, id, nil); ck.CodeOf(err) != ck.CKR_USER_NOT_LOGGED_IN {
			t.Errorf("read: %v", err)
		}
		return nil
	})
	// The verifier without the PIN: the sealed key opens under nothing that is there.
	v, err := parseVerifier(stored(t, s, tok.ID).UserPIN.Verifier)
	require.NoError(t, err)
	require.NotNil(t, v.bound, "no sealed key")
	tid, _ := parseID("token", tok.ID)
	for _, raw := range []secret.Bytes{v.hash, s.sys.pepper, s.sys.index, s.root.sealing().Raw()} {
		k, err := envelope.NewKey(raw)
		require.NoError(t, err)
		if _, _, err := k.Open(placeBoundKey(tid, pin.User), v.bound); err == nil {
			t.Error("the key of the token opened without the PIN")
		}
	}
}

// A new PIN opens what was there, and the old one nothing any more.
func TestBoundNewPIN(t *testing.T) {
	s := temp(t)
	tok, private := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
	id := addPrivate(t, s, tok.ID, "bound", "hidden")
	setPINs(t, s, tok.ID, stored(t, s, tok.ID).BoundKey, private, map[pin.Role]string{pin.User: "new PIN"})
	_, err := value(t, s, tok.ID, id, pin.User, "user PIN")
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(err), "with the old PIN: %v", err)
	for role, p := range map[pin.Role]string{pin.User: "new PIN", pin.SO: "SO PIN"} {
		if got, err := value(t, s, tok.ID, id, role, p); err != nil || got != "hidden" {
			t.Errorf("with the %v PIN: %q, %v", role, got, err)
		}
	}
}

// What is there before the first PIN is bound by it, in the commit that sets it:
// whatever fails, it is as before.
func TestBoundByTheFirstPIN(t *testing.T) {
	for _, op := range []kvtest.Op{kvtest.OpGet, kvtest.OpPut, kvtest.OpDelete, kvtest.OpCommit} {
		s, engine := inMemory(t)
		tok := unset(t, s, addUser(t, s, "alice"))
		id := addPrivate(t, s, tok.ID, "bound", "hidden")
		plain := addObject(t, s, tok.ID, "open", "for everybody")
		public, private, err := s.NewBoundKey()
		require.NoError(t, err)
		v, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("user PIN"), private)
		require.NoError(t, err)
		for n := 1; ; n++ {
			engine.Fail(op, n, errors.New("broken disk"))
			err := s.Update(func(tx *Tx) error { return firstPIN(tx, tok.ID, public, v) })
			if !engine.Hit() {
				engine.Fail("", 0, nil)
				require.NoError(t, err, "%s failed %d times", op, n-1)
				require.NotEqual(t, 1, n, "%s failed %d times", op, n-1)
				break
			}
			got, e := s.OpenSecret(tok.ID, id, nil)
			require.Error(t, err, "after a failed %s: %v, %v", op, err, e)
			require.NoError(t, e, "after a failed %s: %v, %v", op, err, e)
			require.Equal(t, "hidden", string(got.Get(ck.CKA_VALUE)), "after a failed %s: %v, %v", op, err, e)
			require.False(t, stored(t, s, tok.ID).UserPIN.Set(), "after a failed %s: %v, %v", op, err, e)
		}
		if got, err := value(t, s, tok.ID, id, pin.User, "user PIN"); err != nil || got != "hidden" {
			t.Errorf("with the PIN: %q, %v", got, err)
		}
		if _, err := s.OpenSecret(tok.ID, id, nil); ck.CodeOf(err) != ck.CKR_USER_NOT_LOGGED_IN {
			t.Errorf("without the PIN: %v", err)
		}
		if _, err := s.OpenSecret(tok.ID, plain, nil); err != nil {
			t.Errorf("an object that is not private: %v", err)
		}
		if r := check(t, s); len(r.Problems) > 0 {
			t.Errorf("the check: %q", r.Problems)
		}
	}
}

func firstPIN(tx *Tx, token record.TokenID, public, verifier []byte) error {
	r, err := tx.Token(token)
	if err != nil {
		return err
	}
	r.BoundKey, r.UserPIN = public, r.UserPIN.Change(verifier, r.CreatedAt)
	return tx.PutToken(r)
}

// A record that would lock secrets away, or leave them open, is not stored.
func TestBoundRecords(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	tok, _ := addBound(t, s, u, "user PIN", "SO PIN")
	public, _, err := s.NewBoundKey()
	require.NoError(t, err)
	addPrivate(t, s, tok.ID, "bound", "hidden")
	plain, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("user PIN"), nil)
	require.NoError(t, err)
	for name, change := range map[string]func(*record.Token){
		"a verifier without the key": func(r *record.Token) { r.UserPIN.Verifier = plain },
		"no longer bound":            func(r *record.Token) { r.PINBound = false },
		"no key":                     func(r *record.Token) { r.BoundKey = nil },
		"another key":                func(r *record.Token) { r.BoundKey = public },
		"a key that is none":         func(r *record.Token) { r.BoundKey = public[1:] },
		"no key and no PINs":         func(r *record.Token) { r.BoundKey, r.UserPIN, r.SOPIN = nil, pin.State{}, pin.State{} },
	} {
		err := s.Update(func(tx *Tx) error {
			r, err := tx.Token(tok.ID)
			if err != nil {
				return err
			}
			change(r)
			return tx.PutToken(r)
		})
		if err == nil {
			t.Errorf("%s was stored", name)
		}
	}
	other := addToken(t, s, u, "not bound")
	for name, change := range map[string]func(*record.Token){
		"bound later":             func(r *record.Token) { r.PINBound, r.UserPIN = true, pin.State{} },
		"a key without a purpose": func(r *record.Token) { r.BoundKey = public },
	} {
		err := s.Update(func(tx *Tx) error {
			r, err := tx.Token(other.ID)
			if err != nil {
				return err
			}
			change(r)
			return tx.PutToken(r)
		})
		if err == nil {
			t.Errorf("%s was stored", name)
		}
	}
	// Emptied, a token takes another key (C_InitToken).
	_, private2, err := s.NewBoundKey()
	require.NoError(t, err)
	public2, _ := box.Public(private2)
	v, err := s.HashPIN(tok.ID, pin.SO, secret.Bytes("SO PIN"), private2)
	require.NoError(t, err)
	update(t, s, func(tx *Tx) error {
		r, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		r.BoundKey, r.SOPIN.Verifier, r.UserPIN = public2, v, pin.State{Policy: r.UserPIN.Policy}
		return errors.Join(tx.DeleteObjects(tok.ID), tx.PutToken(r))
	})
	id := addPrivate(t, s, tok.ID, "bound", "again")
	got, err := value(t, s, tok.ID, id, pin.SO, "SO PIN")
	require.NoError(t, err, "after C_InitToken: %q", got)
	require.Equal(t, "again", got, "after C_InitToken: %q", got)
}

// Somebody with the root key puts a public key of his own into a record, to read
// what is written from then on. The next login finds it.
func TestBoundKeySwapped(t *testing.T) {
	s := temp(t)
	tok, _ := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
	public, _, err := s.NewBoundKey()
	require.NoError(t, err)
	update(t, s, func(tx *Tx) error {
		r, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		r.BoundKey = public
		return tx.PutToken(r) // there are no objects that would stop it
	})
	v := stored(t, s, tok.ID).UserPIN.Verifier
	_, _, err = s.CheckPIN(tok.ID, pin.User, v, secret.Bytes("user PIN"))
	require.ErrorIs(t, err, ErrTampered, "a login with another public key")
}

// Tenants whose tokens are bound: those that are made without PINs are so too.
func TestBoundTenant(t *testing.T) {
	s := temp(t)
	u := addUser(t, s, "alice")
	update(t, s, func(tx *Tx) error {
		of, err := tx.Tenant(u.Tenant)
		if err != nil {
			return err
		}
		of.PINBound = true
		return tx.PutTenant(of)
	})
	update(t, s, func(tx *Tx) error {
		r := record.Token{Tenant: u.Tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Enabled: true, Complete: true}
		if err := tx.NewToken(&r); err != nil {
			return err
		}
		if !r.PINBound {
			t.Error("a blank token of the tenant is not bound")
		}
		return nil
	})
}

// FuzzParseVerifier: what is no verifier is refused, and no byte goes unread.
func FuzzParseVerifier(f *testing.F) {
	plain := make([]byte, verifierSize)
	copy(plain, []byte{verifierPlain, 0, 0, 0, 2, 0, 0, 0x4c, 0, 1})
	bound := append(slices.Clone(plain), make([]byte, boundKeySize)...)
	bound[0] = verifierBound
	for _, seed := range [][]byte{plain, bound} {
		_, err := parseVerifier(seed)
		require.NoError(f, err, "no seed")
		f.Add(seed)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseVerifier(b)
		if err != nil {
			return
		}
		require.Len(t, b, verifierHeader+len(v.salt)+len(v.hash)+len(v.bound), "%x reads as a verifier", b)
		require.True(t, v.cost.valid(), "%x reads as a verifier", b)
		require.Equal(t, b[0] == verifierBound, v.bound != nil, "%x reads as a verifier", b)
	})
}

func BenchmarkCheckBoundPIN(b *testing.B) {
	s := temp(b)
	tok, private := addBound(b, s, addUser(b, s, "alice"), "user PIN", "SO PIN")
	v, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("1234"), private)
	require.NoError(b, err)
	for b.Loop() {
		ok, _, err := s.CheckPIN(tok.ID, pin.User, v, secret.Bytes("1234"))
		require.True(b, ok)
		require.NoError(b, err)
	}
}
