package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// installed are the packages of the tree beside those that Debian needs: systemd, what ours
// depends on, and p11-kit's client.
var installed = []string{"systemd", "systemd-sysv", "dbus", "libssl3", "p11-kit-modules"}

// hangsAfter ends what hangs. It is no measure of speed.
const hangsAfter = 3 * time.Minute

// pause is between two looks at something that is waited for.
const pause = 20 * time.Millisecond

// machine is a container with a systemd of its own.
type machine struct {
	t    *testing.T
	root string // its file system

	supervisor *exec.Cmd // systemd-nspawn
	leader     int       // process 1 of the machine, as this machine numbers it
	console    bytes.Buffer
	groups     []string // of its processes (cgroups)
}

// newMachine makes a machine, which is off. It ends with the test.
func newMachine(t *testing.T) *machine {
	t.Helper()
	require.Zero(t, os.Getuid(), "only root boots a container: run the tests as root")
	archive := tree(t)
	m := &machine{t: t, root: t.TempDir()}
	out, err := exec.Command("tar", "--extract", "--numeric-owner", "--xattrs", "--file", archive, "--directory", m.root).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Cleanup(func() {
		if t.Failed() && m.leader != 0 {
			journal, err := m.try("journalctl", "--no-pager", "--output=short-precise", "--unit=vtokend.service", "--unit=vtokend.socket", "--unit=vtokend-admin.socket")
			t.Logf("the journal of the machine: %v\n%s", err, journal)
			t.Logf("the console of the machine:\n%s", m.console.String())
		}
		m.kill()
	})
	return m
}

// tree returns an archive of a new Debian 12, which is made once on this machine.
func tree(t *testing.T) string {
	t.Helper()
	cache, err := harness.Cache()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(cache, 0o755))
	args := []string{"--variant=minbase", "--include=" + strings.Join(installed, ","),
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"}
	sum := sha256.Sum256([]byte(strings.Join(args, " ")))
	archive := filepath.Join(cache, "debian-12-"+hex.EncodeToString(sum[:8])+".tar")
	lock, err := os.OpenFile(archive+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	require.NoError(t, err)
	defer lock.Close() // gives the lock back
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	temporary := strings.TrimSuffix(archive, ".tar") + ".new.tar"
	args = append(args, "bookworm", temporary)
	if mirror := mirror(); mirror != "" {
		args = append(args, mirror)
	}
	began := time.Now()
	out, err := exec.Command("mmdebstrap", args...).CombinedOutput()
	require.NoError(t, err, "making a tree of Debian 12 (mmdebstrap %q):\n%s", args, out)
	require.NoError(t, os.Rename(temporary, archive))
	t.Logf("a tree of Debian 12 took %v; it is kept in %s", time.Since(began).Round(time.Second), archive)
	return archive
}

// mirror is where this machine has Debian 12 from; empty where it does not say.
func mirror() string {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm").Output()
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		return ""
	}
	return first
}

// leaderOf finds process 1 in what systemd-nspawn tells its service manager.
var leaderOf = regexp.MustCompile(`(?m)^X_NSPAWN_LEADER_PID=(\d+)$`)

