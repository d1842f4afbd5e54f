package keystore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/vtoken/record"
)

// softTPM starts a software TPM that ends with the test.
func softTPM(t *testing.T) *swtpm.TPM {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // short, for the socket's path
	require.NoError(t, err)
	tpm, err := swtpm.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := errors.Join(tpm.Stop(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return tpm
}

// changes are what is counted before it is acknowledged.
func changes(token record.TokenID) map[string]func(tx *Tx) error {
	change := func(fn func(t *record.Token)) func(tx *Tx) error {
		return func(tx *Tx) error {
			tok, err := tx.Token(token)
			if err != nil {
				return err
			}
			fn(tok)
			return tx.PutToken(tok)
		}
	}
	return map[string]func(tx *Tx) error{
		"a try":            change(func(t *record.Token) { t.UserPIN.Failed++ }),
		"a try of the SO":  change(func(t *record.Token) { t.SOPIN.Failed++ }),
		"another PIN":      change(func(t *record.Token) { t.UserPIN.Verifier = append(t.UserPIN.Verifier, 'x') }),
		"switched off":     change(func(t *record.Token) { t.Enabled = !t.Enabled }),
		"no holder or one": change(func(t *record.Token) { t.Holders = nil }),
		"a user switched off": func(tx *Tx) error {
			tok, err := tx.Token(token)
			if err != nil {
				return err
			}
			u := record.User{Tenant: tok.Tenant, Login: "bob", Enabled: true}
			if err := tx.PutUser(&u); err != nil {
				return err
			}
			u.Enabled = false
			return tx.PutUser(&u)
		},
	}
}

// TestOlderCopies: whatever was done since, and after every restart, an older
// copy of the data folder is refused with an alarm, on a software TPM. The
// newest one opens, also after the TPM was switched off and on.
func TestOlderCopies(t *testing.T) {
	tpm := softTPM(t)
	o := options(tempDir(t))
	o.KEKs = []string{tpm.URI()}
	s := openWith(t, o)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	older := map[string]string{"before anything": copyFolder(t, o.Dir)}
	for name, fn := range changes(tok.ID) {
		older["before "+name] = copyFolder(t, o.Dir)
		update(t, s, fn)
	}
	older["before the stop"] = copyFolder(t, o.Dir)
	addObject(t, s, tok.ID, "at leisure", "")
	closeStore(t, s)
	older["before a restart"] = copyFolder(t, o.Dir)
	closeStore(t, openWith(t, o))
	require.NoError(t, errors.Join(tpm.Stop(), tpm.Start()))
	for name, dir := range older {
		t.Log(name)
		copied := o
		copied.Dir = dir
		if log := rolledBackWith(t, copied); !strings.Contains(log, "the counter is at") {
			t.Errorf("%s: the log says no numbers:\n%s", name, log)
		}
	}
	s = openWith(t, o)
	defer closeStore(t, s)
	p, err := s.Protection()
	require.NoError(t, err)
	require.Equal(t, tpm.URI(), p.KEK)
	require.True(t, p.Accepted.IsZero())
}

// An administrator's acceptance makes the older copy the newest: what was newer
// is refused from then on, and the store says when that was.
func TestAcceptRollback(t *testing.T) {
	h, o, s, tok := protected(t)
	older := copyFolder(t, o.Dir)
	require.NoError(t, try(s, tok.ID))
	closeStore(t, s)
	accepting := h.on(older)
	accepting.AcceptRollback = true
	var log bytes.Buffer
	accepting.Log = slog.New(slog.NewTextHandler(&log, nil))
	closeStore(t, openWith(t, accepting))
	require.Contains(t, log.String(), "accepted an older store", "the log says:\n%s", log.String())
	rolledBackWith(t, o)
	s = openWith(t, h.on(older))
	defer closeStore(t, s)
	p, err := s.Protection()
	require.NoError(t, err)
	require.Equal(t, "hardware:1", p.KEK)
	require.LessOrEqual(t, time.Since(p.Accepted), time.Hour)
	n := len(h.counters)
	require.Equal(t, 1, n, "there are %d counters", n)
}

// Accepted while the counter cannot be asked, the store is not protected until
// it can; then it goes on with the same counter.
func TestAcceptWithoutCounter(t *testing.T) {
	h, o, s, tok := protected(t)
	addKEK(t, s, words(t, o.Dir, "recovery"))
	older := copyFolder(t, o.Dir)
	closeStore(t, s)
	h.set(func() { h.off = true })
	rolledBackWith(t, o)
	o.AcceptRollback = true
	closeStore(t, openWith(t, o))
	o.AcceptRollback = false
	for range 2 { // once is enough
		s = openWith(t, o)
		if p, err := s.Protection(); err != nil || p.KEK != "" || p.Accepted.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
		if err := try(s, tok.ID); err != nil {
			t.Error(err)
		}
		closeStore(t, s)
	}
	h.set(func() { h.off = false })
	s = openWith(t, o)
	p, err := s.Protection()
	require.NoError(t, err)
	require.Equal(t, "hardware:1", p.KEK)
	closeStore(t, s)
	n := len(h.counters)
	require.Equal(t, 1, n, "there are %d counters", n)
	rolledBackWith(t, h.on(older))
}

// A counter that is gone, as from a TPM that was cleared, is refused as well;
// accepted, there is a new one.
func TestCounterIsGone(t *testing.T) {
	h, o, s, _ := protected(t)
	older := copyFolder(t, o.Dir)
	closeStore(t, s)
	h.set(func() { clear(h.counters) })
	rolledBackWith(t, o)
	o.AcceptRollback = true
	closeStore(t, openWith(t, o))
	o.AcceptRollback = false
	closeStore(t, openWith(t, o))
	rolledBackWith(t, h.on(older))
}

// With its KEK, the counter is given up. A store without one is not protected
// and says so.
func TestCounterOfRemovedKEK(t *testing.T) {
	h, o, s, tok := protected(t)
	list, err := s.KEKs(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	addKEK(t, s, words(t, o.Dir, "other"))
	require.NoError(t, s.RemoveKEK(t.Context(), list[0].ID))
	closeStore(t, s)
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		s = openWith(t, o)
		if p, err := s.Protection(); err != nil || p != (Protection{}) {
			t.Errorf("%+v, %v", p, err)
		}
		if err := try(s, tok.ID); err != nil {
			t.Error(err)
		}
		closeStore(t, s)
	}
	require.Empty(t, h.counters, "counters %v; the log says:\n%s", h.counters, log.String())
	require.Equal(t, 2, strings.Count(log.String(), "rollback detection is off"),
		"counters %v; the log says:\n%s", h.counters, log.String())
}

// A KEK that is added begins to count at once, beside clients.
func TestCounterOfAddedKEK(t *testing.T) {
	h := newHardware()
	o := h.on(tempDir(t))
	o.KEKs = nil
	s := openWith(t, o)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	ends := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-ends:
					return
				default:
				}
				if err := try(s, tok.ID); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	addKEK(t, s, "hardware:1")
	close(ends)
	clients.Wait()
	p, err := s.Protection()
	require.NoError(t, err)
	require.Equal(t, "hardware:1", p.KEK)
	older := copyFolder(t, o.Dir)
	require.NoError(t, try(s, tok.ID))
	closeStore(t, s)
	rolledBackWith(t, h.on(older))
	o.KEKs = []string{"hardware:1"}
	closeStore(t, openWith(t, o))
}

// A backup is an older copy, too.
func TestRestoreOlderBackup(t *testing.T) {
	h, o, s, tok := protected(t)
	file := backupOf(t, s)
	require.NoError(t, try(s, tok.ID))
	closeStore(t, s)
	to, before := h.on(tempDir(t)), h.value()
	_, err := Restore(t.Context(), to, bytes.NewReader(file))
	require.ErrorIs(t, err, ErrRollback, "restored an older backup")
	to.AcceptRollback = true
	_, err = Restore(t.Context(), to, bytes.NewReader(file))
	require.NoError(t, err)
	to.AcceptRollback = false
	require.Equal(t, before, h.value(), "a restore counts")
	closeStore(t, openWith(t, o)) // it was a drill
	s = openWith(t, to)
	defer closeStore(t, s)
	n := triesOf(t, s, tok.ID)
	require.Equal(t, 0, n, "the backup has %d tries", n)
	rolledBackWith(t, o)
}

// removeKEK removes the KEK of a URI.
func removeKEK(t *testing.T, s *Store, uri string) {
	t.Helper()
	require.NoError(t, s.RemoveKEK(t.Context(), text(recipientOf(t, s, uri).ID)))
}

// counts fails where a KEK does not count, or PINs cannot be tried.
func counts(t *testing.T, s *Store, uri string, token record.TokenID) {
	t.Helper()
	p, err := s.Protection()
	require.NoError(t, err, "%+v, %v; want the counter of %s", p, err, uri)
	require.Equal(t, uri, p.KEK, "%+v, %v; want the counter of %s", p, err, uri)
	require.True(t, p.Counts, "%+v, %v; want the counter of %s", p, err, uri)
	require.NoError(t, try(s, token), "a PIN cannot be tried")
}

// TestCounterOfReplacedKEK: after a TPM was cleared or replaced while the daemon runs, an
// administrator removes its KEK and adds it again. Clients go on meanwhile, and nobody accepts a
// rollback: the store in use is the newest.
func TestCounterOfReplacedKEK(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(h *hardware)
		uri    string
	}{
		"cleared":       {func(h *hardware) { clear(h.counters) }, "hardware:1"},
		"another":       {func(h *hardware) { h.off = true }, "hardware2:1"},
		"only the PCRs": {func(*hardware) {}, "hardware:1"},
	} {
		t.Run(name, func(t *testing.T) {
			h, o, s, tok := protected(t)
			addKEK(t, s, words(t, o.Dir, "recovery"))
			h2 := newHardware()
			o.Providers["hardware2"] = h2.open // the map is that of the store
			older := copyFolder(t, o.Dir)
			h.set(func() { test.breaks(h) })
			err := try(s, tok.ID)
			require.Equal(t, name == "only the PCRs", err == nil, "a try while the counter is away: %v", err)
			removeKEK(t, s, "hardware:1")
			addKEK(t, s, test.uri)
			counts(t, s, test.uri, tok.ID)
			later := copyFolder(t, o.Dir)
			require.NoError(t, try(s, tok.ID))
			closeStore(t, s)
			o.KEKs = []string{test.uri}
			s = openWith(t, o)
			counts(t, s, test.uri, tok.ID)
			closeStore(t, s)
			for _, dir := range []string{older, later} {
				o.Dir = dir
				require.NoError(t, os.Chmod(filepath.Join(dir, "recovery"), 0o600))
				rolledBackWith(t, o)
			}
		})
	}
}

