package keystore

import (
	"errors"
	"sync"
	"time"
)

// The log has each alarm once in every alarmEach, and a bounded number in all.
const (
	alarmEach = time.Minute
	maxAlarms = 16
)

// alarms remembers which changes from outside the log has.
type alarms struct {
	mu     sync.Mutex
	since  time.Time           // when logged began
	logged map[string]struct{} // alarms in the log since then
	found  uint64
}

// alarm reports an error that is [ErrTampered] to the log and Options.Tampered. It ignores
// every other error.
func (s *Store) alarm(err error) {
	if !errors.Is(err, ErrTampered) || !s.known.compares() {
		return // Open returns what is wrong with a store that it opens
	}
	a := &s.alarms
	a.mu.Lock()
	a.found++
	if time.Since(a.since) >= alarmEach {
		a.since, a.logged = time.Now(), map[string]struct{}{}
	}
	_, quiet := a.logged[err.Error()]
	quiet = quiet || len(a.logged) >= maxAlarms
	if !quiet {
		a.logged[err.Error()] = struct{}{}
	}
	found := a.found
	a.mu.Unlock()
	if !quiet {
		s.log.Error("ALARM: the store was changed from outside while it is in use, or is damaged; check who can write to the data folder, stop the daemon and restore a backup", "error", err, "found", found)
	}
	if tell := s.options.Tampered; tell != nil {
		tell(err, !quiet)
	}
}
