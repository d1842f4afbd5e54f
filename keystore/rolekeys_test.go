package keystore

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/box"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// keyOf is the private key that a PIN of a token opens.
func keyOf(t testing.TB, s *Store, token record.TokenID, role pin.Role, p string) secret.Bytes {
	t.Helper()
	right, key, err := s.CheckPIN(token, role, stored(t, s, token).PIN(role).Verifier, secret.Bytes(p))
	require.NoError(t, err)
	require.True(t, right)
	return key
}

// putNewPIN changes a PIN, as C_SetPIN does.
func putNewPIN(t testing.TB, s *Store, token record.TokenID, role pin.Role, with secret.Bytes, p string) {
	t.Helper()
	v, err := s.HashPIN(token, role, secret.Bytes(p), with)
	require.NoError(t, err)
	update(t, s, setVerifier(token, role, v))
}

func setVerifier(token record.TokenID, role pin.Role, v []byte) func(tx *Tx) error {
	return func(tx *Tx) error {
		r, err := tx.Token(token)
		if err != nil {
			return err
		}
		*r.PIN(role) = r.PIN(role).Change(v, r.CreatedAt)
		return tx.PutToken(r)
	}
}

// opensAnything reports which of the boxes of a token open with one of some keys.
func opensAnything(t *testing.T, s *Store, token record.TokenID, keys ...secret.Bytes) (opened []string) {
	t.Helper()
	id, _ := parseID("token", token)
	view(t, s, func(tx *Tx) error {
		of, err := tx.keysOf(id)
		if err != nil {
			return err
		}
		roles, err := tx.roleKeysOf(id, of)
		if err != nil {
			return err
		}
		for _, key := range keys {
			for _, role := range pinRoles {
				if at := *roles.of(role); at != nil {
					if _, err := box.Open(key, roleInfo(of.tenant, id), at.Key); err == nil {
						opened = append(opened, fmt.Sprint("the key of the token, by that of the ", role, " PIN"))
					}
				}
			}
		}
		return tx.scan(schema.Objects(id), nil, func(k, blob []byte) error {
			number, part, _ := schema.ParseObject(k)
			if part != schema.PartBound {
				return nil
			}
			boxed, err := openBox(id, of, number, blob)
			for _, key := range keys {
				if _, e := box.Open(key, boundInfo(of.tenant, id, number), boxed); e == nil {
					opened = append(opened, fmt.Sprint("object ", number))
				}
			}
			return err
		})
	})
	return opened
}

// roleKeyOf is the private key in the verifier of a PIN.
func roleKeyOf(t *testing.T, s *Store, token record.TokenID, role pin.Role, p string) secret.Bytes {
	t.Helper()
	v, err := parseVerifier(stored(t, s, token).PIN(role).Verifier)
	require.NoError(t, err)
	out := s.stretch(v.cost, token, role, secret.Bytes(p), v.salt, true)
	key := copyOfRaw(t, out[verifierHash:])
	id, _ := parseID("token", token)
	private, _, err := key.Open(placeBoundKey(id, role), v.bound)
	require.NoError(t, err)
	return private
}

