package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The words that small puts into a store, none of which may be seen in it.
var canaries = []string{"alice-login", "card-label", "object-label", "hidden-value", "osuser-name", "apikey-name", "tenant-name", "4711-pin", "exchange-key", "api-key-text", "bound-user-pin", "bound-so-pin", "bound-label", "bound-value", "open-value", "server-certificate", "server-key"}

// small makes a store with one record of each kind, and returns its folder and
// its state.
func small(t testing.TB) (dir string, want []string) {
	t.Helper()
	dir = tempDir(t)
	s := open(t, dir)
	defer closeStore(t, s)
	u := addUser(t, s, "alice-login", "osuser-name")
	verifier, err := s.HashPIN("x", pin.User, secret.Bytes("4711-pin"), nil)
	require.NoError(t, err)
	tok := addToken(t, s, u, "card-label")
	update(t, s, func(tx *Tx) error {
		r, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		r.UserPIN.Verifier = verifier
		return tx.PutToken(r)
	})
	addObject(t, s, tok.ID, "object-label", "hidden-value")
	bound, _ := addBound(t, s, u, "bound-user-pin", "bound-so-pin")
	addObject(t, s, bound.ID, "open-label", "open-value")
	addPrivate(t, s, bound.ID, "bound-label", "bound-value")
	update(t, s, func(tx *Tx) error {
		if err := tx.PutTenant(&record.Tenant{Name: "tenant-name", ExchangeKey: secret.Bytes("exchange-key")}); err != nil {
			return err
		}
		if err := tx.PutServerCertificate(ServerCertificate{Certificate: []byte("server-certificate"), Key: []byte("server-key")}); err != nil {
			return err
		}
		return tx.PutAPIKey(&record.APIKey{Name: "apikey-name", Tenant: u.Tenant, Hash: s.HashAPIKey(secret.Bytes("api-key-text"))})
	})
	return dir, state(t, s)
}

func TestNothingInClear(t *testing.T) {
	dir, want := small(t)
	all := strings.Join(want, "\n")
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, word := range append(slices.Clone(canaries), record.DefaultTenant, "admin") {
			if bytes.Contains(data, []byte(word)) {
				t.Errorf("%s is in %s", word, file)
			}
		}
		return nil
	}))
	require.GreaterOrEqual(t, files, 2, "the store and its lock")
	for _, word := range canaries[:7] {
		if !strings.Contains(all, word) {
			t.Errorf("%s was not even stored", word)
		}
	}
	tok := serialOf(t, want)
	data, _ := os.ReadFile(filepath.Join(dir, storeFile))
	require.NotContains(t, string(data), string([]byte(tok)), "the serial number is in the file")
}

// serialOf finds the serial number in a state.
func serialOf(t *testing.T, lines []string) string {
	t.Helper()
	for _, line := range lines {
		if _, rest, ok := strings.Cut(line, "Serial:"); ok {
			return rest[:16]
		}
	}
	t.Fatal("no token in the state")
	return ""
}

// reopenState opens a folder and reads everything; an error is not a failure.
func reopenState(t *testing.T, dir string) (lines []string, err error) {
	t.Helper()
	return reopenStateWith(t, options(dir))
}

func reopenStateWith(t *testing.T, o Options) (lines []string, err error) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.patrols.stop()
	s.patrols.background = background{}
	err = s.View(func(tx *Tx) error { return readAll(tx) })
	if err == nil && o.lazily {
		err = s.walkOnce()
	}
	if err != nil {
		return nil, err
	}
	return state(t, s), nil
}

