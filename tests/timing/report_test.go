package timing

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// chance is the probability below which a difference is no chance, as in the
// Marvin test kit: a run has some hundred comparisons, and is made again and again.
const chance = 1e-5

// verdict is what a class showed.
type verdict struct {
	class
	comparison
}

// signal reports whether the time tells the class from the control.
func (v verdict) signal() bool { return v.wilcoxon < chance && !v.apart }

// judge compares all classes with the first.
func judge(s subject, times [][]float64) []verdict {
	var out []verdict
	for i, c := range s.classes[1:] {
		out = append(out, verdict{c, compare(times[0], times[i+1])})
	}
	return out
}

// report is the table of a subject.
func report(s subject, times [][]float64, verdicts []verdict) string {
	control := slices.Sorted(slices.Values(times[0]))
	n := len(control)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d rounds; %q takes %.2f µs, half of the times within %.2f µs\n",
		s.name, n, s.classes[0].name, median(control)/1000, (control[n*3/4]-control[n/4])/1000)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "class\tmedian\t95 %\tfastest tenth\tWilcoxon\tsign\t")
	for _, v := range verdicts {
		word := ""
		switch {
		case v.apart:
			word = "(told apart anyway)"
		case v.signal():
			word = "SIGNAL"
		}
		fmt.Fprintf(w, "%s\t%+.0f ns\t%+.0f to %+.0f ns\t%+.0f ± %.0f ns\t%.2g\t%.2g\t%s\n", v.name, v.median, v.low, v.high, v.fast, v.within, v.wilcoxon, v.sign, word)
	}
	_ = w.Flush() // a Builder does not fail
	return b.String()
}
