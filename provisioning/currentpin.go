package provisioning

import (
	"bytes"
	"context"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// tryPIN compares a PIN with that of a token, in turn with other tries. It returns the
// key of a PIN-bound token.
func (s *Service) tryPIN(
	ctx context.Context, c Caller, t *record.Token, current CurrentPIN,
) (private secret.Bytes, err error) {
	if len(current.PIN) == 0 {
		return nil, Errorf(BadInput, "the current %v PIN is empty; give the one that the token has", current.Role)
	}
	if _, err := t.PIN(current.Role).Try(); err != nil {
		return nil, cannotTry(t, current.Role, err) // says so at once
	}
	err = s.compareInTurn(ctx, c, t, pinSecret(current.Role), func() (v verdict, err error) {
		private, v, err = s.comparePIN(ctx, c, t, current)
		return v, err
	})
	return private, err
}

// comparePIN compares a PIN with that of a token. The try is stored before the
// comparison, so that no try is free.
func (s *Service) comparePIN(
	ctx context.Context, c Caller, t *record.Token, current CurrentPIN,
) (secret.Bytes, verdict, error) {
	var tried pin.State
	_, err := s.changeToken(ctx, c, current.operation(), TokenRef{Tenant: t.Tenant, ID: t.ID}, func(now *record.Token) (err error) {
		state := now.PIN(current.Role)
		if tried, err = state.Try(); err != nil {
			return cannotTry(now, current.Role, err)
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
		is, private, err = s.store.CheckPIN(t.ID, current.Role, tried.Verifier, current.PIN)
		return err
	})
	switch {
	case err != nil:
		return nil, undecided, err
	case is && bytes.Equal(tried.Verifier, t.PIN(current.Role).Verifier):
		return private, right, nil
	case is:
		private.Wipe()
		return nil, right, Errorf(WrongState, "the PINs of token %s were changed meanwhile; try again", t.ID)
	}
	s.opt.Guessed(ctx, t, pinSecret(current.Role), GuessWrong)
	switch left := tried.TriesLeft(); {
	case tried.Locked():
		s.opt.Guessed(ctx, t, pinSecret(current.Role), GuessLocked)
		return nil, wrong, Errorf(Forbidden,
			"the current %v PIN is wrong, and locked now; `vtoken token unlock` gives new tries", current.Role)
	case left < 0:
		return nil, wrong, Errorf(Forbidden, "the current %v PIN is wrong", current.Role)
	default:
		return nil, wrong, Errorf(Forbidden, "the current %v PIN is wrong; %d tries are left", current.Role, left)
	}
}

// cannotTry returns the error for a PIN that cannot be tried.
func cannotTry(t *record.Token, role pin.Role, err error) error {
	if ck.CodeOf(err) == ck.CKR_PIN_LOCKED {
		return Errorf(WrongState, "the %v PIN of token %s is locked; `vtoken token unlock` gives new tries", role, t.ID)
	}
	return Errorf(WrongState, "token %s has no %v PIN to set another one with", t.ID, role)
}
