// Package kektest is the suite that every KEK provider passes.
package kektest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// Case is what the suite needs to know of a provider.
type Case struct {
	Open kek.OpenFunc
	// URI names a KEK that can be used, in the data folder Dir.
	URI, Dir string
	// Other names another KEK of the same provider.
	Other string
	// BadURIs are refused with kek.ErrURI.
	BadURIs []string
	// Missing name KEKs that are not there: kek.ErrUnavailable.
	Missing []string
	// Changes bounds how many changed blobs are tried, where a try is slow; 0 is
	// no bound.
	Changes int
}

// Run runs the suite.
func Run(t *testing.T, c Case) {
	t.Run("RoundTrip", c.roundTrip)
	t.Run("Reopened", c.reopened)
	t.Run("WrongKey", c.wrongKey)
	t.Run("Changed", c.changed)
	t.Run("Concurrent", c.concurrent)
	t.Run("Refused", c.refused)
	t.Run("Silent", c.silent)
}

func (c Case) open(t *testing.T, uri string) kek.Provider {
	t.Helper()
	p, err := c.try(t.Context(), uri, true)
	require.NoError(t, err, "open %s", uri)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

func (c Case) try(ctx context.Context, uri string, create bool) (kek.Provider, error) {
	u, err := kek.Parse(uri)
	if err != nil {
		return nil, err
	}
	return c.Open(ctx, u, kek.Env{Dir: c.Dir, Create: create, Log: slog.New(slog.DiscardHandler)})
}

func key(n int) secret.Bytes {
	b := make(secret.Bytes, n)
	_, _ = rand.Read(b)
	return b
}

func wrap(t *testing.T, p kek.Provider, k secret.Bytes) []byte {
	t.Helper()
	blob, err := p.Wrap(t.Context(), k)
	require.NoError(t, err, "wrap %d bytes", len(k))
	require.LessOrEqual(t, len(blob), kek.MaxWrapped, "the blob has %d bytes and the key in it", len(blob))
	require.NotContains(t, string(blob), string(k), "the blob has %d bytes and the key in it", len(blob))
	return blob
}

func (c Case) roundTrip(t *testing.T) {
	p := c.open(t, c.URI)
	for _, n := range []int{16, 32, 64} {
		k := key(n)
		blob := wrap(t, p, k)
		got, err := p.Unwrap(t.Context(), blob)
		if err != nil || !got.Equal(k) {
			t.Errorf("%d bytes do not come back: %v", n, err)
		}
		if bytes.Equal(blob, wrap(t, p, k)) {
			t.Error("the same key wraps to the same blob twice")
		}
	}
}

// reopened opens the KEK twice; the second time nothing may be made.
func (c Case) reopened(t *testing.T) {
	k := key(32)
	blob := wrap(t, c.open(t, c.URI), k)
	p, err := c.try(t.Context(), c.URI, false)
	require.NoError(t, err)
	defer p.Close()
	got, err := p.Unwrap(t.Context(), blob)
	require.NoError(t, err)
	require.True(t, got.Equal(k), "after opening again")
}

func (c Case) wrongKey(t *testing.T) {
	blob := wrap(t, c.open(t, c.URI), key(32))
	_, err := c.open(t, c.Other).Unwrap(t.Context(), blob)
	require.ErrorIs(t, err, kek.ErrWrongKey, "another KEK")
}

func (c Case) changed(t *testing.T) {
	p := c.open(t, c.URI)
	blob := wrap(t, p, key(32))
	var bad [][]byte
	for i := range blob {
		b := bytes.Clone(blob)
		b[i] ^= 1
		bad = append(bad, b)
	}
	bad = append(bad, nil, blob[:1], blob[:len(blob)-1], append(bytes.Clone(blob), 0), make([]byte, kek.MaxWrapped+1))
	step := 1
	if c.Changes > 0 {
		step = max(1, len(bad)/c.Changes)
	}
	for i := 0; i < len(bad); i += step {
		if _, err := p.Unwrap(t.Context(), bad[i]); !errors.Is(err, kek.ErrWrongKey) {
			t.Errorf("changed blob %d: %v", i, err)
		}
	}
}

func (c Case) concurrent(t *testing.T) {
	p := c.open(t, c.URI)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			k := key(32)
			blob, err := p.Wrap(t.Context(), k)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := p.Unwrap(t.Context(), blob); err != nil || !got.Equal(k) {
				t.Errorf("unwrap: %v", err)
			}
		})
	}
	wg.Wait()
}

func (c Case) refused(t *testing.T) {
	for _, uri := range c.BadURIs {
		if _, err := c.try(t.Context(), uri, false); !errors.Is(err, kek.ErrURI) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	for _, uri := range c.Missing {
		if _, err := c.try(t.Context(), uri, false); !errors.Is(err, kek.ErrUnavailable) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// silent checks the status, and that printing the provider shows no secret.
func (c Case) silent(t *testing.T) {
	p := c.open(t, c.URI)
	s, err := p.Status(t.Context())
	require.NoError(t, err, "status %+v", s)
	require.True(t, strings.HasPrefix(c.URI, s.Kind+":"), "status %+v", s)
	require.NotEmpty(t, s.Protects, "status %+v", s)
	text := fmt.Sprintf("%v %+v", p, p)
	require.LessOrEqual(t, len(text), 400, "the provider prints %d characters", len(text))
}
