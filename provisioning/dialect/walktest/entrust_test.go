package walktest

import (
	"slices"
	"time"

	p "vtoken/provisioning"
)

const entrustBase = "/api/web/v1/"

func entrustEnter(w *walk) string {
	k, key := w.credential("entrust", p.SharedSecret)
	_, answer := w.ask("", "POST", entrustBase+"adminapi/authenticate", fields{"applicationId": k.ID, "sharedSecret": key})
	return decode[struct{ AuthToken string }](w, answer).AuthToken
}

// entrustOn is a plan on a token that its state allows or refuses.
func entrustOn(w *walk, m *token, op p.Operation, method, path string, body any, effect func()) *plan {
	if m == nil {
		return nil
	}
	pl := nativeOn(w, m, op, method, "", body, effect)
	pl.path = entrustBase + "tokens/" + m.id + path
	return pl
}

// soft reports whether Entrust takes the token for a soft one.
func (m *token) soft() bool { return !m.hardware }

var entrustActions = []action{
	{"create", 8, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		u := w.anybody()
		kind, digits := "ENTRUST_SOFT_TOKEN", 8
		if w.coin(2) {
			kind, digits = "GOOGLE_AUTHENTICATOR", 6
		}
		return &plan{
			op: p.OpTokenCreate, method: "POST", path: entrustBase + "users/" + u.id + "/tokens/" + kind, want: unless(u.enabled, p.WrongState),
			effect: func(answer []byte) {
				w.add(decode[struct{ ID string }](w, answer).ID, token{
					otp: true, product: "/" + kind, holders: holds(u.login), activation: "pending", digits: digits, period: 30,
				})
			},
		}
	}},
	{"assign", 6, func(w *walk, m *token) *plan {
		u := w.anybody()
		pl := entrustOn(w, m, p.OpTokenAssign, "PUT", "/assign", fields{"userId": u.login}, func() { m.give(u.login, "activated", false) })
		return entrustAssign(m, u, pl)
	}},
	{"assign by serial number", 6, func(w *walk, m *token) *plan {
		u := w.anybody()
		pl := entrustOn(w, m, p.OpTokenAssign, "PUT", "", fields{"serialNumber": serialOf(m)}, func() { m.give(u.login, "activated", false) })
		if pl != nil {
			pl.path = entrustBase + "users/" + u.id + "/tokens/assign"
		}
		return entrustAssign(m, u, pl)
	}},
	{"unassign", 4, func(w *walk, m *token) *plan {
		pl := entrustOn(w, m, p.OpTokenUnassign, "PUT", "/unassign", nil, func() { m.take("") })
		if pl != nil {
			pl.want = first(unless(!m.soft(), p.NotSupported), pl.want)
		}
		return pl
	}},
	{"ACTIVE", 5, entrustSwitch("ACTIVE", true, p.OpTokenEnable)},
	{"INACTIVE", 3, entrustSwitch("INACTIVE", false, p.OpTokenDisable)},
	{"groups", 3, func(w *walk, m *token) *plan {
		groups := []string{w.group}
		return entrustOn(w, m, p.OpTokenGroups, "PUT", "", fields{"groups": groups}, func() { m.groups = groups })
	}},
	{"label", 4, func(w *walk, m *token) *plan {
		label := w.label()
		pl := entrustOn(w, m, p.OpTokenLabel, "PUT", "/assigned", fields{"label": label}, func() { m.label = label })
		if pl != nil {
			pl.want = first(unless(m.held(), p.WrongState), pl.want)
		}
		return pl
	}},
	{"reset", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		pl := entrustOn(w, m, p.OpTokenResetOTP, "PUT", "/reset", fields{}, func() { m.resetOTP(w.now) })
		return pl.also(m.mayResetOTP(w.now))
	}},
	{"reset by a password", 1, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		code := "000000"
		if m.otp && !m.deceased {
			code = m.hotp(m.guess(w))
		}
		pl := entrustOn(w, m, p.OpTokenSync, "PUT", "/reset", fields{"response": code}, func() {})
		if pl.want == done {
			pl.want = m.try(true, w.now, code)
		}
		return pl
	}},
	{"begin an activation", 2, func(w *walk, m *token) *plan {
		pl := entrustOn(w, m, p.OpTokenActivate, "POST", "/activation", fields{}, nil)
		if pl != nil {
			pl.effect = func(answer []byte) {
				m.started(decode[struct{ ActivationCode string }](w, answer).ActivationCode, w.now)
				leaves := m.may(p.OpTokenSeed, w.now) == done
				if got := decode[struct{ ActivationURL string }](w, answer).ActivationURL != ""; got != leaves {
					w.t.Errorf("the seed of a token left: %v, want %v: %s", got, leaves, w.tell(m))
				}
				m.confined = m.confined || leaves
			}
			pl.want = first(unless(m.soft(), p.NotSupported), pl.want)
		}
		return pl
	}},
	{"end an activation", 5, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		code := w.activationCode(m)
		pl := entrustOn(w, m, p.OpTokenActivated, "PUT", "/activation", fields{"registrationCode": code}, func() {})
		if pl.want == done {
			pl.want = m.finish(code, w.now)
		}
		return pl
	}},
	{"unlock", 4, func(w *walk, m *token) *plan {
		pl := entrustOn(w, m, p.OpTokenUnlock, "PUT", "/unlock", fields{"unlockChallenge": "4711"}, func() { m.unlock(0, &m.tries[0], w.now) })
		if pl != nil {
			pl.want = first(pl.want, unless(m.pins[0] != "", p.WrongState), m.mayUnlock(0, m.tries[0], w.now))
		}
		return pl
	}},
	{"delete", 2, func(w *walk, m *token) *plan {
		pl := entrustOn(w, m, p.OpTokenDelete, "DELETE", "", nil, nil)
		if pl != nil {
			pl.effect = w.drop(m)
		}
		return pl
	}},
}

