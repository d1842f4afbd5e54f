package observe

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"time"

	"vtoken/daemon/audit"
	"vtoken/keystore"
	"vtoken/vtoken/record"
)

// eventRestore records that a store was made from a backup.
const eventRestore = "restore"

// offlineLog opens the audit log of a store without a daemon.
func offlineLog(o audit.Options) (log *audit.Log, failed *error, err error) {
	failed = new(error)
	o.Failed = func(err error) { *failed = errors.Join(*failed, err) }
	log, err = audit.Open(o)
	return log, failed, err
}

// self is this process as the audit log names it.
func self() *audit.Process {
	p := NewProcess(record.Peer{UID: uint32(os.Getuid()), PID: int32(os.Getpid())})
	return &p
}

// RecordRestore begins the record of a restore by the caller. Without space for it, the
// restore is refused. The head in the backup stays unchanged, and the log continues after it.
func RecordRestore(o audit.Options, r keystore.Restored, caller, acceptFlag string) (done func(error), err error) {
	o.Key, o.Head, o.Anchor = r.AuditKey, headOf(r.AuditHead), func(audit.Head) error { return nil }
	log, failed, err := offlineLog(o)
	if err != nil {
		return nil, err
	}
	e, err := log.Begin(audit.Record{Event: eventRestore, Process: self()})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("record the restore: %w", err), log.Close())
	}
	return func(err error) {
		line := audit.Record{Event: eventRestore, Result: "ok", Process: self(), Caller: caller}
		if r.Accepted {
			line.Detail = acceptFlag
		}
		if err != nil {
			line.Result = "failed"
		}
		e.End(line)
		if err := errors.Join(log.Close(), *failed); err != nil {
			fmt.Fprintf(os.Stderr, "vtokend: the restore is not recorded: %v\n", err)
		}
	}, nil
}

// RecordAcceptance records that an older copy of the store was accepted when it was opened.
func RecordAcceptance(o audit.Options, s *keystore.Store, caller string) error {
	p, err := s.Protection()
	if err != nil || !p.JustAccepted {
		return err
	}
	known, err := auditHead(s)
	if err != nil {
		return err
	}
	o.Key, o.Head, o.Anchor = s.AuditKey(), headOf(known), anchorIn(s)
	log, failed, err := offlineLog(o)
	if err != nil {
		return err
	}
	e, err := log.Begin(audit.Record{Event: eventAcceptRollback, Process: self()})
	if err == nil {
		e.End(audit.Record{
			Event: eventAcceptRollback, Result: "ok", Process: self(), Caller: caller,
			Detail: "at " + p.Accepted.Format(time.RFC3339),
		})
	}
	if err := errors.Join(err, log.Close(), *failed); err != nil {
		return fmt.Errorf("record that an older store was accepted; the next start of the daemon tries it again: %w", err)
	}
	return nil
}

// Verify checks every line of the audit log of a store that no daemon uses.
func Verify(ctx context.Context, o audit.Options, s *keystore.Store) (audit.Report, error) {
	known, err := auditHead(s)
	if err != nil {
		return audit.Report{}, err
	}
	key := s.AuditKey()
	defer clear(key)
	return audit.Verify(ctx, o.Dir, key.Public().(ed25519.PublicKey), headOf(known))
}
