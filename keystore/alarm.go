package keystore

import (
	"errors"
	"sync"
	"time"
)

// In each time of alarmEach, the log has each alarm once, and so many in all.
const (
	alarmEach = time.Minute
	maxAlarms = 16
)

// alarms are what was found to be changed behind the store's back.
type alarms struct {
	mu     sync.Mutex
	since  time.Time           // when logged was begun
	logged map[string]struct{} // what the log has since then
	found  uint64
}

// alarm tells the log and Options.Tampered of an error that is [ErrTampered], and
// leaves any other one alone.
func (s *Store) alarm(err error) {
	if !errors.Is(err, ErrTampered) || !s.known.compares() {
		return // what is wrong with a store that is being opened, Open returns
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
		s.log.Error("ALARM: the store was changed from outside while it is in use, or is damaged; find out who can write the data folder, stop the daemon and restore a backup", "error", err, "found", found)
	}
	if tell := s.options.Tampered; tell != nil {
		tell(err, !quiet)
	}
}