// TestCounterOfLaterKEK: a store was accepted while its TPM was away, and another TPM is in its
// place. Adding its KEK again protects the store.
func TestCounterOfLaterKEK(t *testing.T) {
	for _, uri := range []string{"hardware:1", "hardware2:1"} {
		t.Run(uri, func(t *testing.T) {
			h, o, s, tok := protected(t)
			addKEK(t, s, words(t, o.Dir, "recovery"))
			closeStore(t, s)
			o.Providers["hardware2"] = newHardware().open
			h.set(func() { h.off = true })
			o.AcceptRollback = true
			closeStore(t, openWith(t, o))
			o.AcceptRollback = false
			if uri == "hardware:1" {
				h.set(func() { h.off = false; clear(h.counters) })
			}
			s = openWith(t, o)
			p, err := s.Protection()
			require.NoError(t, err)
			require.Equal(t, "", p.KEK)
			removeKEK(t, s, "hardware:1")
			addKEK(t, s, uri)
			o.KEKs = []string{uri}
			counts(t, s, uri, tok.ID)
			older := copyFolder(t, o.Dir)
			require.NoError(t, try(s, tok.ID))
			closeStore(t, s)
			s = openWith(t, o)
			counts(t, s, uri, tok.ID)
			closeStore(t, s)
			o.Dir = older
			rolledBackWith(t, o)
		})
	}
}

