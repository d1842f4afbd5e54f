package work_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/work"
)

func TestPrices(t *testing.T) {
	const most = math.MaxInt64
	for _, c := range []struct{ a, b, sum, product int64 }{
		{0, 0, 0, 0}, {2, 3, 5, 6}, {most, 1, most, most}, {most, 0, most, 0}, {1 << 62, 2, 1<<62 + 2, most},
		{-1, 2, most, most}, {2, -1, most, most}, {most, most, most, most},
	} {
		require.Equal(t, c.sum, work.Sum(c.a, c.b), "%d + %d", c.a, c.b)
		require.Equal(t, c.product, work.Product(c.a, c.b), "%d × %d", c.a, c.b)
	}
}

func TestTake(t *testing.T) {
	b := work.New(t.Context(), 10)
	require.NoError(t, b.Take(4))
	require.NoError(t, b.Fits(6))
	var over *work.OverError
	require.ErrorAs(t, b.Take(7), &over)
	require.Equal(t, work.OverError{Wanted: 11, Limit: 10}, *over)
	require.ErrorAs(t, b.Take(math.MaxInt64), &over)
	require.Equal(t, int64(math.MaxInt64), over.Wanted)
	require.ErrorAs(t, b.Take(-1), &over)
	require.NoError(t, b.Take(6), "what was refused was not taken")
	require.Equal(t, int64(10), b.Spent())
}

// PBKDF2 is the one of the standard library, at its price.
func TestPBKDF2(t *testing.T) {
	for _, c := range []struct {
		hash       func() hash.Hash
		iterations int64
		size       int
		price      int64
	}{
		{sha1.New, 1, 1, 1}, {sha1.New, 7, 20, 7}, {sha1.New, 7, 21, 14}, {sha256.New, 5000, 32, 5000}, {sha256.New, 3, 100, 12}, {sha512.New, 9, 64, 9},
	} {
		want, err := pbkdf2.Key(c.hash, "password", []byte("salt"), int(c.iterations), c.size)
		require.NoError(t, err)
		b := work.New(t.Context(), 100_000)
		got, err := b.PBKDF2(c.hash, []byte("password"), []byte("salt"), c.iterations, c.size)
		require.NoError(t, err)
		require.Equal(t, want, []byte(got))
		require.Equal(t, c.price, b.Spent())
	}
}

// What costs too much is not begun: a function that is counted is not called.
func TestRefusedBeforeWork(t *testing.T) {
	calls := 0
	counted := func() hash.Hash { calls++; return sha256.New() }
	b := work.New(t.Context(), 1000)
	_, err := b.PBKDF2(counted, []byte("p"), []byte("s"), math.MaxInt64, 32)
	var over *work.OverError
	require.ErrorAs(t, err, &over)
	require.LessOrEqual(t, calls, 2, "only to learn the size of its output")
	require.Zero(t, b.Spent())
	for _, bad := range []struct {
		iterations int64
		size       int
	}{{0, 32}, {-5, 32}, {1, 0}, {1, -1}} {
		_, err := b.PBKDF2(sha256.New, []byte("p"), []byte("s"), bad.iterations, bad.size)
		require.Error(t, err)
	}
}

// A request that ends stops the work that is under way.
func TestEndsWithTheRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := work.New(ctx, math.MaxInt64)
	calls := 0
	err := b.Repeat(math.MaxInt64, func() {
		if calls++; calls == 10_000 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, calls, 20_000)
	_, err = b.PBKDF2(sha256.New, []byte("p"), []byte("s"), 10, 32)
	require.ErrorIs(t, err, context.Canceled)
}