// TestOldPINOpensNothingNew changes a PIN of a PIN-bound token. The key that the old PIN opens in an
// older copy opens nothing of the store afterwards, even with the root key. The new PIN and the
// other one open everything.
func TestOldPINOpensNothingNew(t *testing.T) {
	for role, other := range map[pin.Role]pin.Role{pin.User: pin.SO, pin.SO: pin.User} {
		t.Run(role.String(), func(t *testing.T) {
			dir := tempDir(t)
			s := quiet(t, options(dir))
			pins := map[pin.Role]string{pin.User: "user PIN", pin.SO: "SO PIN"}
			tok, _ := addBound(t, s, addUser(t, s, "alice"), pins[pin.User], pins[pin.SO])
			ids := []object.ID{addPrivate(t, s, tok.ID, "old", "hidden")}
			before := []secret.Bytes{keyOf(t, s, tok.ID, role, pins[role]), roleKeyOf(t, s, tok.ID, role, pins[role])}
			require.NotEmpty(t, opensAnything(t, s, tok.ID, before...))
			for n := range 3 {
				next := fmt.Sprint("another PIN ", n)
				putNewPIN(t, s, tok.ID, role, keyOf(t, s, tok.ID, role, pins[role]), next)
				pins[role] = next
				ids = append(ids, addPrivate(t, s, tok.ID, "new", "hidden"))
				require.Empty(t, opensAnything(t, s, tok.ID, before...))
				before = append(before, keyOf(t, s, tok.ID, role, next), roleKeyOf(t, s, tok.ID, role, next))
				require.NoError(t, s.walkOnce())
			}
			set, err := s.OpenSecret(tok.ID, ids[3], before[0])
			require.NoError(t, err, "a login from before goes on")
			require.Len(t, set, 1)
			closeStore(t, s)

			s = open(t, dir)
			defer closeStore(t, s)
			_, err = s.OpenSecret(tok.ID, ids[3], before[0])
			require.Error(t, err)
			for _, id := range ids {
				for _, r := range []pin.Role{role, other} {
					got, err := value(t, s, tok.ID, id, r, pins[r])
					require.NoError(t, err)
					require.Equal(t, "hidden", got)
				}
			}
			require.Empty(t, check(t, s).Problems)
		})
	}
}

// TestOldBoundTokenChangesPINs changes both PINs of a token of an earlier program, whose
// verifiers have the key of the token itself: everything opens after each, and when both
// were changed the old ones open nothing any more.
func TestOldBoundTokenChangesPINs(t *testing.T) {
	dir := tempDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{storeFile, "kek.key"} {
		copyTo(t, filepath.Join(boundStore, name), filepath.Join(dir, name), 0o600)
	}
	s := open(t, dir)
	defer func() { closeStore(t, s) }()
	tok := tokensOf(t, s)[0]
	old := keyOf(t, s, tok.ID, pin.User, "user PIN")
	pins := map[pin.Role]string{pin.User: "user PIN", pin.SO: "SO PIN"}
	for _, role := range pinRoles {
		putNewPIN(t, s, tok.ID, role, keyOf(t, s, tok.ID, role, pins[role]), "new PIN")
		pins[role] = "new PIN"
		closeStore(t, s)
		s = open(t, dir)
		for r, p := range pins {
			got, err := value(t, s, tok.ID, 1, r, p)
			require.NoError(t, err)
			require.Equal(t, "hidden", got)
		}
		require.Empty(t, check(t, s).Problems)
	}
	require.Empty(t, opensAnything(t, s, tok.ID, old))
}

// TestNewKeyFails has each call of the storage fail while a PIN is changed: both PINs open
// everything as before, and the change works when it is repeated.
func TestNewKeyFails(t *testing.T) {
	for _, op := range []kvtest.Op{kvtest.OpGet, kvtest.OpPut, kvtest.OpScan, kvtest.OpCommit} {
		s, engine := inMemory(t)
		tok, _ := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
		id := addPrivate(t, s, tok.ID, "label", "hidden")
		key := keyOf(t, s, tok.ID, pin.User, "user PIN")
		for n := 1; ; n++ {
			v, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("new PIN"), key)
			require.NoError(t, err)
			engine.Fail(op, n, kv.ErrNoSpace)
			err = s.Update(setVerifier(tok.ID, pin.User, v))
			if !engine.Hit() {
				engine.Fail(op, 1<<30, nil)
				require.NoError(t, err)
				require.Greater(t, n, 1)
				break
			}
			require.ErrorIs(t, err, kv.ErrNoSpace)
			set, err := s.OpenSecret(tok.ID, id, key)
			require.NoError(t, err)
			require.Len(t, set, 1)
		}
		for role, p := range map[pin.Role]string{pin.User: "new PIN", pin.SO: "SO PIN"} {
			got, err := value(t, s, tok.ID, id, role, p)
			require.NoError(t, err)
			require.Equal(t, "hidden", got)
		}
		require.Empty(t, check(t, s).Problems)
		closeStore(t, s)
	}
}

