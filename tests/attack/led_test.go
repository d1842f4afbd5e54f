package attack

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// A led process speaks the protocol as the library does, and shows whatever id and ticket a
// test tells it to. It reads a command from each line of its standard input and prints one line
// for it: what it got, or the code of the error.

// led is an attacker (see attackers). It takes the connection that it inherits, if an argument
// says so.
func led(args []string) error {
	l := &ledProcess{}
	if len(args) > 0 && args[0] == "inherit" {
		c, err := net.FileConn(os.NewFile(3, "inherited"))
		if err != nil {
			return err
		}
		l.inherited = c
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		said, err := l.do(strings.Fields(lines.Text()))
		if err != nil {
			said = ck.CodeOf(err).Error()
			if _, ok := err.(ck.Error); !ok {
				said = err.Error()
			}
		}
		fmt.Println(said)
	}
	return nil
}

type ledProcess struct {
	*wire
	inherited net.Conn
}

func (l *ledProcess) do(words []string) (string, error) {
	number := func(i int) uint64 {
		n, _ := strconv.ParseUint(words[i], 10, 64)
		return n
	}
	session := func(e *p11rpc.Encoder) { e.Ulong(number(1)) }
	var err error
	switch words[0] {
	case "join": // ID TICKET
		return l.join(words[1], words[2])
	case "leave":
		err = l.Close()
	case "slot":
		return l.slot()
	case "open": // SLOT
		err = l.call(p11rpc.CallOpenSession, func(e *p11rpc.Encoder) {
			e.Ulong(number(1))
			e.Ulong(uint64(ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION))
		})
		if err == nil {
			return strconv.FormatUint(l.dec.Ulong(), 10), l.dec.Done()
		}
	case "resume": // SESSION SLOT
		err = l.call(p11rpc.CallResume, func(e *p11rpc.Encoder) {
			e.ResumedSessions([]p11rpc.ResumedSession{
				{Handle: number(1), Slot: number(2), Flags: uint64(ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION)},
			})
		})
		if err == nil {
			lost, _ := p11rpc.UlongList[uint64](&l.dec)
			return fmt.Sprintf("lost %d", len(lost)), l.dec.Done()
		}
	case "login", "so": // SESSION PIN
		user := ck.CKU_USER
		if words[0] == "so" {
			user = ck.CKU_SO
		}
		err = l.call(p11rpc.CallLogin, func(e *p11rpc.Encoder) {
			session(e)
			e.Ulong(uint64(user))
			e.Data([]byte(words[2]))
		})
	case "logout": // SESSION
		err = l.call(p11rpc.CallLogout, session)
	case "setpin": // SESSION OLD NEW
		err = l.call(p11rpc.CallSetPIN, func(e *p11rpc.Encoder) {
			session(e)
			e.Data([]byte(words[2]))
			e.Data([]byte(words[3]))
		})
	case "initpin": // SESSION NEW
		err = l.call(p11rpc.CallInitPIN, func(e *p11rpc.Encoder) {
			session(e)
			e.Data([]byte(words[2]))
		})
	case "state": // SESSION
		err = l.call(p11rpc.CallGetSessionInfo, session)
		if err == nil {
			return stateNames[l.dec.SessionInfo().State], l.dec.Done()
		}
	case "finalize":
		err = l.call(p11rpc.CallFinalize, func(*p11rpc.Encoder) {})
	case "child": // ID TICKET: a child joins over a connection of its own
		return child(nil, strings.Join(append([]string{"join"}, words[1:]...), " "))
	case "pass": // ID TICKET: a child joins over a connection of this process
		return l.pass(words[1:])
	default:
		return "", fmt.Errorf("no such command: %v", words)
	}
	if err != nil {
		return "", err
	}
	return "ok", nil
}

var stateNames = map[ck.State]string{
	ck.CKS_RW_PUBLIC_SESSION: "public", ck.CKS_RW_USER_FUNCTIONS: "user", ck.CKS_RW_SO_FUNCTIONS: "so",
}

// joinings are the answers to joining.
var joinings = map[p11rpc.Joining]string{
	p11rpc.JoinedNew: "new", p11rpc.JoinedLive: "live", p11rpc.JoinedResumed: "resumed",
}

// join begins a connection with an id and a ticket.
func (l *ledProcess) join(id, ticket string) (string, error) {
	conn := l.inherited
	if conn == nil {
		var err error
		if conn, err = net.Dial("unix", os.Getenv("VTOKEN_P11_SOCKET")); err != nil {
			return "", err
		}
	}
	w := &wire{Conn: conn, in: p11rpc.NewReader(conn)}
	var err error
	if w.version, err = p11rpc.Offer(conn, p11rpc.Joined); err != nil {
		return "", fmt.Errorf("shaking hands: %w", err)
	}
	w.enc.Version, w.dec.Version = w.version, w.version
	idBytes, err := hex.DecodeString(id)
	if err != nil {
		return "", err
	}
	ticketBytes, err := hex.DecodeString(ticket)
	if err != nil {
		return "", err
	}
	err = w.call(p11rpc.CallJoin, func(e *p11rpc.Encoder) {
		e.Data(idBytes)
		e.Data(ticketBytes)
	})
	if err != nil {
		conn.Close()
		return "", err
	}
	how := p11rpc.Joining(w.dec.Ulong())
	l.wire = w
	return joinings[how], w.dec.Done()
}

