package keystore

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// storeOfPIN makes a store with one token of that user PIN, under a KEK in
// hardware, and returns its records. All that is random, and all times, are the
// same each time.
func storeOfPIN(t *testing.T, p string, bound bool) (dir string, records map[string]string, id record.TokenID, verifier []byte, pepper secret.Bytes) {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 30)
	h := newHardware()
	dir = filepath.Join(t.TempDir(), "data")
	s := openWith(t, h.on(dir))
	u := addUser(t, s, "alice")
	tok := record.Token{
		Tenant: u.Tenant, Holders: record.HeldBy(u.ID, time.Time{}, ""), Label: "label", Complete: true, Enabled: true,
		CreatedAt: time.Unix(1, 0), PINBound: bound,
	}
	update(t, s, func(tx *Tx) error { made := tok; err := tx.NewToken(&made); tok.ID = made.ID; return err })
	var private secret.Bytes
	var public []byte
	if bound {
		var err error
		public, private, err = s.NewBoundKey()
		require.NoError(t, err)
	}
	verifier, err := s.HashPIN(tok.ID, pin.User, secret.Bytes(p), private)
	require.NoError(t, err)
	update(t, s, func(tx *Tx) error {
		got, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		got.UserPIN = pin.State{Policy: pin.Default, Verifier: verifier, ChangedAt: time.Unix(1, 0)}
		got.BoundKey = public
		return tx.PutToken(got)
	})
	records, pepper = kvtest.Dump(t, s.db), bytes.Clone(s.sys.pepper)
	closeStore(t, s)
	return dir, records, tok.ID, verifier, pepper
}

// TestPINOnlySealed builds the same store with one PIN and with another, from the
// same random numbers. The only record that differs by the PIN is the token's own,
// it is sealed, and its length does not depend on the PIN. To test a PIN against the file
// without the KEK is to tell apart two outputs of AES-GCM under a random key. SoftHSM's store
// allows such guessing (softhsm/SoftHSMv2#676).
func TestPINOnlySealed(t *testing.T) {
	for _, bound := range []bool{false, true} {
		_, first, _, v1, _ := storeOfPIN(t, "123456", bound)
		again := storeRecords(t, "123456", bound)
		for _, p := range []string{"654321", "a much longer PIN than the other two, with spaces"} {
			_, second, _, v2, _ := storeOfPIN(t, p, bound)
			require.NotEqual(t, v2, v1, "the verifiers are equal, or differ in length")
			require.Len(t, v1, len(v2), "the verifiers are equal, or differ in length")
			require.Equal(t, slices.Sorted(maps.Keys(second)), slices.Sorted(maps.Keys(first)),
				"the stores do not have the same keys; the random numbers were not the same")
			differ := 0
			for key, value := range first {
				if second[key] == value {
					continue
				}
				clock := again[key] != value // it differs with the same PIN, too: it holds a time
				if len(second[key]) != len(value) && !clock {
					t.Errorf("the length of record %q depends on the PIN", key)
				}
				if key[0] == schema.PrefixToken {
					differ++
				}
				onlySealed(t, key, value, second[key], clock)
			}
			if differ != 1 {
				t.Errorf("%d records of tokens differ, not one", differ)
			}
		}
	}
}

func storeRecords(t *testing.T, p string, bound bool) map[string]string {
	t.Helper()
	_, records, _, _, _ := storeOfPIN(t, p, bound)
	return records
}

// onlySealed fails where a record differs outside of what is encrypted, or is not
// one that has to differ.
func onlySealed(t *testing.T, key, a, b string, clock bool) {
	t.Helper()
	sealed := map[byte]int{schema.PrefixToken: 16} // the tenant's id goes before
	for _, kind := range []byte{schema.PrefixNode, schema.PrefixAccumulator, schema.PrefixGeneration} {
		sealed[kind] = 0
	}
	from, ok := sealed[key[0]]
	if !ok {
		require.True(t, clock, "record %q depends on the PIN", key)
		return
	}
	const open = 1 + 8 + 8 + 24 // format, key, version, nonce
	require.Equal(t, b[:from+open], a[:from+open], "record %q differs in what is not encrypted", key)
	_, err := envelope.Parse([]byte(a[from:]))
	require.NoError(t, err, "record %q is not sealed", key)
}

