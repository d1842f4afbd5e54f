package walktest

import (
	"slices"
	"time"

	p "vtoken/provisioning"
)

// The kinds of answer that the model tells apart beside the kinds of error.
const done p.Kind = -1

// holder is one user's part in a token.
type holder struct {
	login     string
	suspended bool
	priority  int
}

// token is what a token is to be, an axis a field.
type token struct {
	id, serial, label string
	product           string // manufacturer/model
	otp, hardware     bool
	holders           []holder
	last              string // who had it last, where nobody has
	groups            []string
	activation        string // as records have it: "", "pending", "activated"
	code              string // the activation code, where there is one
	codeEnds          time.Time
	wrongCodes        int
	complete, enabled bool
	deceased          bool
	confined          bool
	device            string
	ends              time.Time
	maxRSA            int
	policy            string
	pins              [2]string // by pin.Role; empty is none
	tries             [2]int    // wrong ones
	pfx               bool      // the key of the PFX is on it
	csr               bool      // and that of the certificate request
	bound             bool      // its keys open with its PINs only
	fresh             string    // the dialect that set the first PIN, and may set others
	freshEnds         time.Time // until then

	seed           []byte
	digits, period int
	next           uint64
	drift, wrong   int
	enrolled       bool // a device has the seed

	// unlocks are when there were new tries, of both PINs and of the passwords.
	unlocks [3][]time.Time
}

// card and oneTime are the kinds of token.
func (m *token) card() bool { return !m.otp }

func (m *token) held() bool { return len(m.holders) > 0 }

func (m *token) active() bool { return m.activation == "activated" }

// part is the user's part in the token, or nil.
func (m *token) part(login string) *holder {
	i := slices.IndexFunc(m.holders, func(h holder) bool { return h.login == login })
	if i < 0 {
		return nil
	}
	return &m.holders[i]
}

func (m *token) expired(now time.Time) bool { return !m.ends.IsZero() && !now.Before(m.ends) }

// objects is how many objects are on the token.
func (m *token) objects() int {
	n := 0
	switch {
	case m.deceased:
		return 0
	case m.otp:
		return 1
	}
	if m.pfx {
		n += 4 // the pair, its certificate, and that of the CA
	}
	if m.csr {
		n += 3
	}
	return n
}

// condition is something that an operation may need of a token.
type condition struct {
	kind  p.Kind // of the answer where it is not so
	holds func(m *token, now time.Time) bool
}

// The conditions, in words.
var (
	lives     = condition{p.WrongState, func(m *token, _ time.Time) bool { return !m.deceased }}
	isCard    = condition{p.NotSupported, func(m *token, _ time.Time) bool { return m.card() }}
	isOTP     = condition{p.NotSupported, func(m *token, _ time.Time) bool { return m.otp }}
	unsealed  = condition{p.Sealed, func(m *token, _ time.Time) bool { return !m.complete }}
	lasts     = condition{p.WrongState, func(m *token, now time.Time) bool { return !m.expired(now) }}
	isHeld    = condition{p.WrongState, func(m *token, _ time.Time) bool { return m.held() }}
	isFree    = condition{p.WrongState, func(m *token, _ time.Time) bool { return !m.held() }}
	notActive = condition{p.WrongState, func(m *token, _ time.Time) bool { return !m.active() }}
	isActive  = condition{p.WrongState, func(m *token, _ time.Time) bool { return m.active() }}
	isEnabled = condition{p.WrongState, func(m *token, _ time.Time) bool { return m.enabled }}
	isSoft    = condition{p.NotSupported, func(m *token, _ time.Time) bool { return m.soft() }}
	isUnseen  = condition{p.WrongState, func(m *token, _ time.Time) bool { return !m.enrolled }}
	isOpen    = condition{p.WrongState, func(m *token, _ time.Time) bool { return !m.confined }}
)

// needs is what each operation on a token needs, the first that does not hold
// decides the answer.
var needs = map[p.Operation][]condition{
	p.OpTokenImport:      {lives, isCard, unsealed},
	p.OpTokenCertificate: {lives, isCard, unsealed},
	p.OpTokenLabel:       {lives, unsealed},
	p.OpTokenResetPIN:    {lives, unsealed},
	p.OpTokenPINBySO:     {lives},
	p.OpTokenClearPIN:    {lives, unsealed},
	p.OpTokenUnlock:      {lives},
	p.OpTokenComplete:    {lives, unsealed, isHeld},
	p.OpTokenEnable:      {lives},
	p.OpTokenDisable:     {lives},
	p.OpTokenAssign:      {lives, lasts, isFree},
	p.OpTokenShare:       {lives, lasts, isHeld},
	p.OpTokenTake:        {lives, lasts, isHeld},
	p.OpTokenUnassign:    {lives, isHeld},
	p.OpTokenHolder:      {lives, isHeld},
	p.OpTokenActivate:    {lives, lasts, isHeld},
	p.OpTokenActivated:   {lives, lasts, notActive},
	p.OpTokenExpiry:      {lives},
	p.OpTokenConfine:     {lives},
	p.OpTokenRelease:     {lives},
	p.OpTokenDownload:    {lives, lasts, isOpen},
	p.OpTokenGroups:      {lives, isFree},
	p.OpTokenVerify:      {lives, isOTP, lasts, isHeld, isActive, isEnabled},
	p.OpTokenSync:        {lives, isOTP, lasts},
	p.OpTokenResetOTP:    {lives, isOTP},
	p.OpTokenSeed:        {lives, isOTP, isSoft, lasts, notActive, isUnseen, isOpen},
	p.OpTokenPolicy:      {lives},
	p.OpTokenDecease:     {lives},
	p.OpTokenDelete:      {},
}

