package keystore

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// wrongRecord is a change that keeps all seals and sums right and makes records wrong: what a
// fault in our own code would store, or somebody who has the keys.
type wrongRecord struct {
	name  string
	write func(tx *Tx) error
	use   func(tx *Tx) error // refuses it with ErrTampered; nil where nothing looks at it
	found string             // the problem that the check names
}

// wrongWorld is a world with the ids that wrong records are made of.
type wrongWorld struct {
	*faultWorld
	t                                             *testing.T
	tenantID, otherID, aliceID, bobID, tid, bound schema.ID
	theirs, theirUser                             schema.ID // of the other tenant: its token, its user
	theirToken                                    record.Token
}

func newWrongWorld(t *testing.T) *wrongWorld {
	t.Helper()
	w := &wrongWorld{faultWorld: newFaultWorld(t), t: t}
	for _, row := range []struct {
		text string
		id   *schema.ID
	}{
		{string(w.tenant), &w.tenantID},
		{string(w.other), &w.otherID},
		{string(w.alice.ID), &w.aliceID},
		{string(w.bob.ID), &w.bobID},
		{string(w.tok.ID), &w.tid},
		{string(w.faultWorld.bound.ID), &w.bound},
	} {
		var err error
		*row.id, err = parseID("record", row.text)
		require.NoError(t, err)
	}
	view(t, w.s, func(tx *Tx) error {
		tokens, err := tx.TokensOfTenant(w.other, 0, 0)
		require.NoError(t, err)
		users, err := tx.Users(w.other)
		require.NoError(t, err)
		w.theirToken = *tokens[0]
		w.theirs, err = parseID("token", tokens[0].ID)
		require.NoError(t, err)
		w.theirUser, err = parseID("user", users[0].ID)
		return err
	})
	return w
}

// leads adds an index entry.
func (w *wrongWorld) leads(id schema.ID, order []byte, kind schema.Index, parts ...[]byte) func(*Tx) error {
	return func(tx *Tx) error { return tx.put(entry(tx.indexPrefix(kind, parts...), order, id), []byte{}) }
}

// sealed writes a sealed value in the place of another.
func sealed(key func(*Tx) *envelope.Key, at, prefix []byte, p envelope.Place, plain string) func(*Tx) error {
	return func(tx *Tx) error { return tx.seal(key(tx), at, prefix, p, []byte(plain)) }
}

func header(tx *Tx) *envelope.Key { return tx.s.sys.header }

// ofToken is the key that seals the record of a token.
func (w *wrongWorld) ofToken(id schema.ID) func(*Tx) *envelope.Key {
	return func(tx *Tx) *envelope.Key {
		keys, err := tx.keysOf(id)
		require.NoError(w.t, err)
		return keys.record
	}
}

func (w *wrongWorld) ofTenant(tx *Tx) *envelope.Key {
	key, err := tx.tenantKey(w.tenantID)
	require.NoError(w.t, err)
	return key
}

// part writes a part of an object unchecked, with the sums that belong to it.
func (w *wrongWorld) part(token schema.ID, number object.ID, part schema.Part, blob func(*tokenKeys) []byte) func(*Tx) error {
	return func(tx *Tx) error {
		keys, sm, err := tx.openToken(token)
		if err != nil {
			return err
		}
		return tx.setPart(keys, sm, schema.Object(token, uint64(number), part), blob(keys))
	}
}

// sealedPart is a sealed part of an object.
func (w *wrongWorld) sealedPart(
	secret bool, token schema.ID, number object.ID, field envelope.Field, plain []byte,
) func(*tokenKeys) []byte {
	return func(keys *tokenKeys) []byte {
		key := keys.record
		if secret {
			key = keys.secret
		}
		blob, err := key.Seal(place(keys.tenant, token, uint64(number), field), 1, plain)
		require.NoError(w.t, err)
		return blob
	}
}

func none(*tokenKeys) []byte { return nil }

// changedToken stores the record of a token unchecked.
func (w *wrongWorld) changedToken(id schema.ID, change func(*record.Token)) func(*Tx) error {
	return func(tx *Tx) error {
		t, err := tx.token(id)
		if err != nil {
			return err
		}
		keys, err := tx.keysOf(id)
		if err != nil {
			return err
		}
		change(t)
		return tx.sealJSON(keys.record, schema.Record(schema.PrefixToken, id), keys.tenant[:],
			place(keys.tenant, id, 0, fieldToken), encodeToken(t))
	}
}

