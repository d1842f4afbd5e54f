package keystore

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

func check(t testing.TB, s *Store) Report {
	t.Helper()
	r, err := s.Check(t.Context())
	require.NoError(t, err)
	return r
}

// full is a store in memory with a record of every kind.
func full(t *testing.T) (*Store, *kvtest.Faulty) {
	t.Helper()
	s, engine := inMemory(t)
	u := addUser(t, s, "alice", "osuser")
	tok := addToken(t, s, u, "label")
	addObject(t, s, tok.ID, "a", "hidden")
	addObject(t, s, tok.ID, "b", "")
	bound, _ := addBound(t, s, u, "user PIN", "SO PIN")
	addPrivate(t, s, bound.ID, "c", "bound")
	update(t, s, func(tx *Tx) error {
		return errors.Join(
			tx.PutTenant(&record.Tenant{Name: "other", ExchangeKey: []byte("exchange")}),
			tx.PutAPIKey(&record.APIKey{Name: "key", Tenant: u.Tenant, Hash: s.HashAPIKey([]byte("key"))}),
			tx.recordUsage(t, &u),
			tx.PutAuditHead(AuditHead{Seq: 1, Hash: []byte("hash")}),
			tx.PutServerCertificate(ServerCertificate{Certificate: []byte("certificate"), Key: []byte("server key")}))
	})
	return s, engine
}

// recordUsage writes the usage of a user as earlier programs did.
func (tx *Tx) recordUsage(t *testing.T, u *record.User) error {
	user, err := parseID("user", u.ID)
	require.NoError(t, err)
	tenant, err := parseID("tenant", u.Tenant)
	require.NoError(t, err)
	amount, err := tx.countUsage(user)
	require.NoError(t, err)
	delete(tx.usages, user)
	delete(tx.s.usages.counted, user)
	delete(tx.s.usages.staged, user)
	key, err := tx.tenantKey(tenant)
	require.NoError(t, err)
	return tx.sealJSON(key, schema.Record(schema.PrefixUsage, user), tenant[:], place(tenant, user, 0, fieldUsage), usageJSON(amount.Amount))
}

func TestCheckCounts(t *testing.T) {
	s, _ := full(t)
	r := check(t, s)
	require.Empty(t, r.Problems)
	require.EqualValues(t, 1, r.Recipients)
	require.EqualValues(t, 2, r.Tenants)
	require.EqualValues(t, 1, r.Users)
	require.EqualValues(t, 1, r.APIKeys)
	require.EqualValues(t, 2, r.Tokens)
	require.EqualValues(t, 3, r.Objects)
}

// TestCheckFindsEveryByte flips every byte of every key and value of a store
// that is in use, removes each and adds others: the check finds each. A fault in its own code
// once corrupted the store of another token (tpm2-pkcs11 1.9.1).
//
// Of the middle of a long value, which is all one ciphertext, every eighth byte is flipped,
// others each time. With STORE_BYTES=all it is every byte.
func TestCheckFindsEveryByte(t *testing.T) {
	all := os.Getenv("STORE_BYTES") == "all"
	first := rand.IntN(sparing)
	t.Logf("of the middle of long values, every byte: %v; else those from %d on", all, first)
	s, engine := full(t)
	check(t, s) // whatever this remembers must not hide anything
	good := kvtest.Dump(t, engine)
	flips := 0
	kinds := map[byte]bool{}
	broken := func(what string, changed map[string]string) {
		t.Helper()
		swap(t, engine, good, changed)
		r := check(t, s)
		require.NotEmpty(t, r.Problems, "%s was not found", what)
		swap(t, engine, changed, good)
	}
	for key, value := range good {
		kinds[key[0]] = true
		for i := range len(value) {
			if middle := i >= wholeHead && i < len(value)-wholeTail; middle && !all && i%sparing != first {
				continue
			}
			changed := maps.Clone(good)
			changed[key] = flip(value, i)
			broken("a flip in a value of "+key[:1], changed)
			flips++
		}
		for i := range len(key) {
			changed := maps.Clone(good)
			delete(changed, key)
			changed[flip(key, i)] = value
			broken("a flip in a key of "+key[:1], changed)
			flips++
		}
		changed := maps.Clone(good)
		delete(changed, key)
		broken("removing "+key[:1], changed)
		changed = maps.Clone(good)
		changed[flip(key, len(key)-1)] = value
		broken("a copy of "+key[:1], changed)
	}
	for _, kind := range "!AahiKknorsTtux" {
		if !kinds[byte(kind)] {
			t.Errorf("there was no record of kind %c; the test does not test", kind)
		}
	}
	r := check(t, s)
	require.Empty(t, r.Problems, "the store did not survive its own test: %q", r.Problems)
	t.Logf("%d flips in %d records", flips, len(good))
}

// What TestCheckFindsEveryByte flips: all of the first bytes, which are in the clear or say how
// the rest is sealed, all of the last ones, with the tag, and one of so many between.
const (
	wholeHead = 112
	wholeTail = 32
	sparing   = 8
)

func flip(text string, i int) string {
	b := []byte(text)
	b[i] ^= 1
	return string(b)
}

// swap makes an engine that holds from hold to.
func swap(t *testing.T, e kv.Engine, from, to map[string]string) {
	t.Helper()
	err := e.Update(func(w kv.Writer) error {
		for k, v := range from {
			if now, ok := to[k]; !ok {
				if err := w.Delete([]byte(k)); err != nil {
					return err
				}
			} else if now != v {
				if err := w.Put([]byte(k), []byte(now)); err != nil {
					return err
				}
			}
		}
		for k, v := range to {
			if _, ok := from[k]; ok {
				continue
			}
			if err := w.Put([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// A store where everything is wrong gives a report of bounded length, and every
// damaged record is named, not the first alone.
func TestCheckNamesAll(t *testing.T) {
	s, engine := full(t)
	tok := addToken(t, s, addUser(t, s, "bob"), "label")
	for range 2 * maxProblems {
		addObject(t, s, tok.ID, "a", "hidden")
	}
	good := kvtest.Dump(t, engine)
	changed := maps.Clone(good)
	damaged := 0
	for key, value := range good {
		if strings.ContainsRune("kua", rune(key[0])) {
			changed[key] = flip(value, len(value)-1)
			damaged++
		}
	}
	swap(t, engine, good, changed)
	r := check(t, s)
	require.GreaterOrEqual(t, len(r.Problems), damaged,
		"%d records are damaged, and the problems are %q", damaged, r.Problems)
	for key := range good {
		if key[0] == 'k' || key[0] == 'u' || key[0] == 'i' || key[0] == 'o' {
			changed[flip(key, 0)] = "" // a kind that there is not
		}
	}
	swap(t, engine, good, changed)
	r = check(t, s)
	require.Len(t, r.Problems, maxProblems, "%d problems", len(r.Problems))
}

// A storage that cannot be read is an error, as is a check that was given up.
func TestCheckFails(t *testing.T) {
	s, engine := full(t)
	boom := errors.New("input/output error")
	for _, op := range []kvtest.Op{kvtest.OpGet, kvtest.OpScan} {
		n := 1
		for ; ; n++ {
			engine.Fail(op, n, boom)
			r, err := s.Check(t.Context())
			if !engine.Hit() {
				break
			}
			if !errors.Is(err, boom) || slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, "missing") }) {
				t.Errorf("%s %d: %v %q", op, n, err, r.Problems)
			}
		}
		if n < 3 {
			t.Errorf("a check has %d calls of %s", n, op)
		}
	}
	engine.Fail("", 0, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Check(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