// boot starts the machine, and waits until it has started all that it starts by itself.
func (m *machine) boot() {
	m.t.Helper()
	require.Nil(m.t, m.supervisor, "the machine is on")
	dir := m.t.TempDir()
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	require.NoError(m.t, err)
	defer sock.Close()
	require.NoError(m.t, sock.SetReadDeadline(time.Now().Add(hangsAfter)))

	args := []string{"--boot", "--quiet", "--directory=" + m.root, "--machine=vtoken-boot-" + strconv.Itoa(os.Getpid()),
		"--private-network", "--notify-ready=yes", "--link-journal=no", "--timezone=off", "--resolv-conf=off", "--console=pipe",
		"--capability=CAP_IPC_LOCK"} // as on a machine that is none of systemd-nspawn
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		args = append(args, "--register=no", "--keep-unit") // nobody is here to register with
		m.makeGroups()
	}
	join := `for g in $GROUPS_OF_MACHINE; do echo $$ >"$g/cgroup.procs" || exit 1; done; unset GROUPS_OF_MACHINE; exec systemd-nspawn "$@"`
	m.supervisor = exec.Command("sh", append([]string{"-c", join, "sh"}, args...)...)
	m.supervisor.Env = append(os.Environ(), "NOTIFY_SOCKET="+sock.LocalAddr().String(), "GROUPS_OF_MACHINE="+strings.Join(m.groups, " "))
	m.supervisor.Stdout, m.supervisor.Stderr = &m.console, &m.console
	m.supervisor.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it takes the machine with it
	require.NoError(m.t, m.supervisor.Start())
	for ready := false; !ready; {
		text := make([]byte, 4096)
		n, err := sock.Read(text)
		require.NoError(m.t, err, "the machine does not start:\n%s", m.console.String())
		state := string(text[:n])
		if found := leaderOf.FindStringSubmatch(state); found != nil {
			m.leader, err = strconv.Atoi(found[1])
			require.NoError(m.t, err)
		}
		ready = slices.Contains(strings.Split(state, "\n"), "READY=1")
	}
	require.NotZero(m.t, m.leader)
	_, _ = m.try("systemctl", "is-system-running", "--wait") // whatever else does not start in a container
}

// makeGroups makes groups of processes for the machine, where no systemd of this one does it.
func (m *machine) makeGroups() {
	m.t.Helper()
	m.groups = nil
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(hierarchy, "cgroup.procs")); err != nil {
			continue
		}
		group := filepath.Join(hierarchy, "vtoken-boot-"+strconv.Itoa(os.Getpid()))
		require.NoError(m.t, os.MkdirAll(group, 0o755))
		m.groups = append(m.groups, group)
	}
}

// inside is a command that runs in the machine.
func (m *machine) inside(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(m.leader),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "SYSTEMD_PAGER=", "DEBIAN_FRONTEND=noninteractive"}
	return c
}

// try runs a command in the machine, and returns all that it prints.
func (m *machine) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangsAfter) // also after the test
	defer cancel()
	out, err := m.inside(ctx, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), err
}

// run is try for what has to succeed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	require.NoError(m.t, err)
	return out
}

// put writes a file of the machine.
func (m *machine) put(path, text string, mode fs.FileMode) {
	m.t.Helper()
	full := filepath.Join(m.root, path)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(m.t, os.WriteFile(full, []byte(text), mode))
	require.NoError(m.t, os.Chmod(full, mode))
}

// copyIn copies a file into the machine.
func (m *machine) copyIn(from, to string) {
	m.t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(m.t, err)
	m.put(to, string(text), 0o755)
}

// powerOff shuts the machine down as an administrator does.
func (m *machine) powerOff() {
	m.t.Helper()
	m.run("systemctl", "poweroff")
	hangs := time.AfterFunc(hangsAfter, m.endLeader)
	err := m.supervisor.Wait()
	require.True(m.t, hangs.Stop(), "the machine did not shut down:\n%s", m.console.String())
	require.NoError(m.t, err, "%s", m.console.String())
	m.off()
}

// kill ends the machine wherever it is.
func (m *machine) kill() {
	if m.supervisor == nil || m.supervisor.Process == nil {
		return
	}
	m.endLeader()
	_ = m.supervisor.Process.Kill()
	_ = m.supervisor.Wait()
	m.off()
}

// endLeader kills process 1 of the machine, with which all others end.
func (m *machine) endLeader() {
	if m.leader != 0 {
		_ = syscall.Kill(m.leader, syscall.SIGKILL)
	}
}

// off forgets the processes, and removes their groups.
func (m *machine) off() {
	m.supervisor, m.leader = nil, 0
	for _, group := range m.groups {
		require.Eventually(m.t, func() bool { return removeGroup(group) == nil }, time.Minute, 20*time.Millisecond,
			"%s is not empty", group)
	}
}

// removeGroup removes a group of processes with all below it.
func removeGroup(group string) error {
	var all []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, path := range slices.Backward(all) {
		err = errors.Join(err, syscall.Rmdir(path))
	}
	return err
}
