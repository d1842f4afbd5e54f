package keystore

import "vtoken/keystore/schema"

// wholeFile is the size in bytes of a store file up to which everything but the objects
// is verified when it is opened, which takes a third of a second. Of a larger one that is
// the system's bucket, and the others are verified before their first use and by the
// patrol.
const wholeFile = 64 << 20

// trust verifies the bucket of a key before the key is read, once in each run.
func (tx *Tx) trust(key []byte) error {
	b, summed := schema.BucketOf(key)
	if !summed || tx.whole || tx.s.known.trusted(b) {
		return nil
	}
	_, err := tx.verifyBuckets(b, b+1)
	return err
}

// verifyBuckets compares the records of the buckets from first to the one before end with
// their sums, and has them remembered. It returns how many there are.
func (tx *Tx) verifyBuckets(first, end schema.Bucket) (records int, err error) {
	k := tx.s.known
	got := make([]sum, end-first)
	var read []reading
	var failed error
	err = schema.ScanBuckets(tx.r, first, end, func(b schema.Bucket, key, value []byte) error {
		records++
		if value == nil {
			value = []byte{}
		}
		if k.trusted(b) {
			failed = tx.compare(key, value)
		} else if len(read) < k.most {
			read = append(read, reading{b, k.keyHash(key), k.valueHash(value)})
		}
		got[b-first] = got[b-first].plus(element(tx.s.sys.sum, key, value))
		return failed
	})
	if failed != nil {
		return records, failed
	}
	if err != nil {
		return records, fault(err)
	}
	if err := tx.compareSums(first, end, got); err != nil {
		return records, err
	}
	k.trust(first, end, read)
	return records, nil
}

// compareSums compares the sums over the records of buckets with their accumulators.
func (tx *Tx) compareSums(first, end schema.Bucket, got []sum) error {
	if end-first > 1 {
		if err := tx.loadAccumulators(first, end); err != nil {
			return err
		}
	} else if _, err := tx.accumulator(first); err != nil {
		return err
	}
	for i, is := range got {
		var want sum // where there is no accumulator
		if a := tx.sums[first+schema.Bucket(i)]; a != nil {
			want = a.sum
		}
		if is != want {
			return tampered("records were removed, added or put back to an older state")
		}
	}
	return nil
}

// verify compares all records but the objects with their sums.
func (tx *Tx) verify() error {
	if err := tx.verifyAccumulators(); err != nil {
		return err
	}
	_, err := tx.verifyBuckets(0, schema.Buckets)
	return err
}

// verify verifies a store that is opened: all of it, or what is verified before any use.
func (s *Store) verify(all bool) error {
	err := s.View(func(tx *Tx) error {
		err := tx.verifyAccumulators()
		if err == nil {
			_, err = tx.verifyBuckets(schema.SystemBucket, schema.Buckets)
		}
		if err == nil {
			err = tx.readStore()
		}
		if err == nil && all {
			_, err = tx.verifyBuckets(0, schema.SystemBucket)
		}
		return err
	})
	if err == nil {
		s.known.begin()
	}
	return err
}