// TestNoAlarmOfFullDisk: where the store cannot be written at the start, that is
// said, and not that it is an older copy.
func TestNoAlarmOfFullDisk(t *testing.T) {
	h := newHardware()
	s, engine := inMemory(t)
	s.options.Providers["hardware"] = h.open
	addKEK(t, s, "hardware:1")
	require.NoError(t, s.guard.Swap(nil).stop())
	for _, cause := range []error{kv.ErrNoSpace, errors.New("input/output error")} {
		engine.Fail(kvtest.OpCommit, 1, cause)
		err := s.protect(t.Context(), s.options)
		if !engine.Hit() || !errors.Is(err, cause) || errors.Is(err, ErrRollback) {
			t.Errorf("with %v: %v", cause, err)
		}
	}
	require.NoError(t, s.protect(t.Context(), s.options))
	require.NoError(t, s.guard.Swap(nil).stop())
}

// TestCopyBetweenRemoveAndAdd: the KEK with the counter is removed, a copy is taken, the KEK is added
// again, and PINs are tried. Every start of the copy is refused, and does not touch the counter
// of the newest store.
func TestCopyBetweenRemoveAndAdd(t *testing.T) {
	h, o, s, tok := protected(t)
	addKEK(t, s, words(t, o.Dir, "recovery"))
	removeKEK(t, s, "hardware:1")
	between, file := copyFolder(t, o.Dir), backupOf(t, s)
	addKEK(t, s, "hardware:1")
	require.NoError(t, try(s, tok.ID))
	closeStore(t, s)
	o.KEKs = nil
	copied := o
	copied.Dir = between
	require.NoError(t, os.Chmod(filepath.Join(between, "recovery"), 0o600))
	for range 2 {
		require.Contains(t, rolledBackWith(t, copied), "the counter is at")
		require.Len(t, h.counters, 1)
	}
	to := o
	to.Dir = tempDir(t)
	to.KEKs = []string{"passphrase:file=" + filepath.Join(o.Dir, "recovery")}
	_, err := Restore(t.Context(), to, bytes.NewReader(file))
	require.ErrorIs(t, err, ErrRollback, "a backup from then")

	s = openWith(t, o)
	counts(t, s, "hardware:1", tok.ID)
	require.Equal(t, 2, triesOf(t, s, tok.ID))
	closeStore(t, s)

	copied.AcceptRollback = true // an administrator may
	closeStore(t, openWith(t, copied))
}

