package walktest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	p "vtoken/provisioning"
	"vtoken/provisioning/dialect/surepassid"
)

const surepassidPath = "/AuthServer/REST/U2F/U2FServer.aspx"

// surepassidEnter is the account's name and key: they go into every body.
func surepassidEnter(w *walk) string {
	k, key := w.credential(surepassid.Name, p.SharedSecret)
	return k.ID + " " + key
}

// surepassidTold reads the return code. Some codes say the same more exactly: a
// password that was used is a wrong one; a device that is off, or takes no more
// passwords, is in a state that does not allow it.
func surepassidTold(status int, answer []byte) int {
	var out struct{ ErrorCode *int }
	if status != http.StatusOK || json.Unmarshal(answer, &out) != nil || out.ErrorCode == nil {
		return -status
	}
	switch *out.ErrorCode {
	case 9002:
		return 9003
	case 9015, 9028:
		return 9019
	}
	return *out.ErrorCode
}

// surepassidBody is a call of a method.
func surepassidBody(w *walk, method string, body fields) fields {
	i := slices.IndexFunc(w.dialects, func(d *spoken) bool { return d.name == surepassid.Name })
	name, key, _ := strings.Cut(w.dialects[i].authorization, " ")
	body["type"], body["spAccountLoginName"], body["spAccountLoginKey"] = method, name, key
	return body
}

// surepassidOn is a plan on a token, now and then under a user, who has to hold it.
func surepassidOn(w *walk, m *token, op p.Operation, method string, body fields, effect func()) *plan {
	if m == nil {
		return nil
	}
	pl := &plan{op: op, method: "POST", path: surepassidPath, want: m.may(op, w.now), effect: func([]byte) { effect() }}
	if w.coin(3) {
		u := w.holderOr(m)
		body["username"] = u.login
		pl.want = first(unless(m.part(u.login) != nil, p.TokenNotFound), pl.want)
	}
	pl.body = surepassidBody(w, method, body)
	return pl
}

// surepassidPlain is a plan of a method that has the serial number only.
func surepassidPlain(op p.Operation, method string, effect func(m *token)) func(w *walk, m *token) *plan {
	return func(w *walk, m *token) *plan {
		return surepassidOn(w, m, op, method, fields{"psn": serialOf(m)}, func() { effect(m) })
	}
}

var surepassidActions = slices.Concat(surepassidDevices, surepassidPasswords)

var surepassidDevices = []action{
	{"add", 6, func(w *walk, _ *token) *plan {
		if !w.room() {
			return nil
		}
		m := token{otp: true, hardware: w.coin(2), product: "/", digits: []int{6, 8}[w.rng.IntN(2)], period: []int{0, 30, 60}[w.rng.IntN(3)]}
		body := fields{"deviceType": btoi(m.hardware), "OtpType": btoi(m.period > 0), "OtpLength": m.digits}
		if m.period > 0 {
			body["windowSize"] = m.period
		}
		want := done
		if u := w.anybody(); w.coin(2) {
			body["username"], m.holders = u.login, holds(u.login)
			want = unless(u.enabled, p.WrongState)
		}
		if w.coin(3) {
			body["OtpPin"], m.pins[0] = 123456, "123456"
		}
		return &plan{
			op: p.OpTokenCreate, method: "POST", path: surepassidPath, body: surepassidBody(w, "add_oath_device", body), want: want,
			effect: func(answer []byte) { w.add(decode[struct{ DeviceID string }](w, answer).DeviceID, m) },
		}
	}},
	{"assign", 6, surepassidAssign(0, p.OpTokenAssign)},
	{"take", 4, surepassidAssign(1, p.OpTokenTake)},
	{"unassign", 4, func(w *walk, m *token) *plan {
		login := ""
		pl := surepassidPlain(p.OpTokenUnassign, "unassign_device", func(m *token) { m.take(login) })(w, m)
		if pl != nil {
			login, _ = pl.body.(fields)["username"].(string)
		}
		return pl
	}},
	{"enable", 4, surepassidPlain(p.OpTokenEnable, "enable_device", func(m *token) { m.enabled = true })},
	{"disable", 3, surepassidPlain(p.OpTokenDisable, "disable_device", func(m *token) { m.enabled = false })},
	{"delete", 2, func(w *walk, m *token) *plan {
		return surepassidPlain(p.OpTokenDelete, "delete_device", func(m *token) { w.drop(m)(nil) })(w, m)
	}},
}

