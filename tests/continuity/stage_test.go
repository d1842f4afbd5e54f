package continuity

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// callLimit is how long the library waits for the daemon. It is longer than any interruption,
// so that a slow machine fails nothing.
const callLimit = "50s"

// stage is a daemon with a token "Card", and a folder in which a program is set up.
type stage struct {
	t      *testing.T
	daemon *harness.Daemon
	dir    string
	env    map[string]string

	mu  sync.Mutex
	log strings.Builder // of the programs that were started
}

func newStage(t *testing.T) *stage {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	dir, err := harness.TempDir()
	require.NoError(t, err)
	s := &stage{t: t, daemon: harness.NewDaemon(bin, dir), dir: filepath.Join(dir, "program")}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	t.Cleanup(func() {
		require.NoError(t, s.daemon.Kill())
		if t.Failed() {
			s.show(t)
		}
	})
	require.NoError(t, os.Mkdir(s.dir, 0o755))
	require.NoError(t, s.daemon.Start())
	require.NoError(t, s.daemon.NewToken("Card", harness.PIN, harness.SOPIN))
	s.env, err = harness.Downloads()
	require.NoError(t, err)
	for name, value := range s.daemon.Environment() {
		s.env[name] = value
	}
	root, err := harness.Root()
	require.NoError(t, err)
	here, err := filepath.Abs("testdata")
	require.NoError(t, err)
	for name, value := range map[string]string{
		"HOME": s.dir, "MODULE": s.daemon.Module(), "PIN": harness.PIN, "SOPIN": harness.SOPIN, "ROOT": root, "TESTDATA": here,
		"PATH": bin + ":" + os.Getenv("PATH"), "VTOKEN_P11_TIMEOUT": callLimit, "PORT": strconv.Itoa(s.port()),
	} {
		s.env[name] = value
	}
	if folder := os.Getenv("CONTINUITY_TRACE"); folder != "" {
		s.env["VTOKEN_TRACE"] = filepath.Join(folder, strings.ReplaceAll(t.Name(), "/", "-"))
	}
	return s
}

// show logs what the daemon and the programs wrote.
func (s *stage) show(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("the programs wrote:\n%s\nthe daemon's log:\n%s", s.log.String(), s.daemon.Log())
}

func (s *stage) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *stage) port() int {
	s.t.Helper()
	port, err := harness.FreePort()
	require.NoError(s.t, err)
	return port
}

// command is a command of bash in the program's folder.
func (s *stage) command(script string) *exec.Cmd {
	c := exec.Command("bash", "-c", script)
	c.Dir = s.dir
	c.Env = os.Environ()
	for name, value := range s.env {
		c.Env = append(c.Env, name+"="+value)
	}
	return c
}

// run runs a script to its end.
func (s *stage) run(script string) {
	s.t.Helper()
	out, err := s.command("set -euo pipefail\n" + script).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
}

// page runs a page of the documents, or the parts of it below some headings, and then more
// commands in the same shell.
func (s *stage) page(name string, more string, headings ...string) {
	s.t.Helper()
	script, err := harness.Page(name, headings...)
	require.NoError(s.t, err)
	// The library's limit has to reach workers, too.
	script = strings.ReplaceAll(script, "env VTOKEN_P11_SOCKET;", "env VTOKEN_P11_SOCKET;\nenv VTOKEN_P11_TIMEOUT;")
	s.run(script + more)
}

// ends ends a server that goes into the background and writes its process id into a file.
func (s *stage) ends(pidFile string) {
	s.t.Cleanup(func() { require.NoError(s.t, harness.EndServer(filepath.Join(s.dir, pidFile))) })
}

// serve starts a server that stays in the foreground, and waits until it listens at a port.
func (s *stage) serve(script string) {
	s.t.Helper()
	c := s.command(script)
	c.Stdout, c.Stderr = s, s
	in, err := c.StdinPipe() // some servers end when their input does
	require.NoError(s.t, err)
	require.NoError(s.t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	s.t.Cleanup(func() {
		_ = in.Close()
		_ = c.Process.Kill() // it may have ended, and the test has failed then
		<-ended
	})
	looks := time.NewTicker(looksEach)
	defer looks.Stop()
	late := time.After(hangsAfter)
	for {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			require.NoError(s.t, conn.Close())
			return
		}
		select {
		case <-looks.C:
		case err := <-ended:
			ended <- err
			s.show(s.t)
			require.FailNow(s.t, "the server ended before it listened", "%v", err)
		case <-late:
			s.show(s.t)
			require.FailNow(s.t, "the server does not listen")
		}
	}
}

func (s *stage) address() string { return "127.0.0.1:" + s.env["PORT"] }

// handshakes are two workers that make TLS handshakes, of the given kinds in turn.
func (s *stage) handshakes(roots string, kinds ...func(*x509.CertPool) *tls.Config) []operation {
	s.t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(s.dir, roots))
	require.NoError(s.t, err)
	require.True(s.t, pool.AppendCertsFromPEM(text), "%s holds no certificates", roots)
	one := func() operation {
		n := 0
		return func() error {
			n++
			_, err := harness.Handshake(s.address(), kinds[n%len(kinds)](pool))
			return err
		}
	}
	return []operation{one(), one()}
}

// everyKind are the handshakes of a server with an RSA and an EC key.
var everyKind = []func(*x509.CertPool) *tls.Config{harness.TLS13, harness.TLS12ECDSA, harness.TLS12RSA}

// rsaKind are the handshakes of a server with an RSA key alone.
var rsaKind = []func(*x509.CertPool) *tls.Config{harness.TLS13, harness.TLS12RSA}

// commands is a worker that runs short commands in turn.
func (s *stage) commands(list ...string) operation {
	n := 0
	return func() error {
		n++
		script := list[n%len(list)]
		if out, err := s.command("set -euo pipefail\n" + script).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", script, err, out)
		}
		return nil
	}
}

// client is a worker with a program of its own, which does one operation for each line that
// it reads, and answers it with "ok" or what went wrong.
func (s *stage) client(script string) operation {
	s.t.Helper()
	c := s.command("exec " + script)
	c.Stderr = s
	in, err := c.StdinPipe()
	require.NoError(s.t, err)
	out, err := c.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, c.Start())
	s.t.Cleanup(func() {
		_ = in.Close()
		_ = c.Process.Kill() // one that hangs
		_ = c.Wait()
	})
	answers := bufio.NewReader(out)
	return func() error {
		if _, err := io.WriteString(in, "go on\n"); err != nil {
			return fmt.Errorf("asking %s: %w", script, err)
		}
		answer, err := answers.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%s ended: %w", script, err)
		}
		if answer = strings.TrimSpace(answer); answer != "ok" {
			return fmt.Errorf("%s: %s", script, answer)
		}
		return nil
	}
}

// logins is how often each process logged in, or tried to.
func (s *stage) logins() map[int]int {
	s.t.Helper()
	text, err := s.daemon.Vtoken("audit", "tail", "-n", "1000", "-o", "json")
	require.NoError(s.t, err)
	count := map[int]int{}
	for line := range strings.Lines(text) {
		var record struct {
			Event   string
			Process struct{ PID int }
		}
		require.NoError(s.t, json.Unmarshal([]byte(line), &record), line)
		if record.Event == "login" {
			count[record.Process.PID]++
		}
	}
	return count
}
