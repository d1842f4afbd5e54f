package main

import (
	"fmt"
	"slices"
	"time"

	"vtoken/daemon/audit"
	"vtoken/keystore"
	"vtoken/provisioning/api"
)

// eventAcceptRollback is that an administrator took an older store as it is.
const eventAcceptRollback = "accept-rollback"

// recordAccepted records that an older store was accepted since the last line of
// the audit log that the store knows of. The command that did so has a line of its
// own, unless its log could not be written or belongs to another folder.
func (d *daemon) recordAccepted(last time.Time) error {
	p, err := d.store.Protection()
	if err != nil || !p.Accepted.After(last) {
		return err
	}
	line := audit.Record{Event: eventAcceptRollback, Result: "ok", Detail: "at " + p.Accepted.Format(time.RFC3339)}
	e, err := d.audit.Begin(line)
	if err != nil {
		return fmt.Errorf("record that an older store was accepted: %w", err)
	}
	e.End(line)
	return nil
}

// recovery reports whether a person can open the store when the machine is lost.
func (d *daemon) recovery() (bool, error) {
	list, err := d.store.Recipients()
	return slices.ContainsFunc(list, func(r keystore.Recipient) bool { return r.Recovery }), err
}

// rollback is what the status says of older copies of the data folder.
func (d *daemon) rollback() (api.Rollback, error) {
	p, err := d.store.Protection()
	out := api.Rollback{Detected: p.KEK != "", KEK: p.KEK, CounterFails: p.KEK != "" && !p.Counts}
	if !p.Accepted.IsZero() {
		out.AcceptedAt = &p.Accepted
	}
	return out, err
}
