package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// Who knows the id and the ticket of an application gets nothing from them, unless it is the
// process that they belong to, and its login still holds. docs/threat-model.md has the table.

// refusedTicket is what a daemon answers to the ticket of another process.
const refusedTicket = "CKR_ACTION_PROHIBITED"

// recordOf is the file with the logins of the holder.
func recordOf(d *harness.Daemon, h *holder) string {
	return filepath.Join(d.P11Socket+".logins", h.id+".login")
}

// requireLogged waits until the daemon's log has a text: it comes on another way than answers.
func requireLogged(t *testing.T, d *harness.Daemon, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(d.Log(), text) }, hangsAfter, tick)
}

// TestLoginOutlivesTheDaemon: the process itself has its session and its login back, after
// SIGKILL and after SIGTERM, time and again.
func TestLoginOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	d := start(t)
	h := newHolder(t, d, 62101)
	for _, end := range []func() error{d.Kill, d.Stop, d.Kill, d.Stop} {
		require.NoError(t, end())
		require.FileExists(t, recordOf(d, h))
		require.NoError(t, d.Start())
		joined, state := h.returns(t)
		require.Equal(t, "resumed user", joined+" "+state)
	}
	require.Equal(t, "ok", h.ask(t, "logout", h.session))
	require.NoFileExists(t, recordOf(d, h))
	out, err := d.Vtoken("audit", "tail", "-o", "json")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(out, `"event":"resume","result":"ok"`), out)
}

// TestStolenTicket: another process of the same user has no use for the ticket, whether the
// application lives or has to resume; nor has a child, be it over a connection of its own, or,
// when the process has ended, over one that the process made.
func TestStolenTicket(t *testing.T) {
	t.Parallel()
	d := start(t)
	h := newHolder(t, d, 62111)
	thief := launch(t, d, h.uid, "led")
	for _, when := range []string{"live", "resumed"} {
		require.Equal(t, refusedTicket, thief.ask(t, "join", h.id, h.ticket), when)
		require.Equal(t, refusedTicket, h.ask(t, "child", h.id, h.ticket), when)
		require.Equal(t, refusedTicket, h.ask(t, "join", h.id, hexOf(1, 32)), "the process without the ticket")
		require.Equal(t, when, h.ask(t, "join", h.id, h.ticket))
		require.Contains(t, h.ask(t, "resume", h.session, h.slot), "lost")
		require.Equal(t, "user", h.ask(t, "state", h.session), when)
		if when == "live" {
			restart(t, d)
		}
	}
	// A socket is that of the process which connected it. The child has all of its memory.
	require.Equal(t, "live", h.ask(t, "pass", h.id, h.ticket))

	out, err := d.Vtoken("audit", "tail", "-o", "json")
	require.NoError(t, err)
	require.Equal(t, 6, strings.Count(out, `"event":"resume","result":"`+refusedTicket+`"`), out)
	require.Contains(t, out, fmt.Sprintf(`"pid":%d`, thief.cmd.Process.Pid))
	require.EqualValues(t, 3, measured(t, d, `vtoken_resumptions_total{result="refused"}`))
	require.EqualValues(t, 1, measured(t, d, `vtoken_resumptions_total{result="ok"}`))
}

// TestRefusedTicketsFillNoLog: who is refused without end writes few lines.
func TestRefusedTicketsFillNoLog(t *testing.T) {
	d := start(t)
	h := newHolder(t, d, 62116)
	restart(t, d) // so that it is the record that refuses
	thief := launch(t, d, h.uid, "led")
	for range 100 {
		require.Equal(t, refusedTicket, thief.ask(t, "join", h.id, h.ticket))
	}
	out, err := d.Vtoken("audit", "tail", "-o", "json")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(out, `"event":"resume"`), 21)
	requireLogged(t, d, "refused the ticket")
	require.LessOrEqual(t, strings.Count(d.Log(), "refused the ticket"), 20)
	joined, state := h.returns(t)
	require.Equal(t, "resumed user", joined+" "+state)
}

// TestSameProcessID: a process that got the id of one that ended is another process.
func TestSameProcessID(t *testing.T) {
	d := start(t)
	h := newHolder(t, d, 62121)
	restart(t, d)
	pid := h.cmd.Process.Pid
	h.kill()
	require.FileExists(t, recordOf(d, h))
	thief := startedAs(t, d, pid, h.uid)
	require.Equal(t, refusedTicket, thief.ask(t, "join", h.id, h.ticket))
	out, err := d.Vtoken("audit", "tail", "-o", "json")
	require.NoError(t, err)
	require.Contains(t, out, fmt.Sprintf(`"result":"%s","process":{"uid":%d,"pid":%d`, refusedTicket, h.uid, pid))
	// At the next start nothing is left for it.
	restart(t, d)
	require.NoFileExists(t, recordOf(d, h))
	require.Equal(t, "new", thief.ask(t, "join", h.id, h.ticket))
	require.Equal(t, "lost 0", thief.ask(t, "resume", h.session, h.slot))
	require.Equal(t, "public", thief.ask(t, "state", h.session))
}

