package provisioning

import (
	"context"
	"strings"
	"unicode/utf8"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// PINRule is what a dialect asks of a new PIN beyond the token's own policy. The
// zero value asks nothing.
type PINRule struct {
	MinLen, MaxLen int  // characters; 0 is no rule
	Hex            bool // hexadecimal digits only, in either case
}

// check refuses a PIN that does not fit. It tells the length that was given and
// nothing else of the PIN.
func (r PINRule) check(role pin.Role, p secret.Bytes) error {
	n := utf8.RuneCount(p)
	if r.MinLen > 0 && n < r.MinLen || r.MaxLen > 0 && n > r.MaxLen {
		if r.MinLen == r.MaxLen {
			return Errorf(BadInput, "the new %v PIN has %d characters; it needs exactly %d", role, n, r.MinLen)
		}
		return Errorf(BadInput, "the new %v PIN has %d characters; it needs %d to %d", role, n, r.MinLen, r.MaxLen)
	}
	for _, b := range p {
		if r.Hex && !isHex(b) {
			return Errorf(BadInput, "the new %v PIN may only have hexadecimal digits here", role)
		}
	}
	return nil
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

// ResetPIN sets a role's PIN, whatever it was, and starts its count of wrong
// tries anew. The PIN has to fit the token's policy and the rule (BadInput). The
// caller keeps p and wipes it.
func (s *Service) ResetPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role, p secret.Bytes, rule PINRule) error {
	var t *record.Token
	err := s.view(ctx, func(tx ReadTx) (err error) {
		t, err = s.token(tx, c, OpTokenResetPIN, ref)
		return err
	})
	if err != nil {
		return err
	}
	if err := rule.check(role, p); err != nil {
		return err
	}
	hashed := t.Clone()
	if err := s.setPIN(hashed, role, p); err != nil { // slow, so outside of the transaction
		return err
	}
	_, err = s.changeToken(ctx, c, OpTokenResetPIN, ref, func(t *record.Token) error {
		*t.PIN(role) = t.PIN(role).Change(hashed.PIN(role).Verifier, s.now())
		return nil
	})
	return err
}

// setPIN checks a PIN against the policy and puts its verifier into t.
func (s *Service) setPIN(t *record.Token, role pin.Role, p secret.Bytes) error {
	state := t.PIN(role)
	if err := state.Policy.Check(p); err != nil {
		return Errorf(BadInput, "the new %v PIN does not fit: it has to be UTF-8 text of %d to %d characters", role, state.Policy.MinLen, state.Policy.MaxLen)
	}
	verifier, err := s.store.HashPIN(t.ID, role, p, nil)
	if err != nil {
		return err
	}
	*state = state.Change(verifier, s.now())
	return nil
}

// UnlockPIN starts a role's count of wrong tries anew and keeps the PIN, on
// complete tokens too. It is WrongState where no PIN is set.
func (s *Service) UnlockPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role) (Token, error) {
	return s.changeToken(ctx, c, OpTokenUnlock, ref, func(t *record.Token) error {
		if !t.PIN(role).Set() {
			return Errorf(WrongState, "token %s has no %v PIN to unlock; set one with `vtoken token reset-pin`", t.ID, role)
		}
		*t.PIN(role) = t.PIN(role).Right()
		return nil
	})
}

// ParseRole reads "user" or "so", in either case, and "admin" as another name of
// "so". Anything else is RoleNotFound.
func ParseRole(s string) (pin.Role, error) {
	switch {
	case strings.EqualFold(s, "user"):
		return pin.User, nil
	case strings.EqualFold(s, "so"), strings.EqualFold(s, "admin"):
		return pin.SO, nil
	}
	return 0, Errorf(RoleNotFound, "there is no PIN role %q; the roles are user and admin (SO)", clip(s))
}
