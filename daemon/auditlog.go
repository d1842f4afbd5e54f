package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"vtoken/daemon/audit"
	"vtoken/daemon/config"
	"vtoken/keystore"
	"vtoken/provisioning"
	"vtoken/provisioning/dialect/native/api"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/version"
)

// auditDir is the folder of the audit log in the data folder, where the
// configuration names no other.
const auditDir = "audit"

// eventAPI is a call of the API.
const eventAPI = "api"

// openAudit opens the audit log and records that the daemon starts.
func (d *daemon) openAudit() error {
	o, err := auditOptions(d.cfg)
	if err != nil {
		return err
	}
	known, err := auditHead(d.store)
	if err != nil {
		return err
	}
	head := headOf(known)
	o.Key, o.Head, o.Anchor, o.Observer = d.store.AuditKey(), head, anchorIn(d.store), d.metrics.Audit
	o.Failed = func(err error) { d.log.Error("the audit log is not complete", "error", err) }
	o.Low = func(free int64) {
		d.log.Warn("the disk of the audit log is nearly full; without space nothing is done that has to be recorded: move old files of the log away (vtoken audit archive), or make the disk larger", "folder", o.Dir, "free", free)
	}
	if d.audit, err = audit.Open(o); err != nil {
		return err
	}
	if gaps := d.audit.Missing(); len(gaps) > 0 {
		d.log.Error("lines of the audit log that the store knows of are missing: they were removed or changed, or the store was restored in another folder than its log; see vtoken audit verify, and say with vtoken audit archive where you keep them elsewhere", "folder", o.Dir, "missing", fmt.Sprint(gaps))
	}
	return errors.Join(d.recordOwn(audit.EventStart), d.recordAccepted(known.Time))
}

// auditOptions is where the audit log is and who may read it.
func auditOptions(cfg config.Config) (audit.Options, error) {
	recipients, err := cfg.Auditors()
	dir := cfg.AuditDir
	if dir == "" {
		dir = filepath.Join(cfg.DataDir, auditDir)
	}
	return audit.Options{Dir: dir, Recipients: recipients}, err
}

// auditHead is the newest line that the store knows of.
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

// anchorIn keeps the newest line's number and hash in a store.
func anchorIn(s *keystore.Store) func(audit.Head) error {
	return func(h audit.Head) error {
		return s.Update(func(tx *keystore.Tx) error {
			return tx.PutAuditHead(knownOf(h))
		})
	}
}

// recordOwn records something that the daemon itself does.
func (d *daemon) recordOwn(event string) error {
	line := audit.Record{Event: event, Result: "ok", Detail: "version " + version.String()}
	e, err := d.audit.Begin(line)
	if err != nil {
		return fmt.Errorf("record the daemon's %s: %w", event, err)
	}
	e.End(line)
	return nil
}

// closeAudit records that the daemon stops. It goes before the store is closed.
func (d *daemon) closeAudit() error {
	if d.audit == nil {
		return nil
	}
	return errors.Join(d.recordOwn(audit.EventStop), d.audit.Close())
}

// callAuditor records the calls of the API.
type callAuditor struct{ log *audit.Log }

// Begin refuses a call that could not be recorded.
func (a callAuditor) Begin(operation, requestID string) (func(httpkit.Call), error) {
	e, err := a.log.Begin(audit.Record{Event: eventAPI, Detail: operation, Request: requestID})
	if errors.Is(err, audit.ErrFull) {
		return nil, provisioning.Errorf(provisioning.StorageFull, "nothing was done: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return func(c httpkit.Call) { e.End(callRecord(c)) }, nil
}

// callRecord is the record of a call of the API.
func callRecord(c httpkit.Call) audit.Record {
	r := audit.Record{
		Event: eventAPI, Detail: c.Operation, Request: c.RequestID, From: c.From,
		Caller: c.Caller.Name, Tenant: string(c.Tenant), Token: string(c.Token), Result: "ok",
	}
	if c.Peer != nil {
		p := newProcess(*c.Peer)
		r.Process = &p
	}
	if c.KEK != "" {
		r.Object = &audit.Object{Class: "KEK", ID: c.KEK}
	}
	if c.Secret != nil {
		r.Tries = c.Secret.Secret.String() + " " + string(c.Secret.Guess)
		r.Role, r.Locked = pinRoles[c.Secret.Secret], c.Secret.Guess == provisioning.GuessLocked
	}
	switch {
	case c.Status < http.StatusBadRequest:
	case c.Err != nil && httpkit.StatusOf(c.Err) == 0:
		r.Result = httpkit.KindName(provisioning.KindOf(c.Err))
	default:
		r.Result = fmt.Sprint("HTTP ", c.Status)
	}
	return r
}

// pinRoles are the roles whose PINs are secrets of the API, by the names that records
// have.
var pinRoles = map[provisioning.Secret]string{
	provisioning.UserPIN: roleNames[ck.CKU_USER], provisioning.SOPIN: roleNames[ck.CKU_SO],
}

// auditReader is the audit log as the native API sees it.
type auditReader struct {
	log *audit.Log
	dir string
	key ed25519.PublicKey
}

// newAuditReader is a reader of the daemon's log.
func (d *daemon) newAuditReader() auditReader {
	key := d.store.AuditKey()
	defer clear(key)
	return auditReader{d.audit, d.audit.Dir(), append(ed25519.PublicKey(nil), key.Public().(ed25519.PublicKey)...)}
}

// Lines waits for a line after the number, where there is none.
func (a auditReader) Lines(ctx context.Context, after uint64, limit int, wait time.Duration) ([]json.RawMessage, uint64, error) {
	head, grown := a.log.Head()
	if head.Seq <= after && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, after, ctx.Err()
		case <-timer.C:
		case <-grown:
		}
	}
	return audit.Lines(a.dir, after, limit)
}

// Newest is the number of the newest line.
func (a auditReader) Newest() uint64 {
	head, _ := a.log.Head()
	return head.Seq
}

// Verify checks every line.
func (a auditReader) Verify(ctx context.Context) (api.AuditReport, error) {
	head, _ := a.log.Head()
	r, err := audit.Verify(ctx, a.dir, a.key, head)
	return api.AuditReport{
		Files: r.Files, Lines: r.Lines, First: r.First, Last: r.Last, Archived: r.Archived,
		Problems: append([]string{}, r.Problems...), Notes: append([]string{}, r.Notes...),
	}, err
}

// Archive notes that old lines are kept elsewhere.
func (a auditReader) Archive(through uint64, by string) (uint64, error) {
	n, err := a.log.Archive(through, audit.Record{Event: audit.EventArchive, Result: "ok", Caller: by})
	switch {
	case errors.Is(err, audit.ErrNotArchived):
		return 0, provisioning.Errorf(provisioning.BadInput, "%w", err)
	case errors.Is(err, audit.ErrFull):
		return 0, provisioning.Errorf(provisioning.StorageFull, "nothing was done: %w", err)
	}
	return n, err
}
