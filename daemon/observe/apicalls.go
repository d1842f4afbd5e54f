package observe

import (
	"errors"
	"fmt"
	"net/http"

	"vtoken/daemon/audit"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/ck"
)

// eventAPI is a call of the API.
const eventAPI = "api"

// CallAuditor records the calls of the API.
type CallAuditor struct{ Log *Log }

// Begin refuses a call that could not be recorded.
func (a CallAuditor) Begin(operation, requestID string) (func(httpkit.Call), error) {
	e, err := a.Log.Begin(audit.Record{Event: eventAPI, Detail: operation, Request: requestID})
	if errors.Is(err, audit.ErrFull) {
		return nil, provisioning.Errorf(provisioning.StorageFull, "nothing was done: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return func(c httpkit.Call) { e.End(callRecord(c)) }, nil
}

// callRecord returns the record of a call of the API.
func callRecord(c httpkit.Call) audit.Record {
	r := audit.Record{
		Event: eventAPI, Detail: c.Operation, Request: c.RequestID, From: c.From,
		Caller: c.Caller.Name, Tenant: string(c.Tenant), Token: string(c.Token), Result: "ok",
	}
	if c.Peer != nil {
		p := NewProcess(*c.Peer)
		r.Process = &p
	}
	if c.KEK != "" {
		r.Object = &audit.Object{Class: "KEK", ID: c.KEK}
	}
	if c.Application != "" {
		r.Object = &audit.Object{Class: "application", ID: c.Application}
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

// pinRoles maps secrets of the API that are PINs to their roles, by the names in records.
var pinRoles = map[provisioning.Secret]string{
	provisioning.UserPIN: RoleName(ck.CKU_USER), provisioning.SOPIN: RoleName(ck.CKU_SO),
}
