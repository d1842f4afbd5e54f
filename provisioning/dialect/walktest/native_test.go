package walktest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	p "vtoken/provisioning"
)

// fields is a JSON object.
type fields = map[string]any

// nativeOn is a plan on a token that its state allows or refuses.
func nativeOn(w *walk, m *token, op p.Operation, method, path string, body any, effect func()) *plan {
	if m == nil {
		return nil
	}
	return &plan{
		op: op, method: method, path: "/v1/tokens/" + m.id + path, body: body, want: m.may(op, w.now),
		effect: func([]byte) { effect() },
	}
}

func nativeChange(w *walk, m *token, op p.Operation, name string, value any, effect func()) *plan {
	return nativeOn(w, m, op, "PATCH", "", fields{name: value}, effect)
}

var roles = [2]string{"user", "so"}

var nativeActions = slices.Concat(nativeMaking, nativeSwitches, nativePINs, nativeHolding, nativePasswords)

var nativeMaking = []action{
	{"create a card", 6, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		u, label, body, m := w.anybody(), w.label(), fields{}, token{product: "/"}
		body["label"], m.label = label, label
		want := done
		if w.coin(3) {
			body["unassigned"], body["groups"], m.groups = true, []string{w.group}, []string{w.group}
		} else {
			body["user"], m.holders = u.login, holds(u.login)
			want = unless(u.enabled, p.WrongState)
		}
		if w.coin(2) {
			body["userPin"] = "first pin"
			m.begin("native", w.now, "first pin")
			if m.held() && w.coin(3) {
				body["complete"] = true
				m.finished()
			}
		}
		if w.coin(3) {
			body["pinBound"], m.bound = true, true
		}
		return &plan{op: p.OpTokenCreate, method: "POST", path: "/v1/tokens", body: body, want: want, effect: func(answer []byte) {
			w.add(decode[struct{ ID string }](w, answer).ID, m)
		}}
	}},
	{"create for passwords", 8, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		u := w.anybody()
		w.made++
		m := token{
			otp: true, serial: fmt.Sprintf("000%06d", w.made), product: "Maker/HT", hardware: true,
			digits: 6 + 2*w.rng.IntN(2), period: 30 * w.rng.IntN(3), seed: fmt.Appendf(nil, "seed of token %06d", w.made),
		}
		body := fields{
			"serial": m.serial, "product": fields{"manufacturer": "Maker", "model": "HT", "hardware": true},
			"otp": fields{"seedHex": hex.EncodeToString(m.seed), "digits": m.digits, "period": m.period},
		}
		want := done
		if w.coin(2) {
			body["unassigned"] = true
		} else {
			body["user"], m.holders = u.login, holds(u.login)
			want = unless(u.enabled, p.WrongState)
			if m.activation = "activated"; w.coin(2) {
				body["inactive"], m.activation = true, ""
			}
		}
		return &plan{op: p.OpTokenCreate, method: "POST", path: "/v1/tokens", body: body, want: want, effect: func(answer []byte) {
			w.add(decode[struct{ ID string }](w, answer).ID, m)
		}}
	}},
	{"delete", 3, func(w *walk, m *token) *plan {
		pl := nativeOn(w, m, p.OpTokenDelete, "DELETE", "", nil, nil)
		if pl != nil {
			pl.effect = w.drop(m)
		}
		return pl
	}},
	{"decease", 2, func(w *walk, m *token) *plan {
		return nativeChange(w, m, p.OpTokenDecease, "deceased", true, func() { m.decease() })
	}},
}

var nativeSwitches = []action{
	{"label", 5, func(w *walk, m *token) *plan {
		label := w.label()
		return nativeChange(w, m, p.OpTokenLabel, "label", label, func() { m.label = label })
	}},
	{"enable", 6, func(w *walk, m *token) *plan {
		return nativeChange(w, m, p.OpTokenEnable, "enabled", true, func() { m.enabled = true })
	}},
	{"disable", 3, func(w *walk, m *token) *plan {
		return nativeChange(w, m, p.OpTokenDisable, "enabled", false, func() { m.enabled = false })
	}},
	{"policy", 3, func(w *walk, m *token) *plan {
		policy := []string{"modern", "legacy"}[w.rng.IntN(2)]
		return nativeChange(w, m, p.OpTokenPolicy, "policy", policy, func() { m.policy = policy })
	}},
	{"expiry", 4, func(w *walk, m *token) *plan {
		text, ends := "", time.Time{}
		if w.coin(2) {
			ends = w.now.Add(time.Duration(w.rng.IntN(7200)-600) * time.Second)
			text = ends.Format(time.RFC3339)
		}
		return nativeChange(w, m, p.OpTokenExpiry, "expiresAt", text, func() { m.ends = ends })
	}},
	{"confine", 3, func(w *walk, m *token) *plan {
		return nativeChange(w, m, p.OpTokenConfine, "confined", true, func() { m.confined = true })
	}},
	{"release", 5, func(w *walk, m *token) *plan {
		return nativeChange(w, m, p.OpTokenRelease, "confined", false, func() { m.confined = false })
	}},
	{"groups", 4, func(w *walk, m *token) *plan {
		groups := []string{}
		if w.coin(2) {
			groups = append(groups, w.group)
		}
		return nativeChange(w, m, p.OpTokenGroups, "groups", groups, func() { m.groups = groups })
	}},
}

