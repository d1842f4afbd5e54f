package walktest

import (
	p "vtoken/provisioning"
)

const securidBase = "/AdminInterface/restapi/"

// securidOn is a plan on a token under a user, who has to hold it.
func securidOn(w *walk, m *token, op p.Operation, version, verb string, body fields, effect func(u *user)) *plan {
	if m == nil {
		return nil
	}
	u := w.holderOr(m)
	body["tokenSerialNumber"] = m.serial
	return &plan{
		op: op, method: "PATCH", path: securidBase + version + "/users/" + u.id + "/sidTokens/" + verb, body: body,
		want:   first(unless(m.held(), p.WrongState), unless(m.part(u.login) != nil, p.TokenNotFound), m.may(op, w.now)),
		effect: func([]byte) { effect(u) },
	}
}

var securidActions = []action{
	{"assign", 8, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u, label, body := w.anybody(), m.serial, fields{"tokenSerialNumber": m.serial}
		if m.complete {
			label = m.label
		}
		if w.coin(2) {
			label = w.label()
			body["tokenName"] = label
		}
		sealed := done
		if label != m.label {
			sealed = m.may(p.OpTokenLabel, w.now)
		}
		return &plan{
			op: p.OpTokenAssign, method: "PATCH", path: securidBase + "v1/users/" + u.id + "/sidTokens/assign", body: body,
			want:   first(unless(u.enabled, p.WrongState), unless(m.part(u.login) == nil, p.Conflict), m.may(p.OpTokenAssign, w.now), sealed),
			effect: func([]byte) { m.give(u.login, "pending", false); m.label = label },
		}
	}},
	{"unassign", 4, func(w *walk, m *token) *plan {
		return securidOn(w, m, p.OpTokenUnassign, "v1", "unassign", fields{}, func(u *user) { m.take(u.login) })
	}},
	{"enable", 4, func(w *walk, m *token) *plan {
		return securidOn(w, m, p.OpTokenEnable, "v1", "enable", fields{}, func(*user) { m.enabled = true })
	}},
	{"disable", 3, func(w *walk, m *token) *plan {
		return securidOn(w, m, p.OpTokenDisable, "v1", "disable", fields{}, func(*user) { m.enabled = false })
	}},
	{"clear the PIN", 3, func(w *walk, m *token) *plan {
		pl := securidOn(w, m, p.OpTokenClearPIN, "v2", "clearPin", fields{}, func(*user) { m.setPIN(0, "") })
		return pl.also(m.mayClear(0))
	}},
	{"rename", 4, func(w *walk, m *token) *plan {
		label := w.label()
		return securidOn(w, m, p.OpTokenLabel, "v1", "updateName", fields{"updatedName": label}, func(*user) { m.label = label })
	}},
	{"delete", 2, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		return &plan{
			op: p.OpTokenDelete, method: "DELETE", path: securidBase + "v1/sidTokens/delete", body: fields{"tokenSerialNumber": m.serial},
			want: done, effect: w.drop(m),
		}
	}},
}

// securidProject looks a token up. Of several holders it knows the owner.
func securidProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	type view struct {
		TokenSerialNumber, TokenState, TokenStatus, UserID, Name string
		PINSet                                                   bool
	}
	status, answer := w.ask(d.authorization, "POST", securidBase+"v1/sidTokens/lookup", fields{"tokenSerialNumber": m.serial})
	want := view{TokenSerialNumber: m.serial, TokenState: "Activation Pending", TokenStatus: "Enabled", Name: m.label, PINSet: m.pins[0] != ""}
	switch {
	case !m.held():
		want.TokenState = "Unassigned"
	case m.active():
		want.TokenState = "Activated"
	}
	if !m.enabled || m.deceased {
		want.TokenStatus = "Disabled"
	}
	if m.held() {
		want.UserID = w.users[m.holders[0].login].id
	}
	if got := decode[view](w, answer); status != 200 || got != want {
		w.t.Errorf("securid has %d %+v, want %+v", status, got, want)
	}
}
