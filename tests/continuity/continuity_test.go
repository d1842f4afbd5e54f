package continuity

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) != "" {
		if err := clientMain(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programsAtOnce is how many stock programs work at a time. Most of the time of each is
// spent waiting.
const programsAtOnce = 5

// number is what a variable of the environment says, or what is usual.
func number(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "%s is a number", variable)
	return n
}

// TestStockPrograms interrupts the daemon in every way under every stock program. Where a
// program tells the codes of calls, it is frozen for longer than a call may take, too.
func TestStockPrograms(t *testing.T) {
	t.Parallel() // with the walk
	_, err := harness.Build()
	require.NoError(t, err)
	rounds := number(t, "CONTINUITY_ROUNDS", 2)
	freeze := 2 * time.Second
	if text := os.Getenv("CONTINUITY_FREEZE"); text != "" {
		freeze, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	kinds := harness.Interruptions(freeze)
	var all sync.WaitGroup
	places := make(chan struct{}, programsAtOnce)
	row := func(name string, run func(*testing.T)) {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			t.Run(name, run)
		})
	}
	for _, p := range programs {
		row(p.name, func(t *testing.T) { p.run(t, kinds, rounds) })
		if p.limit {
			row(p.name+"-limit", p.runBeyondLimit)
		}
	}
	all.Wait()
}

// run sets a program up, and interrupts the daemon under it.
func (p program) run(t *testing.T, kinds []harness.Interruption, rounds int) {
	s := newStage(t)
	began := time.Now()
	work := newTraffic(p.start(s))
	defer work.stop()
	work.await(t, "before")
	work.excuse(t, false)
	t.Logf("set up in %v", time.Since(began).Round(time.Millisecond))
	known := s.logins()
	for _, kind := range kinds {
		if !p.goesThrough(kind) {
			continue
		}
		n := rounds
		if kind.Lasting {
			n = max(1, rounds/10)
		}
		t.Run(kind.Name, func(t *testing.T) {
			for range n {
				work.interrupt(t, s, kind, p.parts || p.logsIn)
			}
			work.report(t)
		})
	}
	for pid, n := range s.logins() {
		if known[pid] > 0 && !p.logsIn {
			require.Equal(t, known[pid], n, "process %d had logged in before the interruptions and logged in again", pid)
		}
	}
}
