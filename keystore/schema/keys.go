package schema

import "encoding/binary"

// ID is a GUID as keys have it.
type ID = [16]byte

// The first byte of each kind of key.
const (
	PrefixAccumulator  = 'D'
	PrefixAPIKey       = 'a'
	PrefixAudit        = 'A'
	PrefixSummary      = 'h'
	PrefixIndex        = 'i'
	PrefixTokenKey     = 'K'
	PrefixToken        = 'k'
	PrefixGeneration   = 'g'
	PrefixGroup        = 'G'
	PrefixNode         = 'C'
	PrefixObject       = 'o'
	PrefixOldTenantKey = 'O'
	PrefixPending      = 'p'
	PrefixRanges       = 'R'
	PrefixRecipient    = 'r'
	PrefixRoleKeys     = 'B'
	PrefixStore        = 'S'
	PrefixSystem       = 's'
	PrefixTenantKey    = 'T'
	PrefixTenant       = 't'
	PrefixUsage        = 'n'
	PrefixUser         = 'u'
	PrefixServer       = 'w'
	PrefixExchange     = 'x'
	prefixMeta         = '!'
)

// KeyFormat is the key of the version of the layout.
func KeyFormat() []byte { return []byte("!format") }

// KeyStore is the key of what a store says of itself for good.
func KeyStore() []byte { return []byte{PrefixStore} }

// Node is the number of a daemon that writes the store. A store in a file has one, 0.
type Node uint16

// KeyNode is the key of the head of a node: the sum over its accumulators, and the ids
// that it gives out. It is beside the accumulators, because they are written together.
func KeyNode(n Node) []byte { return binary.BigEndian.AppendUint16([]byte{PrefixNode}, uint16(n)) }

// KeyAccumulator is the key of the sum of what a node did in a bucket.
func KeyAccumulator(n Node, b Bucket) []byte {
	return binary.BigEndian.AppendUint16(Accumulators(n), uint16(b))
}

// ParseAccumulator reads a key of [KeyAccumulator].
func ParseAccumulator(key []byte) (n Node, b Bucket, ok bool) {
	if len(key) != 5 || key[0] != PrefixAccumulator {
		return 0, 0, false
	}
	b = Bucket(binary.BigEndian.Uint16(key[3:]))
	return Node(binary.BigEndian.Uint16(key[1:])), b, b < Buckets
}

// Accumulators is the prefix of the keys of a node's accumulators.
func Accumulators(n Node) []byte {
	return binary.BigEndian.AppendUint16([]byte{PrefixAccumulator}, uint16(n))
}

// KeyRanges is the key of what of the slot ids was given to nodes.
func KeyRanges() []byte { return []byte{PrefixRanges} }

// KeySystem is the key of the sealed system key.
func KeySystem() []byte { return []byte{PrefixSystem} }

// KeyOldRoot is the key of the root key before the present one, while there are
// tenant keys under it.
func KeyOldRoot() []byte { return []byte{PrefixSystem, 'r'} }

// KeyGeneration is the key of what the store says of its own age.
func KeyGeneration() []byte { return []byte{PrefixGeneration} }

// KeyAudit is the key of the head of the audit log.
func KeyAudit() []byte { return []byte{PrefixAudit} }

// KeyServer is the key of the certificate of the API and its private key.
func KeyServer() []byte { return []byte{PrefixServer} }

// Record is the key of a record with an id.
func Record(prefix byte, id ID) []byte { return append([]byte{prefix}, id[:]...) }

// RecordID reads the id that ends a key of [Record] or of an index.
func RecordID(key []byte) (id ID, ok bool) {
	if len(key) < 1+len(id) {
		return id, false
	}
	copy(id[:], key[len(key)-len(id):])
	return id, true
}

// Part is one of the values of an object.
type Part byte

// The parts of an object.
const (
	PartPublic Part = 0
	PartSecret Part = 1
	PartBound  Part = 2 // in the place of PartSecret, where a PIN opens it
)

// Objects is the prefix of the keys of a token's objects.
func Objects(token ID) []byte { return Record(PrefixObject, token) }

// Object is the key of a part of an object.
func Object(token ID, object uint64, part Part) []byte {
	key := make([]byte, 0, 26)
	key = append(append(key, PrefixObject), token[:]...)
	return append(binary.BigEndian.AppendUint64(key, object), byte(part))
}

// ParseObject reads a key of [Object].
func ParseObject(key []byte) (object uint64, part Part, ok bool) {
	if len(key) != 26 || key[0] != PrefixObject || key[25] > byte(PartBound) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(key[17:]), Part(key[25]), true
}

// Index says what an index finds.
type Index byte

// The indexes, each with what is hashed.
const (
	IndexTenantName   Index = 'n' // name
	IndexLogin        Index = 'l' // tenant, login
	IndexTenantUsers  Index = 'u' // tenant
	IndexOSUser       Index = 'o' // OS user name or #uid
	IndexAPIKeyName   Index = 'a' // tenant, name
	IndexTenantKeys   Index = 'k' // tenant
	IndexAPIKeyHash   Index = 'h' // hash
	IndexHolder       Index = 'c' // user; the slot id precedes the token's id
	IndexTenantTokens Index = 't' // tenant; the slot id precedes the token's id
	IndexOldSerial    Index = 's' // serial number: of tokens that were not changed since serials were unique in the store
	IndexSerial       Index = 'S' // tenant, serial number
	IndexTenantGroups Index = 'G' // tenant
	IndexGroupName    Index = 'g' // tenant, name

	IndexUserPending   Index = 'p' // user
	IndexTenantPending Index = 'P' // tenant
)

// indexes are all of them.
var indexes = []Index{
	IndexTenantName, IndexLogin, IndexTenantUsers, IndexOSUser, IndexAPIKeyName, IndexTenantKeys, IndexAPIKeyHash,
	IndexHolder, IndexTenantTokens, IndexOldSerial, IndexSerial, IndexTenantGroups, IndexGroupName,
	IndexUserPending, IndexTenantPending,
}

// IndexPrefix is the prefix of all entries under a hash.
func IndexPrefix(kind Index, hash ID) []byte {
	return append([]byte{PrefixIndex, byte(kind)}, hash[:]...)
}
