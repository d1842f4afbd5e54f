package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines prints figures as a run does.
func lines(module string, rates map[string]float64) string {
	var b bytes.Buffer
	b.WriteString("goos: linux\nmodule: " + module + "\n")
	for name, rate := range rates {
		f := figure{n: 100, elapsed: time.Duration(100 / rate * 1e9)}
		f.print(&b, name)
	}
	return b.String()
}

func TestTableComparesWithBaselineAndGoal(t *testing.T) {
	base, err := read(strings.NewReader(lines("softhsm", map[string]float64{
		"SignECDSAP256/threads=1": 20000, "CreateObject512/clients=1": 400, "ColdStart": 100,
	})))
	require.NoError(t, err)
	ours, err := read(strings.NewReader(lines("vtoken", map[string]float64{
		"SignECDSAP256/threads=1": 10000, "CreateObject512/clients=32": 4000, "ColdStart": 500,
	})))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, write([]results{base, ours}, &out))
	got := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"| SignECDSAP256/threads=1 | 20000/s | 10000/s | 0.50 | 1.0 x | 0.50 |",
		"| CreateObject512/clients=32 | - | 4000/s | 10.00 | 20.0 x | 0.50 |",
		"| ColdStart | 10.0 ms | 2.0 ms | | 6.0 ms | 3.00 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table has no row %q:\n%s", want, out.String())
		}
	}
}

func TestReadRefusesFilesWithoutFigures(t *testing.T) {
	_, err := read(strings.NewReader("goos: linux\n"))
	require.Error(t, err, "a file without benchmark lines was read")
}

func TestGoalsNameMeasuredRows(t *testing.T) {
	measured := map[string]bool{}
	for _, r := range rows([]int{1000, 100_000}) {
		measured[r.name] = true
	}
	for _, g := range goals {
		if !measured[g.name] || g.baseline != "" && !measured[g.baseline] {
			t.Errorf("goal %q is for a row that nothing measures", g.name)
		}
	}
}

func TestPercentiles(t *testing.T) {
	f := figure{n: 100}
	for i := range 100 {
		f.each = append(f.each, time.Duration(100-i))
	}
	f.print(&bytes.Buffer{}, "x") // sorts
	p50, p99 := f.percentile(50), f.percentile(99)
	require.EqualValues(t, 50, p50, "p50 is %d and p99 is %d of 1..100", p50, p99)
	require.EqualValues(t, 99, p99, "p50 is %d and p99 is %d of 1..100", p50, p99)
}

func TestUsageNeedsModule(t *testing.T) {
	err := run(nil, nil, &bytes.Buffer{}, &bytes.Buffer{})
	require.Error(t, err, "without a module: %v", err)
	require.ErrorContains(t, err, "--module", "without a module")
}
