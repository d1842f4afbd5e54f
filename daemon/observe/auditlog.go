package observe

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"vtoken/daemon/audit"
	"vtoken/daemon/config"
	"vtoken/daemon/peer"
	"vtoken/keystore"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// auditDir is the folder of the audit log in the data folder, unless the configuration names
// another one.
const auditDir = "audit"

// eventAcceptRollback records that an administrator accepted an older copy of the store.
const eventAcceptRollback = "accept-rollback"

// Log is the audit log of a store that a daemon serves.
type Log struct {
	*audit.Log
	store   *keystore.Store
	version string // of the daemon
}

// Open opens the audit log of a store and records that the daemon starts.
func Open(cfg config.Config, s *keystore.Store, observer audit.Observer, logger *slog.Logger, version string) (*Log, error) {
	o, err := AuditOptions(cfg)
	if err != nil {
		return nil, err
	}
	known, err := auditHead(s)
	if err != nil {
		return nil, err
	}
	o.Key, o.Head, o.Anchor, o.Observer = s.AuditKey(), headOf(known), anchorIn(s), observer
	o.Failed = func(err error) { logger.Error("the audit log is not complete", "error", err) }
	o.Low = func(free int64) {
		logger.Warn("the disk of the audit log is nearly full; when it is full, what must be recorded is refused: move old files of the log away (vtoken audit archive), or make the disk larger", "folder", o.Dir, "free", free)
	}
	log, err := audit.Open(o)
	if err != nil {
		return nil, err
	}
	l := &Log{Log: log, store: s, version: version}
	if gaps := l.Missing(); len(gaps) > 0 {
		logger.Error("lines of the audit log that the store knows of are missing: they were removed or changed, or the store was restored in another folder than its log; see vtoken audit verify, and say with vtoken audit archive where you keep them elsewhere", "folder", o.Dir, "missing", fmt.Sprint(gaps))
	}
	if err := errors.Join(l.recordOwn(audit.EventStart), l.recordAccepted(known.Time)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// AuditOptions returns where the audit log is and who can read it.
func AuditOptions(cfg config.Config) (audit.Options, error) {
	recipients, err := cfg.Auditors()
	dir := cfg.AuditDir
	if dir == "" {
		dir = filepath.Join(cfg.DataDir, auditDir)
	}
	return audit.Options{Dir: dir, Recipients: recipients}, err
}

// auditHead returns the newest line that the store knows of.
func auditHead(s *keystore.Store) (h keystore.AuditHead, err error) {
	err = s.View(func(tx *keystore.Tx) (err error) {
		h, err = tx.AuditHead()
		return err
	})
	return h, err
}

func headOf(known keystore.AuditHead) audit.Head {
	head := audit.Head{Seq: known.Seq, Time: known.Time, Archived: known.Archived}
	copy(head.Hash[:], known.Hash)
	for _, r := range known.Missing {
		head.Missing = append(head.Missing, audit.Range{First: r[0], Last: r[1]})
	}
	return head
}

// knownOf is the same for the store.
func knownOf(h audit.Head) keystore.AuditHead {
	known := keystore.AuditHead{Seq: h.Seq, Hash: h.Hash[:], Time: h.Time, Archived: h.Archived}
	for _, r := range h.Missing {
		known.Missing = append(known.Missing, [2]uint64{r.First, r.Last})
	}
	return known
}

// anchorIn keeps the number and the hash of the newest line in a store.
func anchorIn(s *keystore.Store) func(audit.Head) error {
	return func(h audit.Head) error {
		return s.Update(func(tx *keystore.Tx) error {
			return tx.PutAuditHead(knownOf(h))
		})
	}
}

// recordOwn records an act of the daemon itself.
func (l *Log) recordOwn(event string) error {
	line := audit.Record{Event: event, Result: "ok", Detail: "version " + l.version}
	e, err := l.Begin(line)
	if err != nil {
		return fmt.Errorf("record the daemon's %s: %w", event, err)
	}
	e.End(line)
	return nil
}

// Reload records that the daemon takes on another configuration. settings are the names of
// those that changed. The caller calls end when it has done so, or could not.
func (l *Log) Reload(settings []string) (end func(error), err error) {
	var entries []*audit.Entry
	var lines []audit.Record
	for _, names := range inLines(settings) {
		line := audit.Record{Event: audit.EventReload, Result: "ok", Detail: names}
		e, err := l.Begin(line)
		if err != nil {
			for _, begun := range entries {
				begun.Cancel()
			}
			return nil, fmt.Errorf("record the reload: %w", err)
		}
		entries, lines = append(entries, e), append(lines, line)
	}
	return func(err error) {
		for i, e := range entries {
			if err != nil {
				lines[i].Result = "failed"
			}
			e.End(lines[i])
		}
	}, nil
}

// inLines joins names to texts that a record does not clip; at least one.
func inLines(names []string) []string {
	lines := []string{""}
	for _, name := range names {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = name
		case len(*last)+1+len(name) > audit.MaxText:
			lines = append(lines, name)
		default:
			*last += " " + name
		}
	}
	if len(names) == 0 {
		lines[0] = "nothing changed"
	}
	return lines
}

// RefusedTicket records that a process wanted to be an application of another process, or
// showed a wrong ticket. It is for p11server.Options.Refused.
func (l *Log) RefusedTicket(p peer.Process, reason error) {
	who := NewProcess(record.Peer{UID: p.UID, GID: p.GID, PID: p.PID})
	line := audit.Record{
		Event: audit.EventResume, Process: &who, Result: ck.CodeOf(reason).Error(), Detail: reason.Error(),
	}
	if e, err := l.Begin(line); err == nil { // the log has counted the failure, and it is refused anyway
		e.End(line)
	}
}

// recordAccepted records that an older store was accepted since the last line of the audit log
// that the store knows of. The command that did so has a line of its own, unless its log could
// not be written or belongs to another folder.
func (l *Log) recordAccepted(last time.Time) error {
	p, err := l.store.Protection()
	if err != nil || !p.Accepted.After(last) {
		return err
	}
	line := audit.Record{Event: eventAcceptRollback, Result: "ok", Detail: "at " + p.Accepted.Format(time.RFC3339)}
	e, err := l.Begin(line)
	if err != nil {
		return fmt.Errorf("record that an older store was accepted: %w", err)
	}
	e.End(line)
	return nil
}

// Close records that the daemon stops, and closes the log. It is called before the store is
// closed.
func (l *Log) Close() error { return errors.Join(l.recordOwn(audit.EventStop), l.Log.Close()) }
