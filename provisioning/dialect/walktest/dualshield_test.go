package walktest

import (
	"fmt"
	neturl "net/url"
	"slices"

	p "vtoken/provisioning"
)

const dualshieldBase = "/das5/rest/"

func dualshieldEnter(w *walk) string {
	k, key := w.credential("dualshield", p.SharedSecret)
	r := neturl.Values{"grant_type": {"client_credentials"}, "client_id": {k.ID}, "client_secret": {key}}
	_, answer := w.ask("", "POST", dualshieldBase+"oauth/token", encoded(r.Encode()))
	return "Bearer " + decode[struct {
		Token string `json:"access_token"`
	}](w, answer).Token
}

// dualshieldOn is a plan on a token that its state allows or refuses.
func dualshieldOn(w *walk, m *token, op p.Operation, method string, body fields, effect func()) *plan {
	if m == nil {
		return nil
	}
	return &plan{
		op: op, method: "POST", path: dualshieldBase + method, body: body, want: m.may(op, w.now),
		effect: func([]byte) { effect() },
	}
}

// named names a token by its id or its serial number.
func named(w *walk, m *token) fields {
	if m == nil {
		return nil
	}
	if w.coin(2) {
		return fields{"token": fields{"id": m.id}}
	}
	return fields{"token": fields{"serial": m.serial}}
}

// dualshieldPart is a plan on a user's part in a token.
func dualshieldPart(w *walk, m *token, op p.Operation, method string, body fields, effect func(u *user)) *plan {
	if m == nil {
		return nil
	}
	u := w.holderOr(m)
	if method == "tokenAssignment/set" {
		body["id"] = m.id + "." + u.id
	} else {
		body["token"], body["user"] = fields{"id": m.id}, fields{"id": u.id}
	}
	pl := dualshieldOn(w, m, op, method, body, func() { effect(u) })
	pl.want = first(unless(m.part(u.login) != nil, p.TokenNotFound), pl.want)
	return pl
}

// products are those that are made here, with how they make passwords.
var products = []struct {
	id             string
	digits, period int
	hardware, card bool
}{
	{"DN/MT", 6, 30, false, false}, {"DN/ST", 6, 60, true, false}, {"DN/SE", 6, 0, true, false},
	{"GG/GT", 6, 30, false, false}, {"VT/SC", 0, 0, false, true},
}

var dualshieldActions = slices.Concat(dualshieldTokens, dualshieldParts)

