package walktest

import (
	"encoding/json"
	"net/http"

	p "vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/dialect/dualshield"
	"vtoken/provisioning/dialect/entrust"
	"vtoken/provisioning/dialect/idprime"
	"vtoken/provisioning/dialect/native"
	"vtoken/provisioning/dialect/securid"
	"vtoken/provisioning/dialect/surepassid"
	"vtoken/provisioning/httpkit"
)

// spoken is a dialect as the walk speaks it.
type spoken struct {
	name string
	make dialect.New // nil for what is no dialect
	// enter gets the value of the Authorization header.
	enter func(w *walk) string
	// code is how the dialect tells each kind of answer, and answered reads that
	// of an answer; nil is the status.
	codes map[p.Kind]int
	told  func(status int, answer []byte) int
	// actions are what it can do to a token.
	actions []action
	// project asks the dialect for a token and compares; nil is nothing to ask.
	project func(w *walk, d *spoken, m *token)

	authorization string
}

func (d *spoken) code(k p.Kind) int {
	if d.codes == nil {
		return int(k)
	}
	return d.codes[k]
}

// answered is the code of an answer. Any success of HTTP is 200.
func (d *spoken) answered(status int, answer []byte) int {
	switch {
	case d.told != nil:
		return d.told(status, answer)
	case status/100 == 2:
		return 200
	}
	return status
}

// dialects is the list. A new dialect is one entry here.
var dialects = []spoken{
	{name: "core", actions: coreActions},
	{
		name: idprime.Name, make: idprime.New, actions: idprimeActions, project: idprimeProject,
		enter: func(w *walk) string { return "Bearer " + w.secret("walk idprime", "") },
		codes: map[p.Kind]int{
			done: 200, p.BadInput: 400, p.TokenNotFound: 404, p.UserNotFound: 404, p.KeyNotFound: 404,
			p.WrongState: 409, p.Sealed: 409, p.Conflict: 409, p.NotSupported: 501,
		},
	},
	{
		name: "native", actions: nativeActions, project: nativeProject,
		make:  func(core *p.Service, kit *httpkit.Kit) dialect.Dialect { return native.New(core, kit, native.Info{}) },
		enter: func(w *walk) string { return "Bearer " + w.secret("walk native", "") },
		codes: map[p.Kind]int{
			done: 200, p.Forbidden: 403, p.BadInput: 400, p.TokenNotFound: 404, p.UserNotFound: 404,
			p.WrongCode: 422, p.WrongState: 409, p.Sealed: 409, p.Conflict: 409, p.NotSupported: 501, p.RateLimited: 429,
		},
	},
	{
		name: entrust.Name, make: entrust.New, enter: entrustEnter, actions: entrustActions, project: entrustProject,
		codes: map[p.Kind]int{
			done: 200, p.BadInput: 400, p.TokenNotFound: 404, p.UserNotFound: 404, p.WrongCode: 400,
			p.WrongState: 409, p.Sealed: 409, p.Conflict: 409, p.NotSupported: 400, p.RateLimited: 429,
		},
	},
	{
		name: securid.Name, make: securid.New, enter: securidEnter, actions: securidActions, project: securidProject,
		codes: map[p.Kind]int{done: 200, p.TokenNotFound: 404, p.WrongState: 409, p.Sealed: 409, p.Conflict: 409},
	},
	{
		name: surepassid.Name, make: surepassid.New, enter: surepassidEnter, actions: surepassidActions, project: surepassidProject,
		codes: map[p.Kind]int{
			done: 0, p.UserNotFound: 9001, p.WrongCode: 9003, p.NotSupported: 9008, p.BadInput: 9013, p.Sealed: 9013,
			p.WrongState: 9019, p.Conflict: 9019, p.TokenNotFound: 9021,
		},
		told: surepassidTold,
	},
	{
		name: dualshield.Name, make: dualshield.New, enter: dualshieldEnter, actions: dualshieldActions, project: dualshieldProject,
		codes: map[p.Kind]int{
			done: 0, p.BadInput: 4, p.NotSupported: 8, p.UserNotFound: 101, p.TokenNotFound: 102,
			p.WrongState: 110, p.Sealed: 111, p.Conflict: 112, p.WrongCode: 113, p.RateLimited: -429,
		},
		told: func(status int, answer []byte) int {
			var out struct{ Error *int }
			if status != http.StatusOK || json.Unmarshal(answer, &out) != nil || out.Error == nil {
				return -status
			}
			return *out.Error
		},
	},
}