// slot is the first slot with a token.
func (l *ledProcess) slot() (string, error) {
	err := l.call(p11rpc.CallGetSlotList, func(e *p11rpc.Encoder) {
		e.Byte(1)
		e.UlongBuffer(16)
	})
	if err != nil {
		return "", err
	}
	slots, _ := p11rpc.UlongList[uint64](&l.dec)
	if err := l.dec.Done(); err != nil {
		return "", err
	}
	if len(slots) == 0 {
		return "none", nil
	}
	return strconv.FormatUint(slots[0], 10), nil
}

// child starts this program again, which gets a connection and one line to do, and returns what
// it says.
func child(inherited *os.File, line string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	c := exec.Command(self)
	if inherited != nil {
		c.Args = append(c.Args, "inherit")
		c.ExtraFiles = []*os.File{inherited}
	}
	c.Stdin = strings.NewReader(line + "\n")
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
}

// pass has a child join over a connection of this process.
func (l *ledProcess) pass(words []string) (string, error) {
	conn, err := net.Dial("unix", os.Getenv("VTOKEN_P11_SOCKET"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	f, err := conn.(*net.UnixConn).File()
	if err != nil {
		return "", err
	}
	defer f.Close()
	return child(f, strings.Join(append([]string{"join"}, words...), " "))
}

// holder is an application of an OS user that is logged in to a token, with a ticket that
// tests know.
type holder struct {
	*attacker
	uid           uint32
	login         string // of the user
	token         string // its id
	id, ticket    string
	slot, session string
}

// ask gives a led process a command and returns what it says.
func (a *attacker) ask(t *testing.T, words ...string) string {
	t.Helper()
	a.tell(t, strings.Join(words, " "))
	return a.line(t)
}

// hexOf is n bytes of the number in hexadecimal digits.
func hexOf(number uint32, n int) string { return fmt.Sprintf("%0*x", 2*n, number) }

// newHolder makes a user with a token, and a process of the uid that is logged in to it.
func newHolder(t *testing.T, d *harness.Daemon, uid uint32) *holder {
	t.Helper()
	login := fmt.Sprintf("user%d", uid)
	h := &holder{uid: uid, login: login, token: newToken(t, d, login, uid, "card-of-"+login)}
	h.begin(t, d)
	require.Equal(t, "ok", h.ask(t, "login", h.session, harness.PIN))
	require.Equal(t, "user", h.ask(t, "state", h.session))
	return h
}

// begin starts the holder's process, which joins and opens a session.
func (h *holder) begin(t *testing.T, d *harness.Daemon) {
	t.Helper()
	h.id, h.ticket = hexOf(h.uid, p11rpc.ApplicationIDSize), hexOf(h.uid+1, p11rpc.TicketSize)
	h.attacker = launch(t, d, h.uid, "led")
	require.Equal(t, "new", h.ask(t, "join", h.id, h.ticket))
	h.slot = h.ask(t, "slot")
	h.session = h.ask(t, "open", h.slot)
}

// another is another process of the holder's user, with an id and a ticket of its own and a
// session.
func (h *holder) another(t *testing.T, d *harness.Daemon) (a *attacker, session string) {
	t.Helper()
	a = launch(t, d, h.uid, "led")
	require.Equal(t, "new", a.ask(t, "join", hexOf(h.uid+1000, p11rpc.ApplicationIDSize), h.ticket))
	return a, a.ask(t, "open", a.ask(t, "slot"))
}

// returns joins again, after the daemon was started again, and reports what the holder finds
// of its session: user, public, or the code of an error.
func (h *holder) returns(t *testing.T) (joined, state string) {
	t.Helper()
	joined = h.ask(t, "join", h.id, h.ticket)
	if joined == "new" || joined == "resumed" {
		require.Contains(t, h.ask(t, "resume", h.session, h.slot), "lost ")
	}
	return joined, h.ask(t, "state", h.session)
}

// restart kills the daemon and starts it again.
func restart(t *testing.T, d *harness.Daemon, flags ...string) {
	t.Helper()
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start(flags...))
}

// startedAs starts a led process of the uid that has the process id, which must be free.
func startedAs(t *testing.T, d *harness.Daemon, pid int, uid uint32) *attacker {
	t.Helper()
	program := buildC(t, d, "aspid.c")
	a := launchCommand(t, d, exec.Command(program, strconv.Itoa(pid), strconv.Itoa(int(uid)), self(t, d)), "led")
	return a
}

// buildC compiles a program of testdata where every user can run it.
func buildC(t *testing.T, d *harness.Daemon, source string) string {
	t.Helper()
	program := d.Dir + "/" + strings.TrimSuffix(source, ".c")
	out, err := exec.Command("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, "testdata/"+source).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}
