package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vtoken/provisioning/dialect/native/nativetest"
)

// noRaceSleep is the value of GORACE for commands: the race detector would have
// each of them sleep for a second at its end.
const noRaceSleep = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vtoken": func() { os.Exit(realMain()) },
		// What runs the daemon's program is shown what it would run.
		"vtokend": func() { fmt.Printf("%q\n", os.Args[1:]) },
	})
}

// TestScripts runs the scripts of testdata/script, each with a daemon's API of
// its own. Besides what testscript knows they can say:
//
//	exits CODE COMMAND...   run it, and the exit code is that
//	keep NAME               keep the standard output in a variable
func TestScripts(t *testing.T) {
	const dir = "testdata/script"
	if found, err := filepath.Glob(dir + "/*.txtar"); err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return setUp(t, env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"keep":  keep,
		},
	})
}

func setUp(t *testing.T, env *testscript.Env) error {
	s := nativetest.Start(t)
	env.Setenv("VTOKEN_ADMIN_SOCKET", s.Socket)
	env.Setenv("URL", s.URL)
	env.Setenv("CA_FILE", s.CAFile)
	env.Setenv("TZ", "UTC")
	env.Setenv("GORACE", noRaceSleep)
	env.Setenv("LEAF", nativetest.LeafSerial)
	env.Setenv("CA", nativetest.CASerial)
	return errors.Join(
		os.WriteFile(filepath.Join(env.WorkDir, "alice.pfx"), nativetest.PFX(t, "open sesame"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "again.pfx"), nativetest.PFX(t, "open sesame"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "alice.password"), []byte("open sesame\n"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "alice.pin"), []byte("87654321\n"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "so.pin"), []byte("so-87654321\n"), 0o600),
	)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d; it said: %s", got, want, ts.ReadFile("stderr"))
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSuffix(ts.ReadFile("stdout"), "\n"))
}
