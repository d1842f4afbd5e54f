package vtoken

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Nonces of one operation: which are made, and which parameters are refused.
func TestNoncesOfAnOperation(t *testing.T) {
	nonce := func(digits string) []byte {
		b, err := hex.DecodeString(digits)
		require.NoError(t, err)
		return b
	}
	const bad, over = ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_TOKEN_RESOURCE_EXCEEDED
	const zeroes = "000000000000000000000000"
	for _, c := range []struct {
		name  string
		p     ck.MessageParams
		made  uint64 // so far
		want  string // empty: refused, or random
		code  ck.Error
		fixed string // the first bytes of a random nonce
	}{
		{name: "none", p: ck.MessageParams{Generator: ck.CKG_NO_GENERATE, Nonce: nonce("0102")}, want: "0102"},
		{name: "unknown", p: ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER_XOR + 1, Nonce: nonce("0102")}, code: bad},
		{name: "counter",
			p: ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 8, Nonce: nonce("ffffff")}, want: "ff0000"},
		{name: "counter of 300",
			p:    ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 8, Nonce: nonce("ffffff")},
			made: 300, want: "ff012c"},
		{name: "counter in bits",
			p:    ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 11, Nonce: nonce("ffffff")},
			made: 300, want: "ffe12c"},
		{name: "longer than a counter",
			p:    ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, Nonce: bytes.Repeat([]byte{9}, 10)},
			made: 1<<64 - 1, want: "0000ffffffffffffffff"},
		{name: "exclusive or",
			p:    ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER_XOR, FixedBits: 8, Nonce: nonce("f0f0f0")},
			made: 0x0111, want: "f0f1e1"},
		{name: "last", p: ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 16, Nonce: nonce("ffffff")},
			made: 255, want: "ffffff"},
		{name: "one more",
			p:    ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 16, Nonce: nonce("ffffff")},
			made: 256, code: over},
		{name: "no free bit",
			p: ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 24, Nonce: nonce("ffffff")}, code: bad},
		{name: "one free bit",
			p: ck.MessageParams{Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 23, Nonce: nonce("ffffff")}, want: "fffffe"},
		{name: "few random bits",
			p: ck.MessageParams{Generator: ck.CKG_GENERATE_RANDOM, FixedBits: 1, Nonce: make([]byte, 12)}, code: bad},
		{name: "random",
			p:     ck.MessageParams{Generator: ck.CKG_GENERATE_RANDOM, FixedBits: 16, Nonce: nonce("abcd" + zeroes)},
			fixed: "abcd"},
		{name: "any with many bits", p: ck.MessageParams{Generator: ck.CKG_GENERATE, Nonce: make([]byte, 12)}, fixed: ""},
		{name: "any with few", p: ck.MessageParams{Generator: ck.CKG_GENERATE, FixedBits: 1, Nonce: nonce("ffffff")},
			made: 2, want: "800002"},
		{name: "last random", p: ck.MessageParams{Generator: ck.CKG_GENERATE_RANDOM, Nonce: make([]byte, 12)},
			made: 1<<32 - 1},
		{name: "one more random", p: ck.MessageParams{Generator: ck.CKG_GENERATE_RANDOM, Nonce: make([]byte, 12)},
			made: 1 << 32, code: over},
	} {
		g := &nonces{made: c.made}
		before := bytes.Clone(c.p.Nonce)
		got, err := g.next(c.p)
		require.Equal(t, c.code, ck.CodeOf(err), c.name)
		require.Equal(t, before, c.p.Nonce, "%s: the caller's nonce", c.name)
		if c.code != ck.CKR_OK {
			continue
		}
		if c.want != "" {
			require.Equal(t, c.want, hex.EncodeToString(got), c.name)
		} else {
			require.Equal(t, nonce(c.fixed), got[:len(c.fixed)/2], c.name)
			again, err := (&nonces{}).next(c.p)
			require.NoError(t, err)
			require.NotEqual(t, again, got, c.name)
		}
		if c.p.Generator != ck.CKG_NO_GENERATE {
			require.Equal(t, c.made+1, g.made, c.name)
		}
	}
}

// All messages of an operation use the generator of the first in the same way.
func TestNoncesAgreeWithTheFirst(t *testing.T) {
	for _, generator := range []uint64{ck.CKG_GENERATE_COUNTER, ck.CKG_GENERATE_COUNTER_XOR, ck.CKG_NO_GENERATE} {
		g := new(nonces)
		first := ck.MessageParams{Generator: generator, FixedBits: 8, Nonce: []byte{0xf0, 0xf0, 0xf0}}
		_, err := g.next(first)
		require.NoError(t, err)
		for name, change := range map[string]func(*ck.MessageParams){
			"generator":  func(p *ck.MessageParams) { p.Generator++ },
			"fixed bits": func(p *ck.MessageParams) { p.FixedBits++ },
			"length":     func(p *ck.MessageParams) { p.Nonce = p.Nonce[:2] },
		} {
			p := first
			change(&p)
			_, err := g.next(p)
			if generator == ck.CKG_NO_GENERATE && name != "generator" {
				require.NoError(t, err, "nonces of the caller's are the caller's")
				continue
			}
			require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err), "%d: %s", generator, name)
		}
		// The first nonce is kept, even if the caller's memory gets another.
		first.Nonce[2] = 0
		second, err := g.next(first)
		require.NoError(t, err)
		switch generator {
		case ck.CKG_GENERATE_COUNTER_XOR:
			require.Equal(t, []byte{0xf0, 0xf0, 0xf1}, second)
		case ck.CKG_GENERATE_COUNTER:
			require.Equal(t, []byte{0xf0, 0, 1}, second)
		default:
			require.Equal(t, first.Nonce, second)
		}
	}
}

// A wait ends when its time is over or with its context.
func TestWaitEnds(t *testing.T) {
	wait(context.Background(), 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wait(ctx, time.Hour)
}

// A text is cut between characters.
func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aë", 2, "a"}, {"aë", 3, "aë"}, {"ë", 1, ""}, {"\x80\x80", 1,
		""}, {"", 0, ""}} {
		require.Equal(t, c.want, truncate(c.s, c.n), "%q to %d", c.s, c.n)
	}
}
