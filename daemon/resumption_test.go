package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/config"
	"vtoken/daemon/p11server"
	"vtoken/daemon/peer"
	"vtoken/daemon/resume"
	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// TestRecordsFromTheFirstStartOn: the folder of the sockets need not exist when a daemon starts
// for the first time, and logins are kept from then on.
func TestRecordsFromTheFirstStartOn(t *testing.T) {
	var warned bytes.Buffer
	path := filepath.Join(t.TempDir(), "run", "p11.sock")
	log := slog.New(slog.NewTextHandler(&warned, nil))
	r := newResumption(config.Config{P11Socket: path, Resume: config.ResumeOn}, nil, nil, nil, log, nil, nil)
	require.Empty(t, warned.String())
	require.NotNil(t, r.records)
	require.DirExists(t, path+".logins")
}

// openly seals nothing.
type openly struct{}

func (openly) SealOutside(_ [16]byte, plain []byte) ([]byte, error)  { return bytes.Clone(plain), nil }
func (openly) OpenOutside(_ [16]byte, sealed []byte) ([]byte, error) { return sealed, nil }

// crashWorld is a store with two tokens of this process's user, and a process that is logged
// in to both.
type crashWorld struct {
	*testing.T
	store  *enginetest.Store
	cfg    config.Config
	who    p11server.Applicant
	tokens []*record.Token
}

func newCrashWorld(t *testing.T) *crashWorld {
	w := &crashWorld{T: t, store: enginetest.New()}
	w.cfg = config.Config{P11Socket: filepath.Join(t.TempDir(), "p11.sock"), Resume: config.ResumeOn}
	w.store.MapUser(uint32(os.Getuid()), "alice")
	for _, label := range []string{"one", "two"} {
		token, err := w.store.AddToken("alice", label, "1234", "12345678")
		require.NoError(t, err)
		w.tokens = append(w.tokens, token)
	}
	w.who = p11server.Applicant{Process: w.self(), ID: [p11rpc.ApplicationIDSize]byte{1}}
	return w
}

// self is this process as the other end of a socket.
func (w *crashWorld) self() peer.Process {
	l, err := net.Listen("unix", filepath.Join(w.TempDir(), "self"))
	require.NoError(w, err)
	defer l.Close()
	dialed, err := net.Dial("unix", l.Addr().String())
	require.NoError(w, err)
	defer dialed.Close()
	met, err := l.Accept()
	require.NoError(w, err)
	defer met.Close()
	p, err := peer.Of(met.(*net.UnixConn))
	require.NoError(w, err)
	return p.WithStart(met.(*net.UnixConn))
}

// daemon is what a daemon has that starts now, after a crash of the one before.
func (w *crashWorld) daemon() *resumption {
	engine, err := vtoken.New(w.store, vtoken.Options{})
	require.NoError(w, err)
	r := newResumption(w.cfg, openly{}, w.store, engine, slog.New(slog.DiscardHandler), nil, nil)
	w.store.Watch(r.away.apply)
	r.findAway(nil)
	return r
}

func (w *crashWorld) join(r *resumption) p11server.Admission {
	w.who.Ticket = secret.Bytes(bytes.Repeat([]byte{7}, p11rpc.TicketSize))
	a, err := r.join(w.who)
	require.NoError(w, err)
	return a
}

// loggedIn opens a session with each token and logs in.
func (w *crashWorld) loggedIn() (sessions []p11rpc.ResumedSession) {
	r := w.daemon()
	c := w.join(r).Client
	const flags = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION
	for _, token := range w.tokens {
		h, err := c.OpenSession(token.Slot, flags)
		require.NoError(w, err)
		require.NoError(w, c.Login(h, ck.CKU_USER, secret.Bytes("1234")))
		sessions = append(sessions, p11rpc.ResumedSession{Handle: uint64(h), Slot: uint64(token.Slot), Flags: uint64(flags)})
	}
	r.stop() // it crashes
	c.Close()
	return sessions
}

// recorded are the tokens that the records have logins with.
func (w *crashWorld) recorded(r *resumption) (tokens []record.TokenID) {
	list, err := r.records.All(nil)
	require.NoError(w, err)
	for _, one := range list {
		for _, l := range one.Logins {
			tokens = append(tokens, l.Token)
		}
	}
	return tokens
}

// A daemon that crashes while an application gets its logins back, one after the other, loses
// none of them; and one that does not hold any more is not kept.
func TestCrashWhileLoginsComeBack(t *testing.T) {
	w := newCrashWorld(t)
	sessions := w.loggedIn()
	one, two := w.tokens[0].ID, w.tokens[1].ID
	for range 2 { // crashes after the first login is back
		r := w.daemon()
		require.ElementsMatch(t, []record.TokenID{one, two}, w.recorded(r))
		a := w.join(r)
		require.True(t, a.Resumed)
		requireResumed(t, a, sessions[:1])
		require.ElementsMatch(t, []record.TokenID{one, two}, w.recorded(r))
	}
	r := w.daemon()
	a := w.join(r)
	for range 2 { // an application whose answer came too late asks again
		requireResumed(t, a, sessions)
	}
	for _, s := range sessions {
		info, err := a.Client.GetSessionInfo(ck.SessionHandle(s.Handle))
		require.NoError(t, err)
		require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, info.State)
	}
	require.NoError(t, a.Client.Logout(ck.SessionHandle(sessions[1].Handle)))
	require.Equal(t, []record.TokenID{one}, w.recorded(r))
}

