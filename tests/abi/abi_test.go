package abi

import (
	"bytes"
	"debug/elf"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

var build = sync.OnceValues(harness.Build)

// built is the folder of the binaries, built once for all tests.
func built(t *testing.T) string {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	return bin
}

func module(t *testing.T) string { return filepath.Join(built(t), "vtoken-pkcs11.so") }

func root(t *testing.T) string {
	t.Helper()
	dir, err := harness.Root()
	require.NoError(t, err)
	return dir
}

// table is the names of all functions, in the order of the function lists.
func table(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "p11module", "exports.map"))
	require.NoError(t, err)
	names := regexp.MustCompile(`C_\w+`).FindAllString(string(text), -1)
	require.Len(t, names, 104, "PKCS#11 3.2 has 104 functions")
	return names
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	c := exec.Command("go", "run", "./tools/gen/cedge", "-check", "-dir", "p11module")
	c.Dir = root(t)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestExports finds every function by name, and nothing else. OpenSSH looks for the name
// C_GetFunctionList before it loads a module, and other hosts resolve functions themselves
// (Nitrokey/nethsm-pkcs11#231).
func TestExports(t *testing.T) {
	f, err := elf.Open(module(t))
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	require.NoError(t, err)
	var got []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			got = append(got, s.Name)
		}
	}
	want := table(t)
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(t, want, got, "exported names")
}

// TestLibraries: the module needs the C library and no other.
func TestLibraries(t *testing.T) {
	f, err := elf.Open(module(t))
	require.NoError(t, err)
	defer f.Close()
	needed, err := f.ImportedLibraries()
	require.NoError(t, err)
	for _, name := range needed {
		if !strings.HasPrefix(name, "libc.") && !strings.HasPrefix(name, "libpthread.") && !strings.HasPrefix(name, "ld-linux") {
			t.Errorf("the module needs %s", name)
		}
	}
}

// host compiles testdata/NAME.c and returns the program.
func host(t *testing.T, name string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	var names bytes.Buffer
	same := "SAME"
	for _, n := range table(t) {
		switch n {
		case "C_GetInterfaceList":
			same = "SAME3"
		case "C_EncapsulateKey":
			same = "SAME32"
		}
		fmt.Fprintf(&names, "%s(%s)\n", same, n)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "names.h"), names.Bytes(), 0o644))
	program := filepath.Join(dir, name)
	args := append([]string{"-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I", filepath.Join(root(t), "p11module"),
		"-I", dir, "-o", program, filepath.Join("testdata", name+".c"), "-lpthread", "-ldl"}, flags...)
	out, err := exec.Command("cc", args...).CombinedOutput()
	require.NoError(t, err, "compiling %s.c\n%s", name, out)
	return program
}

// peer is what a host finds behind the module.
type peer struct {
	*harness.Daemon
}

// startPeer starts a daemon with one token.
func startPeer(t *testing.T) peer {
	t.Helper()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := harness.NewDaemon(built(t), dir)
	require.NoError(t, d.Start())
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	require.NoError(t, d.NewToken("abi", harness.PIN, harness.SOPIN))
	return peer{d}
}

// environment is that of a host; more has "NAME=value".
func (p peer) environment(more ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "PIN=" + harness.PIN}
	if p.Daemon != nil {
		for name, value := range p.Environment() {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}

// run runs a host, which is to exit with 0 and to say nothing but what it
// returns on standard output.
func run(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env = env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	require.NoError(t, c.Run(), "%s\n%s%s", filepath.Base(program), out.String(), errs.String())
	require.Empty(t, errs.String(), filepath.Base(program))
	return out.String()
}

func TestArguments(t *testing.T) {
	run(t, peer{}.environment("VTOKEN_P11_SOCKET="+t.TempDir()+"/none"), host(t, "arguments"), module(t))
}

func TestLoading(t *testing.T) {
	run(t, peer{}.environment("VTOKEN_P11_SOCKET="+t.TempDir()+"/none"), host(t, "loaded"), module(t))
}

// The codes of C_OpenSession without a daemon, and without the right to reach it.
const (
	deviceRemoved    = "0x32"
	actionProhibited = "0x1b"
)

// TestAbsentDaemon runs hosts where no daemon is: they see no slots, wait for nothing, and
// find nothing on their standard streams (tpm2-software/tpm2-pkcs11#834).
func TestAbsentDaemon(t *testing.T) {
	program := host(t, "absent")
	for name, socket := range map[string]string{"no file": "/none", "a file": "/file"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(dir+"/file", nil, 0o600))
			quick(t, func() string {
				return run(t, peer{}.environment("VTOKEN_P11_SOCKET="+dir+socket), program, module(t), deviceRemoved)
			})
		})
	}
}

