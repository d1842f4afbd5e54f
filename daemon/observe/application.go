package observe

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"vtoken/daemon/audit"
	"vtoken/daemon/metrics"
	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Applications makes the listeners of applications.
type Applications struct {
	// Log is where acts are recorded.
	Log *audit.Log
	// Calls counts signatures, Logins locked PINs.
	Calls  *metrics.Calls
	Logins *metrics.Logins
	// Come hears of an application that connects, and gone that it has ended.
	Come func(record.Peer) (gone func())
}

// Listen is the listener of one application.
func (a Applications) Listen(p record.Peer) vtoken.Listener {
	return &application{Applications: a, process: NewProcess(p), gone: a.Come(p)}
}

// NewProcess is a process as the audit log names it.
func NewProcess(p record.Peer) audit.Process {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
	if err != nil {
		exe = "" // of another user, and the daemon is not root; or gone
	}
	return audit.Process{UID: p.UID, PID: p.PID, Executable: exe}
}

// application is the listener of one application.
type application struct {
	Applications
	process audit.Process
	gone    func()
}

// rule says when an act is recorded, and what its line has beside the token and the result.
type rule struct {
	when   func(vtoken.Event) bool // nil is always
	role   bool
	object func(vtoken.Event) *audit.Object
	detail func(vtoken.Event) string
}

// rules are the acts that are recorded.
var rules = map[vtoken.Act]rule{
	vtoken.ActLogin:       {role: true},
	vtoken.ActResume:      {role: true},
	vtoken.ActEnd:         {role: true},
	vtoken.ActInitToken:   {role: true},
	vtoken.ActInitPIN:     {role: true},
	vtoken.ActSetPIN:      {role: true},
	vtoken.ActGenerate:    {when: onToken, object: made, detail: mechanism},
	vtoken.ActUnwrap:      {when: onToken, object: made, detail: mechanism},
	vtoken.ActDerive:      {when: onToken, object: made, detail: mechanism},
	vtoken.ActEncapsulate: {when: onToken, object: made, detail: mechanism},
	vtoken.ActDecapsulate: {when: onToken, object: made, detail: mechanism},
	vtoken.ActCreate:      {when: keyOnToken, object: made},
	vtoken.ActCopy:        {when: keyOnToken, object: made},
	vtoken.ActDestroy:     {when: keyOnToken, object: affected},
	vtoken.ActWrap:        {object: affected, detail: mechanism},
	vtoken.ActRead:        {object: affected, detail: attribute},
}

func onToken(e vtoken.Event) bool { return e.Object.Token }

// keyOnToken leaves out public keys, certificates and data.
func keyOnToken(e vtoken.Event) bool {
	switch e.Object.Class {
	case ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		return e.Object.Token
	}
	return false
}

func mechanism(e vtoken.Event) string { return e.Mechanism.String() }
func attribute(e vtoken.Event) string { return e.Attribute.String() }

// affected is the object that the act was about, without a class where there was none.
func affected(e vtoken.Event) *audit.Object {
	if e.Object == nil {
		return &audit.Object{}
	}
	o := &audit.Object{Class: e.Object.Class.String(), ID: hex.EncodeToString(e.Object.ID)}
	if e.Object.IsKey {
		o.Type = e.Object.KeyType.String()
	}
	return o
}

// made is the object that the act made.
func made(e vtoken.Event) *audit.Object {
	if e.Err != nil {
		return nil
	}
	return affected(e)
}

// Begin refuses an act that could not be recorded.
func (a *application) Begin(e vtoken.Event) (end func(vtoken.Event), err error) {
	rule, ok := rules[e.Act]
	if !ok || rule.when != nil && !rule.when(e) {
		return nil, nil
	}
	entry, err := a.Log.Begin(audit.Record{Event: string(e.Act), Process: &a.process})
	switch {
	case errors.Is(err, audit.ErrFull):
		return nil, ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w", err)
	case err != nil:
		return nil, ck.Errorf(ck.CKR_DEVICE_ERROR, "%w", err)
	}
	return func(e vtoken.Event) {
		if e.Act == vtoken.ActRead && e.Attribute == 0 {
			entry.Cancel() // a refusal lets nothing out
			return
		}
		entry.End(a.line(e, rule))
	}, nil
}

// line is the record of an act that has ended.
func (a *application) line(e vtoken.Event, rule rule) audit.Record {
	r := audit.Record{
		Event: string(e.Act), Process: &a.process, Caller: e.By, Slot: uint64(e.Slot), Locked: e.PINLocked, Result: result(e),
	}
	if t := e.Token; t != nil {
		r.Tenant, r.Token, r.Serial = string(t.Tenant), string(t.ID), t.Serial
	}
	if rule.role {
		r.Role = RoleName(e.User)
	}
	if rule.object != nil {
		r.Object = rule.object(e)
	}
	if rule.detail != nil {
		r.Detail = rule.detail(e)
	}
	return r
}

func result(e vtoken.Event) string {
	switch {
	case e.Err == nil, e.Act == vtoken.ActRead: // some attribute was given out, whatever became of others
		return "ok"
	case errors.Is(e.Err, vtoken.ErrPanicked):
		return "fault"
	}
	return ck.CodeOf(e.Err).Error()
}

// Did counts signatures and locked PINs.
func (a *application) Did(e vtoken.Event) {
	switch {
	case e.Act == vtoken.ActSign && e.Err == nil:
		a.Calls.Signed()
	case e.Act == vtoken.ActLockPIN:
		a.Logins.Locked(RoleName(e.User))
	}
}

// Closed ends the listener.
func (a *application) Closed() { a.gone() }

// RoleName is the name that records and metrics have for the PIN of a user; empty for an
// unknown user.
func RoleName(user ck.UserType) string {
	switch user {
	case ck.CKU_USER, ck.CKU_CONTEXT_SPECIFIC:
		return "user"
	case ck.CKU_SO:
		return "SO"
	}
	return ""
}
