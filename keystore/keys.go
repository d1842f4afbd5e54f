package keystore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/secret"
)

// The fields of sealed places. The values are part of the format.
const (
	fieldHeader envelope.Field = iota + 1
	fieldSystemKey
	fieldTenantKey
	fieldTenant
	fieldExchangeKey
	fieldUser
	fieldAPIKey
	fieldTokenKey
	fieldToken
	fieldSummary
	fieldPublic
	fieldSecret
	fieldAudit
	fieldOldRoot
	fieldGeneration
	fieldGroup
	fieldBoundKey
	fieldBound
	fieldPending
	fieldUsage
	fieldStore
	fieldNode
	fieldAccumulator
	fieldRanges
	fieldOldTenantKey
	fieldRoleKeys
)

// fieldServer is the certificate of the API.
const fieldServer envelope.Field = 32

// contents are the versions of what this program seals, if not the first. It reads earlier
// versions as well, so that a record gets the new version when it is next written, and a new
// version of one kind needs no migration of the store.
var contents = map[envelope.Field]uint16{
	fieldSummary: 2, // 1 had no amounts, or had them without saying so
}

// place is a place in the store.
func place(tenant, id schema.ID, object uint64, field envelope.Field) envelope.Place {
	return envelope.Place{Schema: max(contents[field], 1), Tenant: tenant, Record: id, Object: object, Field: field}
}

// systemKeys are derived from the system key.
type systemKeys struct {
	header *envelope.Key
	// outside seals what lies outside of the store; see Store.SealOutside.
	outside *envelope.Key
	sum     secret.Bytes // of the sum in the header
	index   secret.Bytes // of the hashes in index keys
	pepper  secret.Bytes // of PINs
	apiKey  secret.Bytes // of API keys
	audit   secret.Bytes // seed of the key that signs the audit log
	id      [idSize]byte // of the store; not secret
}

func newSystemKeys(raw secret.Bytes) (*systemKeys, error) {
	k, err := envelope.NewKey(raw)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	derived := k.Derive("header")
	defer derived.Wipe()
	header, err := envelope.NewKey(derived)
	if err != nil {
		return nil, err
	}
	away := k.Derive("outside of the store")
	defer away.Wipe()
	outside, err := envelope.NewKey(away)
	if err != nil {
		return nil, err
	}
	keys := &systemKeys{
		header: header, outside: outside, sum: k.Derive("sum"), index: k.Derive("index"), pepper: k.Derive("PIN pepper"),
		apiKey: k.Derive("API key hash"), audit: k.Derive("audit signature"),
	}
	id := k.Derive("store id")
	defer id.Wipe()
	copy(keys.id[:], id)
	return keys, nil
}

// idSize is the size of a store's id in bytes. It is long enough that nobody finds another
// system key with the same id.
const idSize = 16

func (k *systemKeys) wipe() {
	k.header.Wipe()
	k.outside.Wipe()
	for _, b := range []secret.Bytes{k.sum, k.index, k.pepper, k.apiKey, k.audit} {
		b.Wipe()
	}
}

// mac returns HMAC-SHA256 over parts, each with its length.
func mac(key secret.Bytes, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

// tokenKeys are derived from a token key.
type tokenKeys struct {
	tenant schema.ID
	record *envelope.Key // token record, attributes
	secret *envelope.Key // secret attributes
	sum    secret.Bytes  // of the sum over the objects
}

func newTokenKeys(tenant schema.ID, raw secret.Bytes) (*tokenKeys, error) {
	k, err := envelope.NewKey(raw)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	out := &tokenKeys{tenant: tenant, sum: k.Derive("sum")}
	for purpose, to := range map[string]**envelope.Key{"record": &out.record, "secret": &out.secret} {
		derived := k.Derive(purpose)
		if *to, err = envelope.NewKey(derived); err != nil {
			return nil, err
		}
		derived.Wipe()
	}
	return out, nil
}

// Wipe overwrites the keys. Nobody may use them afterwards.
func (k *tokenKeys) Wipe() {
	k.record.Wipe()
	k.secret.Wipe()
	k.sum.Wipe()
}