// may is the answer of the state of a token to an operation: done, or what refuses
// it.
func (m *token) may(op p.Operation, now time.Time) p.Kind {
	for _, c := range needs[op] {
		if !c.holds(m, now) {
			return c.kind
		}
	}
	return done
}

// first is the first of some answers that refuses.
func first(answers ...p.Kind) p.Kind {
	for _, a := range answers {
		if a != done {
			return a
		}
	}
	return done
}

// unless is done, or the answer where something is not so.
func unless(is bool, otherwise p.Kind) p.Kind {
	if is {
		return done
	}
	return otherwise
}

// give makes a user the one holder.
func (m *token) give(login, activation string, keep bool) {
	last := m.last
	if m.held() {
		last = m.holders[0].login
	}
	if last != "" && last != login && !keep {
		m.noPINs()
		m.complete, m.device = false, ""
		m.pfx, m.csr = false, false
	}
	m.holders, m.last, m.groups = []holder{{login: login}}, "", nil
	m.activation, m.code = activation, ""
}

// take takes it from one holder, or from all.
func (m *token) take(login string) {
	owner := m.holders[0].login
	m.holders = slices.DeleteFunc(slices.Clone(m.holders), func(h holder) bool { return login == "" || h.login == login })
	if !m.held() {
		m.last, m.activation, m.code = owner, "", ""
	}
}

func (m *token) decease() {
	m.deceased, m.code = true, ""
	m.noPINs()
	m.pfx, m.csr = false, false
}

// The places of unlocks, beside those of pin.Role.
const passwords = 2

// mayUnlock is how new tries of a PIN or of the passwords are answered: three times in
// 24 hours, where one is missing.
func (m *token) mayUnlock(what, wrong int, now time.Time) p.Kind {
	recent := 0
	for _, at := range m.unlocks[what] {
		if now.Sub(at) < 24*time.Hour {
			recent++
		}
	}
	return unless(wrong == 0 || recent < 3, p.RateLimited)
}

// unlock gives a PIN or the passwords new tries.
func (m *token) unlock(what int, wrong *int, now time.Time) {
	if *wrong > 0 {
		m.unlocks[what] = append(m.unlocks[what], now)
	}
	*wrong = 0
}

// mayResetOTP is how a reset of the passwords is answered, and resetOTP what it does: it
// gives new tries only where there are none left.
func (m *token) mayResetOTP(now time.Time) p.Kind {
	return unless(m.wrong < 10 || m.mayUnlock(passwords, m.wrong, now) == done, p.RateLimited)
}

func (m *token) resetOTP(now time.Time) {
	if m.drift = 0; m.wrong >= 10 {
		m.unlock(passwords, &m.wrong, now)
	}
}

func (m *token) setPIN(role int, text string) {
	if m.pins[role], m.tries[role] = text, 0; text == "" {
		m.unlocks[role] = nil
	}
}

func (m *token) noPINs() {
	m.setPIN(0, "")
	m.setPIN(1, "")
}

// keyed reports whether there is a key that opens with the token's PINs.
func (m *token) keyed() bool { return m != nil && m.bound && m.pins != [2]string{} }

// mayReset is how a PIN is answered that a dialect sets without another.
func (m *token) mayReset(by string, now time.Time) p.Kind {
	return unless(!m.keyed() || m.fresh == by && !now.After(m.freshEnds), p.WrongState)
}

// reset sets a PIN so.
func (m *token) reset(by string, now time.Time, role int, text string) {
	if !m.keyed() {
		m.fresh, m.freshEnds = by, now.Add(10*time.Minute)
	}
	m.setPIN(role, text)
}

// begin sets the user PIN of a token that is being made.
func (m *token) begin(by string, now time.Time, text string) { m.reset(by, now, 0, text) }

// mayClear keeps the only PIN that opens keys.
func (m *token) mayClear(role int) p.Kind {
	return unless(!m.keyed() || m.pins[1-role] != "", p.WrongState)
}

// finished seals the token.
func (m *token) finished() { m.complete, m.activation, m.code, m.fresh = true, "activated", "", "" }

// started begins an activation with a code.
func (m *token) started(code string, now time.Time) {
	m.activation, m.code, m.codeEnds, m.wrongCodes = "pending", code, now.Add(5*time.Minute), 0
}

// finish ends an activation with a code, and says how that is answered.
func (m *token) finish(code string, now time.Time) p.Kind {
	switch {
	case m.activation != "pending" || m.code == "":
		return p.WrongState
	case !now.Before(m.codeEnds):
		return p.WrongCode
	case code == m.code:
		m.activation, m.code = "activated", ""
		return done
	}
	if m.wrongCodes++; m.wrongCodes == 5 {
		m.activation, m.code = "", ""
	}
	return p.WrongCode
}

func (m *token) locked() bool { return m.tries[0] >= 10 }
