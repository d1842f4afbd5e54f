package harness

import (
	"bytes"
	"encoding/json"
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
	if err := d.NewUser(login); err != nil {
		return "", err
	}
	pinFile, err := d.secretFile(pin)
	if err != nil {
		return "", err
	}
	soFile, err := d.secretFile(soPIN)
	if err != nil {
		return "", err
	}
	return d.Vtoken("token", "create", "--user", login, "--label", label,
		"--user-pin-file", pinFile, "--so-pin-file", soFile, "--complete", "--quiet")
}

// NewUser makes a user of the default tenant, unless there is one already.
func (d *Daemon) NewUser(login string) error {
	_, err := d.Vtoken("user", "create", login)
	if err == nil {
		return nil
	}
	out, listErr := d.Vtoken("user", "list", "-o", "json")
	var users []struct{ Login string }
	if listErr != nil || json.Unmarshal([]byte(out), &users) != nil {
		return err
	}
	for _, u := range users {
		if u.Login == login {
			return nil
		}
	}
	return err
}

// Bin is the path of one of our programs.
func (d *Daemon) Bin(name string) string { return filepath.Join(d.bin, name) }

// Module is the path of our PKCS#11 module.
func (d *Daemon) Module() string { return d.Bin("vtoken-pkcs11.so") }

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
