package keystore

import (
	"errors"
	"time"

	"vtoken/keystore/kv"
)

// scrub overwrites, in the background, the remains of deleted and replaced records in the store
// file. A removed KEK would open the store with the remains of its recipient, and an old root
// key the remains of the keys under it. Each start scrubs as well, in case the daemon was
// killed meanwhile.
func (s *Store) scrub() { s.scrubs.start(s.scrubUntil) }

// How long scrubbing waits for views to end. They last for microseconds, but for
// backups.
const (
	scrubWait    = 50 * time.Millisecond
	scrubWaitMax = time.Minute
)

func (s *Store) scrubUntil(ends <-chan struct{}) {
	for at, wait := 0, scrubWait; ; {
		select {
		case <-ends:
			return
		default:
		}
		next, err := s.db.Scrub(at)
		switch {
		case errors.Is(err, kv.ErrClosed), err == nil && next == 0:
			return
		case err == nil:
			at = next
			continue
		case !errors.Is(err, kv.ErrInUse):
			s.log.Warn("could not overwrite deleted records in free pages of the store file; the next start tries again", "error", err)
			return
		}
		select {
		case <-ends:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, scrubWaitMax)
	}
}
