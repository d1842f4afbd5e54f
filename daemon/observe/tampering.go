package observe

import (
	"errors"

	"vtoken/daemon/audit"
	"vtoken/daemon/metrics"
)

// eventTampered is the event of the audit log for a record of the store that was changed
// behind the daemon's back.
const eventTampered = "tampered"

// Tampering counts and records what the store finds to be changed from outside. The store
// tells it while it is used, and the audit log uses the store, so Run writes the lines in a
// goroutine of its own. What does not fit into its queue is only counted.
type Tampering struct {
	counts *metrics.Store
	found  chan string
	ends   chan struct{}
}

// NewTampering counts with counts.
func NewTampering(counts *metrics.Store) *Tampering {
	return &Tampering{counts: counts, found: make(chan string, 16), ends: make(chan struct{})}
}

// Note is for keystore.Options.Tampered.
func (t *Tampering) Note(reason error, logged bool) {
	t.counts.Tampered()
	if !logged {
		return
	}
	select {
	case t.found <- reason.Error():
	default:
	}
}

// Stop ends Run.
func (t *Tampering) Stop() { close(t.ends) }

// Run writes lines to the log until Stop. failed hears of what could not be written.
func (t *Tampering) Run(log *Log, failed func(error)) {
	for {
		select {
		case <-t.ends:
			return
		case what := <-t.found:
			line := audit.Record{Event: eventTampered, Result: "CKR_DEVICE_ERROR", Detail: what}
			e, err := log.Begin(line)
			if err != nil {
				failed(errors.Join(err, errors.New(what)))
				continue
			}
			e.End(line)
		}
	}
}
