package keystore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// hardware is a KEK with counters in memory, whose every use a test sees and can
// make fail.
type hardware struct {
	mu       sync.Mutex
	counters map[string]uint64
	top      uint64 // the highest value that a counter ever had
	off      bool   // does not answer
	deaf     bool   // does not increment, and says so
	mute     bool   // increments, and says that it did not
	used     func() // called before and after each use, without mu
}

func newHardware() *hardware { return &hardware{counters: map[string]uint64{}, used: func() {}} }

func (h *hardware) key() secret.Bytes { return bytes.Repeat([]byte{7}, 32) }

func (h *hardware) open(context.Context, kek.URI, kek.Env) (kek.Provider, error) {
	if h.is(func() bool { return h.off }) {
		return nil, kek.ErrUnavailable
	}
	return h, nil
}

func (h *hardware) is(what func() bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return what()
}

func (h *hardware) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *hardware) Wrap(_ context.Context, key secret.Bytes) ([]byte, error) {
	return kek.Seal(h.key(), key, nil)
}

func (h *hardware) Unwrap(_ context.Context, wrapped []byte) (secret.Bytes, error) {
	return kek.Unseal(h.key(), wrapped, nil)
}

func (h *hardware) Status(context.Context) (kek.Status, error) { return kek.Status{Kind: "test"}, nil }
func (h *hardware) Close() error                               { return nil }

func (h *hardware) NewCounter(context.Context) (secret.Bytes, uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.top++
	name := fmt.Sprint("counter ", h.top)
	h.counters[name] = h.top
	return secret.Bytes(name), h.top, nil
}

// use is one use of a counter.
func (h *hardware) use(name secret.Bytes, fn func(value uint64) (uint64, error)) (uint64, error) {
	h.used()
	defer h.used()
	h.mu.Lock()
	defer h.mu.Unlock()
	value, ok := h.counters[string(name)]
	switch {
	case h.off:
		return 0, kek.ErrUnavailable
	case !ok:
		return 0, kek.ErrNoCounter
	}
	return fn(value)
}

func (h *hardware) ReadCounter(_ context.Context, name secret.Bytes) (uint64, error) {
	return h.use(name, func(value uint64) (uint64, error) { return value, nil })
}

func (h *hardware) IncrementCounter(_ context.Context, name secret.Bytes) (uint64, error) {
	return h.use(name, func(value uint64) (uint64, error) {
		if h.deaf {
			return 0, errors.New("deaf")
		}
		h.counters[string(name)] = value + 1
		h.top = max(h.top, value+1)
		if h.mute {
			return 0, errors.New("mute")
		}
		return value + 1, nil
	})
}

func (h *hardware) RemoveCounter(_ context.Context, name secret.Bytes) error {
	_, err := h.use(name, func(uint64) (uint64, error) { delete(h.counters, string(name)); return 0, nil })
	return err
}

// copy is hardware that is in the same state.
func (h *hardware) copy() *hardware {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &hardware{counters: maps.Clone(h.counters), top: h.top, used: func() {}}
}

// value is that of the only counter.
func (h *hardware) value() (value uint64) {
	h.set(func() {
		for _, v := range h.counters {
			value += v
		}
	})
	return value
}

// on are the options of a store with this KEK.
func (h *hardware) on(dir string) Options {
	o := options(dir)
	o.Providers["hardware"] = h.open
	o.KEKs = []string{"hardware:1"}
	return o
}

func openWith(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	return s
}

// rolledBackWith opens a store that must be refused, and returns the log.
func rolledBackWith(t testing.TB, o Options) string {
	t.Helper()
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s, err := Open(t.Context(), o)
	if err == nil {
		closeStore(t, s)
	}
	require.ErrorIs(t, err, ErrRollback, "an older copy: %v; the log says:\n%s", err, log.String())
	require.Contains(t, log.String(), "ALARM", "an older copy: %v; the log says:\n%s", err, log.String())
	return log.String()
}

// copyFolder copies the files of a data folder, as a thief or a backup would.
func copyFolder(t testing.TB, from string) (to string) {
	t.Helper()
	to = tempDir(t)
	err := errors.Join(os.CopyFS(to, os.DirFS(from)), os.Chmod(to, 0o700))
	require.NoError(t, err)
	return to
}

// try counts a wrong try, as the engine does before it compares.
func try(s *Store, token record.TokenID) error {
	return s.Update(func(tx *Tx) error {
		tok, err := tx.Token(token)
		if err != nil {
			return err
		}
		tok.UserPIN.Failed++
		return tx.PutToken(tok)
	})
}

func triesOf(t testing.TB, s *Store, token record.TokenID) (n int) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		tok, err := tx.Token(token)
		n = tok.UserPIN.Failed
		return err
	})
	return n
}

// protected is a new store with hardware that counts, and a token.
func protected(t testing.TB) (*hardware, Options, *Store, record.Token) {
	t.Helper()
	h := newHardware()
	o := h.on(filepath.Join(t.TempDir(), "data"))
	s := openWith(t, o)
	return h, o, s, addToken(t, s, addUser(t, s, "alice"), "label")
}

// neverAhead checks that the counter equals the generation of the store, or is one behind, and
// that the files on disk open with the present counter.
func neverAhead(t *testing.T, h *hardware, s *Store, what string) {
	t.Helper()
	var row generation
	view(t, s, func(tx *Tx) (err error) { row, err = tx.generation(); return err })
	value := h.value()
	require.True(t, row.Number == value || row.Number == value+1,
		"%s: the counter is at %d and the store at %d", what, value, row.Number)
}
