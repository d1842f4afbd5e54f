package provisioning

import (
	"bytes"
	"context"
	"strings"
	"unicode/utf8"

	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// PINRule is what a dialect requires of a new PIN beyond the token's own policy. The zero
// value requires nothing.
type PINRule struct {
	MinLen, MaxLen int  // characters; 0 is no rule
	Hex            bool // hexadecimal digits only, in either case
}

// check refuses a PIN that does not fit the rule. The error tells its length and nothing
// else about it.
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

// ResetPIN sets a role's PIN, whatever it was, and restores all its tries. The PIN must
// fit the token's policy and the rule (BadInput). It also sets the first PIN of a
// PIN-bound token. If such a token has a PIN already, it is WrongState, except for the
// caller who has just set the first one; see [Service.ChangePIN]. The caller keeps p and
// wipes it.
func (s *Service) ResetPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role, p secret.Bytes, rule PINRule) error {
	_, err := s.resetPIN(ctx, c, ref, newPIN{role: role, pin: p, rule: rule}, nil)
	return err
}

// CurrentPIN is a PIN of a token that authorizes setting one. A PIN-bound token needs
// one, because only its PINs open its keys. The SO PIN authorizes it for every token,
// complete ones too, as in C_InitPIN.
type CurrentPIN struct {
	Role pin.Role
	PIN  secret.Bytes
}

// operation returns the operation of setting a PIN with it.
func (current *CurrentPIN) operation() Operation {
	if current != nil && current.Role == pin.SO {
		return OpTokenPINBySO
	}
	return OpTokenResetPIN
}

// ChangePIN is [Service.ResetPIN] with a current PIN. A wrong one is Forbidden and counts
// as a try; one that is locked or not set is WrongState. The caller keeps both PINs and
// wipes them.
func (s *Service) ChangePIN(
	ctx context.Context, c Caller, ref TokenRef, role pin.Role, p secret.Bytes, rule PINRule, current CurrentPIN,
) error {
	_, err := s.resetPIN(ctx, c, ref, newPIN{role: role, pin: p, rule: rule}, &current)
	return err
}

// newPIN is a PIN to set, and the steps to take with it.
type newPIN struct {
	role pin.Role
	pin  secret.Bytes
	rule PINRule
	also []step
}

// resetPIN sets a PIN, by a current PIN where one is given.
func (s *Service) resetPIN(ctx context.Context, c Caller, ref TokenRef, n newPIN, current *CurrentPIN) (Token, error) {
	op := current.operation()
	if err := mayTakeAll(c, n.also); err != nil {
		return Token{}, err
	}
	var t *record.Token
	err := s.view(ctx, func(tx ReadTx) (err error) {
		t, err = s.token(tx, c, op, ref)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	if err := n.rule.check(n.role, n.pin); err != nil {
		return Token{}, err
	}
	if err := checkPIN(t, n.role, n.pin); err != nil {
		return Token{}, err
	}
	k, err := s.keyFor(ctx, c, t, current)
	if err != nil {
		return Token{}, err
	}
	defer k.private.Wipe()
	verifier, err := s.hashPIN(ctx, c, t.ID, n.role, n.pin, k.private)
	if err != nil {
		return Token{}, err
	}
	view, err := s.changeIn(ctx, c, op, ref, func(tx Tx, now *record.Token) error {
		if !bytes.Equal(now.BoundKey, t.BoundKey) || current != nil && !bytes.Equal(now.PIN(current.Role).Verifier, t.PIN(current.Role).Verifier) {
			return Errorf(WrongState, "the PINs of token %s were changed meanwhile; try again", t.ID)
		}
		if current != nil {
			*now.PIN(current.Role) = now.PIN(current.Role).Right()
		}
		*now.PIN(n.role) = now.PIN(n.role).Change(verifier, s.now())
		now.BoundKey = k.public
		return s.takeAll(tx, now, n.also)
	})
	if err == nil && len(t.BoundKey) == 0 {
		s.fresh.keep(c, t.ID, k, s.now())
	}
	return view, err
}

// ClearPIN unsets a role's PIN: nobody can log in with it until one is set. The only PIN
// of a PIN-bound token cannot be cleared (WrongState): its keys would be lost.
func (s *Service) ClearPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role) (Token, error) {
	return s.changeBy(ctx, c, ref, []step{clearPINStep(role)})
}

// clearPINStep is the step of [Service.ClearPIN].
func clearPINStep(role pin.Role) step {
	return step{OpTokenClearPIN, func(_ Tx, t *record.Token) error {
		*t.PIN(role) = pin.State{Policy: t.PIN(role).Policy}
		if len(t.BoundKey) > 0 && !t.UserPIN.Set() && !t.SOPIN.Set() {
			return Errorf(WrongState,
				"token %s is PIN-bound, and this is the only PIN that opens its keys; set the other PIN first, or delete the token",
				t.ID)
		}
		return nil
	}}
}

// checkPIN checks a PIN against the token's policy.
func checkPIN(t *record.Token, role pin.Role, p secret.Bytes) error {
	policy := t.PIN(role).Policy
	if policy.Check(p) != nil {
		return Errorf(BadInput, "the new %v PIN does not fit: it must be UTF-8 text of %d to %d characters",
			role, policy.MinLen, policy.MaxLen)
	}
	return nil
}

// setPINs sets the first PINs of a new token, those that are not nil, and makes the key
// of a PIN-bound one.
func (s *Service) setPINs(ctx context.Context, c Caller, t *record.Token, pins map[pin.Role]secret.Bytes) error {
	k, err := s.firstPINs(ctx, c, t, pins)
	k.private.Wipe()
	return err
}

// firstPINs is setPINs for callers who need the key, and wipe it.
func (s *Service) firstPINs(
	ctx context.Context, c Caller, t *record.Token, pins map[pin.Role]secret.Bytes,
) (k boundKey, err error) {
	for role, p := range pins {
		if p == nil {
			continue
		}
		if err := checkPIN(t, role, p); err != nil {
			return k, err
		}
		if t.PINBound && k.private == nil {
			if k, err = s.newBoundKey(); err != nil {
				return k, err
			}
		}
		verifier, err := s.hashPIN(ctx, c, t.ID, role, p, k.private)
		if err != nil {
			return k, err
		}
		*t.PIN(role) = t.PIN(role).Change(verifier, s.now())
		t.BoundKey = k.public
	}
	return k, nil
}

// hashPIN makes the verifier of a PIN, in turn with other slow work.
func (s *Service) hashPIN(
	ctx context.Context, c Caller, id record.TokenID, role pin.Role, p, bound secret.Bytes,
) (verifier []byte, err error) {
	err = s.inTurn(ctx, c, func(func() error) (err error) {
		verifier, err = s.store.HashPIN(id, role, p, bound)
		return err
	})
	return verifier, err
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
	return 0, Errorf(RoleNotFound, "there is no PIN role %q; the roles are user and admin (SO)", text.Clip(s))
}