var dualshieldTokens = []action{
	{"create", 12, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		u, product := w.anybody(), products[w.rng.IntN(len(products))]
		m := token{otp: !product.card, hardware: product.hardware, product: product.id, digits: product.digits, period: product.period}
		if product.hardware {
			m.activation = "activated"
		}
		attrs := fields{"product.id": product.id}
		want := done
		if w.coin(2) {
			attrs["user"], m.holders = fields{"loginName": u.login}, holds(u.login)
			want = unless(u.enabled, p.WrongState)
		}
		if w.coin(3) {
			attrs["pin"] = "123456"
			m.begin("dualshield", w.now, "123456")
		}
		if w.coin(3) {
			m.label = w.label()
			attrs["description"] = m.label
		}
		return &plan{
			op: p.OpTokenCreate, method: "POST", path: dualshieldBase + "token/create", body: fields{"attrs": attrs}, want: want,
			effect: func(answer []byte) {
				w.add(decode[struct{ Result struct{ ID string } }](w, answer).Result.ID, m)
			},
		}
	}},
	{"ACTIVE", 4, dualshieldStatus("ACTIVE", p.OpTokenEnable, func(m *token) { m.enabled = true })},
	{"DISABLED", 3, dualshieldStatus("DISABLED", p.OpTokenDisable, func(m *token) { m.enabled = false })},
	{"DECEASED", 1, dualshieldStatus("DECEASED", p.OpTokenDecease, func(m *token) { m.decease() })},
	{"describe", 4, func(w *walk, m *token) *plan {
		label := w.label()
		return dualshieldOn(w, m, p.OpTokenLabel, "token/set", fields{"id": idOf(m), "attrs": fields{"description": label}}, func() { m.label = label })
	}},
	{"take from a user", 4, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u := w.holderOr(m)
		pl := dualshieldOn(w, m, p.OpTokenUnassign, "token/delete", fields{"id": m.id, "user": fields{"loginName": u.login}}, func() { m.take(u.login) })
		pl.want = first(pl.want, unless(m.part(u.login) != nil, p.WrongState))
		return pl
	}},
	{"delete", 2, func(w *walk, m *token) *plan {
		pl := dualshieldOn(w, m, p.OpTokenDelete, "token/delete", fields{"id": idOf(m)}, nil)
		if pl != nil {
			pl.effect = w.drop(m)
		}
		return pl
	}},
	{"reset", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		body, counter := named(w, m), m.next+uint64(w.rng.IntN(20))
		set := m.otp && m.period == 0 && counter < 1<<30 && w.coin(2)
		if set {
			body["attrs"] = fields{"counter": counter}
		}
		pl := dualshieldOn(w, m, p.OpTokenResetOTP, "token/reset", body, func() {
			if m.resetOTP(w.now); set {
				m.next = counter
			}
		})
		return pl.also(m.mayResetOTP(w.now))
	}},
	{"confine", 3, func(w *walk, m *token) *plan {
		return dualshieldOn(w, m, p.OpTokenConfine, "token/confine", named(w, m), func() { m.confined = true })
	}},
	{"release", 5, func(w *walk, m *token) *plan {
		return dualshieldOn(w, m, p.OpTokenRelease, "token/release", named(w, m), func() { m.confined = false })
	}},
	{"synchronise", 1, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		one, two := "000000", "000001"
		if m.otp && !m.deceased {
			c := m.guess(w)
			one, two = m.hotp(c), m.hotp(c+1)
		}
		body := named(w, m)
		body["credential"] = one + "," + two
		pl := dualshieldOn(w, m, p.OpTokenSync, "token/syncToken", body, func() {})
		if pl.want == done {
			pl.want = m.try(true, w.now, one, two)
		}
		return pl
	}},
	{"a link", 1, func(w *walk, m *token) *plan {
		return dualshieldOn(w, m, p.OpTokenSeed, "token/getDownloadUrl", named(w, m), func() { m.confined = true })
	}},
	{"assign by a file", 8, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u := w.anybody()
		op := p.OpTokenAssign
		if m.held() {
			op = p.OpTokenShare
		}
		csv := fmt.Sprintf("loginName,serial\n%s,%s\n", u.login, m.serial)
		pl := dualshieldOn(w, m, op, "token/batchAssignTokens", fields{"attrs": fields{"csv": csv}}, func() {
			if op == p.OpTokenShare {
				m.holders = append(m.holders, holder{login: u.login})
			} else {
				m.give(u.login, "activated", false)
			}
		})
		if first(unless(u.enabled, p.WrongState), unless(m.part(u.login) == nil, p.Conflict), pl.want) != done {
			pl.want = p.BadInput // of a file, whatever is wrong with its rows
		}
		return pl
	}},
}

func idOf(m *token) string {
	if m == nil {
		return ""
	}
	return m.id
}

func dualshieldStatus(status string, op p.Operation, effect func(m *token)) func(w *walk, m *token) *plan {
	return func(w *walk, m *token) *plan {
		return dualshieldOn(w, m, op, "token/set", fields{"id": idOf(m), "attrs": fields{"status": status}}, func() { effect(m) })
	}
}

