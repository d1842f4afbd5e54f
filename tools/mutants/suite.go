package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// suite is the tests of a package, the quick ones before the slow ones.
type suite struct {
	dir    string // of the package, where its tests run
	groups []group
}

// group is tests that run in one process.
type group struct {
	flags []string      // that choose them
	limit time.Duration // how long they may take with a fault
}

// limit is how long tests may take with a fault, where they take that long without one.
func limit(clean time.Duration) time.Duration { return 3*clean + 10*time.Second }

// split is the time from which the tests of a package run in groups. Below it, the processes
// would cost more than the order gains.
const split = 4 * time.Second

// newSuite runs the tests of a package without a fault: all of them, and then each group that
// it makes of them, as a test may need what another has done.
func (r *runner) newSuite(ctx context.Context, p goPackage) (suite, error) {
	binary := filepath.Join(r.folder, "tests")
	if out, err := build(ctx, p.ImportPath, binary); err != nil {
		return suite{}, fmt.Errorf("compile the tests of %s: %w\n%s", p.ImportPath, err, out)
	}
	clean := func(g group) (string, time.Duration, error) {
		start := time.Now()
		out, failed, err := r.test(ctx, p.Dir, binary, r.flags(g)...)
		if err == nil && failed {
			err = errors.New("they fail")
		}
		if err != nil {
			return "", 0, fmt.Errorf("test %s without a fault: %w\n%s", p.ImportPath, err, out)
		}
		return out, time.Since(start), nil
	}
	out, took, err := clean(group{})
	if err != nil {
		return suite{}, err
	}
	s := suite{dir: p.Dir, groups: []group{{limit: limit(took)}}}
	if took < split {
		return s, nil
	}
	s.groups = nil
	for _, names := range inGroups(times(out)) {
		g := group{flags: []string{"-test.run", "^(" + strings.Join(names, "|") + ")$"}}
		_, took, err := clean(g)
		if err != nil {
			return suite{}, err
		}
		g.limit = limit(took)
		s.groups = append(s.groups, g)
	}
	return s, nil
}

// flags are the arguments that run the tests of a group.
func (r *runner) flags(g group) []string {
	flags := append([]string{"-test.v=test2json", "-test.failfast"}, g.flags...)
	if r.skip != "" {
		flags = append(flags, "-test.skip", r.skip)
	}
	return append(flags, "-test.timeout", g.limit.String())
}

// build compiles the tests of a package to a file. It returns what the compiler says.
func build(ctx context.Context, pkg, file string, flags ...string) ([]byte, error) {
	args := append([]string{"test", "-c", "-vet=off", "-o", file}, flags...)
	return exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
}

// test runs compiled tests with a folder for temporary files of its own, up to the first that
// fails. It returns what they print.
func (r *runner) test(ctx context.Context, dir, binary string, flags ...string) (out string, failed bool, err error) {
	tmp, err := os.MkdirTemp(r.folder, "")
	if err != nil {
		return "", false, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	w := &watcher{failed: stop}
	c := exec.CommandContext(running, binary, flags...)
	c.Dir, c.Env = dir, append(os.Environ(), "TMPDIR="+tmp, "PWD="+dir)
	c.Stdout, c.Stderr = w, w
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // and what it started
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		return "", false, fmt.Errorf("start the tests of %s: %w", dir, err)
	}
	failed = c.Wait() != nil
	return w.out.String(), failed, ctx.Err()
}

// verdict matches the line with which a test ends. The first byte is there in the output for
// programs only: what a test prints does not begin with it.
var verdict = regexp.MustCompile(`(?m)\x16 *--- (PASS|FAIL|SKIP): (\S+) \((.+)s\)$`)

// watcher keeps the output of tests, and calls a function when the first of them has failed.
type watcher struct {
	out    bytes.Buffer
	read   int // how much of it was looked at
	failed func()
}

// Write looks at each line that is complete.
func (w *watcher) Write(p []byte) (int, error) {
	w.out.Write(p)
	end := bytes.LastIndexByte(w.out.Bytes(), '\n') + 1
	if end <= w.read {
		return len(p), nil
	}
	for _, m := range verdict.FindAllSubmatch(w.out.Bytes()[w.read:end], -1) {
		if string(m[1]) == "FAIL" {
			w.failed()
		}
	}
	w.read = end
	return len(p), nil
}

// timed is a test and how long it takes.
type timed struct {
	name    string
	seconds float64
}

// times reads from the output how long each test took. Its parts are not told apart.
func times(out string) []timed {
	var all []timed
	for _, m := range verdict.FindAllStringSubmatch(out, -1) {
		seconds, err := strconv.ParseFloat(m[3], 64)
		if err == nil && !strings.Contains(m[2], "/") {
			all = append(all, timed{m[2], seconds})
		}
	}
	return all
}

// inGroups puts tests into groups that run one after the other: those that take less than a
// hundredth of the time of all, those that take less than a twentieth, and the others.
func inGroups(tests []timed) [][]string {
	sum := 0.0
	for _, t := range tests {
		sum += t.seconds
	}
	groups := make([][]string, 3)
	for _, t := range tests {
		i := 2
		switch {
		case t.seconds < sum/100:
			i = 0
		case t.seconds < sum/20:
			i = 1
		}
		groups[i] = append(groups[i], t.name)
	}
	return slices.DeleteFunc(groups, func(g []string) bool { return len(g) == 0 })
}
