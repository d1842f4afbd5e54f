package provisioning

import (
	"context"
	"strings"
	"unicode/utf8"

	"vtoken/provisioning/text"
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

// ResetPIN sets a role's PIN, whatever it was, and starts its count of wrong
// tries anew. The PIN has to fit the token's policy and the rule (BadInput). The
// first PIN of a PIN-bound token is set so too; when it has one, that is
// WrongState but for the caller who has just set the first one, see
// [Service.ChangePIN]. The caller keeps p and wipes it.
func (s *Service) ResetPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role, p secret.Bytes, rule PINRule) error {
	_, err := s.resetPIN(ctx, c, ref, newPIN{role: role, pin: p, rule: rule}, nil)
	return err
}

// checkPIN checks a PIN against the token's policy.
func checkPIN(t *record.Token, role pin.Role, p secret.Bytes) error {
	policy := t.PIN(role).Policy
	if policy.Check(p) != nil {
		return Errorf(BadInput, "the new %v PIN does not fit: it has to be UTF-8 text of %d to %d characters", role, policy.MinLen, policy.MaxLen)
	}
	return nil
}

// setPINs gives a new token its first PINs, those that are not nil, and a
// PIN-bound one the key that they open.
func (s *Service) setPINs(ctx context.Context, c Caller, t *record.Token, pins map[pin.Role]secret.Bytes) error {
	k, err := s.firstPINs(ctx, c, t, pins)
	k.private.Wipe()
	return err
}

// firstPINs is setPINs for callers who want the key, and wipe it.
func (s *Service) firstPINs(ctx context.Context, c Caller, t *record.Token, pins map[pin.Role]secret.Bytes) (k boundKey, err error) {
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

// hashPIN makes the verifier of a PIN when it is the caller's turn.
func (s *Service) hashPIN(ctx context.Context, c Caller, id record.TokenID, role pin.Role, p, bound secret.Bytes) (verifier []byte, err error) {
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