// TestVerifierNeedsThePepper goes one step further than a thief of the file gets:
// with the verifier itself in the clear, and every PIN of a list, nothing tells the
// right one without the pepper, which is in no file.
func TestVerifierNeedsThePepper(t *testing.T) {
	const right = "0042"
	dir, _, id, stored, pepper := storeOfPIN(t, right, false)
	v, err := parseVerifier(stored)
	require.NoError(t, err)
	// The price is lowered, so that the list can be long: it is no part of what is shown.
	cheap := func(pepper secret.Bytes, p string) []byte {
		return argon2.IDKey(mac(pepper, []byte(id), []byte{byte(pin.User)}, []byte(p)), v.salt, 1, 8, 1, verifierHash)
	}
	target := cheap(pepper, right)
	peppers := []secret.Bytes{nil, make(secret.Bytes, 32), secret.Bytes(v.salt), secret.Bytes(id)}
	for _, content := range folder(t, dir) {
		require.NotContains(t, string(content), string(pepper), "the pepper is in a file")
		sum := sha256.Sum256(content)
		peppers = append(peppers, sum[:])
	}
	for _, pepper := range peppers {
		for n := range 2000 {
			if bytes.Equal(cheap(pepper, fmt.Sprintf("%04d", n)), target) {
				t.Errorf("PIN %04d is confirmed without the pepper", n)
			}
		}
	}
	peppered := mac(pepper, []byte(id), []byte{byte(pin.User)}, []byte(right))
	hash := argon2.IDKey(peppered, v.salt, v.cost.passes, v.cost.memory, v.cost.lanes, verifierHash)
	require.Equal(t, v.hash, hash,
		"the verifier is not of the right PIN; the test proved nothing")
}

// folder is the content of all files of a data folder.
func folder(t *testing.T, dir string) (list [][]byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		list = append(list, content)
		return err
	})
	require.NoError(t, err, "%d files", len(list))
	require.NotEmpty(t, list, "%d files", len(list))
	return list
}

// TestNoKeyInTheFolder tries every 32 bytes of the whole data folder, and what can
// be made of each PIN of the list, as the root key, the system key and the keys
// that hang off it: nothing opens. So a copy with the list of all PINs and no KEK
// is not a step nearer to a right PIN than none.
func TestNoKeyInTheFolder(t *testing.T) {
	const right = "0042"
	dir, records, id, stored, pepper := storeOfPIN(t, right, false)
	system := []byte(records[string(schema.KeySystem())])
	header := []byte(records[string(schema.KeyNode(thisNode))])
	opens := func(key []byte) bool {
		k, err := envelope.NewKey(key)
		if err != nil {
			return false
		}
		defer k.Wipe()
		_, _, asRoot := k.Open(place(schema.ID{}, schema.ID{}, 0, fieldSystemKey), system)
		_, _, asHeader := k.Open(placeNode(), header)
		derived := k.Derive("header")
		h, err := envelope.NewKey(derived)
		if err != nil {
			return false
		}
		defer h.Wipe()
		_, _, asSystem := h.Open(placeNode(), header)
		return asRoot == nil || asSystem == nil || asHeader == nil
	}
	tried := 0
	for _, content := range folder(t, dir) {
		for at := 0; at+envelope.KeySize <= len(content); at++ {
			window := content[at : at+envelope.KeySize]
			if window[0] == 0 && window[envelope.KeySize-1] == 0 && len(bytes.TrimLeft(window, "\x00")) == 0 {
				continue
			}
			tried++
			require.False(t, opens(window), "the bytes at %d open the store", at)
		}
	}
	for n := range 10_000 {
		p := fmt.Sprintf("%04d", n)
		sum := sha256.Sum256([]byte(p))
		derived, err := hkdf.Key(sha256.New, []byte(p), []byte(id), "", envelope.KeySize)
		require.NoError(t, err)
		for _, key := range [][]byte{sum[:], derived, []byte(p + strings.Repeat("\x00", envelope.KeySize-len(p)))} {
			require.False(t, opens(key), "a key made of PIN %s opens the store", p)
		}
	}
	require.GreaterOrEqual(t, tried, 2000, "only %d windows were tried", tried)
	// Nor does the program tell: without the KEK it fails before it looks at a PIN.
	h := newHardware()
	o := h.on(dir)
	h.off = true
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrNoKEK, "without the KEK")
	require.NotEmpty(t, pepper, "there was nothing to find")
	require.NotEmpty(t, stored, "there was nothing to find")
}
