package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// goal is what a row has to reach: a factor of the rate of the first file's
// module, or a time where the factor is 0.
type goal struct {
	name     string
	factor   float64
	ns       float64
	baseline string // the row to compare with, where it is another one
}

// goals are the product's, against SoftHSM in process.
var goals = [...]goal{
	{name: "SignECDSAP256/threads=1", factor: 1.0},
	{name: "SignECDSAP256/threads=2", factor: 1.3},
	{name: "SignECDSAP256/threads=8", factor: 1.5},
	{name: "SignRSA2048/threads=1", factor: 1.5},
	{name: "SignRSA2048/threads=2", factor: 1.5},
	{name: "FindLabel/objects=1000", factor: 500},
	{name: "FindLabel/objects=100000", factor: 500, baseline: "FindLabel/objects=1000"},
	{name: "GenerateP256Pair", factor: 5},
	{name: "CreateObject512/clients=1", factor: 3},
	{name: "CreateObject512/clients=32", factor: 20, baseline: "CreateObject512/clients=1"},
	{name: "GetTwoAttributes", factor: 0.8},
	{name: "ColdStart", ns: 6e6},
}

// results are the rates of one file, in operations per second by row.
type results struct {
	module string
	rate   map[string]float64
}

// table reads benchmark files and prints them side by side. The first one is
// the baseline and the last one is held against the goals.
func table(files []string, out io.Writer) error {
	if len(files) < 2 {
		return fmt.Errorf("a table needs two files or more: the baseline first, the module that the goals are for last")
	}
	var all []results
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		r, err := read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, r)
	}
	return write(all, out)
}

var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+)-\d+\s+\d+\s+([0-9.]+) ns/op`)

func read(in io.Reader) (results, error) {
	r := results{rate: map[string]float64{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if m, ok := strings.CutPrefix(lines.Text(), "module: "); ok {
			r.module = m
		}
		if m := benchmarkLine.FindStringSubmatch(lines.Text()); m != nil {
			ns, err := strconv.ParseFloat(m[2], 64)
			if err != nil || ns == 0 {
				return r, fmt.Errorf("%s: %q is no time", m[1], m[2])
			}
			r.rate[m[1]] = 1e9 / ns
		}
	}
	if err := lines.Err(); err != nil {
		return r, err
	}
	if len(r.rate) == 0 {
		return r, fmt.Errorf("no benchmark line in it")
	}
	return r, nil
}

func write(all []results, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| work\t")
	for _, r := range all {
		fmt.Fprintf(w, "| %s\t", r.module)
	}
	fmt.Fprint(w, "| ratio\t| to reach\t| of it\t|\n|---\t")
	fmt.Fprintf(w, "%s|\n", strings.Repeat("|---\t", len(all)+3))
	for _, g := range goals {
		if _, measured := all[len(all)-1].rate[g.name]; measured {
			g.write(w, all)
		}
	}
	return w.Flush()
}

// write prints the row of a goal: rates, the ratio to the baseline, and how much
// of the goal is reached (1.00 is all of it).
func (g goal) write(w io.Writer, all []results) {
	fmt.Fprintf(w, "| %s\t", g.name)
	for _, r := range all {
		fmt.Fprintf(w, "| %s\t", g.show(r.rate[g.name]))
	}
	ours := all[len(all)-1].rate[g.name]
	if g.factor == 0 {
		limit := 1e9 / g.ns
		fmt.Fprintf(w, "| \t| %s\t| %.2f\t|\n", g.show(limit), ours/limit)
		return
	}
	row := g.name
	if g.baseline != "" {
		row = g.baseline
	}
	base := all[0].rate[row]
	if base == 0 {
		fmt.Fprintf(w, "| \t| %.1f x\t| \t|\n", g.factor)
		return
	}
	fmt.Fprintf(w, "| %.2f\t| %.1f x\t| %.2f\t|\n", ours/base, g.factor, ours/base/g.factor)
}

func (g goal) show(rate float64) string {
	switch {
	case rate == 0:
		return "-"
	case g.factor == 0:
		return fmt.Sprintf("%.1f ms", 1e3/rate)
	default:
		return fmt.Sprintf("%.0f/s", rate)
	}
}