var nativePINs = []action{
	{"reset a PIN", 6, func(w *walk, m *token) *plan {
		role, text := w.rng.IntN(2), fmt.Sprintf("pin %d", w.rng.IntN(1000))
		pl := nativeOn(w, m, p.OpTokenResetPIN, "POST", "/pin", fields{"role": roles[role], "pin": text}, func() { m.reset("native", w.now, role, text) })
		return pl.also(m.mayReset("native", w.now))
	}},
	{"a PIN with the SO PIN", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		w.breathe()
		text, current := fmt.Sprintf("pin %d", w.rng.IntN(1000)), m.pins[1]
		if current == "" || w.coin(4) {
			current = "not the SO PIN"
		}
		pl := nativeOn(w, m, p.OpTokenPINBySO, "POST", "/pin", fields{"role": "user", "pin": text, "currentPin": current}, func() {
			m.setPIN(0, text)
			m.tries[1] = 0
		})
		pl.want = first(pl.want, unless(m.pins[1] != "" && m.tries[1] < 10, p.WrongState))
		if pl.want == done && current != m.pins[1] {
			pl.want = p.Forbidden
			m.tries[1]++
		}
		return pl
	}},
	{"unlock", 5, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		role := w.rng.IntN(2)
		pl := nativeOn(w, m, p.OpTokenUnlock, "POST", "/unlock", fields{"role": roles[role]}, func() { m.unlock(role, &m.tries[role], w.now) })
		pl.want = first(pl.want, unless(m.pins[role] != "", p.WrongState), m.mayUnlock(role, m.tries[role], w.now))
		return pl
	}},
	{"clear a PIN", 3, func(w *walk, m *token) *plan {
		role := w.rng.IntN(2)
		pl := nativeOn(w, m, p.OpTokenClearPIN, "POST", "/clear-pin", fields{"role": roles[role]}, func() { m.setPIN(role, "") })
		return pl.also(m.mayClear(role))
	}},
	{"complete", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		pl := nativeOn(w, m, p.OpTokenComplete, "POST", "/complete", nil, m.finished)
		pl.want = first(pl.want, unless(m.pins[0] != "", p.WrongState))
		return pl
	}},
}

var nativeHolding = []action{
	{"assign", 8, nativeAssign("", p.OpTokenAssign)},
	{"share", 5, nativeAssign("share", p.OpTokenShare)},
	{"take", 4, nativeAssign("take", p.OpTokenTake)},
	{"keep the keys", 3, nativeAssign("keepKeys", p.OpTokenKeep)},
	{"unassign", 6, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		login := ""
		if w.coin(2) {
			login = w.holderOr(m).login
		}
		pl := nativeOn(w, m, p.OpTokenUnassign, "POST", "/unassign", fields{"user": login}, func() { m.take(login) })
		pl.want = first(pl.want, unless(login == "" || m.part(login) != nil, p.WrongState))
		return pl
	}},
	{"a holder's part", 5, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u, off := w.holderOr(m), w.coin(3)
		pl := nativeOn(w, m, p.OpTokenHolder, "PATCH", "/holders/"+u.login, fields{"suspended": off}, func() { m.part(u.login).suspended = off })
		pl.want = first(pl.want, unless(m.part(u.login) != nil, p.WrongState))
		return pl
	}},
	{"begin an activation", 5, func(w *walk, m *token) *plan {
		pl := nativeOn(w, m, p.OpTokenActivate, "POST", "/activation", fields{}, nil)
		if pl != nil {
			pl.effect = func(answer []byte) { m.started(decode[struct{ Code string }](w, answer).Code, w.now) }
		}
		return pl
	}},
	{"end an activation", 4, func(w *walk, m *token) *plan {
		return nativeOn(w, m, p.OpTokenActivated, "PUT", "/activation", fields{}, func() { m.activation, m.code = "activated", "" })
	}},
	{"end it with the code", 5, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		code := w.activationCode(m)
		pl := nativeOn(w, m, p.OpTokenActivated, "PUT", "/activation", fields{"code": code}, func() {})
		if pl.want == done {
			pl.want = m.finish(code, w.now)
		}
		return pl
	}},
}

