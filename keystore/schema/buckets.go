package schema

import (
	"bytes"
	"slices"

	"vtoken/keystore/kv"
)

// Bucket is a part of the records of a store that has a sum of its own, so that a part
// can be verified without the others. Which bucket a record is in follows from its key:
// from the id or the hash in it, which are random.
type Bucket uint16

const (
	// idBuckets is how many buckets there are of records with an id: as many as 12 bits
	// of it tell apart. In a store of a million tokens each has some 2,000 records.
	idBuckets = 1 << 12
	// SystemBucket has the tenants, the recipients, what there is once, and every key of
	// no known kind.
	SystemBucket Bucket = idBuckets
	// Buckets is the number of buckets.
	Buckets = idBuckets + 1
)

// withID are the prefixes of keys that go on with an id or a hash, in order.
var withID = func() (list [][]byte) {
	for _, p := range []byte{
		PrefixAPIKey, PrefixRoleKeys, PrefixGroup, PrefixSummary, PrefixTokenKey, PrefixToken,
		PrefixUsage, PrefixPending, PrefixUser,
	} {
		list = append(list, []byte{p})
	}
	for _, kind := range indexes {
		list = append(list, []byte{PrefixIndex, byte(kind)})
	}
	slices.SortFunc(list, bytes.Compare)
	return list
}()

// apart are the prefixes of keys that are in no bucket: objects have the sum of their
// token, and the sums themselves are sealed.
var apart = [][]byte{{'!'}, {PrefixAccumulator}, {PrefixNode}, {PrefixObject}}

// elsewhere are the prefixes of all keys that are not in the system's bucket, in order.
var elsewhere = func() [][]byte {
	list := slices.Concat(withID, apart)
	slices.SortFunc(list, bytes.Compare)
	return list
}()

// BucketOf is the bucket of a record, and whether it is in one.
func BucketOf(key []byte) (b Bucket, summed bool) {
	if len(key) == 0 || isApart[key[0]] {
		return 0, false
	}
	var rest []byte
	switch {
	case hasID[key[0]]:
		rest = key[1:]
	case key[0] == PrefixIndex && len(key) > 1 && isIndex[key[1]]:
		rest = key[2:]
	default:
		return SystemBucket, true
	}
	var first [2]byte
	copy(first[:], rest)
	return Bucket(first[0])<<4 | Bucket(first[1]>>4), true
}

var isApart, hasID, isIndex = func() (apartFrom, id, index [256]bool) {
	for _, p := range apart {
		apartFrom[p[0]] = true
	}
	for _, p := range withID {
		if len(p) == 2 {
			index[p[1]] = true
		} else {
			id[p[0]] = true
		}
	}
	return apartFrom, id, index
}()

// ScanBuckets calls fn for every record of the buckets from the first to the one before
// end, until it returns an error.
func ScanBuckets(r kv.Reader, first, end Bucket, fn func(b Bucket, key, value []byte) error) error {
	if first < SystemBucket {
		for _, p := range withID {
			err := r.Scan(p, before(p, first), func(key, value []byte) error {
				b, _ := BucketOf(key)
				switch {
				case b < first:
					return nil
				case b >= end:
					return kv.ErrStop
				}
				return fn(b, key, value)
			})
			if err != nil {
				return err
			}
		}
	}
	if end <= SystemBucket {
		return nil
	}
	return scanSystem(r, func(key, value []byte) error { return fn(SystemBucket, key, value) })
}

// before is a key before those of a bucket, and after nearly all of the one before it.
// Nil is the start.
func before(prefix []byte, b Bucket) []byte {
	if b == 0 {
		return nil
	}
	b--
	return beyond(append(slices.Clone(prefix), byte(b>>4), byte(b<<4)|0x0f))
}

// beyond is a key after nearly all that begin with a prefix: those of the store's own,
// and most that somebody else might add.
func beyond(prefix []byte) []byte {
	return append(slices.Clone(prefix), bytes.Repeat([]byte{0xff}, 32)...)
}

// scanSystem calls fn for every record of the system's bucket. They are between the
// prefixes of the others.
func scanSystem(r kv.Reader, fn func(key, value []byte) error) error {
	var after []byte
	for i := range len(elsewhere) + 1 {
		err := r.Scan(nil, after, func(key, value []byte) error {
			if i < len(elsewhere) && bytes.Compare(key, elsewhere[i]) >= 0 {
				return kv.ErrStop
			}
			if b, summed := BucketOf(key); !summed || b != SystemBucket {
				return nil
			}
			return fn(key, value)
		})
		if err != nil || i == len(elsewhere) {
			return err
		}
		after = beyond(elsewhere[i])
	}
	return nil
}