// What ends a live login ends one that waits: on the disk before its application has come, and
// in memory afterwards, even if it is undone at once.
func TestWaitingLoginsEnd(t *testing.T) {
	for name, end := range map[string]func(w *crashWorld){
		"unmapped and mapped": func(w *crashWorld) {
			w.store.UnmapUser(uint32(os.Getuid()))
			w.store.MapUser(uint32(os.Getuid()), "alice")
		},
		"disabled and enabled": func(w *crashWorld) {
			for _, enabled := range []bool{false, true} {
				for _, token := range w.tokens {
					require.NoError(w, w.store.Update(func(tx vtoken.Tx) error {
						r, err := tx.Token(token.ID)
						if err != nil {
							return err
						}
						changed := *r
						changed.Enabled = enabled
						return tx.PutToken(&changed)
					}))
				}
			}
		},
	} {
		for _, came := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newCrashWorld(t)
				sessions := w.loggedIn()
				r := w.daemon()
				var a p11server.Admission
				if came {
					a = w.join(r)
				}
				end(w)
				require.Empty(t, w.recorded(r))
				if !came {
					a = w.join(r)
				}
				requireResumed(t, a, sessions)
				for _, s := range sessions {
					info, err := a.Client.GetSessionInfo(ck.SessionHandle(s.Handle))
					require.NoError(t, err)
					require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, info.State)
				}
			})
		}
	}
}

var _ resume.Sealer = openly{}

// requireResumed has the application get its sessions back.
func requireResumed(t *testing.T, a p11server.Admission, sessions []p11rpc.ResumedSession) {
	t.Helper()
	lost, err := a.Resume(sessions)
	require.NoError(t, err)
	require.Empty(t, lost)
}

// handOver has another daemon take the place of one that has the application.
func (w *crashWorld) handOver(r *resumption, a p11server.Admission) (*resumption, p11server.FrozenApplication) {
	name := &p11server.Name{ID: w.who.ID, Process: w.who.Process}
	from := &daemon{cfg: w.cfg, engine: r.engine, resumption: r, log: newLogs(w.cfg, io.Discard)}
	engine := r.engine.Save()
	handed, err := from.saveApplication(p11server.FrozenApplication{Client: a.Client, Name: name})
	require.NoError(w, err)
	r.stop()
	a.Client.Close()
	next := w.daemon()
	require.NoError(w, next.engine.RestoreState(engine))
	next.written = true
	to := &daemon{cfg: w.cfg, engine: next.engine, resumption: next, log: newLogs(w.cfg, io.Discard)}
	one, err := to.restoreApplication(handed)
	require.NoError(w, err)
	next.findAway(func(id resume.ID) bool { return id == w.who.ID })
	return next, one
}

// A planned restart while an application comes back after a crash: it gets the rest of its
// sessions from the successor, and its logins, also where another login changes before that; and
// what ends a login ends one that waits there.
func TestPlannedRestartWhileLoginsComeBack(t *testing.T) {
	for name, ends := range map[string]bool{"the rest comes back": false, "a token is disabled": true} {
		t.Run(name, func(t *testing.T) {
			w := newCrashWorld(t)
			sessions := w.loggedIn()
			one, two := w.tokens[0].ID, w.tokens[1].ID
			r := w.daemon()
			a := w.join(r)
			requireResumed(t, a, sessions[:1])

			next, restored := w.handOver(r, a)
			require.ElementsMatch(t, []record.TokenID{one, two}, w.recorded(next))
			first := ck.SessionHandle(sessions[0].Handle)
			require.NoError(t, restored.Client.Logout(first))
			require.Equal(t, []record.TokenID{two}, w.recorded(next))
			if ends {
				for _, enabled := range []bool{false, true} {
					require.NoError(t, w.store.ChangeToken(two, func(r *record.Token) { r.Enabled = enabled }))
				}
				require.Empty(t, w.recorded(next))
			}
			lost, err := restored.Resume(sessions)
			require.NoError(t, err)
			require.Empty(t, lost)
			for i, s := range sessions {
				info, err := restored.Client.GetSessionInfo(ck.SessionHandle(s.Handle))
				require.NoError(t, err)
				require.Equal(t, i == 1 && !ends, info.State == ck.CKS_RW_USER_FUNCTIONS, i)
			}
		})
	}
}
