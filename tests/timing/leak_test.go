package timing

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// leaky is a decrypter of a clock of its own: its times are noise as a busy machine
// makes it, and a delay for one class.
func leaky(delay int64, classes ...string) (subject, clock) {
	r := rand.New(rand.NewPCG(1, 2))
	now := int64(0)
	s := subject{
		name:  "a planted leak",
		check: func(answer, []byte, error) error { return nil },
		decrypt: func(c []byte) ([]byte, error) {
			now += 350_000 + int64(400*r.ExpFloat64())
			if r.IntN(50) == 0 {
				now += r.Int64N(100_000) // somebody else's turn
			}
			if classes[c[0]] == "delayed" {
				now += delay
			}
			return nil, nil
		},
	}
	for i, name := range classes {
		s.classes = append(s.classes, class{name: name, make: func() ([]byte, answer) { return []byte{byte(i)}, answer{} }})
	}
	return s, func() int64 { return now }
}

// TestPlantedLeakIsFound: the measuring sees 100 ns in 350 µs of a noisy machine,
// and nothing where nothing is.
func TestPlantedLeakIsFound(t *testing.T) {
	const delay = 100
	s, now := leaky(delay, "control", "the same", "the same again", "delayed", "the same once more")
	times, err := measure(s, 5000, now, rand.New(rand.NewPCG(3, 4)))
	require.NoError(t, err)
	verdicts := judge(s, times)
	t.Log("\n" + report(s, times, verdicts))
	for _, v := range verdicts {
		if planted := v.name == "delayed"; v.signal() != planted {
			t.Errorf("class %q: signal is %v, p %v", v.name, v.signal(), v.wilcoxon)
		} else if planted && (v.low > delay || v.high < delay) {
			t.Errorf("a delay of %d ns is seen as %v to %v", delay, v.low, v.high)
		}
	}
}

// TestNothingIsFoundInNothing: of 200 comparisons of the same with the same none is
// a signal, and the probabilities are what they say.
func TestNothingIsFoundInNothing(t *testing.T) {
	const comparisons = 200
	s, now := leaky(0, make([]string, comparisons+1)...)
	times, err := measure(s, 300, now, rand.New(rand.NewPCG(5, 6)))
	require.NoError(t, err)
	low := 0
	for _, v := range judge(s, times) {
		if v.signal() {
			t.Errorf("a signal between the same: p %v", v.wilcoxon)
		}
		if v.wilcoxon < 0.1 {
			low++
		}
	}
	// All are held against one control, so they are not independent of each other.
	require.LessOrEqual(t, low, comparisons/3, "%d of %d probabilities are below 0.1", low, comparisons)
}
