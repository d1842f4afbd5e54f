package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
)

// Vtoken runs the CLI against the daemon's admin socket and returns its
// standard output without the last newline.
func (d *Daemon) Vtoken(args ...string) (string, error) {
	c := exec.Command(filepath.Join(d.bin, "vtoken"), args...)
	c.Env = append(os.Environ(), "VTOKEN_ADMIN_SOCKET="+d.AdminSocket)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("vtoken %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// NewToken makes a complete token for the OS user that runs the test.
func (d *Daemon) NewToken(label, pin, soPIN string) error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	_, err = d.NewTokenFor(me.Username, label, pin, soPIN)
	return err
}

// NewTokenFor makes a complete token for a user, who must exist or is made, and
// returns its id.
func (d *Daemon) NewTokenFor(login, label, pin, soPIN string) (string, error) {
	pinFile, err := d.secretFile(pin)
	if err != nil {
		return "", err
	}
	soFile, err := d.secretFile(soPIN)
	if err != nil {
		return "", err
	}
	return d.Vtoken("token", "create", "--user", login, "--label", label,
		"--user-pin-file", pinFile, "--so-pin-file", soFile, "--complete")
}

// secretFile writes a secret to a file that nobody else reads.
func (d *Daemon) secretFile(secret string) (string, error) {
	f, err := os.CreateTemp(d.Dir, "secret")
	if err != nil {
		return "", err
	}
	if _, err := f.WriteString(secret); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}