// quick runs a host that says how many milliseconds it took, until it took less
// than 50. A busy machine may delay it once, not each time.
func quick(t *testing.T, run func() string) {
	t.Helper()
	const limit, tries = 50, 10
	for range tries {
		out := run()
		took, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
		require.NoError(t, err)
		if took < limit {
			return
		}
	}
	t.Errorf("C_Initialize and C_GetSlotList took more than %d ms, %d times", limit, tries)
}

// TestForbiddenSocket runs a host that may not open the socket, which it is told at once
// and by another code than for an absent daemon (opencryptoki/opencryptoki#230). Root may
// open any socket, so a test that runs as root has another user try.
func TestForbiddenSocket(t *testing.T) {
	dir, err := harness.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	copyFile(t, host(t, "absent"), dir+"/absent")
	copyFile(t, module(t), dir+"/module.so")
	require.NoError(t, os.Mkdir(dir+"/closed", 0o700))
	l, err := net.Listen("unix", dir+"/closed/p11.sock")
	require.NoError(t, err)
	defer l.Close()
	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(dir+"/closed/p11.sock", 0))
	}
	quick(t, func() string {
		c := exec.Command(dir+"/absent", dir+"/module.so", actionProhibited)
		c.Env = peer{}.environment("VTOKEN_P11_SOCKET=" + dir + "/closed/p11.sock")
		if os.Getuid() == 0 {
			const nobody = 65534
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, content, 0o755))
}

// TestAttributes holds the conversion of values to the standard, against the
// daemon.
func TestAttributes(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "attributes"), module(t))
}

// TestNewerFunctions is what 3.0 and 3.2 brought.
func TestNewerFunctions(t *testing.T) {
	p := startPeer(t)
	for _, name := range []string{"messages", "messageciphers", "verify", "encapsulate", "wrapauthenticated"} {
		t.Run(name, func(t *testing.T) { run(t, p.environment(), host(t, name), module(t)) })
	}
}

func TestThreads(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "threads"), module(t), "events")
}

// TestHeavyKeys: a slow signature is its own session's matter.
func TestHeavyKeys(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "heavy"), module(t))
}

// TestFork uses the module in forked children, where the Go runtime of the parent would
// hang (golang/go#15538) and two processes would write on one socket. The busy case forks
// while other threads have requests under way.
func TestFork(t *testing.T) {
	p := startPeer(t)
	program := host(t, "fork")
	for name, threads := range map[string]string{"quiet parent": "0", "busy parent": "4"} {
		t.Run(name, func(t *testing.T) { run(t, p.environment(), program, module(t), "40", threads) })
	}
}

// TestReplacedFile: children work after the module's file was moved away, or
// after the host closed what it does not know.
func TestReplacedFile(t *testing.T) {
	p := startPeer(t)
	program := host(t, "replaced")
	for _, how := range []string{"move", "close"} {
		t.Run(how, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "module.so")
			copyFile(t, module(t), copied)
			run(t, p.environment(), program, copied, how)
		})
	}
}

// TestClosedDescriptors: the module goes on where the host closes its descriptors and uses
// their numbers.
func TestClosedDescriptors(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "closed"), module(t))
	run(t, p.environment("VTOKEN_TRACE="+filepath.Join(t.TempDir(), "trace")), host(t, "closed"), module(t))
}

func TestReload(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "reload"), module(t))
}

// TestSignals: the host does not see what the runtime in the library does with signals
// (golang/go#13042).
func TestSignals(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "signals"), module(t))
}

// TestStoppedDaemon stops the daemon: a call ends after the limit, so that a stuck daemon
// does not freeze a browser (p11-glue/p11-kit#294). The limit is one that a test can wait
// for.
func TestStoppedDaemon(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment("VTOKEN_P11_TIMEOUT=200ms"), host(t, "stopped"), module(t), strconv.Itoa(p.PID()), "200")
}

// TestMemory holds the module to the 12 MB of the host's memory that it may take.
func TestMemory(t *testing.T) {
	const limit = 12 << 10
	p := startPeer(t)
	out := run(t, p.environment(), host(t, "memory"), module(t))
	kb, err := strconv.Atoi(strings.TrimSpace(out))
	require.NoError(t, err)
	t.Logf("the module took %d kB", kb)
	require.LessOrEqual(t, kb, limit, "KiB that the module takes")
}

// TestTrace: the trace goes where it is asked for, without secrets.
func TestTrace(t *testing.T) {
	p := startPeer(t)
	trace := filepath.Join(t.TempDir(), "trace")
	run(t, p.environment("VTOKEN_TRACE="+trace), host(t, "memory"), module(t))
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	for _, want := range []string{"C_Initialize = CKR_OK", "C_Login(", "C_Finalize = CKR_OK"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the trace has no %q", want)
		}
	}
	if bytes.Contains(text, []byte(fmt.Sprintf("%x", harness.PIN))) || bytes.Contains(text, []byte(harness.PIN)) {
		t.Error("the trace has the PIN")
	}
}
