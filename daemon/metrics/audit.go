package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"vtoken/daemon/audit"
)

// Logins counts logins, and PINs that got locked.
type Logins struct {
	total, locks *prometheus.CounterVec
}

func newLogins(r prometheus.Registerer) *Logins {
	l := &Logins{
		total: newCounter(r, "vtoken_logins_total", "Logins of applications, right and wrong, by the code of their result.", "role", "result"),
		locks: newCounter(r, "vtoken_pin_locks_total", "PINs that were locked by a wrong try.", "role"),
	}
	for _, role := range []string{"user", "SO"} {
		l.locks.WithLabelValues(role) // so that a first one is seen as an increase
	}
	return l
}

// Locked counts a PIN that a wrong try has locked: of the "user" or the "SO".
func (l *Logins) Locked(role string) { l.locks.WithLabelValues(role).Inc() }

// Audit counts what happens to the audit log. It is an audit.Observer.
type Audit struct {
	lines    *prometheus.CounterVec
	failures *prometheus.CounterVec
	logins   *Logins
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
		failures: newCounter(r, "vtoken_audit_failures_total", "Calls that were refused because they could not be recorded, and lines that were lost.", "reason"),
		logins:   logins,
	}
	for _, reason := range []string{auditFull, auditBroken, auditLost} {
		a.failures.WithLabelValues(reason)
	}
	return a
}

// Wrote counts a line, and the login that it tells of.
func (a *Audit) Wrote(r audit.Record) {
	a.lines.WithLabelValues(r.Event).Inc()
	if r.Event == audit.EventLogin {
		a.logins.total.WithLabelValues(r.Role, r.Result).Add(float64(max(1, r.Repeated)))
	}
}

// Refused counts a call that could not have been recorded.
func (a *Audit) Refused(err error) {
	if errors.Is(err, audit.ErrFull) {
		a.failures.WithLabelValues(auditFull).Inc()
		return
	}
	a.failures.WithLabelValues(auditBroken).Inc()
}

// Failed counts a line that was lost.
func (a *Audit) Failed(error) { a.failures.WithLabelValues(auditLost).Inc() }