var dualshieldParts = []action{
	{"a part off", 4, func(w *walk, m *token) *plan {
		return dualshieldPart(w, m, p.OpTokenHolder, "tokenAssignment/set", fields{"attrs": fields{"status": "DISABLED"}},
			func(u *user) { m.part(u.login).suspended = true })
	}},
	{"a part on", 6, func(w *walk, m *token) *plan {
		pl := dualshieldPart(w, m, p.OpTokenHolder, "tokenAssignment/set", fields{"attrs": fields{"status": "ACTIVE"}}, func(u *user) {
			if m.part(u.login).suspended = false; m.locked() {
				m.unlock(0, &m.tries[0], w.now)
			}
		})
		if m != nil && m.locked() {
			pl.also(m.mayUnlock(0, m.tries[0], w.now))
		}
		return pl
	}},
	{"a priority", 3, func(w *walk, m *token) *plan {
		n := w.rng.IntN(5)
		return dualshieldPart(w, m, p.OpTokenHolder, "tokenAssignment/set", fields{"attrs": fields{"priority": n}},
			func(u *user) { m.part(u.login).priority = n })
	}},
	{"a PIN", 5, func(w *walk, m *token) *plan {
		text := fmt.Sprint(100000 + w.rng.IntN(900000))
		pl := dualshieldPart(w, m, p.OpTokenResetPIN, "tokenAssignment/set", fields{"attrs": fields{"pin": text}}, func(*user) { m.reset("dualshield", w.now, 0, text) })
		return pl.also(m.mayReset("dualshield", w.now))
	}},
	{"no PIN", 2, func(w *walk, m *token) *plan {
		pl := dualshieldPart(w, m, p.OpTokenClearPIN, "tokenAssignment/set", fields{"attrs": fields{"pin": ""}}, func(*user) { m.setPIN(0, "") })
		return pl.also(m.mayClear(0))
	}},
	{"activation code", 4, func(w *walk, m *token) *plan {
		pl := dualshieldPart(w, m, p.OpTokenActivate, "tokenAssignment/sendActivationCode", fields{}, nil)
		if pl != nil {
			pl.effect = func(answer []byte) {
				m.started(decode[struct {
					Result struct{ ActivationCode string }
				}](w, answer).Result.ActivationCode, w.now)
			}
		}
		return pl
	}},
	{"activate", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		code := w.activationCode(m)
		pl := dualshieldPart(w, m, p.OpTokenActivated, "tokenAssignment/activate", fields{"code": code}, func(*user) {})
		if pl.want == done {
			pl.want = m.finish(code, w.now)
		}
		return pl
	}},
	{"QR code", 1, func(w *walk, m *token) *plan {
		return dualshieldPart(w, m, p.OpTokenSeed, "tokenAssignment/getTokenQRCode", fields{}, func(*user) { m.confined = true })
	}},
}

// dualshieldProject gets a token and compares its state and those of its parts.
func dualshieldProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	type part struct {
		Status  string
		IsOwner bool
		Login   string `json:"user.loginName"`
	}
	body := fields{"match": []any{[]any{"serial", "=", m.serial}}, "return": []any{"*", fields{"tokenAssignments": []any{"status", "isOwner", "user.loginName"}}}}
	status, answer := w.ask(d.authorization, "POST", dualshieldBase+"token/get", body)
	got := decode[struct {
		Error  int
		Result struct {
			ID, Status, Description, Category string
			Confined                          bool
			TokenAssignments                  []part
		}
	}](w, answer)
	state, description, category := "ACTIVE", m.label, "CARD"
	switch {
	case m.deceased:
		state = "DECEASED"
	case !m.enabled:
		state = "DISABLED"
	}
	if m.label == m.serial {
		description = ""
	}
	if m.otp {
		category = "OTP"
	}
	want := []part{}
	for i, h := range m.holders {
		one := part{"ACTIVE", i == 0, h.login}
		switch {
		case h.suspended:
			one.Status = "DISABLED"
		case m.locked():
			one.Status = "LOCKED"
		case !m.active():
			one.Status = "INACTIVE"
		}
		want = append(want, one)
	}
	r := got.Result
	if status != 200 || got.Error != 0 || r.ID != m.id || r.Status != state || r.Description != description || r.Category != category ||
		r.Confined != m.confined || !slices.Equal(r.TokenAssignments, want) {
		w.t.Errorf("dualshield has %s, want %s %q %s %+v: %s", answer, state, description, category, want, w.tell(m))
	}
}