// TestStaleVerifier: a verifier that was made in another run is refused, since nobody has
// the key that its PIN is to open.
func TestStaleVerifier(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tok, private := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
	v, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("new PIN"), private)
	require.NoError(t, err)
	closeStore(t, s)
	s = open(t, dir)
	defer closeStore(t, s)
	require.ErrorContains(t, s.Update(setVerifier(tok.ID, pin.User, v)), "set it again")
	keyOf(t, s, tok.ID, pin.User, "user PIN").Wipe()
}

// TestRenewedKeysAreBounded: keys of tokens whose PINs were changed do not pile up in memory.
func TestRenewedKeysAreBounded(t *testing.T) {
	public, private, err := box.GenerateKey()
	require.NoError(t, err)
	r := new(renewedKeys)
	var last schema.ID
	for n := range 3 * maxAllLinks / maxLinks {
		last = schema.ID{byte(n), byte(n >> 8)}
		link, err := r.link(last, public, private)
		require.NoError(t, err)
		for range maxLinks + 3 {
			link()
		}
	}
	all := 0
	for _, list := range r.links {
		require.LessOrEqual(t, len(list), maxLinks)
		all += len(list)
	}
	require.Equal(t, all, r.count)
	require.LessOrEqual(t, all, maxAllLinks)
	require.True(t, r.any(last))
	r.forget(last)
	require.Equal(t, all-maxLinks, r.count)
}

// TestObjectsChangeWhileAPINDoes changes, deletes and adds objects between hashing a PIN,
// which prepares their boxes for the next key, and storing it; and changes a PIN with one that
// was changed itself meanwhile.
func TestObjectsChangeWhileAPINDoes(t *testing.T) {
	s := quiet(t, options(tempDir(t)))
	defer closeStore(t, s)
	tok, _ := addBound(t, s, addUser(t, s, "alice"), "user PIN", "SO PIN")
	var ids []object.ID
	for n := range 3 {
		ids = append(ids, addPrivate(t, s, tok.ID, fmt.Sprint(n), "hidden"))
	}
	key := keyOf(t, s, tok.ID, pin.User, "user PIN")
	v, err := s.HashPIN(tok.ID, pin.User, secret.Bytes("new PIN"), key)
	require.NoError(t, err)
	require.Len(t, s.hashed.get(v).next.boxes, 3)
	update(t, s, func(tx *Tx) error {
		o := newPrivate("0", "changed")
		o.ID = ids[0]
		if err := tx.PutObject(tok.ID, o); err != nil {
			return err
		}
		return tx.DeleteObject(tok.ID, ids[1])
	})
	added := addPrivate(t, s, tok.ID, "added", "hidden too")
	update(t, s, setVerifier(tok.ID, pin.User, v))
	for role, p := range map[pin.Role]string{pin.User: "new PIN", pin.SO: "SO PIN"} {
		for id, want := range map[object.ID]string{ids[0]: "changed", ids[2]: "hidden", added: "hidden too"} {
			got, err := value(t, s, tok.ID, id, role, p)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	}
	require.Empty(t, opensAnything(t, s, tok.ID, key))

	// The key that was prepared is for one that is not the token's any more.
	so := keyOf(t, s, tok.ID, pin.SO, "SO PIN")
	v, err = s.HashPIN(tok.ID, pin.SO, secret.Bytes("new SO PIN"), so)
	require.NoError(t, err)
	putNewPIN(t, s, tok.ID, pin.User, keyOf(t, s, tok.ID, pin.User, "new PIN"), "newest PIN")
	update(t, s, setVerifier(tok.ID, pin.SO, v))
	for role, p := range map[pin.Role]string{pin.User: "newest PIN", pin.SO: "new SO PIN"} {
		got, err := value(t, s, tok.ID, added, role, p)
		require.NoError(t, err)
		require.Equal(t, "hidden too", got)
	}
	require.Empty(t, check(t, s).Problems)
	require.Empty(t, s.hashed.pins)
}