// readAll fails where anything does not read.
func readAll(tx *Tx) error {
	tenants, err := tx.Tenants()
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		_, e1 := tx.Tenant(tenant.ID)
		_, e2 := tx.Users(tenant.ID)
		_, e3 := tx.APIKeys(tenant.ID)
		tokens, e4 := tx.TokensOfTenant(tenant.ID, 0, 0)
		if err := errors.Join(e1, e2, e3, e4); err != nil {
			return err
		}
		for _, tok := range tokens {
			objects, err := tx.Objects(tok.ID)
			if err != nil {
				return err
			}
			for _, o := range objects {
				if _, err := hiddenOf(tx, tok.ID, o.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Every byte of a small store is flipped: either the damage is found, or
// everything reads as before. Free pages are allowed to be harmless.
func TestEveryByteCounts(t *testing.T) {
	dir, want := small(t)
	path := filepath.Join(dir, storeFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	end := len(bytes.TrimRight(good, "\x00")) + 64 // beyond are pages that were never used
	found, harmless := 0, 0
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	for i := 0; i < min(end, len(good)); i++ {
		if good[i] == 0 && i%16 != 0 && zeros(good, i) {
			continue // the middle of unused space
		}
		for _, bit := range []byte{0x01, 0x80} {
			_, err := f.WriteAt([]byte{good[i] ^ bit}, int64(i))
			require.NoError(t, err)
			got, err := reopenState(t, dir)
			switch {
			case err != nil:
				found++
			case slices.Equal(got, want):
				harmless++
			default:
				t.Fatalf("byte %d xor %#x: wrong data came out", i, bit)
			}
			_, err = f.WriteAt(good[i:i+1], int64(i))
			require.NoError(t, err)
		}
	}
	t.Logf("%d flips found, %d harmless", found, harmless)
	require.GreaterOrEqual(t, found, harmless/10, "hardly any flip was found")
	got, err := reopenState(t, dir)
	require.NoError(t, err)
	require.Equal(t, want, got, "the store did not survive its own test")
}

// zeros reports whether all bytes around i are zero.
func zeros(b []byte, i int) bool {
	return len(bytes.Trim(b[max(0, i-32):min(len(b), i+32)], "\x00")) == 0
}

// TestTruncated cuts the file at many places.
func TestTruncated(t *testing.T) {
	dir, _ := small(t)
	path := filepath.Join(dir, storeFile)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	end := len(bytes.TrimRight(good, "\x00"))
	for n := 0; n < end; n += 997 {
		require.NoError(t, os.WriteFile(path, good[:n], 0o600))
		if _, err := reopenState(t, dir); !errors.Is(err, kv.ErrCorrupt) && !errors.Is(err, ErrTampered) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// rewrite changes the raw keys and values of a store, as somebody would who can
// write the file and knows its format.
func rewrite(t *testing.T, dir string, fn func(w kv.Writer) error) {
	t.Helper()
	e, err := bolt.Open(filepath.Join(dir, storeFile))
	require.NoError(t, err)
	require.NoError(t, errors.Join(e.Update(fn), e.Close()))
}

func raw(t *testing.T, dir string) map[string]string {
	t.Helper()
	e, err := bolt.Open(filepath.Join(dir, storeFile))
	require.NoError(t, err)
	defer e.Close()
	return kvtest.Dump(t, e)
}

// setRaw makes the store hold exactly these keys and values.
func setRaw(t *testing.T, dir string, from, to map[string]string) {
	t.Helper()
	rewrite(t, dir, func(w kv.Writer) error {
		for k := range from {
			if _, ok := to[k]; !ok {
				if err := w.Delete([]byte(k)); err != nil {
					return err
				}
			}
		}
		for k, v := range to {
			if err := w.Put([]byte(k), []byte(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// grow changes a store so that every kind of record has an older state, and
// returns both.
func grow(t *testing.T, dir string) (before, after map[string]string) {
	t.Helper()
	before = raw(t, dir)
	s := open(t, dir)
	update(t, s, func(tx *Tx) error {
		tenants, err := tx.Tenants()
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			tenant.ExchangeKey = secret.Bytes("another")
			if err := tx.PutTenant(tenant); err != nil {
				return err
			}
			if err := touch(tx, tenant.ID); err != nil {
				return err
			}
		}
		return nil
	})
	closeStore(t, s)
	return before, raw(t, dir)
}

// touch writes every record of a tenant again.
func touch(tx *Tx, tenant record.TenantID) error {
	users, e1 := tx.Users(tenant)
	keys, e2 := tx.APIKeys(tenant)
	tokens, e3 := tx.TokensOfTenant(tenant, 0, 0)
	err := errors.Join(e1, e2, e3)
	for _, u := range users {
		err = errors.Join(err, tx.PutUser(u))
	}
	for _, k := range keys {
		err = errors.Join(err, tx.PutAPIKey(k))
	}
	for _, tok := range tokens {
		tok.UserPIN.Failed = 3
		objects, e := tx.Objects(tok.ID)
		err = errors.Join(err, e, tx.PutToken(tok), tx.PutObject(tok.ID, newObject("second", "hidden too")))
		for _, o := range objects {
			o.Secret = object.Set{}
			err = errors.Join(err, tx.PutObject(tok.ID, &object.Object{ID: o.ID, Attrs: o.Attrs, Secret: newObject("", "new").Secret}))
		}
	}
	return err
}

// TestRecordsAlone rolls back, removes, swaps and adds single records: each is
// found, when the store is opened, when they are used, or by the patrol.
func TestRecordsAlone(t *testing.T) {
	for _, lazily := range []bool{false, true} {
		t.Run(fmt.Sprint("at first use: ", lazily), func(t *testing.T) { recordsAlone(t, lazily) })
	}
}

func recordsAlone(t *testing.T, lazily bool) {
	dir, _ := small(t)
	before, after := grow(t, dir)
	o := options(dir)
	o.lazily = lazily
	want, err := reopenStateWith(t, o)
	require.NoError(t, err)
	refuse := func(what string, changed map[string]string) {
		t.Helper()
		setRaw(t, dir, after, changed)
		_, err := reopenStateWith(t, o)
		require.Error(t, err, "%s was not found", what)
		setRaw(t, dir, changed, after)
	}
	rolled := make(map[byte]bool)
	for key, value := range after {
		kind := key[0]
		if old, ok := before[key]; ok && old != value {
			changed := maps.Clone(after)
			changed[key] = old
			refuse("rolling back "+key[:1], changed)
			rolled[kind] = true
		}
		changed := maps.Clone(after)
		delete(changed, key)
		refuse("removing "+key[:1], changed)
		for other, value := range after {
			if other != key && len(other) == len(key) && other[0] == kind && value != after[key] {
				changed := maps.Clone(after)
				changed[key], changed[other] = value, after[key]
				refuse("swapping two of "+key[:1], changed)
				break
			}
		}
		if kind != '!' && kind != schema.PrefixSystem {
			changed := maps.Clone(after)
			changed[flipID(key)] = value
			if kind != schema.PrefixObject { // objects of a token that is not there are never read
				refuse("adding a copy of "+key[:1], changed)
			}
		}
	}
	for _, kind := range "CDahktuxo" {
		if !rolled[byte(kind)] {
			t.Errorf("no record of kind %c was rolled back; the test does not test", kind)
		}
	}
	setRaw(t, dir, after, after)
	got, err := reopenState(t, dir)
	require.NoError(t, err)
	require.Equal(t, want, got, "the store did not survive its own test")
}

// flipID changes the first byte of the id in a key.
func flipID(key string) string {
	b := []byte(key)
	b[min(2, len(b)-1)] ^= 1
	return string(b)
}

// A token whose objects were all rolled back together with its summary is found
// by the header, and one object added back by its token's sum.
func TestTokenAlone(t *testing.T) {
	dir, _ := small(t)
	before, after := grow(t, dir)
	changed := maps.Clone(after)
	for key := range after {
		if strings.ContainsRune("hko", rune(key[0])) {
			delete(changed, key)
		}
	}
	for key, value := range before {
		if strings.ContainsRune("hko", rune(key[0])) {
			changed[key] = value
		}
	}
	setRaw(t, dir, after, changed)
	_, err := reopenState(t, dir)
	require.ErrorIs(t, err, ErrTampered, "a token rolled back as a whole")
}
