package keystore

import (
	"errors"
	"sync"
	"time"
)

// alarmEach is how often the log has an alarm of the same kind.
const alarmEach = time.Minute

// alarms are what was found to be changed behind the store's back.
type alarms struct {
	mu    sync.Mutex
	last  string    // what the last line of the log says
	at    time.Time // of that line
	found uint64
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
	found, quiet := a.found, a.last == err.Error() && time.Since(a.at) < alarmEach || time.Since(a.at) < time.Second
	if !quiet {
		a.last, a.at = err.Error(), time.Now()
	}
	a.mu.Unlock()
	if !quiet {
		s.log.Error("ALARM: the store was changed from outside while it is in use, or is damaged; find out who can write the data folder, stop the daemon and restore a backup", "error", err, "found", found)
	}
	if tell := s.options.Tampered; tell != nil {
		tell(err, !quiet)
	}
}
