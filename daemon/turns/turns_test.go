package turns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests run on the clock of package synctest: work only has time pass, and takes exactly as long
// as it says.

// work has an owner do one piece of work, and notes when it ended.
func (s *scene) work(name string, long time.Duration) {
	s.all.Go(func() {
		err := s.q.Do(context.Background(), name, func(func() error) { pass(long) })
		require.NoError(s.t, err)
		s.note(name)
	})
	synctest.Wait() // until it runs or waits
}

// pass has time go by on the clock of package synctest.
func pass(long time.Duration) { <-time.After(long) }

// scene is a queue and what happened in it.
type scene struct {
	t     *testing.T
	q     *Queue
	all   sync.WaitGroup
	begun time.Time

	mu   sync.Mutex
	done map[string][]time.Duration // when pieces of each owner ended
}

func newScene(t *testing.T, processors int) *scene {
	return &scene{t: t, q: New(processors), begun: time.Now(), done: make(map[string][]time.Duration)}
}

func (s *scene) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[name] = append(s.done[name], time.Since(s.begun))
}

// running is how many turns run.
func (s *scene) running() int {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	return len(s.q.running)
}

// Who comes with one piece of work waits for the one that runs, not for all that wait.
func TestNewcomerIsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 2)
		for range 200 {
			s.work("mallory", 20*time.Millisecond)
		}
		pass(30 * time.Millisecond)
		s.work("alice", 20*time.Millisecond)
		s.all.Wait()
		require.Equal(t, []time.Duration{60 * time.Millisecond}, s.done["alice"])
		require.Len(t, s.done["mallory"], 200)
	})
}

// Owners share by time, not by pieces or connections.
func TestSharesAreOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 2)
		for range 30 {
			s.work("mallory", 90*time.Millisecond)
		}
		for range 60 {
			s.work("alice", 10*time.Millisecond)
		}
		s.all.Wait()
		// After the first of mallory's, each 90 ms of hers stand beside nine of alice's.
		require.LessOrEqual(t, s.done["alice"][59], 1400*time.Millisecond)
		require.Equal(t, 30*90*time.Millisecond+60*10*time.Millisecond, s.done["mallory"][29], "nobody was idle")
	})
}

// Work in steps gives way between them, and is ended where its owner goes.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 2)
		ctx, cancel := context.WithCancel(context.Background())
		var ended error
		s.all.Go(func() {
			err := s.q.Do(ctx, "mallory", func(pause func() error) {
				for ended == nil {
					pass(15 * time.Millisecond)
					ended = pause()
				}
			})
			require.NoError(t, err)
			s.note("mallory")
		})
		pass(100 * time.Millisecond)
		s.work("alice", 20*time.Millisecond)
		pass(100 * time.Millisecond)
		cancel()
		s.all.Wait()
		require.ErrorIs(t, ended, context.Canceled)
		require.Equal(t, []time.Duration{125 * time.Millisecond}, s.done["alice"])
		require.Less(t, s.done["mallory"][0], 220*time.Millisecond)
		require.Empty(t, s.q.running)
	})
}

// Beside a step that takes long, another owner is let in, and the same one is not.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 2)
		s.work("mallory", time.Minute)
		s.work("mallory", time.Millisecond)
		s.work("alice", time.Millisecond)
		s.work("alice", time.Millisecond)
		pass(time.Second)
		s.mu.Lock()
		require.Equal(t, []time.Duration{101 * time.Millisecond, 102 * time.Millisecond}, s.done["alice"])
		require.Empty(t, s.done["mallory"])
		s.mu.Unlock()
		s.all.Wait()
	})
}

// One owner alone has all processors; beside others, each finds some free.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		processors int
		shared     bool
		runs       int
	}{{1, false, 1}, {1, true, 1}, {2, false, 2}, {2, true, 1}, {8, false, 8}, {8, true, 6}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.processors)
				s.q.Share(c.shared)
				for range 20 {
					s.work("alice", time.Millisecond)
				}
				require.Equal(t, c.runs, s.running())
				if c.shared && c.processors > 2 {
					s.work("bob", time.Millisecond)
					require.Equal(t, c.runs+1, s.running())
				}
				s.all.Wait()
			})
		})
	}
}

// The work of those who have gone is not done, and what waits is bounded.
func TestGoneAndTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, 2)
		s.work("alice", time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		for range maxWaiting {
			s.all.Go(func() {
				err := s.q.Do(ctx, "alice", func(func() error) { t.Error("work of somebody who has gone is done") })
				require.ErrorIs(t, err, context.Canceled)
			})
		}
		synctest.Wait()
		require.ErrorIs(t, s.q.Do(ctx, "alice", func(func() error) {}), ErrTooMuch)
		s.work("bob", time.Millisecond)
		cancel()
		s.all.Wait()
		require.ErrorIs(t, s.q.Do(ctx, "alice", func(func() error) {}), context.Canceled)
		require.Empty(t, s.q.owners)
	})
}

// A panic of the work gives the turn back.
func TestPanic(t *testing.T) {
	q := New(2)
	require.Panics(t, func() { _ = q.Do(context.Background(), "alice", func(func() error) { panic("in the work") }) })
	require.NoError(t, q.Do(context.Background(), "alice", func(func() error) {}))
}

// TestAgainstModel has many owners come, go and pause at random: no turn is lost, no limit
// exceeded, and all work is done whose owner stays.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			processors := 1 + random.IntN(6)
			s := newScene(t, processors)
			var mu sync.Mutex
			running, most, want, done := 0, 0, 0, 0
			step := func(by int) {
				mu.Lock()
				defer mu.Unlock()
				running += by
				most = max(most, running)
			}
			for range 300 {
				owner := fmt.Sprint(random.IntN(5))
				steps, long := 1+random.IntN(4), time.Duration(random.IntN(150))*time.Millisecond
				ctx, cancel := context.WithCancel(context.Background())
				if random.IntN(3) == 0 {
					time.AfterFunc(time.Duration(random.IntN(2000))*time.Millisecond, cancel)
				} else {
					want++
				}
				s.all.Go(func() {
					defer cancel()
					err := s.q.Do(ctx, owner, func(pause func() error) {
						for range steps {
							step(1)
							pass(long)
							step(-1)
							if pause() != nil {
								return
							}
						}
						mu.Lock()
						done++
						mu.Unlock()
					})
					if err != nil {
						require.ErrorIs(t, err, context.Canceled)
					}
				})
				if random.IntN(20) == 0 {
					s.q.Share(random.IntN(2) == 0)
				}
				pass(time.Duration(random.IntN(30)) * time.Millisecond)
			}
			s.all.Wait()
			require.LessOrEqual(t, most, max(processors, 2))
			require.GreaterOrEqual(t, done, want)
			require.Empty(t, s.q.running)
			require.Empty(t, s.q.owners)
			require.Zero(t, s.q.waiting)
		})
	}
}

func BenchmarkDo(b *testing.B) {
	q := New(2)
	for b.Loop() {
		_ = q.Do(context.Background(), "alice", func(func() error) {})
	}
}
