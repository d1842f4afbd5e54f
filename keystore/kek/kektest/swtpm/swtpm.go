// Package swtpm starts software TPMs (Debian package swtpm) for tests.
package swtpm

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// within is how long swtpm may take to listen. Only one that hangs takes it.
const within = 30 * time.Second

// TPM is a software TPM. Its methods are for one goroutine.
type TPM struct {
	dir  string
	port string // empty on a Unix socket
	cmd  *exec.Cmd
	done chan error
}

// New makes a software TPM that keeps its state in a folder with a short path,
// and starts it on the Unix socket in that folder.
func New(dir string) (*TPM, error) {
	t := &TPM{dir: dir}
	return t, t.Start()
}

// NewTCP is New on a TCP port of this host.
func NewTCP(dir string) (*TPM, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	t := &TPM{dir: dir, port: port}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return t, t.Start()
}

// Socket is the path of the Unix socket.
func (t *TPM) Socket() string { return filepath.Join(t.dir, "tpm.sock") }

// URI names the KEK.
func (t *TPM) URI() string {
	if t.port != "" {
		return "tpm2:tcp=127.0.0.1:" + t.port
	}
	return "tpm2:unix=" + t.Socket()
}

// Start starts the TPM, as switching the machine on would, and waits until it
// listens.
func (t *TPM) Start() error {
	server := "type=unixio,path=" + t.Socket()
	if t.port != "" {
		server = "type=tcp,port=" + t.port
	}
	log, err := os.Create(filepath.Join(t.dir, "swtpm.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	pid := filepath.Join(t.dir, "swtpm.pid")
	if err := os.RemoveAll(pid); err != nil {
		return err
	}
	t.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+t.dir, "--server", server,
		"--flags", "not-need-init,startup-clear", "--pid", "file="+pid)
	t.cmd.Stdout, t.cmd.Stderr = log, log
	if err := t.cmd.Start(); err != nil {
		return fmt.Errorf("start a software TPM (Debian package swtpm): %w", err)
	}
	t.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan<- error) { done <- cmd.Wait() }(t.cmd, t.done)
	return t.wait(pid)
}

// wait polls for the file with the process id, which is written when swtpm
// listens.
func (t *TPM) wait(pid string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(within)
	for {
		if text, err := os.ReadFile(pid); err == nil && string(text) == strconv.Itoa(t.cmd.Process.Pid) {
			return nil
		}
		select {
		case err := <-t.done:
			t.cmd = nil
			text, _ := os.ReadFile(filepath.Join(t.dir, "swtpm.log"))
			return fmt.Errorf("the software TPM ended: %v\n%s", err, text)
		case <-timeout:
			return fmt.Errorf("the software TPM did not listen within %v", within)
		case <-tick.C:
		}
	}
}

// Stop ends the TPM, as switching the machine off would.
func (t *TPM) Stop() error {
	if t.cmd == nil {
		return nil
	}
	if err := t.cmd.Process.Kill(); err != nil {
		return err
	}
	<-t.done
	t.cmd = nil
	return nil
}
