package resume

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/peer"
	"vtoken/keystore/envelope"
	"vtoken/vtoken"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// sealer seals as the store does.
type sealer struct {
	*envelope.Key
	fails error
}

func newSealer(t *testing.T, b byte) *sealer {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{b}, envelope.KeySize))
	require.NoError(t, err)
	return &sealer{Key: k}
}

func (s *sealer) SealOutside(id [16]byte, plain []byte) ([]byte, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	return s.Seal(envelope.Place{Schema: 1, Record: id}, 1, plain)
}

func (s *sealer) OpenOutside(id [16]byte, sealed []byte) ([]byte, error) {
	plain, _, err := s.Open(envelope.Place{Schema: 1, Record: id}, sealed)
	return plain, err
}

// self is the process that runs the test.
func self(t *testing.T) peer.Process {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	out, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	defer out.Close()
	in, err := l.Accept()
	require.NoError(t, err)
	defer in.Close()
	p, err := peer.Of(in.(*net.UnixConn))
	require.NoError(t, err)
	p = p.WithStart(in.(*net.UnixConn))
	require.True(t, p.Known())
	return p
}

func ticketOf(b byte) secret.Bytes { return bytes.Repeat([]byte{b}, 32) }

func newApplication(t *testing.T, id byte, p peer.Process, ticket secret.Bytes) Application {
	t.Helper()
	a, err := NewApplication(ID{id}, p, ticket)
	require.NoError(t, err)
	return a
}

// folder is where records are, in a folder that nobody else may write to.
func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "p11.sock.logins") }

func openRecords(t *testing.T, dir string, s Sealer) *Records {
	t.Helper()
	r, err := Open(dir, s)
	require.NoError(t, err)
	return r
}

// plain and bound are logins of a token of each kind.
func plainLogin() vtoken.Login {
	return vtoken.Login{Token: "plain", Role: pin.SO, Verifier: sha256.Sum256([]byte("verifier"))}
}

