package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Store counts what is written to the store.
type Store struct {
	commits *prometheus.CounterVec
	updates prometheus.Counter
	took    prometheus.Observer
	changed prometheus.Counter
}

func newStore(r prometheus.Registerer) *Store {
	s := &Store{
		commits: newCounter(r, "vtoken_store_commits_total", "Commits of the store. A failed commit changes nothing.", "result"),
		updates: newCounter(r, "vtoken_store_updates_total", "Changes in the commits of the store; concurrent changes share a commit.").WithLabelValues(),
		took: newHistogram(r, "vtoken_store_commit_seconds", "Duration of a commit to stable storage.",
			[]float64{250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5}).WithLabelValues(),
	}
	s.changed = newCounter(r, "vtoken_store_tampered_total", "Records found to be changed from outside, by uses of the store and by its own search.").WithLabelValues()
	for _, result := range []string{"ok", "failed"} {
		s.commits.WithLabelValues(result)
	}
	return s
}

// Tampered counts a record that was found to be changed from outside.
func (s *Store) Tampered() { s.changed.Inc() }

// Committed counts a commit of that many updates.
func (s *Store) Committed(updates int, took time.Duration, err error) {
	s.took.Observe(took.Seconds())
	if err != nil {
		s.commits.WithLabelValues("failed").Inc()
		return
	}
	s.commits.WithLabelValues("ok").Inc()
	s.updates.Add(float64(updates))
}
