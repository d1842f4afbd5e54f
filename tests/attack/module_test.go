package attack

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// fakeServerAttacker listens at the socket that it is given, in the hope of a PIN. It
// prints "listening", and for each connection how many bytes came before it ended. It
// answers the first byte as a daemon does, so that a client that trusts it goes on.
func fakeServerAttacker(args []string) error {
	if err := os.MkdirAll(filepath.Dir(args[0]), 0o777); err != nil {
		return err
	}
	l, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	if err := os.Chmod(args[0], 0o777); err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		var version [1]byte
		n, _ := io.ReadFull(c, version[:])
		if n == 1 {
			_, _ = c.Write(version[:])
		}
		// What comes next is the first call; a server that answers it gets the rest.
		buffer := make([]byte, 4096)
		if n == 1 {
			more, _ := c.Read(buffer)
			n += more
		}
		c.Close()
		fmt.Println(n)
	}
}

// heard is how many bytes came on each connection that the fake server had since it was
// asked last. The question is a connection of the test's own.
func heard(t *testing.T, fake *attacker, socket string) []string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer c.Close()
	const question = "\000?!" // shorter than what any client sends that trusts the server
	_, err = io.WriteString(c, question)
	require.NoError(t, err)
	require.NoError(t, c.(*net.UnixConn).CloseWrite())
	var all []string
	for {
		n := fake.line(t)
		if n == strconv.Itoa(len(question)) {
			return all
		}
		all = append(all, n)
	}
}

// requireNothing sees that the fake server had connections, or none, and not one byte.
func requireNothing(t *testing.T, fake *attacker, socket string, connections bool, said string) {
	t.Helper()
	all := heard(t, fake, socket)
	require.Equal(t, connections, len(all) > 0, said)
	for _, n := range all {
		require.Equal(t, "0", n, "mallory heard something:\n%s", said)
	}
}

// victim runs a program as an OS user with a planted socket, and returns what it says.
func victim(t *testing.T, uid uint32, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "VTOKEN_P11_TIMEOUT=30s"}, env...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, _ := c.CombinedOutput() // without a token some of the programs fail
	return string(out)
}

// open is a folder that everybody can write to, as /tmp is.
func open(t *testing.T, d *harness.Daemon, name string) string {
	t.Helper()
	dir := filepath.Join(d.Dir, name)
	require.NoError(t, os.Mkdir(dir, 0o777))
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	return dir
}

// TestPlantedSocket: a server of another user hears nothing, whoever was led to its
// socket; it is as if there were no daemon, and the trace says why.
func TestPlantedSocket(t *testing.T) {
	t.Parallel()
	d := start(t)
	module := public(t, d, d.Bin("vtoken-pkcs11.so"))
	socket := filepath.Join(open(t, d, "tmp"), "p11.sock")
	fake := launch(t, d, mallory, "fakeserver", socket)
	require.Equal(t, "listening", fake.line(t))
	for _, uid := range []uint32{alice, 0} {
		said := victim(t, uid, []string{"VTOKEN_P11_SOCKET=" + socket, "VTOKEN_TRACE=stderr"},
			"pkcs11-tool", "--module", module, "--login", "--pin", harness.PIN, "-O")
		requireNothing(t, fake, socket, true, said)
		require.Contains(t, said, "No slot")
		require.Contains(t, said, fmt.Sprintf("served by the user %d", mallory))
	}
	// Whom a user names is trusted, so the test does test the check.
	victim(t, alice, []string{"VTOKEN_P11_SOCKET=" + socket, fmt.Sprintf("VTOKEN_P11_SERVER_UID=%d", mallory)},
		"pkcs11-tool", "--module", module, "-L")
	require.NotContains(t, heard(t, fake, socket), "0")
}

// TestPlantedSocketAfterFork: each connection is checked, that of a forked child too.
func TestPlantedSocketAfterFork(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "alice", alice, "card-of-alice")
	module := public(t, d, d.Bin("vtoken-pkcs11.so"))
	// mallory may put her socket where alice's link leads.
	socket := filepath.Join(open(t, d, "tmp"), "p11.sock")
	fake := launch(t, d, mallory, "fakeserver", socket)
	require.Equal(t, "listening", fake.line(t))
	link := filepath.Join(d.Dir, "p11.sock")
	require.NoError(t, os.Symlink(d.P11Socket, link))

	program := filepath.Join(d.Dir, "forked")
	root, err := harness.Root()
	require.NoError(t, err)
	out, err := exec.Command("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", filepath.Join(root, "p11module"),
		"-I", filepath.Join(root, "tests", "abi", "testdata"), "-o", program, filepath.Join("testdata", "forked.c"), "-ldl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := exec.Command(program, module, harness.PIN)
	c.Env = []string{"VTOKEN_P11_SOCKET=" + link, "VTOKEN_P11_TIMEOUT=3s"} // which the child waits twice
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: alice, Gid: alice}}
	in, err := c.StdinPipe()
	require.NoError(t, err)
	lines, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	ready := make([]byte, len("ready\n"))
	_, err = io.ReadFull(lines, ready) // the parent is logged in
	require.NoError(t, err)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(socket, link))
	require.NoError(t, in.Close())
	require.NoError(t, c.Wait(), "the parent goes on, and its child finds no slots")
	requireNothing(t, fake, socket, true, "")
}

// TestRootIgnoresRuntimeDir: root in the environment of mallory does not look for its
// daemon in mallory's folder.
func TestRootIgnoresRuntimeDir(t *testing.T) {
	t.Parallel()
	d := start(t)
	module := public(t, d, d.Bin("vtoken-pkcs11.so"))
	dir := open(t, d, "user")
	socket := filepath.Join(dir, "vtoken", "p11.sock")
	fake := launch(t, d, mallory, "fakeserver", socket)
	require.Equal(t, "listening", fake.line(t))
	said := victim(t, 0, []string{"XDG_RUNTIME_DIR=" + dir, "VTOKEN_TRACE=stderr"},
		"pkcs11-tool", "--module", module, "--login", "--pin", harness.PIN, "-O")
	requireNothing(t, fake, socket, false, said)
	// Another user does: the socket is there to be found.
	victim(t, alice, []string{"XDG_RUNTIME_DIR=" + dir}, "pkcs11-tool", "--module", module, "-L")
	requireNothing(t, fake, socket, true, "")
}

// TestPlantedAdminSocket: the command brings PINs and PFX files, and asks the same.
func TestPlantedAdminSocket(t *testing.T) {
	t.Parallel()
	d := start(t)
	socket := filepath.Join(open(t, d, "tmp"), "admin.sock")
	fake := launch(t, d, mallory, "fakeserver", socket)
	require.Equal(t, "listening", fake.line(t))
	said := victim(t, 0, []string{"VTOKEN_ADMIN_SOCKET=" + socket}, d.Bin("vtoken"), "status")
	requireNothing(t, fake, socket, true, said)
	require.Contains(t, said, fmt.Sprintf("served by the user %d", mallory))
}