// ending is something that ends a login. It does so for a holder whose application lives, and
// for one that has not come back yet since the daemon was started again.
type ending struct {
	name string
	do   func(t *testing.T, d *harness.Daemon, h *holder)
	// live is what the application finds while it lives.
	live string
	// gone says that nothing is left of the session.
	gone bool
}

const (
	noSession = "CKR_SESSION_HANDLE_INVALID"
	newPIN    = "another-PIN-7"
)

// administer runs the command.
func administer(args ...string) func(*testing.T, *harness.Daemon, *holder) {
	return func(t *testing.T, d *harness.Daemon, h *holder) {
		t.Helper()
		words := make([]string, len(args))
		for i, word := range args {
			words[i] = strings.NewReplacer("TOKEN", h.token, "LOGIN", h.login).Replace(word)
		}
		_, err := d.Vtoken(words...)
		require.NoError(t, err)
	}
}

// administerAll runs one command after another.
func administerAll(all ...[]string) func(*testing.T, *harness.Daemon, *holder) {
	return func(t *testing.T, d *harness.Daemon, h *holder) {
		t.Helper()
		for _, args := range all {
			administer(args...)(t, d, h)
		}
	}
}

// endings are what ends a login. What the holder does itself is not among them.
var endings = []ending{
	{name: "another process of the user sets the PIN", live: "user", do: func(t *testing.T, d *harness.Daemon, h *holder) {
		other, session := h.another(t, d)
		require.Equal(t, "ok", other.ask(t, "setpin", session, harness.PIN, newPIN))
	}},
	{name: "the SO sets the PIN", live: "public", do: func(t *testing.T, d *harness.Daemon, h *holder) {
		other, session := h.another(t, d)
		require.Equal(t, "ok", other.ask(t, "so", session, harness.SOPIN))
		require.Equal(t, "ok", other.ask(t, "initpin", session, newPIN))
	}},
	{name: "an administrator resets the PIN", live: "public", do: func(t *testing.T, d *harness.Daemon, h *holder) {
		so, user := filepath.Join(d.Dir, "so.pin"), filepath.Join(d.Dir, "user.pin")
		require.NoError(t, os.WriteFile(so, []byte(harness.SOPIN), 0o600))
		require.NoError(t, os.WriteFile(user, []byte(newPIN), 0o600))
		administer("token", "reset-pin", "TOKEN", "--user-pin-file", user, "--current-so-pin-file", so)(t, d, h)
	}},
	{name: "wrong PINs lock it", live: "public", do: func(t *testing.T, d *harness.Daemon, h *holder) {
		other, session := h.another(t, d)
		for i := 0; ; i++ {
			switch said := other.ask(t, "login", session, fmt.Sprintf("wrong-%d", i)); said {
			case "CKR_PIN_INCORRECT":
			case "CKR_PIN_LOCKED":
				return
			default:
				t.Fatal(said)
			}
		}
	}},
	{name: "the token is disabled", live: noSession, gone: true, do: administer("token", "disable", "TOKEN")},
	{name: "the token is unassigned", live: noSession, gone: true, do: administer("token", "unassign", "TOKEN")},
	{name: "the token is deleted", live: noSession, gone: true, do: administer("token", "delete", "TOKEN", "--yes")},
	{
		name: "the token expires", live: noSession, gone: true,
		do: administer("token", "expire", "TOKEN", "2020-01-01T00:00:00Z"),
	},
	{name: "the user is disabled", live: noSession, gone: true, do: administer("user", "disable", "LOGIN")},
	{
		name: "the OS user is mapped no more", live: noSession, gone: true,
		do: administer("user", "map", "LOGIN", "--os-user", "#62999"),
	},
	{name: "the token is disabled, and enabled again", live: noSession, do: administerAll(
		[]string{"token", "disable", "TOKEN"}, []string{"token", "enable", "TOKEN"})},
	{name: "the token is unassigned, and assigned again", live: noSession, do: administerAll(
		[]string{"token", "unassign", "TOKEN"}, []string{"token", "assign", "TOKEN", "--user", "LOGIN"})},
	{name: "the user is disabled, and enabled again", live: noSession, do: administerAll(
		[]string{"user", "disable", "LOGIN"}, []string{"user", "enable", "LOGIN"})},
	{name: "an administrator ends it", live: noSession, gone: true, do: func(t *testing.T, d *harness.Daemon, h *holder) {
		pid := strconv.Itoa(h.cmd.Process.Pid)
		list, err := d.Vtoken("session", "list", "--pid", pid, "-o", "json")
		require.NoError(t, err)
		require.Contains(t, list, h.token)
		administer("session", "end", "--pid", pid, "--yes")(t, d, h)
		list, err = d.Vtoken("session", "list", "--pid", pid, "--token", h.token, "-o", "json")
		require.NoError(t, err)
		require.Equal(t, "[]", strings.TrimSpace(list))
	}},
}