func boundLogin() vtoken.Login {
	return vtoken.Login{
		Token: "bound", Role: pin.User, Verifier: sha256.Sum256([]byte("other")),
		Bound: secret.Bytes("the key of the token, 32 bytes.."),
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// What is kept is found by the application with its ticket, whole, also by another daemon. Keys
// are wiped when they are kept, and the record has them only for who brings the ticket.
func TestKeepAndFind(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	a := newApplication(t, 1, self(t), ticketOf(1))
	given := []vtoken.Login{plainLogin(), boundLogin()}
	require.NoError(t, r.Keep(a, given))
	require.Equal(t, make(secret.Bytes, len(boundLogin().Bound)), given[1].Bound, "the key is wiped")

	for _, r := range []*Records{r, openRecords(t, dir, s)} {
		for range 2 { // the record stays
			found, err := r.Find(a, ticketOf(1))
			require.NoError(t, err)
			require.Equal(t, []vtoken.Login{plainLogin(), boundLogin()}, found.Logins)
			require.Equal(t, a, found.Application)
		}
	}
	require.NoError(t, r.Keep(a, []vtoken.Login{plainLogin()}))
	found, err := r.Find(a, ticketOf(1))
	require.NoError(t, err)
	require.Equal(t, []vtoken.Login{plainLogin()}, found.Logins)
	require.Len(t, names(t, dir), 1)

	require.NoError(t, r.Keep(a, nil))
	_, err = r.Find(a, ticketOf(1))
	require.ErrorIs(t, err, ErrNone)
	require.Empty(t, names(t, dir))
	require.NoError(t, r.Forget(a.ID), "there is none already")
}

// Nobody but the process itself, in the same boot, with the ticket, finds the record.
func TestStrangers(t *testing.T) {
	r := openRecords(t, folder(t), newSealer(t, 1))
	me := self(t)
	require.NoError(t, r.Keep(newApplication(t, 1, me, ticketOf(1)), []vtoken.Login{plainLogin()}))
	with := func(change func(*peer.Process)) peer.Process {
		p := me
		change(&p)
		return p
	}
	for what, c := range map[string]struct {
		id      byte
		process peer.Process
		ticket  byte
		want    error
	}{
		"another ticket":               {1, me, 2, ErrTicket},
		"another id":                   {2, me, 1, ErrNone},
		"another process":              {1, with(func(p *peer.Process) { p.PID++ }), 1, ErrForeign},
		"one that has the id now":      {1, with(func(p *peer.Process) { p.Started++ }), 1, ErrForeign},
		"one that is not known":        {1, with(func(p *peer.Process) { p.Started = 0 }), 1, ErrForeign},
		"one of another container":     {1, with(func(p *peer.Process) { p.PID, p.Started = 0, 0 }), 1, ErrForeign},
		"another, with another ticket": {1, with(func(p *peer.Process) { p.PID++ }), 2, ErrForeign},
	} {
		found, err := r.Find(newApplication(t, c.id, c.process, ticketOf(c.ticket)), ticketOf(c.ticket))
		require.ErrorIs(t, err, c.want, what)
		require.Empty(t, found.Logins, what)
	}
	// Programs that give up the user they began with stay the same process.
	found, err := r.Find(newApplication(t, 1, with(func(p *peer.Process) { p.UID += 1000 }), ticketOf(1)), ticketOf(1))
	require.NoError(t, err)
	require.Equal(t, me, found.Application.Process, "the user is that of the login")
}

// No record survives a reboot: a process of now may have the id and the start of one of then.
func TestReboot(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	a := newApplication(t, 1, self(t), ticketOf(1))
	require.NoError(t, r.Keep(a, []vtoken.Login{plainLogin()}))
	r.boot = "another"
	_, err := r.Find(a, ticketOf(1))
	require.ErrorIs(t, err, ErrForeign)
	require.NoError(t, r.sweep())
	require.Empty(t, names(t, dir))
}

// Who has the record and all keys of the daemon, and not the ticket, has no key of a PIN-bound
// token.
func TestBoundNeedsTheTicket(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	a := newApplication(t, 1, self(t), ticketOf(1))
	require.NoError(t, r.Keep(a, []vtoken.Login{boundLogin()}))
	sealed, err := os.ReadFile(r.path(a.ID))
	require.NoError(t, err)
	text, err := s.OpenOutside(a.ID, sealed)
	require.NoError(t, err)
	for what, b := range map[string][]byte{"the key": boundLogin().Bound, "the ticket": ticketOf(1)} {
		require.NotContains(t, string(text), string(b), what)
		require.NotContains(t, string(text), base64.StdEncoding.EncodeToString(b), what)
	}
	// They may take the check of the ticket out of the daemon; the box stays shut.
	found, err := r.Find(a, ticketOf(2))
	require.Error(t, err)
	require.Empty(t, found.Logins)
	// Nor is it of use under the id of another application.
	c, err := r.read(a.ID)
	require.NoError(t, err)
	other := newApplication(t, 2, self(t), ticketOf(1))
	moved, err := s.SealOutside(other.ID, text)
	require.NoError(t, err)
	require.NoError(t, r.write(other.ID, moved))
	require.NotEmpty(t, c.Logins[0].Bound)
	_, err = r.Find(other, ticketOf(1))
	require.Error(t, err)
}

// A record is for one application and one store.
func TestMovedRecords(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	a, b := newApplication(t, 1, self(t), ticketOf(1)), newApplication(t, 2, self(t), ticketOf(1))
	require.NoError(t, r.Keep(a, []vtoken.Login{plainLogin()}))
	text, err := os.ReadFile(r.path(a.ID))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.path(b.ID), text, 0o600))
	_, err = r.Find(b, ticketOf(1))
	require.ErrorIs(t, err, ErrDamaged)
	openRecords(t, dir, s)
	require.Len(t, names(t, dir), 1, "the copy is removed at the start")
	r.sealer = newSealer(t, 2)
	_, err = r.Find(a, ticketOf(1))
	require.ErrorIs(t, err, ErrDamaged)
	openRecords(t, dir, newSealer(t, 2))
	require.Empty(t, names(t, dir))
}

