package provisioning

import (
	"bytes"
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// CurrentPIN is a PIN that a token has, as the right to set one. A PIN-bound
// token's PINs are set with one of those that it has, because only they open its
// keys. The SO PIN is that right with every token, complete ones too, as it is
// for C_InitPIN.
type CurrentPIN struct {
	Role pin.Role
	PIN  secret.Bytes
}

// operation is what setting a PIN with it is.
func (with *CurrentPIN) operation() Operation {
	if with != nil && with.Role == pin.SO {
		return OpTokenPINBySO
	}
	return OpTokenResetPIN
}

// ChangePIN is [Service.ResetPIN] with a PIN that the token has. A wrong one is
// Forbidden and counts as a try, one that is locked or not set is WrongState. The
// caller keeps both PINs and wipes them.
func (s *Service) ChangePIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role, p secret.Bytes, rule PINRule, with CurrentPIN) error {
	_, err := s.resetPIN(ctx, c, ref, newPIN{role: role, pin: p, rule: rule}, &with)
	return err
}

// newPIN is a PIN that is to be set, and what else is to be done with it.
type newPIN struct {
	role pin.Role
	pin  secret.Bytes
	rule PINRule
	also []step
}

// resetPIN sets a PIN, with a PIN that the token has where with is given.
func (s *Service) resetPIN(ctx context.Context, c Caller, ref TokenRef, n newPIN, with *CurrentPIN) (Token, error) {
	op := with.operation()
	if err := mayTake(c, n.also); err != nil {
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
	k, err := s.keyFor(ctx, c, t, with)
	if err != nil {
		return Token{}, err
	}
	defer k.private.Wipe()
	verifier, err := s.hashPIN(ctx, c, t.ID, n.role, n.pin, k.private)
	if err != nil {
		return Token{}, err
	}
	view, err := s.changeIn(ctx, c, op, ref, func(tx Tx, now *record.Token) error {
		if !bytes.Equal(now.BoundKey, t.BoundKey) || with != nil && !bytes.Equal(now.PIN(with.Role).Verifier, t.PIN(with.Role).Verifier) {
			return Errorf(WrongState, "the PINs of token %s were changed meanwhile; try again", t.ID)
		}
		if with != nil {
			*now.PIN(with.Role) = now.PIN(with.Role).Right()
		}
		*now.PIN(n.role) = now.PIN(n.role).Change(verifier, s.now())
		now.BoundKey = k.public
		return s.take(tx, now, n.also)
	})
	if err == nil && len(t.BoundKey) == 0 {
		s.fresh.keep(c, t.ID, k, s.now())
	}
	return view, err
}

// boundKey is the key pair of a PIN-bound token; the zero value is that of others.
type boundKey struct {
	public  []byte
	private secret.Bytes
}

// keyFor is the key that a new PIN of a token is to open: a new one with the first
// PIN, otherwise the one that with opens, or that the caller has just made. Where
// with is given, it is checked for other tokens too.
func (s *Service) keyFor(ctx context.Context, c Caller, t *record.Token, with *CurrentPIN) (boundKey, error) {
	switch {
	case with != nil:
		private, err := s.tryPIN(ctx, c, t, *with)
		return boundKey{t.BoundKey, private}, err
	case !t.PINBound:
		return boundKey{}, nil
	}
	if k, ok := s.fresh.get(c, t, s.now()); ok {
		return k, nil
	}
	if len(t.BoundKey) > 0 {
		return boundKey{}, Errorf(WrongState, "token %s is PIN-bound: its keys open with its PINs only, so a PIN is set with one that it has, and not even an administrator can do without; "+
			"give the SO PIN (`vtoken token reset-pin --current-so-pin-file`), or have it set by C_InitPIN", t.ID)
	}
	return s.newBoundKey()
}

func (s *Service) newBoundKey() (k boundKey, err error) {
	k.public, k.private, err = s.store.NewBoundKey()
	return k, err
}

// tryPIN compares a PIN with the one of a token, when it is its turn. It returns the key
// of a PIN-bound token.
func (s *Service) tryPIN(ctx context.Context, c Caller, t *record.Token, with CurrentPIN) (private secret.Bytes, err error) {
	if len(with.PIN) == 0 {
		return nil, Errorf(BadInput, "the current %v PIN is empty; give the one that the token has", with.Role)
	}
	if _, err := t.PIN(with.Role).Try(); err != nil {
		return nil, untried(t, with.Role, err) // says so at once
	}
	err = s.compareInTurn(ctx, c, t, pinSecret(with.Role), func() (v verdict, err error) {
		private, v, err = s.comparePIN(ctx, c, t, with)
		return v, err
	})
	return private, err
}

// comparePIN compares a PIN with the one of a token. The try is stored before, so that
// nobody gets one for nothing.
func (s *Service) comparePIN(ctx context.Context, c Caller, t *record.Token, with CurrentPIN) (secret.Bytes, verdict, error) {
	var tried pin.State
	_, err := s.changeToken(ctx, c, with.operation(), TokenRef{Tenant: t.Tenant, ID: t.ID}, func(now *record.Token) (err error) {
		state := now.PIN(with.Role)
		if tried, err = state.Try(); err != nil {
			return untried(now, with.Role, err)
		}
		*state = tried
		return nil
	})
	if err != nil {
		return nil, undecided, err
	}
	var is bool
	var private secret.Bytes
	err = s.inTurn(ctx, c, func(func() error) (err error) {
		is, private, err = s.store.CheckPIN(t.ID, with.Role, tried.Verifier, with.PIN)
		return err
	})
	switch {
	case err != nil:
		return nil, undecided, err
	case is && bytes.Equal(tried.Verifier, t.PIN(with.Role).Verifier):
		return private, right, nil
	case is:
		private.Wipe()
		return nil, right, Errorf(WrongState, "the PINs of token %s were changed meanwhile; try again", t.ID)
	}
	s.opt.Guessed(ctx, t, pinSecret(with.Role), GuessWrong)
	switch left := tried.TriesLeft(); {
	case tried.Locked():
		s.opt.Guessed(ctx, t, pinSecret(with.Role), GuessLocked)
		return nil, wrong, Errorf(Forbidden, "the current %v PIN is wrong, and locked now; `vtoken token unlock` gives new tries", with.Role)
	case left < 0:
		return nil, wrong, Errorf(Forbidden, "the current %v PIN is wrong", with.Role)
	default:
		return nil, wrong, Errorf(Forbidden, "the current %v PIN is wrong; %d tries are left", with.Role, left)
	}
}

// untried says why a PIN cannot be tried.
func untried(t *record.Token, role pin.Role, err error) error {
	if ck.CodeOf(err) == ck.CKR_PIN_LOCKED {
		return Errorf(WrongState, "the %v PIN of token %s is locked; `vtoken token unlock` gives new tries", role, t.ID)
	}
	return Errorf(WrongState, "token %s has no %v PIN to set another one with", t.ID, role)
}

// bindNew says whether a new token is PIN-bound: because it is asked for, or
// because all new cards of the tenant are. A tenant that is not there is noticed
// when the token is stored.
func (s *Service) bindNew(ctx context.Context, n NewToken) (bool, error) {
	otp := n.Kind == record.KindOTP
	switch {
	case n.PINBound && otp:
		return false, Errorf(BadInput, "a token for one-time passwords cannot be PIN-bound: the API checks passwords without its PIN")
	case n.PINBound || otp:
		return n.PINBound, nil
	}
	bound := false
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := tx.Tenant(n.Tenant)
		if there, err := exists(err); !there {
			return err
		}
		bound = t.PINBound
		return nil
	})
	return bound, err
}

// SetTenantPINBound says whether new cards of a tenant are PIN-bound. Tokens that
// there are stay as they are.
func (s *Service) SetTenantPINBound(ctx context.Context, c Caller, id record.TenantID, bound bool) (Tenant, error) {
	return s.changeTenant(ctx, c, id, func(t *record.Tenant) { t.PINBound = bound })
}
