package keystore

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// known is what the store remembers of its records while it is open. Nobody else writes the
// file, so a record that reads differently from when it was last read or written was changed
// from outside. The store refuses it before a write takes it into a sum.
//
// Of each record there are a hash of its key and one of its value, under seeds that are
// in memory only. An attacker can put back values that the store sealed before and no
// others, so that a universal hash is enough. The records of a bucket are remembered when it is
// verified, where there is room (mostKnown), and then one that is not known was added;
// objects are when they are first read. Where there is no room, those that were read or
// written last are remembered, and the patrol finds the others.
//
// An update reads exactly what is known. A view may read an older snapshot, so that what
// was committed since the view began is not compared.
type known struct {
	keys, values maphash.Seed
	header       uint64 // the hash of the key of the node's head, which is never forgotten
	most         int

	verified [schema.Buckets]atomic.Bool // buckets whose records are in records

	commits atomic.Uint64 // commits that ended well

	mu       sync.RWMutex
	ready    bool            // the store was verified
	blind    bool            // the outcome of the last commit is unknown
	complete bool            // every record under the header's sum is in records
	swept    uint64          // when traces of deleted records were dropped
	records  map[uint64]seen // by the hash of the key
	pending  map[uint64]uint64
}

// seen is one record as it was last seen: the hash of its value, or absent, and the
// number of the commit that made it so.
type seen struct{ value, commit uint64 }

// absent is the hash of no value.
const absent = 0

// mostKnown bounds the records that are remembered, at some 50 MiB: all of a store with
// a hundred thousand tokens.
const mostKnown = 1 << 20

func newKnown() *known {
	k := &known{keys: maphash.MakeSeed(), values: maphash.MakeSeed(), most: mostKnown, complete: true, records: map[uint64]seen{}}
	k.header = k.keyHash(schema.KeyNode(thisNode))
	return k
}

func (k *known) keyHash(key []byte) uint64 { return maphash.Bytes(k.keys, key) }

func (k *known) valueHash(value []byte) uint64 {
	if value == nil {
		return absent
	}
	return max(maphash.Bytes(k.values, value), 1)
}

// prime remembers a record of a store that is being verified, before it is used.
func (k *known) prime(key, value []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ready {
		return // a check of a store that is in use
	}
	if value == nil {
		value = []byte{}
	}
	if len(k.records) >= k.most {
		k.complete = false
		return
	}
	k.records[k.keyHash(key)] = seen{value: k.valueHash(value)}
}

// reading is a record of a bucket that is being verified: the hashes of its key and value.
type reading struct {
	bucket     schema.Bucket
	key, value uint64
}

// trusted reports whether a bucket was verified in this run.
func (k *known) trusted(b schema.Bucket) bool { return k.verified[b].Load() }

// trust remembers the records of verified buckets. It skips buckets that another transaction
// verified meanwhile, because their records may have changed since. The age of the snapshot
// does not matter: records of unverified buckets do not change.
func (k *known) trust(first, end schema.Bucket, read []reading) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range read {
		switch {
		case k.trusted(r.bucket):
		case len(k.records) >= k.most:
			k.complete = false
		default:
			if _, is := k.records[r.key]; !is {
				k.records[r.key] = seen{value: r.value}
			}
		}
	}
	for b := first; b < end; b++ {
		k.verified[b].Store(true)
	}
}

// begin starts to compare records, once the store is verified.
func (k *known) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ready = true
}

// compares reports whether the store is in use.
func (k *known) compares() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ready
}

// answer is how a record that was read compares with what is known.
type answer byte

const (
	sameAsKnown answer = iota // or not to be compared
	notKnown                  // it is not known
	changed                   // it has changed
)

// compare compares a record that a transaction read. It remembers one that it does
// not know.
func (tx *Tx) compare(key, value []byte) error {
	k := tx.s.known
	h, v := k.keyHash(key), k.valueHash(value)
	if mine, wrote := tx.wrote[h]; wrote {
		return k.verdict(mine == v, key, value)
	}
	k.mu.RLock()
	a := k.look(tx, key, h, v)
	k.mu.RUnlock()
	if a == notKnown && value != nil {
		k.mu.Lock()
		if a = k.look(tx, key, h, v); a == notKnown && (tx.w != nil || tx.start == k.commits.Load()) {
			k.keep(h, seen{v, tx.start})
		}
		k.mu.Unlock()
	}
	return k.verdict(a != changed, key, value)
}

