package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Where Debian keeps the modules that the tests compare with.
const (
	SoftHSMModule = "/usr/lib/softhsm/libsofthsm2.so"
	p11KitPattern = "/usr/lib/*/pkcs11/p11-kit-client.so"
	p11KitServer  = "/usr/libexec/p11-kit/p11-kit-server"
)

// P11KitClient is the path of the stock p11-kit client module.
func P11KitClient() (string, error) {
	found, err := filepath.Glob(p11KitPattern)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("looking for %s: not installed (package p11-kit-modules)", p11KitPattern)
	}
	return found[0], nil
}

// SoftHSM is a folder of SoftHSM tokens, with p11-kit server before it.
type SoftHSM struct {
	Dir    string
	Config string // for SOFTHSM2_CONF
	Socket string // of p11-kit server, once it was started

	server *exec.Cmd
	done   chan error
}

// NewSoftHSM makes an empty SoftHSM in dir.
func NewSoftHSM(dir string) (*SoftHSM, error) {
	s := &SoftHSM{
		Dir:    dir,
		Config: filepath.Join(dir, "softhsm2.conf"),
		Socket: filepath.Join(dir, "p11-kit.sock"),
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return nil, err
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	return s, os.WriteFile(s.Config, []byte(conf), 0o600)
}

// NewToken makes a token with both PINs.
func (s *SoftHSM) NewToken(label, pin, soPIN string) error {
	c := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPIN)
	c.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.Config)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("making SoftHSM token %q: %w\n%s", label, err, out)
	}
	return nil
}

// Serve starts p11-kit server with all tokens, and waits until it listens.
func (s *SoftHSM) Serve() error {
	s.server = exec.Command(p11KitServer, "--foreground", "--name", s.Socket, "--provider", SoftHSMModule, "pkcs11:")
	s.server.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.Config, "XDG_RUNTIME_DIR="+s.Dir)
	out, err := s.server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.server.Start(); err != nil {
		return fmt.Errorf("starting p11-kit server: %w", err)
	}
	s.done = make(chan error, 1)
	ready := make(chan bool, 1)
	go func() { // it prints its address when it listens
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "P11_KIT_SERVER_PID=") {
				ready <- true
			}
		}
		s.done <- s.server.Wait()
	}()
	select {
	case <-ready:
		return nil
	case err := <-s.done:
		return fmt.Errorf("p11-kit server ended at once: %v", err)
	case <-time.After(readyWithin):
		return fmt.Errorf("p11-kit server did not listen within %v", readyWithin)
	}
}

// Stop ends p11-kit server.
func (s *SoftHSM) Stop() error {
	if s.server == nil {
		return nil
	}
	if err := s.server.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.done
	s.server = nil
	return nil
}

// Environment is what programs need to use these tokens: in process, by the
// stock p11-kit client, and by our module.
func (s *SoftHSM) Environment() map[string]string {
	return map[string]string{
		"SOFTHSM2_CONF":          s.Config,
		"VTOKEN_P11_SOCKET":      s.Socket,
		"P11_KIT_SERVER_ADDRESS": "unix:path=" + s.Socket,
	}
}
