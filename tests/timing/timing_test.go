package timing

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// count is how many rounds are measured: few, which say nothing about time, or as
// many as TIMING_COUNT says, in make timing.
func count(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TIMING_COUNT")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "TIMING_COUNT is a number of rounds")
	require.Positive(t, n, "TIMING_COUNT is a number of rounds")
	return n
}

// TestDecryption prints what the times of decryption tell of paddings
// (opencryptoki/opencryptoki#731). It fails on a wrong answer, and on no time.
func TestDecryption(t *testing.T) {
	rounds := count(t)
	for _, way := range []struct {
		name, crypto string
		subjects     func(t *testing.T, crypto string) []subject
	}{
		{"padding", "alone", paddingAlone},
		{"process", "libcrypto", inProcess}, {"process", "go", inProcess},
		{"socket", "libcrypto", overSocket}, {"socket", "go", overSocket},
	} {
		t.Run(way.name+"/"+way.crypto, func(t *testing.T) {
			for _, s := range way.subjects(t, way.crypto) {
				times, err := measure(s, rounds, monotonic(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
				require.NoError(t, err)
				t.Log("\n" + report(s, times, judge(s, times)))
			}
		})
	}
}