// What cannot be kept leaves no earlier record behind, which would give back a login that is
// over.
func TestFailedKeep(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	a := newApplication(t, 1, self(t), ticketOf(1))
	many := make([]vtoken.Login, 800)
	for i := range many {
		many[i] = boundLogin()
		many[i].Token = record.TokenID(fmt.Sprintf("token-%032d", i))
	}
	for what, fail := range map[string]func() error{
		"sealing": func() error {
			s.fails = errors.New("no key")
			defer func() { s.fails = nil }()
			return r.Keep(a, []vtoken.Login{boundLogin()})
		},
		"too many logins": func() error { return r.Keep(a, many) },
		"writing": func() error {
			path := r.path(a.ID) + temporary
			require.NoError(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
			defer os.RemoveAll(path)
			return r.Keep(a, []vtoken.Login{boundLogin()})
		},
	} {
		require.NoError(t, r.Keep(a, []vtoken.Login{plainLogin(), boundLogin()}))
		require.Error(t, fail(), what)
		require.Empty(t, names(t, dir), what)
		_, err := r.Find(a, ticketOf(1))
		require.ErrorIs(t, err, ErrNone, what)
	}
	require.NoError(t, r.Keep(a, many[:300]), "some hundred are kept")
	found, err := r.Find(a, ticketOf(1))
	require.NoError(t, err)
	require.Len(t, found.Logins, 300)
}

// A process that cannot be told from others has no record.
func TestUnknownProcess(t *testing.T) {
	dir := folder(t)
	r := openRecords(t, dir, newSealer(t, 1))
	p := self(t)
	p.Started = 0
	require.NoError(t, r.Keep(newApplication(t, 1, p, ticketOf(1)), []vtoken.Login{plainLogin()}))
	require.Empty(t, names(t, dir))
	_, err := NewApplication(ID{1}, p, secret.Bytes("short"))
	require.Error(t, err)
}

// A start removes everything but records of processes that run, and follows and opens nothing
// that is no file.
func TestSweep(t *testing.T) {
	dir, s := folder(t), newSealer(t, 1)
	r := openRecords(t, dir, s)
	require.NoError(t, r.Keep(newApplication(t, 1, self(t), ticketOf(1)), []vtoken.Login{plainLogin()}))
	kept := names(t, dir)
	ended := self(t)
	ended.Started--
	require.NoError(t, r.Keep(newApplication(t, 2, ended, ticketOf(1)), []vtoken.Login{plainLogin()}))
	whole, err := os.ReadFile(r.path(ID{1}))
	require.NoError(t, err)

	canary := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(canary, whole, 0o600))
	require.NoError(t, os.WriteFile(r.path(ID{3}), nil, 0o600))
	require.NoError(t, os.WriteFile(r.path(ID{4}), whole[:len(whole)-1], 0o600))
	require.NoError(t, os.Truncate(r.path(ID{2}), 1<<40))
	require.NoError(t, os.Symlink(canary, r.path(ID{5})))
	require.NoError(t, os.Symlink(r.path(ID{1}), r.path(ID{6})))
	require.NoError(t, syscall.Mkfifo(r.path(ID{7}), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(r.path(ID{8}), "x"), 0o700))
	require.NoError(t, os.Symlink(filepath.Dir(canary), filepath.Join(r.path(ID{8}), "y")))
	bare := kept[0][:len(kept[0])-len(suffix)]
	for _, name := range []string{"x", "00.login", kept[0] + temporary, "zz" + kept[0][2:], bare} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), whole, 0o600))
	}
	for _, id := range []byte{3, 4, 5, 6, 7, 8} {
		_, err := r.Find(newApplication(t, id, self(t), ticketOf(1)), ticketOf(1))
		require.ErrorIs(t, err, ErrDamaged, "%d", id)
	}
	r = openRecords(t, dir, s)
	require.Equal(t, kept, names(t, dir))
	text, err := os.ReadFile(canary)
	require.NoError(t, err)
	require.Equal(t, whole, text)
	_, err = r.Find(newApplication(t, 1, self(t), ticketOf(1)), ticketOf(1))
	require.NoError(t, err)
}

// A folder that others may write to, or may put in the place of ours, is refused.
func TestFolderOfOthers(t *testing.T) {
	s := newSealer(t, 1)
	for what, arrange := range map[string]func(dir string) error{
		"others may write to it": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o702))
		},
		"others may list it":    func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o740)) },
		"it is a file":          func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"it is a link":          func(dir string) error { return os.Symlink(t.TempDir(), dir) },
		"others may move it":    func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) },
		"its folder is not":     func(dir string) error { return os.RemoveAll(filepath.Dir(dir)) },
		"the group may move it": func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o770) },
	} {
		dir := folder(t)
		require.NoError(t, arrange(dir), what)
		r, err := Open(dir, s)
		require.Error(t, err, what)
		require.Nil(t, r, what)
	}
	dir := folder(t)
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o777|fs.ModeSticky))
	openRecords(t, dir, s)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, Remove(dir))
	require.NoDirExists(t, dir)
	require.NoError(t, Remove(dir))
}
