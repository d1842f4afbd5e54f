package keystore

import (
	"errors"
	"time"

	"vtoken/keystore/kv"
)

// scrub overwrites, in the background, what the store file still holds of records
// that were deleted or replaced. A KEK that was removed would open the store with
// what is left of its recipient, and a root key of before a rotation with what is
// left of the keys under it. Each start does it as well, for a daemon that was
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
			s.log.Warn("what was deleted stays in free pages of the store file; the next start overwrites it", "error", err)
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
