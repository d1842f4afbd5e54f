package main

import (
	"slices"

	"vtoken/keystore"
	"vtoken/provisioning/api"
)

// recovery reports whether the store has a recovery recipient, which opens it if the machine
// is lost.
func (d *daemon) recovery() (bool, error) {
	list, err := d.store.Recipients()
	return slices.ContainsFunc(list, func(r keystore.Recipient) bool { return r.Recovery }), err
}

// rollback returns the status of rollback detection.
func (d *daemon) rollback() (api.Rollback, error) {
	p, err := d.store.Protection()
	out := api.Rollback{Detected: p.KEK != "", KEK: p.KEK, CounterFails: p.KEK != "" && !p.Counts}
	if !p.Accepted.IsZero() {
		out.AcceptedAt = &p.Accepted
	}
	return out, err
}