func (w *wrongWorld) records() []wrongRecord {
	record16 := schema.Record
	token := func(id record.TokenID) func(*Tx) error {
		return func(tx *Tx) error { _, err := tx.Token(id); return err }
	}
	slot := binary.BigEndian.AppendUint32(nil, 1)
	attrs := newObject("label", "").Attrs.AppendBinary(nil)
	amount := func(objects, bytes uint64) string {
		b := binary.BigEndian.AppendUint64(nil, objects)
		return string(binary.BigEndian.AppendUint64(b, bytes))
	}
	list := []wrongRecord{
		{"an entry of an API key's name", func(tx *Tx) error {
			id, err := tx.findAPIKey(w.tenant, "key")
			return errors.Join(err, w.leads(id, nil, schema.IndexAPIKeyName, w.tenantID[:], []byte("x"))(tx))
		}, func(tx *Tx) error { _, err := tx.APIKey(w.tenant, "x"); return err }, "lead to nothing"},
		{"one to the key of another tenant", func(tx *Tx) error {
			id, err := tx.findAPIKey(w.other, "key")
			err = errors.Join(err, tx.DeleteAPIKey(w.tenant, "key"))
			return errors.Join(err, w.leads(id, nil, schema.IndexAPIKeyName, w.tenantID[:], []byte("key"))(tx))
		}, func(tx *Tx) error { _, err := tx.APIKey(w.tenant, "key"); return err }, "lead to nothing"},
		{"one of its hash", func(tx *Tx) error {
			id, err := tx.findAPIKey(w.tenant, "key")
			return errors.Join(err, w.leads(id, nil, schema.IndexAPIKeyHash, []byte("x"))(tx))
		}, func(tx *Tx) error { _, err := tx.APIKeyByHash([]byte("x")); return err }, "lead to nothing"},
		{"one of a login", w.leads(w.aliceID, nil, schema.IndexLogin, w.tenantID[:], []byte("x")),
			func(tx *Tx) error { _, err := tx.UserByLogin(w.tenant, "x"); return err }, "lead to nothing"},
		{"one to the user of another tenant", w.leads(w.theirUser, nil, schema.IndexLogin, w.tenantID[:], []byte("carol")),
			func(tx *Tx) error { _, err := tx.UserByLogin(w.tenant, "carol"); return err }, "lead to nothing"},
		{"one of a serial number", w.leads(w.tid, nil, schema.IndexSerial, w.tenantID[:], []byte("x")),
			func(tx *Tx) error { _, err := tx.TokenBySerial(w.tenant, "x"); return err }, "lead to nothing"},
		{"one to the token of another tenant",
			w.leads(w.theirs, nil, schema.IndexSerial, w.tenantID[:], []byte(w.theirToken.Serial)),
			func(tx *Tx) error { _, err := tx.TokenBySerial(w.tenant, w.theirToken.Serial); return err }, "lead to nothing"},
		{"one of a holder", w.leads(w.tid, slot, schema.IndexHolder, w.bobID[:]),
			func(tx *Tx) error { _, err := tx.TokensOf(w.bob.ID); return err }, "lead to nothing"},
		{"one of the tokens of a tenant", w.leads(w.theirs, slot, schema.IndexTenantTokens, w.tenantID[:]),
			func(tx *Tx) error { _, err := tx.TokensOfTenant(w.tenant, 0, 0); return err }, "lead to nothing"},
		{"an entry that is missing", func(tx *Tx) error {
			return tx.remove(entry(tx.loginPrefix(w.tenantID, "alice"), nil, w.aliceID))
		}, nil, "the index has no entry"},
		{"an entry with a value", func(tx *Tx) error {
			return tx.put(entry(tx.loginPrefix(w.tenantID, "alice"), nil, w.aliceID), []byte{1})
		}, nil, "an index entry has a value"},
		{"a record of no kind", func(tx *Tx) error { return tx.put(record16('q', w.tid), []byte{}) }, nil, "no known kind"},
		{"a record with a longer key", func(tx *Tx) error {
			return tx.put(append(record16(schema.PrefixUser, w.aliceID), 0), []byte{})
		}, nil, "no known kind"},

		{"a user shorter than its tenant", func(tx *Tx) error {
			return tx.put(record16(schema.PrefixUser, w.aliceID), make([]byte, 15))
		}, func(tx *Tx) error { _, err := tx.User(w.alice.ID); return err }, "a record has 15 bytes"},
		{"a token shorter than its tenant", func(tx *Tx) error {
			return tx.put(record16(schema.PrefixToken, w.tid), make([]byte, 15))
		}, token(w.tok.ID), "a record has 15 bytes"},
		{"a token's key shorter than its tenant", func(tx *Tx) error {
			return tx.put(record16(schema.PrefixTokenKey, w.tid), make([]byte, 15))
		}, token(w.tok.ID), "a record has 15 bytes"},
		{"a user that is no JSON",
			sealed(w.ofTenant, record16(schema.PrefixUser, w.aliceID), w.tenantID[:], place(w.tenantID, w.aliceID, 0, fieldUser), "{"),
			func(tx *Tx) error { _, err := tx.User(w.alice.ID); return err }, "decode a record"},
		{"a group that is no JSON", func(tx *Tx) error {
			id, err := parseID("group", w.group.ID)
			return errors.Join(err, sealed(w.ofTenant, record16(schema.PrefixGroup, id), w.tenantID[:],
				place(w.tenantID, id, 0, fieldGroup), "{")(tx))
		}, func(tx *Tx) error { _, err := tx.Groups(w.tenant); return err }, "decode a record"},
		{"a tenant that is no JSON",
			sealed(w.ofTenant, record16(schema.PrefixTenant, w.tenantID), nil, place(w.tenantID, schema.ID{}, 0, fieldTenant), "{"),
			func(tx *Tx) error { _, err := tx.Tenants(); return err }, "decode a record"},
		{"a certificate that is no JSON", sealed(header, schema.KeyServer(), nil, placeServer(), "{"),
			func(tx *Tx) error { _, err := tx.ServerCertificate(); return err }, "decode a record"},
		{"a head of the audit log that is no JSON", sealed(header, schema.KeyAudit(), nil, placeAudit(), "{"),
			func(tx *Tx) error { _, err := tx.AuditHead(); return err }, "decode a record"},
		{"a generation that is no JSON", sealed(header, schema.KeyGeneration(), nil, placeGeneration(), "{"),
			func(tx *Tx) error { _, err := tx.generation(); return err }, "decode a record"},
		{"a counter with a long name", func(tx *Tx) error {
			return tx.putGeneration(generation{Name: make([]byte, 1<<16)})
		},
			func(tx *Tx) error { _, err := tx.generation(); return err }, "the name of the counter has 65536 bytes"},
		{"ranges of another length", sealed(header, schema.KeyRanges(), nil, placeRanges(), "seven b"),
			func(tx *Tx) error { _, err := tx.firstFreeSlot(); return err }, "it has 7 bytes, not 8"},
		{"the record of another store", func(tx *Tx) error {
			return tx.sealJSON(tx.s.sys.header, schema.KeyStore(), nil, placeStore(), storeJSON{ID: make([]byte, 16), Reader: level, Writer: level})
		}, (*Tx).readStore, "that of another store"},
		{"no record of the store", func(tx *Tx) error { return tx.remove(schema.KeyStore()) }, (*Tx).readStore, ""},
		{"the record of a store that is no JSON", sealed(header, schema.KeyStore(), nil, placeStore(), "{"), (*Tx).readStore,
			"decode a record"},
		{"a sum of another length", func(tx *Tx) error {
			blob, err := tx.s.sys.header.Seal(placeAccumulator(7), 9, []byte("short"))
			return errors.Join(err, tx.write(schema.KeyAccumulator(thisNode, 7), blob))
		}, nil, "not 32"},

		{"a summary of another length",
			sealed(w.ofToken(w.theirs), record16(schema.PrefixSummary, w.theirs), nil, placeSummary(w.otherID, w.theirs), "short"),
			func(tx *Tx) error { _, err := tx.Objects(w.theirToken.ID); return err }, "not 48"},
		{"a summary with other amounts",
			sealed(w.ofToken(w.theirs), record16(schema.PrefixSummary, w.theirs), nil, placeSummary(w.otherID, w.theirs),
				string(make([]byte, sumSize))+amount(1, 0)),
			func(tx *Tx) error { _, err := tx.Objects(w.theirToken.ID); return err }, "counts other objects than it has"},
		{"no summary", func(tx *Tx) error { return tx.remove(record16(schema.PrefixSummary, w.theirs)) },
			func(tx *Tx) error { _, err := tx.Objects(w.theirToken.ID); return err }, "is missing"},
		{"a usage of other amounts", func(tx *Tx) error {
			u, err := tx.usageOf(w.aliceID)
			if err != nil {
				return err
			}
			u.Objects++
			return tx.sealJSON(w.ofTenant(tx), record16(schema.PrefixUsage, w.aliceID), w.tenantID[:],
				place(w.tenantID, w.aliceID, 0, fieldUsage), usageJSON(u.Amount))
		}, nil, "and its record says"},
		{"a usage of nobody", func(tx *Tx) error {
			id := newID()
			return tx.sealJSON(w.ofTenant(tx), record16(schema.PrefixUsage, id), w.tenantID[:], place(w.tenantID, id, 0, fieldUsage), usageJSON{})
		}, nil, "not found"},
		{"a pending key of nobody", func(tx *Tx) error {
			id, err := parseID("pending key", w.pending.ID)
			if err != nil {
				return err
			}
			return tx.sealJSON(w.ofTenant(tx), record16(schema.PrefixPending, id), w.tenantID[:], place(w.tenantID, id, 0, fieldPending),
				pendingJSON{User: text(newID())})
		}, nil, ": not found"},

		{"a slot that no token has got", w.changedToken(w.tid, func(t *record.Token) { t.Slot = 200 }), nil,
			"which was not given out yet"},
		{"a key for PINs of a token without them", w.changedToken(w.tid, func(t *record.Token) { t.BoundKey = []byte("key") }), nil,
			"is not PIN-bound and has a key for it"},
		{"a PIN without a key", func(tx *Tx) error {
			keys, err := tx.keysOf(w.bound)
			if err != nil {
				return err
			}
			roles, err := tx.roleKeysOf(w.bound, keys)
			roles.SO = nil
			return errors.Join(err, tx.putRoleKeys(w.bound, keys, roles))
		}, nil, "has no key for its SO PIN"},
		{"a key of a PIN that is not set", w.changedToken(w.bound, func(t *record.Token) { t.UserPIN.Verifier = nil }), nil,
			"or one for a PIN that it does not have"},
		{"an object that is no set of attributes",
			w.part(w.tid, w.plain, schema.PartPublic, w.sealedPart(false, w.tid, w.plain, fieldPublic, []byte("no attributes"))),
			func(tx *Tx) error { _, err := tx.Object(w.tok.ID, w.plain); return err }, "decode object"},
		{"a secret that is no set of attributes",
			w.part(w.tid, w.plain, schema.PartSecret, w.sealedPart(true, w.tid, w.plain, fieldSecret, []byte("no attributes"))),
			func(tx *Tx) error { _, err := tx.secretOf(w.tok.ID, w.plain, nil); return err }, "decode the secret of object"},
		{"a secret in the seal of another",
			w.part(w.tid, w.plain, schema.PartSecret, w.sealedPart(true, w.tid, w.plain+1, fieldSecret, attrs)),
			func(tx *Tx) error { _, err := tx.secretOf(w.tok.ID, w.plain, nil); return err }, "open the secret of object"},
		{"a box that is too short",
			w.part(w.bound, w.hidden, schema.PartBound, w.sealedPart(true, w.bound, w.hidden, fieldBound, []byte("short"))),
			func(tx *Tx) error { _, err := tx.secretOf(w.faultWorld.bound.ID, w.hidden, w.key); return err },
			"it has 5 bytes"},
		{"a box that is none",
			w.part(w.bound, w.hidden, schema.PartBound, w.sealedPart(true, w.bound, w.hidden, fieldBound, make([]byte, 200))),
			func(tx *Tx) error { _, err := tx.secretOf(w.faultWorld.bound.ID, w.hidden, w.key); return err }, ""},
		{"a secret of a bound token without a box", func(tx *Tx) error {
			return errors.Join(w.part(w.bound, w.hidden, schema.PartBound, none)(tx),
				w.part(w.bound, w.hidden, schema.PartSecret, w.sealedPart(true, w.bound, w.hidden, fieldSecret, attrs))(tx))
		}, nil, "is sealed as in another kind of token"},
		{"two secrets of an object",
			w.part(w.tid, w.plain, schema.PartBound, w.sealedPart(true, w.tid, w.plain, fieldBound, attrs)),
			nil, "has a secret and no attributes, or two"},
		{"a secret of no object",
			w.part(w.tid, w.plain+100, schema.PartSecret, w.sealedPart(true, w.tid, w.plain+100, fieldSecret, attrs)),
			nil, "has a secret and no attributes, or two"},
		{"a part of no object", func(tx *Tx) error {
			return tx.write(schema.Object(newID(), 1, schema.PartPublic), []byte("x"))
		}, nil, "the tokens account for"},
	}
	return list
}

// TestWrongRecords stores records that are wrong and whose seals and sums are right. Those who
// use them get an error, and the check names them.
func TestWrongRecords(t *testing.T) {
	w := newWrongWorld(t)
	before := kvtest.Dump(t, w.engine)
	over := errors.New("not to be committed")
	try := func(r wrongRecord) (problems []string, used error) {
		err := w.s.Update(func(tx *Tx) error {
			require.NoError(t, r.write(tx), r.name)
			if r.use != nil {
				used = r.use(tx)
			}
			c := newChecker(t.Context(), tx)
			require.NoError(t, c.run(), r.name)
			problems = c.report.Problems
			return over
		})
		require.ErrorIs(t, err, over, r.name)
		w.s.verified.Clear()
		return problems, used
	}
	problems, _ := try(wrongRecord{write: func(*Tx) error { return nil }})
	require.Empty(t, problems)
	for _, r := range w.records() {
		problems, used := try(r)
		if r.use != nil {
			require.ErrorIs(t, used, ErrTampered, r.name)
		}
		if r.found != "" {
			require.True(t, slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, r.found) }),
				"%s: %q", r.name, problems)
		}
	}
	require.Equal(t, before, kvtest.Dump(t, w.engine))
}