// TestTicketDies: after each of the endings the ticket gives no login, both where the
// application lived meanwhile and where the daemon crashed before.
func TestTicketDies(t *testing.T) {
	t.Parallel()
	for when, c := range map[string]struct {
		crashes bool
		first   uint32 // uid
	}{
		"while it lived":    {false, 62200},
		"while it was away": {true, 62300},
	} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			d := start(t)
			var holders []*holder
			for i := range endings {
				holders = append(holders, newHolder(t, d, c.first+uint32(i)))
			}
			if c.crashes {
				restart(t, d)
			}
			t.Run("endings", func(t *testing.T) { // side by side, because the one of wrong PINs waits
				for i, e := range endings {
					t.Run(e.name, func(t *testing.T) {
						t.Parallel()
						e.do(t, d, holders[i])
						if !c.crashes {
							require.Equal(t, e.live, holders[i].ask(t, "state", holders[i].session))
						}
					})
				}
			})
			if !c.crashes {
				restart(t, d)
			}
			for i, e := range endings {
				want := "public"
				if e.gone {
					want = noSession
				}
				joined, state := holders[i].returns(t)
				require.Equal(t, want, state, e.name)
				if c.crashes {
					require.Equal(t, "new", joined, "%s: no record is left", e.name)
				}
				require.NotEqual(t, "ok", holders[i].ask(t, "logout", holders[i].session), e.name)
			}
		})
	}
}

// TestTicketAfterTheHolderEnded: C_Logout, C_Finalize and the end of the process leave no
// record, and none comes back.
func TestTicketAfterTheHolderEnded(t *testing.T) {
	t.Parallel()
	d := start(t)
	out, finalized, ended := newHolder(t, d, 62401), newHolder(t, d, 62402), newHolder(t, d, 62403)
	holders := []*holder{out, finalized, ended}
	for _, h := range holders {
		require.FileExists(t, recordOf(d, h))
	}
	require.Equal(t, "ok", out.ask(t, "logout", out.session))
	require.NoFileExists(t, recordOf(d, out), "before C_Logout is answered")
	require.Equal(t, "ok", finalized.ask(t, "finalize"))
	require.NoFileExists(t, recordOf(d, finalized), "before C_Finalize is answered")
	ended.kill()
	require.Eventually(t, func() bool {
		_, err := os.Lstat(recordOf(d, ended))
		return os.IsNotExist(err)
	}, hangsAfter, tick)
	restart(t, d)
	for _, h := range holders[:2] {
		joined, state := h.returns(t)
		require.Equal(t, "new public", joined+" "+state)
	}
}

// TestCopyOfARecord: a record that somebody put back, who may write there, is of no use to
// another process and to another store, and does not open for another application. To the
// process that it is about it gives the login back: see the threat model.
func TestCopyOfARecord(t *testing.T) {
	t.Parallel()
	d := start(t)
	h, other := newHolder(t, d, 62501), newHolder(t, d, 62502)
	kept, err := os.ReadFile(recordOf(d, h))
	require.NoError(t, err)
	require.NotContains(t, string(kept), h.token, "it is sealed")
	require.Equal(t, "ok", h.ask(t, "logout", h.session))
	putBack := func(where *holder) {
		require.NoError(t, d.Kill())
		require.NoError(t, os.WriteFile(recordOf(d, where), kept, 0o600))
		require.NoError(t, d.Start())
	}
	putBack(other) // under the id of another application
	joined, state := other.returns(t)
	require.Equal(t, "new public", joined+" "+state)

	putBack(h)
	require.Equal(t, refusedTicket, launch(t, d, h.uid, "led").ask(t, "join", h.id, h.ticket))
	joined, state = h.returns(t)
	require.Equal(t, "resumed user", joined+" "+state)
	require.Equal(t, "ok", h.ask(t, "logout", h.session))

	// Another store in its place, with the same user.
	require.NoError(t, d.Kill())
	require.NoError(t, os.RemoveAll(d.DataDir))
	require.NoError(t, os.WriteFile(recordOf(d, h), kept, 0o600))
	require.NoError(t, d.Start())
	require.NoFileExists(t, recordOf(d, h))
	newToken(t, d, h.login, h.uid, "another card")
	require.Equal(t, "new", h.ask(t, "join", h.id, h.ticket))
	require.Equal(t, "public", h.ask(t, "state", h.ask(t, "open", h.ask(t, "slot"))))
}

