package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// module writes a module with one package and its test, and makes it the current folder.
func module(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module small\n",
		"a.go": `package small

func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func Twice(s string) string { return s + s }

func Count(n int) (sum int) {
	for sum < n {
		sum++
	}
	return sum
}
`,
		"a_test.go": `package small

import "testing"

func TestMax(t *testing.T) {
	if Max(2, 1) != 2 || Max(1, 2) != 2 || Count(3) != 3 {
		t.Fatal()
	}
}
`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	t.Chdir(dir)
}

// runnerOf is a runner that waits two seconds for a loop that does not end.
func runnerOf(t *testing.T, packages []goPackage, skip string) *runner {
	t.Helper()
	r, err := newRunner(t.Context(), packages, skip)
	require.NoError(t, err)
	t.Cleanup(r.close)
	for _, s := range r.suites {
		for i := range s.groups {
			s.groups[i].limit = 2 * time.Second
		}
	}
	return r
}

// The tests notice that a comparison is inverted, or that a loop does not end, not that equal
// numbers go another way, and a difference of strings does not compile.
func TestPlay(t *testing.T) {
	module(t)
	packages, err := list(t.Context(), []string{"./..."})
	require.NoError(t, err)
	mutants, err := mutantsOf(packages)
	require.NoError(t, err)
	r := runnerOf(t, packages, "")

	results, err := r.play(t.Context(), sample(mutants, 1), 100, 2)
	require.NoError(t, err)
	got := make(map[string]outcome)
	for _, one := range results {
		got[one.key().added] = one.outcome
	}
	require.Equal(t, map[string]outcome{
		"if a >= b {":    survived,
		"if a <= b {":    noticed,
		"for sum <= n {": noticed,
		"for sum >= n {": noticed,
		"sum--":          noticed,
	}, got)

	text, err := os.ReadFile("a.go")
	require.NoError(t, err)
	require.NotContains(t, string(text), "<=", "the tree is not touched")
}

// As many mutants are played as asked for: the first of the sample that compile.
func TestPlayStops(t *testing.T) {
	module(t)
	packages, err := list(t.Context(), []string{"."})
	require.NoError(t, err)
	mutants, err := mutantsOf(packages)
	require.NoError(t, err)
	r := runnerOf(t, packages, "")
	all, err := r.play(t.Context(), sample(mutants, 1), 100, 2)
	require.NoError(t, err)
	two, err := r.play(t.Context(), sample(mutants, 1), 2, 1)
	require.NoError(t, err)
	require.Equal(t, all[:2], two)
}

// What only tests notice that are left out counts as not noticed.
func TestSkip(t *testing.T) {
	module(t)
	packages, err := list(t.Context(), []string{"."})
	require.NoError(t, err)
	mutants, err := mutantsOf(packages)
	require.NoError(t, err)
	results, err := runnerOf(t, packages, "^TestMax$").play(t.Context(), mutants, 3, 2)
	require.NoError(t, err)
	for _, one := range results {
		require.Equal(t, survived, one.outcome, one.key())
	}
}

// Nothing runs after the first test that fails.
func TestFirstFailureEnds(t *testing.T) {
	module(t)
	const text = `package small

import "testing"

func TestB(t *testing.T) {
	t.Run("part", func(t *testing.T) { t.Error("broken") })
	select {}
}
`
	require.NoError(t, os.WriteFile("b_test.go", []byte(text), 0o600))
	dir, err := os.Getwd()
	require.NoError(t, err)
	binary := filepath.Join(t.TempDir(), "tests")
	out, err := build(t.Context(), "small", binary)
	require.NoError(t, err, string(out))
	r := &runner{folder: t.TempDir()}
	said, failed, err := r.test(t.Context(), dir, binary, r.flags(group{})...)
	require.NoError(t, err)
	require.True(t, failed)
	require.Contains(t, said, "broken")
}

// Tests go into groups by their time, and their parts with them.
func TestInGroups(t *testing.T) {
	const out = "\x16=== RUN   TestA\n\x16--- PASS: TestA (0.10s)\nsaid\x16--- PASS: TestB (90.00s)\n" +
		"\x16=== RUN   TestC/part\n\x16--- PASS: TestC (3.00s)\n\x16    --- PASS: TestC/part (3.00s)\n" +
		"\x16--- SKIP: TestD (0.00s)\n--- PASS: TestNone (1.00s)\nPASS\n"
	all := times(out)
	require.Equal(t, []timed{{"TestA", 0.1}, {"TestB", 90}, {"TestC", 3}, {"TestD", 0}}, all)
	require.Equal(t, [][]string{{"TestA", "TestD"}, {"TestC"}, {"TestB"}}, inGroups(all))
	require.Empty(t, inGroups(nil))
}

// Tests that fail without a fault say nothing about faults.
func TestFailingTests(t *testing.T) {
	module(t)
	const text = `package small

import "testing"

func TestB(t *testing.T) { t.Fatal("broken") }
`
	require.NoError(t, os.WriteFile("b_test.go", []byte(text), 0o600))
	packages, err := list(t.Context(), []string{"."})
	require.NoError(t, err)
	_, err = newRunner(t.Context(), packages, "")
	require.ErrorContains(t, err, "broken")
}

func TestPackagesWithoutTests(t *testing.T) {
	module(t)
	require.NoError(t, os.Remove("a_test.go"))
	_, err := list(t.Context(), []string{"."})
	require.ErrorContains(t, err, "no package with tests")
}

// Files that call C are code as well.
func TestFilesThatCallC(t *testing.T) {
	module(t)
	t.Setenv("CGO_ENABLED", "1")
	code := "package small\n\nimport \"C\"\n\nfunc Three() int { return 3 }\n"
	require.NoError(t, os.WriteFile("c.go", []byte(code), 0o600))
	packages, err := list(t.Context(), []string{"."})
	require.NoError(t, err)
	mutants, err := mutantsOf(packages)
	require.NoError(t, err)
	inC := 0
	for _, m := range mutants {
		if m.file == "c.go" {
			inC++
		}
	}
	require.NotZero(t, inC)
}

// A run that is stopped has no result.
func TestStopped(t *testing.T) {
	module(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := list(ctx, []string{"."})
	require.ErrorIs(t, err, context.Canceled)
}

func TestReport(t *testing.T) {
	var b strings.Builder
	a, c := mutant{pkg: "a"}, mutant{pkg: "c"}
	share := report(&b, []result{{c, noticed}, {a, noticed}, {a, survived}, {a, noticed}})
	require.InDelta(t, 75, share, 0.1)
	require.Equal(t, `
  mutants  noticed  share  package
        3        2   67 %  a
        1        1  100 %  c
        4        3   75 %  all
`, "\n"+b.String())
	require.Equal(t, float64(100), report(&b, nil))
}