func serialOf(m *token) string {
	if m == nil {
		return ""
	}
	return m.serial
}

// entrustAssign adds what Entrust asks: a hardware token.
func entrustAssign(m *token, u *user, pl *plan) *plan {
	if pl != nil {
		pl.want = first(unless(!m.soft(), p.NotSupported), unless(u.enabled, p.WrongState), unless(m.part(u.login) == nil, p.Conflict), pl.want)
	}
	return pl
}

func entrustSwitch(state string, on bool, op p.Operation) func(w *walk, m *token) *plan {
	return func(w *walk, m *token) *plan {
		pl := entrustOn(w, m, op, "PUT", "/changestate", fields{"state": state}, func() { m.enabled = on })
		if pl != nil {
			pl.want = first(pl.want, unless(m.held() && m.active() && m.enabled != on, p.WrongState))
		}
		return pl
	}
}

// entrustState is the projection of the axes.
func (m *token) entrustState() string {
	switch {
	case m.deceased:
		return "INACTIVE" // as DIVERGENCES.md has it
	case !m.held():
		return "UNASSIGNED"
	case !m.enabled:
		return "INACTIVE"
	}
	return map[string]string{"": "NEW", "pending": "ACTIVATING", "activated": "ACTIVE"}[m.activation]
}

// entrustAllows is what the token's state allows, in the words of Entrust.
func (m *token) entrustAllows(now time.Time) (list []string) {
	can := func(op p.Operation) bool { return m.may(op, now) == done }
	add := func(word string, is bool) {
		if is {
			list = append(list, word)
		}
	}
	standing := m.held() && m.active()
	add("ACTIVATE", m.soft() && m.activation == "" && can(p.OpTokenActivate))
	add("ACTIVATE_COMPLETE", m.activation == "pending" && can(p.OpTokenActivated))
	add("ASSIGN", !m.soft() && can(p.OpTokenAssign))
	add("DELETE", true)
	add("DISABLE", standing && m.enabled && can(p.OpTokenDisable))
	add("ENABLE", standing && !m.enabled && can(p.OpTokenEnable))
	add("REACTIVATE", m.soft() && m.activation != "" && can(p.OpTokenActivate))
	add("RESET", can(p.OpTokenResetOTP))
	add("UNASSIGN", !m.soft() && can(p.OpTokenUnassign))
	add("UNLOCK", m.pins[0] != "" && can(p.OpTokenUnlock))
	return list
}

func entrustProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	path := "tokens/" + m.id
	if w.coin(2) {
		path = "tokens/sernum/" + m.serial
	}
	status, answer := w.ask(d.authorization, "GET", entrustBase+path, nil)
	got := decode[struct {
		ID, SerialNumber, State, UserID, Label string
		AllowedActions                         []string
	}](w, answer)
	owner, label := "", ""
	if m.held() {
		if owner = m.holders[0].login; m.label != m.serial {
			label = m.label
		}
	}
	slices.Sort(got.AllowedActions)
	if status != 200 || got.ID != m.id || got.SerialNumber != m.serial || got.State != m.entrustState() || got.UserID != owner || got.Label != label ||
		!slices.Equal(got.AllowedActions, m.entrustAllows(w.now)) {
		w.t.Errorf("entrust has %d %+v, want %s, %q, %q, %v: %s", status, got, m.entrustState(), owner, label, m.entrustAllows(w.now), w.tell(m))
	}
}