// TestFolderOfRecords: what is in the folder and is no record is removed at the start, and not
// followed or waited for; a folder that others may write to is not used, and the daemon goes on
// without.
func TestFolderOfRecords(t *testing.T) {
	t.Parallel()
	d := start(t)
	h := newHolder(t, d, 62511)
	folder := d.P11Socket + ".logins"
	kept, err := os.ReadFile(recordOf(d, h))
	require.NoError(t, err)
	require.NoError(t, d.Kill())
	canary := filepath.Join(d.Dir, "canary")
	require.NoError(t, os.WriteFile(canary, []byte("untouched"), 0o600))
	name := func(i int) string { return filepath.Join(folder, hexOf(uint32(i), 16)+".login") }
	require.NoError(t, os.WriteFile(name(1), []byte("garbage"), 0o600))
	require.NoError(t, os.WriteFile(name(2), kept[:len(kept)-1], 0o600))
	require.NoError(t, os.WriteFile(name(3), nil, 0o600))
	require.NoError(t, os.Truncate(name(3), 1<<40)) // a hole
	require.NoError(t, os.Symlink(canary, name(4)))
	require.NoError(t, os.Symlink(recordOf(d, h), name(5)))
	require.NoError(t, syscall.Mkfifo(name(6), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(name(7), "within"), 0o700))
	require.NoError(t, os.Symlink(d.Dir, filepath.Join(name(7), "out")))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink(canary, recordOf(d, h)+".new")) // where the next one is written
	require.NoError(t, d.Start())
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	joined, state := h.returns(t)
	require.Equal(t, "resumed user", joined+" "+state)

	// While the daemon runs: a link in the way of the next record.
	require.NoError(t, os.Symlink(canary, recordOf(d, h)+".new"))
	require.Equal(t, "ok", h.ask(t, "logout", h.session))
	require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
	text, err := os.ReadFile(canary)
	require.NoError(t, err)
	require.Equal(t, "untouched", string(text))
	restart(t, d)
	joined, state = h.returns(t)
	require.Equal(t, "resumed user", joined+" "+state)

	require.NoError(t, d.Kill())
	require.NoError(t, os.Chmod(folder, 0o777))
	require.NoError(t, d.Start())
	requireLogged(t, d, "applications will have to log in again")
	joined, state = h.returns(t)
	require.Equal(t, "new public", joined+" "+state)
	require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
}

// TestResumeSwitch: with --resume planned and off no record is written, and the earlier ones
// are gone for good. A tenant that wants that has the same.
func TestResumeSwitch(t *testing.T) {
	t.Parallel()
	d := start(t)
	h := newHolder(t, d, 62521)
	for _, how := range []string{"planned", "off"} {
		require.FileExists(t, recordOf(d, h))
		restart(t, d, "--resume", how)
		require.NoDirExists(t, d.P11Socket+".logins")
		joined, state := h.returns(t)
		require.Equal(t, "new public", joined+" "+state)
		require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
		require.NoDirExists(t, d.P11Socket+".logins")
		restart(t, d)
		joined, state = h.returns(t)
		require.Equal(t, "new public", joined+" "+state)
		require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
	}
	_, err := d.Vtoken("tenant", "policy", "default", "--resume", "off")
	require.NoError(t, err)
	restart(t, d)
	joined, state := h.returns(t)
	require.Equal(t, "resumed public", joined+" "+state, "a login from before the policy")
	require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
	require.NoFileExists(t, recordOf(d, h))
}

// signs is a process with our library that logs in, makes a key on the token, and signs once
// for each line of its standard input.
func signs(args []string) error {
	c, h, err := loggedIn(args[0])
	if err != nil {
		return err
	}
	key, err := ecPair(c, h, p256, true)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		var line string
		if _, err := fmt.Scanln(&line); err != nil {
			return nil
		}
		fmt.Println(ck.CodeOf(sign(c, h, ck.CKM_ECDSA, key)))
	}
}

// TestBoundTokenResumes: the library signs again after a crash with a key that only the PIN
// opens, and a daemon that has the record without the library does not.
func TestBoundTokenResumes(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewUser("bound"))
	_, err := d.Vtoken("tenant", "policy", "default", "--pin-bound")
	require.NoError(t, err)
	newToken(t, d, "bound", 62531, "bound card")
	a := launch(t, d, 62531, "signs", "bound card")
	require.Equal(t, "ready", a.line(t))
	for range 2 {
		require.Equal(t, "CKR_OK", a.ask(t, "sign"))
		restart(t, d)
	}
	require.Equal(t, "CKR_OK", a.ask(t, "sign"))
}