func (k *known) look(tx *Tx, key []byte, h, v uint64) answer {
	if !k.ready || k.blind {
		return sameAsKnown
	}
	if now, writing := k.pending[h]; writing {
		if tx.w != nil && now != v {
			return changed
		}
		return sameAsKnown // a view may be from before the commit that is under way
	}
	was, is := k.records[h]
	switch {
	case is && tx.w == nil && was.commit > tx.start:
		return sameAsKnown // changed since the view began
	case is && was.value != v:
		return changed
	case is:
		return sameAsKnown
	case v != absent && k.complete && key[0] != schema.PrefixObject && (tx.w != nil || tx.start >= k.swept):
		return changed
	}
	return notKnown
}

func (k *known) verdict(right bool, key, value []byte) error {
	switch {
	case right:
		return nil
	case value == nil:
		return tampered("%s was removed while the store is in use", kindOf(key))
	}
	return tampered("%s was put back to an older state, or added, while the store is in use", kindOf(key))
}

// kindOf names a record in an error.
func kindOf(key []byte) string {
	names := map[byte]string{
		schema.PrefixAPIKey: "API key", schema.PrefixAudit: "the head of the audit log", schema.PrefixSummary: "the summary of token",
		schema.PrefixIndex: "an index entry", schema.PrefixTokenKey: "the key of token", schema.PrefixToken: "token",
		schema.PrefixGeneration: "the generation", schema.PrefixGroup: "group", schema.PrefixPending: "pending key",
		schema.PrefixRecipient: "KEK", schema.PrefixTenantKey: "the key of tenant", schema.PrefixTenant: "tenant",
		schema.PrefixUsage: "the usage of user", schema.PrefixUser: "user", schema.PrefixExchange: "the exchange key of tenant",
		schema.PrefixNode: "the head of the store", schema.PrefixRanges: "the ranges of slot ids",
		schema.PrefixOldTenantKey: "the old key of tenant", schema.PrefixRoleKeys: "the keys of the PINs of token", schema.PrefixStore: "the record of the store", schema.PrefixSystem: "the system key",
	}
	id, ok := schema.RecordID(key)
	number, _, object := schema.ParseObject(key)
	_, bucket, accumulator := schema.ParseAccumulator(key)
	name, named := names[key[0]]
	switch {
	case accumulator:
		return fmt.Sprintf("the sum of bucket %d", bucket)
	case object:
		return fmt.Sprintf("object %d of token %s", number, text(schema.ID(key[1:17])))
	case named && ok && len(key) == 1+len(id):
		return name + " " + text(id)
	case named:
		return name
	}
	return fmt.Sprintf("a record of kind %q", key[0])
}

// keep remembers a record. Where there is no room it first drops the traces of deleted
// records, and then any others.
func (k *known) keep(h uint64, s seen) {
	if _, is := k.records[h]; !is && len(k.records) >= k.most {
		k.makeRoom()
	}
	k.records[h] = s
}

func (k *known) makeRoom() {
	if k.complete {
		for h, s := range k.records {
			if s.value == absent {
				delete(k.records, h)
			}
		}
		k.swept = k.commits.Load()
		k.complete = len(k.records) < k.most-k.most/16
	}
	for h := range k.records {
		if k.complete || len(k.records) < k.most {
			return
		}
		if h != k.header {
			delete(k.records, h)
		}
	}
}

// stage takes over what an update wrote, for the commit that follows.
func (tx *Tx) stage() {
	if len(tx.wrote) == 0 {
		return
	}
	k := tx.s.known
	k.stage(tx.wrote)
	tx.w.OnCommit(k.committed)
	tx.w.OnFailure(k.failed)
}

// stage adds what was written to what the next commit makes known.
func (k *known) stage(wrote map[uint64]uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending == nil {
		k.pending = make(map[uint64]uint64, len(wrote))
	}
	maps.Copy(k.pending, wrote)
}

// committed remembers what was staged. The first update of a commit does it for all.
func (k *known) committed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending == nil {
		return
	}
	number := k.commits.Add(1)
	for h, v := range k.pending {
		if k.ready {
			k.keep(h, seen{v, number})
		}
	}
	k.pending = nil
}

// failed forgets what was staged.
func (k *known) failed(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending = nil
	k.blind = k.blind || errors.Is(err, kv.ErrBroken)
}

// write puts a value, and remembers it.
func (tx *Tx) write(key, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	if err := tx.w.Put(key, value); err != nil {
		return fault(err)
	}
	tx.wrotes(key, value)
	return nil
}

// erase deletes a key, and remembers that.
func (tx *Tx) erase(key []byte) error {
	if err := tx.w.Delete(key); err != nil {
		return fault(err)
	}
	tx.wrotes(key, nil)
	return nil
}

func (tx *Tx) wrotes(key, value []byte) {
	if tx.wrote == nil {
		tx.wrote = make(map[uint64]uint64, 8)
	}
	k := tx.s.known
	tx.wrote[k.keyHash(key)] = k.valueHash(value)
}
