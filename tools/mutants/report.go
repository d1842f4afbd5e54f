package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// score counts the mutants of a package.
type score struct{ noticed, all int }

// percent is the share that was noticed.
func (s score) percent() float64 {
	if s.all == 0 {
		return 100
	}
	return 100 * float64(s.noticed) / float64(s.all)
}

// report prints the share for each package and for all, and returns the last.
func report(w io.Writer, results []result) float64 {
	var sum score
	scores := make(map[string]score)
	for _, r := range results {
		s := scores[r.pkg]
		s.all++
		sum.all++
		if r.outcome == noticed {
			s.noticed++
			sum.noticed++
		}
		scores[r.pkg] = s
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "mutants\tnoticed\tshare\t  package")
	for _, name := range slices.Sorted(maps.Keys(scores)) {
		s := scores[name]
		fmt.Fprintf(t, "%d\t%d\t%.0f %%\t  %s\n", s.all, s.noticed, s.percent(), name)
	}
	fmt.Fprintf(t, "%d\t%d\t%.0f %%\t  all\n", sum.all, sum.noticed, sum.percent())
	_ = t.Flush()
	return sum.percent()
}
