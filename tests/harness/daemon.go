package harness

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"time"
)

// readyWithin is how long a daemon may take to be ready. It is not a measure of
// speed: only a daemon that hangs reaches it.
const readyWithin = 60 * time.Second

// Daemon is a vtokend in a folder of its own. Its methods are for one goroutine;
// only Log, Environment and what runs programs may be called beside them.
type Daemon struct {
	Dir         string // holds all the rest
	DataDir     string
	P11Socket   string
	AdminSocket string
	API         string // https://127.0.0.1:PORT
	CA          string // file of the API's certificate

	bin   string
	keks  []string // that --kek named at earlier starts
	flags []string // of the last start
	port  string   // of the API, the same after a restart
	held  *os.File // keeps the port while the daemon is away; nil where nothing does
	log   log
	cmd   *exec.Cmd
	done  chan error // gets the end of the process
}

// NewDaemon prepares a daemon in dir, which others can enter. It is not started.
// The path of dir must be short: a socket's path has 107 bytes.
func NewDaemon(bin, dir string) *Daemon {
	return &Daemon{
		Dir:         dir,
		DataDir:     filepath.Join(dir, "data"),
		P11Socket:   filepath.Join(dir, "run", "p11.sock"),
		AdminSocket: filepath.Join(dir, "run", "admin.sock"),
		CA:          filepath.Join(dir, "data", "api.crt"),
		bin:         bin,
		port:        "0",
	}
}

// Start runs the daemon and waits until it is ready. More flags may be given. What --kek
// named is named again at the next start, as a configuration file would.
func (d *Daemon) Start(flags ...string) error {
	d.flags = flags
	d.cmd = exec.Command(filepath.Join(d.bin, "vtokend"), append([]string{
		"--data-dir", d.DataDir, "--p11-socket", d.P11Socket, "--admin-socket", d.AdminSocket,
		"--api-listen", "127.0.0.1:" + d.port,
	}, d.withKEKs(flags)...)...)
	d.cmd.Stderr = &d.log
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("starting the daemon: %w", err)
	}
	ready := make(chan string, 1)
	d.done = make(chan error, 1)
	go d.watch(d.cmd, out, ready, d.done)
	return d.wait(ready)
}

// KEKs are the flags that name the KEKs of the starts so far, for programs that open the
// store themselves.
func (d *Daemon) KEKs() (flags []string) {
	for _, uri := range d.keks {
		flags = append(flags, "--kek", uri)
	}
	return flags
}

// Configure has a KEK named at the next starts.
func (d *Daemon) Configure(uri string) { d.keks = append(d.keks, uri) }

// withKEKs adds the KEKs of earlier starts to the flags, and remembers theirs.
func (d *Daemon) withKEKs(flags []string) []string {
	for i, f := range flags {
		if f == "--kek" && !slices.Contains(d.keks, flags[i+1]) {
			d.keks = append(d.keks, flags[i+1])
		}
	}
	all := slices.Clone(flags)
	for _, uri := range d.keks {
		if !slices.Contains(flags, uri) {
			all = append(all, "--kek", uri)
		}
	}
	return all
}

// watch tells the first line of the daemon's output and the end of its process.
func (d *Daemon) watch(cmd *exec.Cmd, out io.Reader, ready chan<- string, done chan<- error) {
	lines := bufio.NewScanner(io.TeeReader(out, &d.log))
	if lines.Scan() {
		ready <- lines.Text()
	}
	for lines.Scan() {
		continue // so that the daemon never waits for a reader
	}
	done <- cmd.Wait()
}

var apiAddress = regexp.MustCompile(`127\.0\.0\.1:([0-9]+)`)

