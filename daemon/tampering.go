package main

import (
	"errors"

	"vtoken/daemon/audit"
	"vtoken/daemon/metrics"
)

// eventTampered is the event of the audit log for a record of the store that was
// changed behind the daemon's back.
const eventTampered = "tampered"

// tampering brings what the store finds to be changed to the metrics and the audit log.
// The store tells it from within a use of it, and the audit log uses the store, so that
// lines are written by a goroutine of their own. More than it has room for are in the
// metrics only.
type tampering struct {
	counts *metrics.Store
	found  chan string
	ends   chan struct{} // closed when the daemon stops
}

func newTampering(counts *metrics.Store) *tampering {
	return &tampering{counts: counts, found: make(chan string, 16), ends: make(chan struct{})}
}

// note is keystore.Options.Tampered.
func (t *tampering) note(reason error, logged bool) {
	t.counts.Tampered()
	if !logged {
		return
	}
	select {
	case t.found <- reason.Error():
	default:
	}
}

// recordTampering writes lines until the daemon stops.
func (d *daemon) recordTampering() {
	t := d.changed
	for {
		select {
		case <-t.ends:
			return
		case what := <-t.found:
			line := audit.Record{Event: eventTampered, Result: "CKR_DEVICE_ERROR", Detail: what}
			e, err := d.audit.Begin(line)
			if err != nil {
				d.warn("recording that the store was changed from outside", errors.Join(err, errors.New(what)))
				continue
			}
			e.End(line)
		}
	}
}
