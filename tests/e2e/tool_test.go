package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// tool runs pkcs11-tool with our module against the daemon and returns all that
// it printed.
func tool(d *harness.Daemon, args ...string) (string, error) {
	return command(d, "", append([]string{"pkcs11-tool", "--module", d.Module()}, args...)...)
}

// toolUntil is tool for a client that does not wait for the next daemon after this one is
// dead.
func toolUntil(dead context.Context, d *harness.Daemon, args ...string) (string, error) {
	return commandUntil(dead, d, "", append([]string{"pkcs11-tool", "--module", d.Module()}, args...)...)
}

// command runs a program that finds the daemon, as another user where uid is
// not empty.
func command(d *harness.Daemon, uid string, args ...string) (string, error) {
	return commandUntil(context.Background(), d, uid, args...)
}

// commandUntil is command for a program that ends with the context.
func commandUntil(ctx context.Context, d *harness.Daemon, uid string, args ...string) (string, error) {
	if uid != "" {
		args = append([]string{"setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "--"}, args...)
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Dir = "/"
	c.Env = os.Environ()
	for name, value := range d.Environment() {
		c.Env = append(c.Env, name+"="+value)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// login are the arguments with which the holder of a token logs in.
func login(label, pin string) []string {
	return []string{"--token-label", label, "--login", "--pin", pin}
}

// me is the name of the user who runs the test.
func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	require.NoError(t, err)
	return u.Username
}