// TestRemovedKEKAtStart: a store whose KEK with the counter was removed starts, also
// where the first start is killed at any use of the counter; where the counter cannot be
// asked it is refused, until it is accepted.
func TestRemovedKEKAtStart(t *testing.T) {
	h, o, s, tok := protected(t)
	addKEK(t, s, words(t, o.Dir, "recovery"))
	removeKEK(t, s, "hardware:1")
	require.NoError(t, try(s, tok.ID), "the counter counts on")
	closeStore(t, s)
	o.KEKs = nil
	h.set(func() { h.off = true })
	rolledBackWith(t, o)
	h.set(func() { h.off = false })
	var killed []moment
	h.used = func() { killed = append(killed, moment{dir: copyFolder(t, o.Dir), hardware: h.copy()}) }
	s = openWith(t, o)
	h.used = func() {}
	p, err := s.Protection()
	require.NoError(t, err)
	require.Empty(t, p.KEK)
	require.Empty(t, h.counters)
	closeStore(t, s)
	closeStore(t, openWith(t, o))
	require.NotEmpty(t, killed)
	for _, m := range killed {
		at := o
		at.Dir, at.Providers = copyFolder(t, m.dir), m.hardware.on("").Providers
		require.NoError(t, os.Chmod(filepath.Join(at.Dir, "recovery"), 0o600))
		closeStore(t, openWith(t, at))
	}
}
