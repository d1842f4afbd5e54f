package walktest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	p "vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

func guid(n uint64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n>>16) }

// compare holds the core's view of a token against the model, and its record
// against what must never be.
func (w *walk) compare(m *token) {
	w.t.Helper()
	got, err := w.core.Token(w.t.Context(), w.admin, p.TokenRef{ID: record.TokenID(m.id)})
	if err != nil {
		w.t.Errorf("reading token %s: %v", m.id, err)
		return
	}
	for _, diff := range w.differences(m, got) {
		w.t.Errorf("token %s: %s; the model: %s", m.id, diff, w.tell(m))
	}
	w.legal(m)
}

// differences are where the core's view of a token is not the model's.
func (w *walk) differences(m *token, got p.Token) (list []string) {
	check := func(what string, got, want any) {
		if got != want {
			list = append(list, fmt.Sprintf("%s is %v, want %v", what, got, want))
		}
	}
	check("label", got.Label, m.label)
	check("serial", got.Serial, m.serial)
	check("kind", got.Kind == record.KindOTP, m.otp)
	check("product", got.Product.Manufacturer+"/"+got.Product.Model, m.product)
	check("activation", string(got.Activation), m.activation)
	check("seal", got.Complete, m.complete)
	check("switch", got.Enabled, m.enabled)
	check("end", got.Deceased, m.deceased)
	check("confined", got.Confined, m.confined)
	check("device", got.Device, m.device)
	check("expiry", got.ExpiresAt.Equal(m.ends), true)
	check("expired", got.Expired, m.expired(w.now))
	check("RSA bits", got.MaxRSABits, m.maxRSA)
	check("policy", got.Policy, m.policy)
	check("PIN-bound", got.PINBound, m.bound)
	check("groups", fmt.Sprint(got.Groups), fmt.Sprint(m.groups))
	check("objects", len(w.store.ObjectsOf(got.ID)), m.objects())
	check("the code's end", !got.CodeExpiresAt.IsZero(), m.code != "")
	check("holders", len(got.Holders), len(m.holders))
	for i, h := range m.holders {
		if i < len(got.Holders) {
			g := got.Holders[i]
			check("holder", holder{g.Login, g.Suspended, g.Priority}, h)
			check("the holder's switch", g.UserEnabled, w.users[h.login].enabled)
		}
	}
	for role, s := range map[pin.Role]p.PINStatus{pin.User: got.UserPIN, pin.SO: got.SOPIN} {
		check("PIN set", s.Set, m.pins[role] != "")
		check("tries left", s.TriesLeft, 10-m.tries[role])
		if text := m.pins[role]; text != "" && !w.store.HasPIN(got.ID, role, secret.Bytes(text)) {
			list = append(list, fmt.Sprintf("the %v PIN is not the last that was set", role))
		}
	}
	if m.otp {
		check("next counter", got.OTP.Next, m.next)
		check("drift", got.OTP.Drift, m.drift)
		check("wrong passwords", got.OTP.Failed, m.wrong)
	}
	for op := range needs {
		check("action "+op.Action(), got.Can(op), m.may(op, w.now) == done)
	}
	check("actions", len(got.Actions), len(slices.DeleteFunc(slices.Clone(got.Actions), func(op p.Operation) bool { return needs[op] == nil })))
	return list
}

