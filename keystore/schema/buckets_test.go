package schema_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/mem"
	"vtoken/keystore/schema"
)

// TestScanBuckets fills a store with keys of every first byte, with and without an id,
// and reads it in pieces of every size: each key is read once, in its bucket.
func TestScanBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	e := mem.New()
	want := map[string]schema.Bucket{}
	require.NoError(t, e.Update(func(w kv.Writer) error {
		put := func(key []byte) {
			require.NoError(t, w.Put(key, []byte("x")))
			if b, summed := schema.BucketOf(key); summed {
				want[string(key)] = b
			}
		}
		for first := range 256 {
			put([]byte{byte(first)})
			for second := range 256 {
				put([]byte{byte(first), byte(second)})
			}
			for range 200 {
				key := make([]byte, 1+random.IntN(40))
				for i := range key {
					key[i] = byte(random.Uint32())
					if random.IntN(4) == 0 {
						key[i] = []byte{0, 0xff, 'i', 'k'}[random.IntN(4)]
					}
				}
				key[0] = byte(first)
				put(key)
			}
		}
		return nil
	}))
	for _, step := range []schema.Bucket{1, 7, 1000, schema.Buckets} {
		got := map[string]schema.Bucket{}
		require.NoError(t, e.View(func(r kv.Reader) error {
			for first := schema.Bucket(0); first < schema.Buckets; first += step {
				err := schema.ScanBuckets(r, first, min(first+step, schema.Buckets), func(b schema.Bucket, key, _ []byte) error {
					if _, twice := got[string(key)]; twice {
						return fmt.Errorf("%x is read twice", key)
					}
					got[string(key)] = b
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		}))
		require.Equal(t, len(want), len(got))
		require.Equal(t, want, got)
	}
}

// TestBucketOf: what has an id is spread, what there is once is in the system's bucket,
// and what has sums of its own is in none.
func TestBucketOf(t *testing.T) {
	id := schema.ID{0xab, 0xcd}
	for key, want := range map[string]schema.Bucket{
		string(schema.Record(schema.PrefixToken, id)):            0xabc,
		string(schema.Record(schema.PrefixTenant, id)):           schema.SystemBucket,
		string(schema.Record(schema.PrefixRecipient, id)):        schema.SystemBucket,
		string(schema.IndexPrefix(schema.IndexHolder, id)):       0xabc,
		string(schema.KeySystem()):                               schema.SystemBucket,
		string(schema.KeyStore()):                                schema.SystemBucket,
		string(schema.KeyRanges()):                               schema.SystemBucket,
		string(append(schema.KeyGeneration(), 0, 1)):             schema.SystemBucket,
		string(schema.Record('?', id)):                           schema.SystemBucket,
		string([]byte{schema.PrefixIndex, '?', 0xab, 0xcd, 0xe}): schema.SystemBucket,
	} {
		got, summed := schema.BucketOf([]byte(key))
		require.True(t, summed, "%q", key)
		require.Equal(t, want, got, "%q", key)
	}
	for _, key := range [][]byte{schema.KeyFormat(), schema.KeyNode(0), schema.KeyAccumulator(0, 5), schema.Object(id, 1, schema.PartPublic)} {
		_, summed := schema.BucketOf(key)
		require.False(t, summed, "%q", key)
	}
}
