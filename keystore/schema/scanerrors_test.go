package schema_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/mem"
	"vtoken/keystore/schema"
)

// A scan ends with the first error, in whichever bucket it is.
func TestScanBucketsFails(t *testing.T) {
	stop := errors.New("stop")
	for _, key := range [][]byte{
		schema.Record(schema.PrefixToken, schema.ID{0xab, 0xcd}),
		schema.KeyStore(), // of the system's bucket
	} {
		e := mem.New()
		require.NoError(t, e.Update(func(w kv.Writer) error { return w.Put(key, []byte("x")) }))
		err := e.View(func(r kv.Reader) error {
			return schema.ScanBuckets(r, 0, schema.Buckets, func(schema.Bucket, []byte, []byte) error { return stop })
		})
		require.ErrorIs(t, err, stop, "%q", key)
	}
}

// A key is read by the function of its kind and no other.
func TestParseKeys(t *testing.T) {
	accumulator := schema.KeyAccumulator(3, schema.Buckets-1)
	n, b, ok := schema.ParseAccumulator(accumulator)
	require.True(t, ok)
	require.Equal(t, schema.Node(3), n)
	require.Equal(t, schema.Bucket(schema.Buckets-1), b)
	_, _, ok = schema.ParseAccumulator(schema.KeyAccumulator(3, schema.Buckets))
	require.False(t, ok, "there is no such bucket")
	_, _, ok = schema.ParseAccumulator(accumulator[:4])
	require.False(t, ok)
	_, _, ok = schema.ParseAccumulator(append([]byte{'?'}, accumulator[1:]...))
	require.False(t, ok)

	for _, part := range []schema.Part{schema.PartPublic, schema.PartSecret, schema.PartBound} {
		key := schema.Object(schema.ID{1}, 7, part)
		object, got, ok := schema.ParseObject(key)
		require.True(t, ok)
		require.Equal(t, uint64(7), object)
		require.Equal(t, part, got)
		_, _, ok = schema.ParseObject(append([]byte{'?'}, key[1:]...))
		require.False(t, ok)
		_, _, ok = schema.ParseObject(append(key, 0))
		require.False(t, ok)
	}
	_, _, ok = schema.ParseObject(schema.Object(schema.ID{1}, 7, schema.PartBound+1))
	require.False(t, ok, "there is no such part")

	id := schema.ID{1, 15: 2}
	got, ok := schema.RecordID(schema.Record(schema.PrefixUser, id))
	require.True(t, ok)
	require.Equal(t, id, got)
	_, ok = schema.RecordID(id[:])
	require.False(t, ok, "an id alone is no key")
}
