package keystore_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vtoken/keystore"
	"vtoken/keystore/kek/all"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return v
	}
}

// written is a store with something of everything, and its backup.
type written struct {
	dir    string
	backup []byte
	tokens map[bool]record.TokenID // by whether it is PIN-bound
}

const userPIN = "the PIN"

func write(t *testing.T) written {
	t.Helper()
	w := written{dir: filepath.Join(t.TempDir(), "data"), tokens: map[bool]record.TokenID{}}
	done := func(err error) { t.Helper(); must[any](t)(nil, err) }
	done(os.Mkdir(w.dir, 0o700))
	done(os.WriteFile(filepath.Join(w.dir, "words"), []byte("correct horse\n"), 0o600))
	s := must[*keystore.Store](t)(keystore.Open(t.Context(), keystore.Options{
		Dir: w.dir, KEKs: []string{"file:kek.key", "passphrase:file=words"}, Providers: all.Providers(), Log: slog.New(slog.DiscardHandler),
	}))
	var u record.User
	done(s.Update(func(tx *keystore.Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		if err != nil {
			return err
		}
		u = record.User{Tenant: tenant.ID, Login: "alice", Aliases: []string{"al"}, OSUsers: []string{"alice", "#1001"}, Enabled: true}
		if err := tx.PutUser(&u); err != nil {
			return err
		}
		g := record.Group{Tenant: tenant.ID, Name: "printers"}
		if err := tx.PutGroup(&g); err != nil {
			return err
		}
		if err := tx.PutTenant(&record.Tenant{Name: "sales", PINBound: true}); err != nil {
			return err
		}
		return tx.PutAPIKey(&record.APIKey{Tenant: tenant.ID, Name: "monitor", Role: record.RoleView, Hash: s.HashAPIKey(secret.Bytes("the API key"))})
	}))
	for _, bound := range []bool{false, true} {
		w.tokens[bound] = writeToken(t, s, u, bound)
	}
	done(s.RotateRoot(t.Context()))
	for left := 1; left > 0; {
		left = must[int](t)(s.RotationLeft())
	}
	var file bytes.Buffer
	must[keystore.Report](t)(s.Backup(t.Context(), &file))
	done(s.Close())
	w.backup = file.Bytes()
	return w
}

