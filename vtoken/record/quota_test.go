package record_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/record"
)

// Each object of a quota gives 8 KiB, and 16 MiB are the least.
func TestQuota(t *testing.T) {
	require.Equal(t, record.Amount{Objects: 10_000, Bytes: 10_000 * 8192}, record.Quota{}.PerToken())
	require.Equal(t, record.Amount{Objects: 20_000, Bytes: 20_000 * 8192}, record.Quota{}.PerUser())
	q := record.Quota{Objects: 5, ObjectsPerUser: 2049}
	require.Equal(t, record.Amount{Objects: 5, Bytes: 16 << 20}, q.PerToken())
	require.Equal(t, record.Amount{Objects: 2049, Bytes: 2049 * 8192}, q.PerUser())
}

func TestAmounts(t *testing.T) {
	a, b := record.Amount{Objects: 5, Bytes: 10}, record.Amount{Objects: 3, Bytes: 20}
	require.Equal(t, record.Amount{Objects: 8, Bytes: 30}, a.Plus(b))
	require.Equal(t, record.Amount{Objects: 2, Bytes: 0}, a.Minus(b))
	require.Equal(t, record.Amount{Objects: 0, Bytes: 10}, b.Minus(a))
}

// What is over a quota already may stay or become less, and not more.
func TestExceeds(t *testing.T) {
	most := record.Amount{Objects: 10, Bytes: 100}
	for _, c := range []struct {
		name        string
		before, now record.Amount
		what        string
		limit       uint64
	}{
		{"up to the limit", record.Amount{}, most, "", 0},
		{"an object more", record.Amount{Objects: 10}, record.Amount{Objects: 11}, "objects", 10},
		{"a byte more", record.Amount{Bytes: 100}, record.Amount{Bytes: 101}, "bytes", 100},
		{"as many objects as before", record.Amount{Objects: 12}, record.Amount{Objects: 12}, "", 0},
		{"fewer objects than before", record.Amount{Objects: 12}, record.Amount{Objects: 11}, "", 0},
		{"as many bytes as before", record.Amount{Bytes: 120}, record.Amount{Bytes: 120}, "", 0},
		{"fewer bytes than before", record.Amount{Bytes: 120}, record.Amount{Bytes: 110}, "", 0},
		{"more below the limit", record.Amount{Objects: 1, Bytes: 1}, record.Amount{Objects: 2, Bytes: 2}, "", 0},
	} {
		err := record.Exceeds("token", c.before, c.now, most)
		if c.what == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.Equal(t, &record.OverQuota{Whose: "token", What: c.what, Limit: c.limit}, err, c.name)
	}
}

// The error names what is full and the flag that raises it.
func TestOverQuota(t *testing.T) {
	err := &record.OverQuota{Whose: "token", What: "objects", Limit: 7}
	require.EqualError(t, err, "a token may have 7 objects and no more; "+
		"destroy some, or raise the quota with `vtoken tenant policy TENANT --max-objects`")
	err = &record.OverQuota{Whose: "user", What: "bytes", Limit: 7}
	require.EqualError(t, err, "the tokens of a user may have 7 bytes of objects and no more; "+
		"destroy some, or raise the quota with `vtoken tenant policy TENANT --max-objects-per-user`")
}
