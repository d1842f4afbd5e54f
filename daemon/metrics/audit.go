package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"vtoken/daemon/audit"
)

// Logins counts logins and locked PINs.
type Logins struct {
	total, locks *prometheus.CounterVec
}

func newLogins(r prometheus.Registerer) *Logins {
	l := &Logins{
		total: newCounter(r, "vtoken_logins_total", "Logins of applications, successful or not, by result code.", "role", "result"),
		locks: newCounter(r, "vtoken_pin_locks_total", "PINs locked by a wrong try.", "role"),
	}
	for _, role := range []string{"user", "SO"} {
		l.locks.WithLabelValues(role) // so that a first one is seen as an increase
	}
	return l
}

// Locked counts a PIN of the "user" or the "SO" that a wrong try has locked.
func (l *Logins) Locked(role string) { l.locks.WithLabelValues(role).Inc() }

// Audit counts the lines and failures of the audit log. It is an audit.Observer.
type Audit struct {
	lines    *prometheus.CounterVec
	failures *prometheus.CounterVec
	logins   *Logins
	resumed  *prometheus.CounterVec
}

// The reasons of failures.
const (
	auditFull   = "full"   // a call was refused, because there is no space for its line
	auditBroken = "broken" // a call was refused, because the log cannot be written
	auditLost   = "lost"   // something was done and its line, or its sync, failed
)

func newAudit(r prometheus.Registerer, logins *Logins) *Audit {
	a := &Audit{
		lines:    newCounter(r, "vtoken_audit_lines_total", "Lines written to the audit log.", "event"),
		failures: newCounter(r, "vtoken_audit_failures_total", "Calls refused because they could not be recorded, and lost lines.", "reason"),
		logins:   logins,
		resumed: newCounter(r, "vtoken_resumptions_total",
			"Logins that applications had before the daemon crashed, and tickets that were refused.", "result"),
	}
	for _, result := range []string{resumedOK, resumedEnded, resumedRefused} {
		a.resumed.WithLabelValues(result)
	}
	for _, reason := range []string{auditFull, auditBroken, auditLost} {
		a.failures.WithLabelValues(reason)
	}
	return a
}

// The results of resumptions.
const (
	resumedOK      = "ok"      // a login goes on
	resumedEnded   = "ended"   // a login was over: its PIN was set or is locked, for example
	resumedRefused = "refused" // the ticket was another application's, or wrong
)

// Wrote counts a line, and the login or the resumption that it records.
func (a *Audit) Wrote(r audit.Record) {
	a.lines.WithLabelValues(r.Event).Inc()
	times := float64(max(1, r.Repeated))
	switch r.Event {
	case audit.EventLogin:
		a.logins.total.WithLabelValues(r.Role, r.Result).Add(times)
	case audit.EventResume:
		a.resumed.WithLabelValues(resumption(r)).Add(times)
	}
}

// resumption is the result of a resumption. A refused ticket is about no token.
func resumption(r audit.Record) string {
	switch {
	case r.Result == "ok":
		return resumedOK
	case r.Token == "":
		return resumedRefused
	}
	return resumedEnded
}

// Refused counts an act that was refused because it could not be recorded.
func (a *Audit) Refused(err error) {
	if errors.Is(err, audit.ErrFull) {
		a.failures.WithLabelValues(auditFull).Inc()
		return
	}
	a.failures.WithLabelValues(auditBroken).Inc()
}

// Failed counts a line that was lost.
func (a *Audit) Failed(error) { a.failures.WithLabelValues(auditLost).Inc() }
