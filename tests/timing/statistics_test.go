package timing

import (
	"cmp"
	"math"
	"slices"
	"testing"
)

// comparison is what the differences of two classes, round by round, tell.
type comparison struct {
	median, low, high float64 // of the differences in ns, and its interval of 95 %
	// fast is the difference of the times that a tenth of the rounds stays below, with
	// half the width of its interval. Noise only adds to a time, so this tells more
	// than the median where a machine is busy.
	fast, within   float64
	wilcoxon, sign float64 // how likely such differences are if there is none
}

// compare holds a class against the control.
func compare(control, class []float64) comparison {
	d := make([]float64, len(class))
	for i := range d {
		d[i] = class[i] - control[i]
	}
	slices.Sort(d)
	out := comparison{median: median(d), wilcoxon: wilcoxon(d), sign: sign(d)}
	out.low, out.high = interval(d, 0.5)
	a, b := slices.Sorted(slices.Values(control)), slices.Sorted(slices.Values(class))
	const fast = 0.1
	place := int(fast * float64(len(d)))
	out.fast = b[place] - a[place]
	aLow, aHigh := interval(a, fast)
	bLow, bHigh := interval(b, fast)
	out.within = math.Hypot(aHigh-aLow, bHigh-bLow) / 2
	return out
}

// interval is that of 95 % of a quantile of sorted values, whatever their
// distribution: between two of the values.
func interval(sorted []float64, quantile float64) (low, high float64) {
	n := float64(len(sorted))
	reach := 1.96 * math.Sqrt(n*quantile*(1-quantile))
	from, to := int(math.Floor(n*quantile-reach)), int(math.Ceil(n*quantile+reach))
	return sorted[max(from, 0)], sorted[min(to, len(sorted)-1)]
}

// median is that of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// wilcoxon is the two-sided p of the signed-rank test by its normal approximation,
// with the correction for equal ranks. Differences of 0 do not count.
func wilcoxon(d []float64) float64 {
	d = slices.DeleteFunc(slices.Clone(d), func(x float64) bool { return x == 0 })
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	n := float64(len(d))
	positive, variance := 0.0, n*(n+1)*(2*n+1)/24
	for i := 0; i < len(d); {
		j := i
		for j < len(d) && math.Abs(d[j]) == math.Abs(d[i]) {
			j++
		}
		rank, equal := float64(i+j+1)/2, float64(j-i)
		variance -= (equal*equal*equal - equal) / 48
		for ; i < j; i++ {
			if d[i] > 0 {
				positive += rank
			}
		}
	}
	return twoSided(positive-n*(n+1)/4, variance)
}

// sign is the two-sided p of the sign test by its normal approximation.
func sign(d []float64) float64 {
	positive, n := 0.0, 0.0
	for _, x := range d {
		if x != 0 {
			n++
		}
		if x > 0 {
			positive++
		}
	}
	return twoSided(positive-n/2, n/4)
}

// twoSided is how likely a normal value is that far from 0, or farther.
func twoSided(value, variance float64) float64 {
	if variance <= 0 {
		return 1
	}
	return math.Erfc(math.Abs(value) / math.Sqrt(2*variance))
}

// TestStatistics holds the tests to values of a textbook's kind: the ranks of
// these differences are 1 to 10, of which those of the negative ones are 3 and 5.
func TestStatistics(t *testing.T) {
	d := []float64{1, 2, -3, 4, -5, 6, 7, 8, 9, 10}
	control, class := make([]float64, len(d)), make([]float64, len(d))
	for i := range d {
		control[i] = 100 * float64(i)
		class[i] = control[i] + d[i]
	}
	got := compare(control, class)
	// W is 47, its mean 27.5, its variance 96.25: z is 1.98762. 8 of 10: z is 1.89737.
	for name, pair := range map[string][2]float64{
		"median": {got.median, 5}, "low": {got.low, -3}, "high": {got.high, 10},
		"fast": {got.fast, 2}, "wilcoxon": {got.wilcoxon, 0.046854}, "sign": {got.sign, 0.057780},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-5 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if same := compare(control, control); same.wilcoxon != 1 || same.sign != 1 || same.median != 0 {
		t.Errorf("no difference at all gives %+v", same)
	}
	// 1 and -1 share the ranks 1 and 2: W is 1.5 + 3 + 4, its variance 7.5 - 6/48.
	if got, want := wilcoxon([]float64{1, -1, 2, 3}), math.Erfc(3.5/math.Sqrt(2*7.375)); math.Abs(got-want) > 1e-12 {
		t.Errorf("with equal ranks it is %v, want %v", got, want)
	}
}