// activationCode is most often that of the token, if it has one.
func (w *walk) activationCode(m *token) string {
	w.breathe()
	if m.code == "" || w.coin(3) {
		return "x" // never one
	}
	return m.code
}

// nativeAssign gives a token to somebody in one of the ways.
func nativeAssign(way string, op p.Operation) func(w *walk, m *token) *plan {
	return func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u, body, activation, core := w.anybody(), fields{}, "activated", op
		body["user"] = u.login
		if way != "" {
			body[way] = true
		}
		if w.coin(3) {
			body["inactive"], activation = true, ""
		}
		if op == p.OpTokenTake && !m.held() || op == p.OpTokenKeep {
			core = p.OpTokenAssign
		}
		pl := nativeOn(w, m, op, "POST", "/assign", body, func() {
			if op == p.OpTokenShare {
				m.holders = append(m.holders, holder{login: u.login})
				return
			}
			m.give(u.login, activation, op == p.OpTokenKeep)
		})
		pl.want = first(unless(u.enabled, p.WrongState), unless(m.part(u.login) == nil, p.Conflict), m.may(core, w.now))
		return pl
	}
}

var nativePasswords = []action{
	{"verify", 10, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		code := "000000"
		if m.otp && !m.deceased {
			code = m.hotp(m.guess(w))
		}
		pl := nativeOn(w, m, p.OpTokenVerify, "POST", "/otp/verify", fields{"code": code}, func() {})
		if pl.want == done {
			pl.want = w.tried(m, code)
		}
		return pl
	}},
	{"synchronise", 1, func(w *walk, m *token) *plan { return nativeSync(w, m, false) }},
	{"activate by two passwords", 1, func(w *walk, m *token) *plan { return nativeSync(w, m, true) }},
	{"reset the counter", 3, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		pl := nativeOn(w, m, p.OpTokenResetOTP, "POST", "/otp/reset", fields{}, func() { m.resetOTP(w.now) })
		return pl.also(m.mayResetOTP(w.now))
	}},
	{"enrol", 2, func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		device := []string{"", "phone", "tablet"}[w.rng.IntN(3)]
		pl := nativeOn(w, m, p.OpTokenSeed, "POST", "/otp/enrol", fields{"device": device}, func() {
			if m.device = device; device == "" {
				m.confined = true
			}
		})
		pl.want = first(pl.want, unless(device == "" || m.device == "" || m.device == device, p.Conflict))
		was := m.device
		pl.effect = func([]byte) {
			if m.device = was; device == "" {
				m.confined = true
			} else {
				m.device = device
			}
		}
		return pl
	}},
}

// tried is how a password is answered that the token's state does not refuse.
func (w *walk) tried(m *token, code string) p.Kind {
	if m.wrong < 10 && !w.usable(m) {
		return p.WrongState
	}
	return m.try(false, w.now, code)
}

func nativeSync(w *walk, m *token, activate bool) *plan {
	if m == nil {
		return nil
	}
	op := p.OpTokenSync
	if activate {
		op = p.OpTokenActivated
	}
	one, two := "000000", "000001"
	if m.otp && !m.deceased {
		c := m.guess(w)
		one, two = m.hotp(c), m.hotp(c+1)
	}
	pl := nativeOn(w, m, op, "POST", "/otp/sync", fields{"first": one, "next": two, "activate": activate}, func() {
		if activate {
			m.activation, m.code = "activated", ""
		}
	})
	if pl.want = first(pl.want, unless(m.otp, p.NotSupported)); pl.want == done {
		pl.want = m.try(true, w.now, one, two)
	}
	return pl
}

// nativeProject compares what the native API tells.
func nativeProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	type view struct {
		ID, Serial, Label, User, Kind, Activation, Device string
		Complete, Enabled, Deceased, Confined             bool
	}
	status, answer := w.ask(d.authorization, "GET", "/v1/tokens/"+m.id, nil)
	want := view{
		ID: m.id, Serial: m.serial, Label: m.label, Kind: "card", Activation: "new", Device: m.device,
		Complete: m.complete, Enabled: m.enabled, Deceased: m.deceased, Confined: m.confined,
	}
	if m.held() {
		want.User = m.holders[0].login
	}
	if m.otp {
		want.Kind = "otp"
	}
	if m.activation != "" {
		want.Activation = m.activation
	}
	if got := decode[view](w, answer); status != 200 || got != want {
		w.t.Errorf("native has %+v, want %+v", got, want)
	}
}