// illegal are states that no record of a token may be in, whatever led there.
var illegal = map[string]func(t *record.Token, objects int) bool{
	"an activation code without a pending activation": func(t *record.Token, _ int) bool {
		return len(t.Code.Hash) > 0 && t.Activation != record.ActivationPending
	},
	"an activation code and nobody who holds it": func(t *record.Token, _ int) bool { return len(t.Code.Hash) > 0 && len(t.Holders) == 0 },
	"a pending activation of nobody": func(t *record.Token, _ int) bool {
		return t.Activation == record.ActivationPending && len(t.Holders) == 0
	},
	"wrong codes beyond the last":        func(t *record.Token, _ int) bool { return t.Code.Failed >= 5 },
	"a holder beside the last one":       func(t *record.Token, _ int) bool { return len(t.Holders) > 0 && t.LastHolder != "" },
	"groups of a token that is held":     func(t *record.Token, _ int) bool { return len(t.Holders) > 0 && len(t.Groups) > 0 },
	"objects of a token that is no more": func(t *record.Token, n int) bool { return t.Deceased && n > 0 },
	"a PIN or a code of a token that is no more": func(t *record.Token, _ int) bool {
		return t.Deceased && (t.UserPIN.Set() || t.SOPIN.Set() || len(t.Code.Hash) > 0 || t.OTP.Key != 0)
	},
	"tries of a PIN that is not set": func(t *record.Token, _ int) bool {
		return !t.UserPIN.Set() && t.UserPIN.Failed > 0 || !t.SOPIN.Set() && t.SOPIN.Failed > 0
	},
	"more tries than there are": func(t *record.Token, _ int) bool {
		return t.UserPIN.Failed > 10 || t.SOPIN.Failed > 10 || t.OTP.Failed > p.MaxWrongOTP
	},
	"one-time passwords without a seed": func(t *record.Token, n int) bool {
		return t.Kind == record.KindOTP && !t.Deceased && (t.OTP.Key == 0 || n != 1)
	},
	"one-time passwords of a card": func(t *record.Token, _ int) bool { return t.Kind == record.KindCard && t.OTP != record.OTP{} },
	"somebody twice": func(t *record.Token, _ int) bool {
		seen := map[record.UserID]bool{}
		for _, h := range t.Holders {
			if seen[h.User] {
				return true
			}
			seen[h.User] = true
		}
		return false
	},
	"a holder's key on a card that nobody ever held": func(t *record.Token, n int) bool {
		return t.Kind == record.KindCard && n > 0 && len(t.Holders) == 0 && t.LastHolder == ""
	},
}

// legal checks the record of a token, and who may use it.
func (w *walk) legal(m *token) {
	w.t.Helper()
	var t *record.Token
	require.NoError(w.t, w.store.View(func(tx p.ReadTx) (err error) { t, err = tx.Token(record.TokenID(m.id)); return err }))
	n := len(w.store.ObjectsOf(t.ID))
	for what, is := range illegal {
		if is(t, n) {
			w.t.Errorf("token %s has %s: %s", m.id, what, w.tell(m))
		}
	}
	for _, u := range w.users {
		part := m.part(u.login)
		sees := part != nil && !part.suspended && m.active() && m.enabled && !m.deceased && !m.expired(w.now)
		if t.VisibleTo(record.UserID(u.id), w.now) != sees {
			w.t.Errorf("%s sees token %s: %v, want %v: %s", u.login, m.id, !sees, sees, w.tell(m))
		}
	}
}

// compareAll compares all tokens, as the core and as every dialect has them, and
// what the listings and the searches have.
func (w *walk) compareAll() {
	w.t.Helper()
	page, err := w.core.SearchTokens(w.t.Context(), w.admin, p.TokenSearch{Tenant: w.tenant, Limit: p.MaxPage})
	require.NoError(w.t, err)
	listed, err := w.core.ListTokens(w.t.Context(), w.admin, p.TokenFilter{Tenant: w.tenant, Limit: p.MaxPage})
	require.NoError(w.t, err)
	if len(page.Tokens) != len(w.tokens) || len(listed.Tokens) != len(w.tokens) {
		w.t.Errorf("%d tokens found and %d listed, want %d", len(page.Tokens), len(listed.Tokens), len(w.tokens))
	}
	serials, slots := map[string]bool{}, map[uint64]bool{}
	for _, t := range listed.Tokens {
		if serials[t.Serial] || slots[uint64(t.Slot)] {
			w.t.Errorf("two tokens have the serial number %s or the slot %d", t.Serial, t.Slot)
		}
		serials[t.Serial], slots[uint64(t.Slot)] = true, true
	}
	for _, m := range w.tokens {
		w.compare(m)
		for _, d := range w.dialects {
			if d.project != nil {
				d.project(w, d, m)
			}
		}
	}
}