// wait waits for the ready line and reads the address of the API from it.
func (d *Daemon) wait(ready <-chan string) error {
	select {
	case line := <-ready:
		m := apiAddress.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("the ready line %q names no address of the API", line)
		}
		d.port, d.API = m[1], "https://"+m[0]
		_ = d.held.Close() // which a nil one refuses
		d.held = nil
		for _, socket := range []string{d.P11Socket, d.AdminSocket} {
			if err := dial(socket); err != nil {
				return fmt.Errorf("the daemon says that it is ready, but: %w", err)
			}
		}
		return nil
	case err := <-d.done:
		d.cmd = nil
		return fmt.Errorf("the daemon ended before it was ready: %v\n%s", err, d.log.String())
	case <-time.After(readyWithin):
		return fmt.Errorf("the daemon was not ready within %v\n%s", readyWithin, d.log.String())
	}
}

func dial(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	return c.Close()
}

// Kill ends the daemon with SIGKILL, as a power cut would.
func (d *Daemon) Kill() error { return d.end(syscall.SIGKILL) }

// Stop ends the daemon with SIGTERM and reports how it ended: nil for exit
// status 0.
func (d *Daemon) Stop() error { return d.end(syscall.SIGTERM) }

func (d *Daemon) end(signal syscall.Signal) error {
	if d.cmd == nil {
		return nil
	}
	if err := d.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("sending %v to the daemon: %w", signal, err)
	}
	d.cmd = nil
	select {
	case err := <-d.done:
		d.held = holdPort(d.port)
		if signal == syscall.SIGKILL {
			return nil
		}
		return err
	case <-time.After(readyWithin):
		return fmt.Errorf("the daemon did not end within %v of %v", readyWithin, signal)
	}
}

// Reload has the daemon read its configuration again, and waits until it has. It returns what
// the daemon logged meanwhile. The level of the log is info or debug before and after.
func (d *Daemon) Reload() (string, error) {
	before := len(d.Log())
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return "", fmt.Errorf("sending SIGHUP to the daemon: %w", err)
	}
	text, ok := d.log.wait(before, reloaded, readyWithin)
	if !ok {
		return "", fmt.Errorf("the daemon did not read its configuration within %v of SIGHUP\n%s", readyWithin, d.Log())
	}
	return text, nil
}

// reloaded is the last line of a reload, in either format of the log.
var reloaded = regexp.MustCompile(`(?m)"(read the configuration again"|the configuration was not read again).*$\n`)

// PID is the daemon's process id, 0 when it does not run.
func (d *Daemon) PID() int {
	if d.cmd == nil {
		return 0
	}
	return d.cmd.Process.Pid
}

// Log is what the daemon wrote so far, over all its starts.
func (d *Daemon) Log() string { return d.log.String() }

// patience is how long our module waits for an answer, so that a slow machine fails nothing.
// Who stops the daemon under a program that is to notice sets a shorter limit.
const patience = "1m"

// Environment is what programs need to find the daemon: our module, the stock
// p11-kit client and the CLI.
func (d *Daemon) Environment() map[string]string {
	return map[string]string{
		"VTOKEN_P11_TIMEOUT":     patience,
		"VTOKEN_P11_SOCKET":      d.P11Socket,
		"VTOKEN_ADMIN_SOCKET":    d.AdminSocket,
		"P11_KIT_SERVER_ADDRESS": "unix:path=" + d.P11Socket,
		"API":                    d.API,
		"CA":                     d.CA,
		"DATA":                   d.DataDir,
	}
}

// TempDir makes a folder with a short path that other users can enter.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", "vt")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// log collects output of several goroutines.
type log struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // closed at the next write; nil if nobody waits
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	return l.buf.Write(b)
}

// wait waits until what was written after the first from bytes matches, and returns it.
func (l *log) wait(from int, what *regexp.Regexp, atMost time.Duration) (text string, ok bool) {
	late := time.After(atMost)
	for {
		l.mu.Lock()
		text = l.buf.String()[from:]
		if l.written == nil {
			l.written = make(chan struct{})
		}
		next := l.written
		l.mu.Unlock()
		if what.MatchString(text) {
			return text, true
		}
		select {
		case <-next:
		case <-late:
			return text, false
		}
	}
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