// surepassidAssign gives a token to somebody. A card is activated then, a device
// later.
func surepassidAssign(force int, op p.Operation) func(w *walk, m *token) *plan {
	return func(w *walk, m *token) *plan {
		if m == nil {
			return nil
		}
		u, core, activation := w.anybody(), op, ""
		if !m.held() {
			core = p.OpTokenAssign
		}
		if m.card() {
			activation = "activated"
		}
		return &plan{
			op: core, method: "POST", path: surepassidPath,
			body:   surepassidBody(w, "assign_device", fields{"psn": m.serial, "username": u.login, "force": force}),
			want:   first(unless(u.enabled, p.WrongState), unless(m.part(u.login) == nil, p.Conflict), m.may(core, w.now)),
			effect: func([]byte) { m.give(u.login, activation, false) },
		}
	}
}

var surepassidPasswords = []action{
	{"provision", 2, func(w *walk, m *token) *plan {
		device := []string{"phone", "tablet"}[w.rng.IntN(2)]
		pl := surepassidOn(w, m, p.OpTokenSeed, "provision_oath_device", fields{"deviceId": idOf(m), "physicalDeviceId": device}, func() { m.device = device })
		return noPasswords(m, pl, func() p.Kind { return unless(m.device == "" || m.device == device, p.Conflict) })
	}},
	{"QR code", 1, func(w *walk, m *token) *plan {
		pl := surepassidOn(w, m, p.OpTokenSeed, "get_oath_device_qrcode", fields{"deviceId": idOf(m)}, func() { m.confined = true })
		return noPasswords(m, pl, func() p.Kind { return done })
	}},
	{"activate", 4, func(w *walk, m *token) *plan {
		return surepassidPair(w, m, p.OpTokenActivated, "active_oath_device", func() { m.activation, m.code = "activated", "" })
	}},
	{"synchronise", 1, func(w *walk, m *token) *plan {
		return surepassidPair(w, m, p.OpTokenSync, "sync_oath_device", func() {})
	}},
}

// noPasswords has a card refused for what it is, whatever its state, and asks what
// else there is to say of a device that its state does not refuse.
func noPasswords(m *token, pl *plan, more func() p.Kind) *plan {
	switch {
	case pl == nil:
	case m.card() && pl.want != p.TokenNotFound:
		pl.want = p.NotSupported
	case pl.want == done:
		pl.want = more()
	}
	return pl
}

// surepassidPair is a plan with two passwords, as texts or as numbers.
func surepassidPair(w *walk, m *token, op p.Operation, method string, effect func()) *plan {
	if m == nil {
		return nil
	}
	one, two := "000000", "000001"
	if m.otp && !m.deceased {
		c := m.guess(w)
		one, two = m.hotp(c), m.hotp(c+1)
	}
	body := fields{"psn": m.serial, "otp1": one, "otp2": json.Number(strings.TrimLeft(two[:len(two)-1], "0") + two[len(two)-1:])}
	pl := surepassidOn(w, m, op, method, body, effect)
	return noPasswords(m, pl, func() p.Kind { return m.try(true, w.now, one, two) })
}

// surepassidProject finds a token and compares.
func surepassidProject(w *walk, d *spoken, m *token) {
	w.t.Helper()
	type view struct{ ErrorCode, DeviceType, OTPType, DeviceStatus, Assigned int }
	status, answer := w.ask("", "POST", surepassidPath, surepassidBody(w, "find_device", fields{"psn": m.serial}))
	want := view{DeviceStatus: btoi(!m.enabled || m.deceased), Assigned: btoi(m.held())}
	switch {
	case m.card():
		want.DeviceType = 2
	case m.hardware:
		want.DeviceType = 1
	}
	if m.otp {
		want.OTPType = btoi(m.period > 0)
	}
	if got := decode[view](w, answer); status != http.StatusOK || got != want {
		w.t.Errorf("%s has %d %s, want %+v", d.name, status, answer, want)
	}
}