// writeToken makes a token with a PIN and two objects.
func writeToken(t *testing.T, s *keystore.Store, u record.User, bound bool) record.TokenID {
	t.Helper()
	tok := record.Token{
		Tenant: u.Tenant, Holders: []record.Assignment{{User: u.ID}}, Label: "Card", Complete: true, Enabled: true,
		UserPIN: pin.State{Policy: pin.Default}, PINBound: bound,
	}
	must[any](t)(nil, s.Update(func(tx *keystore.Tx) error { made := tok; err := tx.NewToken(&made); tok = made; return err }))
	var private secret.Bytes
	if bound {
		var public []byte
		public, private, _ = s.NewBoundKey()
		tok.BoundKey = public
	}
	tok.UserPIN.Verifier = must[[]byte](t)(s.HashPIN(tok.ID, pin.User, secret.Bytes(userPIN), private))
	must[any](t)(nil, s.Update(func(tx *keystore.Tx) error {
		changed := tok
		if err := tx.PutToken(&changed); err != nil {
			return err
		}
		for _, label := range []string{"first", "second"} {
			err := tx.PutObject(tok.ID, &object.Object{
				Attrs:  object.Set{ck.Bool(ck.CKA_PRIVATE, true), ck.String(ck.CKA_LABEL, label)},
				Secret: object.Set{ck.String(ck.CKA_VALUE, "hidden "+label)},
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return tok.ID
}

// TestFormat reads a store with a reader that was written from the documents:
// everything in it is what was put there, and there is nothing else (docs/keystore.md).
func TestFormat(t *testing.T) {
	w := write(t)
	records := must[map[string][]byte](t)(readFile(filepath.Join(w.dir, "vtoken.db")))
	saved := must[map[string][]byte](t)(readBackup(w.backup))
	require.True(t, maps.EqualFunc(records, saved, bytes.Equal), "the backup does not hold what the store does")
	for _, scheme := range []string{"file", "passphrase"} {
		r := must[*reader](t)(openReader(records, w.dir, scheme))
		checkSums(t, r)
		entries := map[string]bool{}
		readAll(t, r, entries)
		checkIndex(t, r, entries)
		for bound, token := range w.tokens {
			checkToken(t, r, token, bound)
		}
	}
}

// checkSums compares the sums of the buckets with the records, and reads the next ids.
func checkSums(t *testing.T, r *reader) {
	t.Helper()
	key, sumKey := derive(r.system, "header"), derive(r.system, "sum")
	buckets := map[int]bool{}
	for k := range r.records {
		if b, in := bucket(k); in {
			buckets[b] = true
		}
	}
	for b := range buckets {
		at := "D\x00\x00" + string(binary.BigEndian.AppendUint16(nil, uint16(b)))
		sum := must[[]byte](t)(r.open(key, at, none, none, uint64(b), 23))
		of := r.sum(sumKey, func(k string) bool { is, in := bucket(k); return in && is == b })
		if !bytes.Equal(sum, of) {
			t.Errorf("bucket %d says %x, the sum of its records is %x", b, sum, of)
		}
	}
	head := must[[]byte](t)(r.open(key, "C\x00\x00", none, none, 0, 22))
	of := r.sum(sumKey, func(k string) bool { return k[0] == 'D' })
	require.Len(t, head, 56, "the head says %x, the sum of the sums is %x", head, of)
	require.Equal(t, of, head[:32], "the head says %x, the sum of the sums is %x", head, of)
	for i, want := range []uint64{5, 3, 257} {
		if got := binary.BigEndian.Uint64(head[32+8*i:]); got != want {
			t.Errorf("number %d of the head is %d", i, got)
		}
	}
	free := must[[]byte](t)(r.open(key, "R", none, none, 0, 24))
	require.EqualValues(t, 257, binary.BigEndian.Uint64(free), "the slot ids are free from %x on", free)
	var store struct {
		ID             []byte
		Reader, Writer int
	}
	require.NoError(t, json.Unmarshal(must[[]byte](t)(r.open(key, "S", none, none, 0, 21)), &store))
	require.Equal(t, 1, store.Reader, "the store says of itself %+v", store)
	require.Equal(t, 1, store.Writer, "the store says of itself %+v", store)
	require.Equal(t, derive(r.system, "store id")[:16], store.ID, "the store says of itself %+v", store)
}

// bucket is the bucket of a key, and whether it is in one.
func bucket(key string) (int, bool) {
	from := 1
	switch {
	case strings.ContainsRune("!CDo", rune(key[0])):
		return 0, false
	case key[0] == 'i':
		from = 2
	case !strings.ContainsRune("aBGhKknpu", rune(key[0])):
		return 4096, true
	}
	return int(binary.BigEndian.Uint16([]byte(key[from:])) >> 4), true
}

// readAll reads every record under the key that the document names, and notes the index entries
// that must exist.
func readAll(t *testing.T, r *reader, entries map[string]bool) {
	t.Helper()
	entry := func(kind byte, order string, to id, parts ...string) {
		hash := macOf(derive(r.system, "index"), append([]string{string([]byte{kind})}, parts...)...)[:16]
		entries["i"+string([]byte{kind})+string(hash)+order+to] = true
	}
	for key, value := range r.records {
		tenant := string(value[:min(16, len(value))])
		object := func(field byte) (v struct {
			Name, Login, Serial, Label string
			OSUsers, Aliases           []string
			Hash                       []byte
			Objects, Bytes             uint64
			Slot                       uint32
			Holders                    []struct{ User string }
		}) {
			k := r.tenants[tenant]
			switch key[0] {
			case 'k':
				k = derive(r.tokens[key[1:]], "record")
			case 't':
				tenant, k = key[1:], r.tenants[key[1:]]
			}
			record := key[1:]
			if key[0] == 't' {
				record = none
			}
			plain := must[[]byte](t)(r.open(k, key, tenant, record, 0, field))
			require.NoError(t, json.Unmarshal(plain, &v), "%q", key)
			return v
		}
		switch key[0] {
		case 't':
			entry('n', "", key[1:], object(4).Name)
		case 'u':
			u := object(6)
			entry('u', "", key[1:], tenant)
			for _, name := range append([]string{u.Login}, u.Aliases...) {
				entry('l', "", key[1:], tenant, name)
			}
			for _, name := range u.OSUsers {
				entry('o', "", key[1:], name)
			}
		case 'a':
			k := object(7)
			entry('a', "", key[1:], tenant, k.Name)
			entry('k', "", key[1:], tenant)
			entry('h', "", key[1:], string(k.Hash))
			if !bytes.Equal(k.Hash, macOf(derive(r.system, "API key hash"), "the API key")) {
				t.Error("the hash of the API key is another one")
			}
		case 'G':
			entry('G', "", key[1:], tenant)
			entry('g', "", key[1:], tenant, object(16).Name)
		case 'k':
			k := object(9)
			slot := string(binary.BigEndian.AppendUint32(nil, k.Slot))
			entry('t', slot, key[1:], tenant)
			entry('S', "", key[1:], tenant, k.Serial)
			for _, h := range k.Holders {
				entry('c', slot, key[1:], raw(t, h.User))
			}
			if k.Label != "Card" {
				t.Errorf("the label is %q", k.Label)
			}
		case 'n':
			if used := object(20); used.Objects != 4 || used.Bytes != r.objectBytes("") {
				t.Errorf("the user's tokens are said to hold %d objects of %d bytes", used.Objects, used.Bytes)
			}
		case '!', 'B', 'C', 'D', 'R', 'S', 'r', 's', 'T', 'K', 'h', 'o', 'i', 'x', 'A', 'g', 'w': // read elsewhere, or not in this store
		default:
			t.Errorf("record %q is not in the document", key)
		}
	}
}

// raw is an id of text.
func raw(t *testing.T, text string) id {
	t.Helper()
	hex := bytes.ReplaceAll([]byte(text), []byte("-"), nil)
	out := make([]byte, 16)
	for i := range out {
		var n int
		for _, c := range hex[2*i : 2*i+2] {
			n = n<<4 | bytes.IndexByte([]byte("0123456789abcdef"), c)
		}
		out[i] = byte(n)
	}
	return string(out)
}

// checkIndex compares the index entries with those that must exist.
func checkIndex(t *testing.T, r *reader, want map[string]bool) {
	t.Helper()
	got := map[string]bool{}
	for key, value := range r.records {
		if key[0] != 'i' {
			continue
		}
		got[key] = true
		if !want[key] || len(value) > 0 {
			t.Errorf("index entry %q with %d bytes is not explained", key, len(value))
		}
	}
	require.Len(t, got, len(want), "there are %d index entries, want %d", len(got), len(want))
}

// checkToken reads a token's objects and its PIN.
func checkToken(t *testing.T, r *reader, token record.TokenID, bound bool) {
	t.Helper()
	at := raw(t, string(token))
	tenant, key := string(r.records["k"+at][:16]), r.tokens[at]
	sum := must[[]byte](t)(r.open(derive(key, "record"), "h"+at, tenant, at, 0, 10))
	own := r.sum(derive(key, "sum"), func(k string) bool { return k[0] == 'o' && k[1:17] == at })
	amount := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 2), r.objectBytes(at))
	require.Equal(t, slices.Concat(own, amount), sum,
		"the token's sum and amount are %x, those of its objects %x and %x", sum, own, amount)
	var record struct{ UserPIN struct{ Verifier []byte } }
	require.NoError(t, json.Unmarshal(must[[]byte](t)(r.open(derive(key, "record"), "k"+at, tenant, at, 0, 9)), &record))
	if right, _, err := r.rightPIN(record.UserPIN.Verifier, at, 0, "another PIN"); right || err != nil {
		t.Errorf("a wrong PIN: %v, %v", right, err)
	}
	right, private, err := r.rightPIN(record.UserPIN.Verifier, at, 0, userPIN)
	require.True(t, right, "the right PIN of a token (PIN-bound: %v): %v, %v", bound, right, err)
	require.NoError(t, err, "the right PIN of a token (PIN-bound: %v): %v", bound, right)
	require.Equal(t, bound, private != nil, "the right PIN of a token (PIN-bound: %v): %v", bound, right)
	var labels []string
	for k := range r.records {
		if k[0] != 'o' || k[1:17] != at || k[25] != 0 {
			continue
		}
		number := binary.BigEndian.Uint64([]byte(k[17:25]))
		label := attributes(must[[]byte](t)(r.open(derive(key, "record"), k, tenant, at, number, 11)))[uint64(ck.CKA_LABEL)]
		if got := attributes(r.secretOf(t, k[:25], tenant, at, number, private))[uint64(ck.CKA_VALUE)]; got != "hidden "+label {
			t.Errorf("the secret of %q is %q", label, got)
		}
		labels = append(labels, label)
	}
	slices.Sort(labels)
	require.Equal(t, []string{"first", "second"}, labels, "the objects are %q", labels)
}

// objectBytes is how many bytes the values of a token's objects have; an empty id is all
// tokens.
func (r *reader) objectBytes(token id) (n uint64) {
	for key, value := range r.records {
		if key[0] == 'o' && strings.HasPrefix(key[1:], token) {
			n += uint64(len(value))
		}
	}
	return n
}

// secretOf reads the secret attributes of an object.
func (r *reader) secretOf(t *testing.T, object, tenant, token id, number uint64, private []byte) []byte {
	t.Helper()
	key := derive(r.tokens[token], "secret")
	if private == nil {
		return must[[]byte](t)(r.open(key, object+"\x01", tenant, token, number, 12))
	}
	box := must[[]byte](t)(r.open(key, object+"\x02", tenant, token, number, 18))
	return must[[]byte](t)(unbox(private, box, tenant, token, number))
}
