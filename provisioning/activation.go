package provisioning

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"math/big"
	"time"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The lifetime of activation codes, and how many wrong ones end an activation.
const (
	DefaultActivation = 5 * time.Minute
	MinActivation     = time.Minute
	MaxActivation     = 30 * 24 * time.Hour
	maxWrongCodes     = 5
)

// CodeDigits is the length of an activation code.
const CodeDigits = 10

// StartActivation begins the activation of a token, or restarts it, and returns the code
// that ends it: [CodeDigits] decimal digits, which cannot be read again. Until then the
// holder's applications do not see the token. A lifetime of 0 is [DefaultActivation].
func (s *Service) StartActivation(
	ctx context.Context, c Caller, ref TokenRef, lifetime time.Duration,
) (secret.Bytes, Token, error) {
	if lifetime == 0 {
		lifetime = DefaultActivation
	}
	if lifetime < MinActivation || lifetime > MaxActivation {
		return nil, Token{}, Errorf(BadInput, "an activation lasts from %v to %v, not %v",
			MinActivation, MaxActivation, lifetime)
	}
	code, err := newCode()
	if err != nil {
		return nil, Token{}, err
	}
	view, err := s.changeToken(ctx, c, OpTokenActivate, ref, func(t *record.Token) error {
		setActivation(t, record.ActivationPending)
		t.Code = record.ActivationCode{Hash: s.hashCode(t.ID, code), ExpiresAt: s.now().Add(lifetime)}
		return nil
	})
	if err != nil {
		code.Wipe()
		return nil, Token{}, err
	}
	return code, view, nil
}

// setActivation sets the activation of a token and drops its activation code. An
// activated token counts as enrolled: a device has its seed.
func setActivation(t *record.Token, a record.Activation) {
	if t.Kind == record.KindOTP && (a == record.Activated || t.Activation == record.Activated) {
		t.OTP.Enrolled = true
	}
	t.Activation, t.Code = a, record.ActivationCode{}
}

// newCode returns a random activation code.
func newCode() (secret.Bytes, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(CodeDigits), nil))
	if err != nil {
		return nil, fmt.Errorf("making an activation code: %w", err)
	}
	return fmt.Appendf(nil, "%0*d", CodeDigits, n), nil
}

// hashCode returns the keyed hash of a token's activation code.
func (s *Service) hashCode(token record.TokenID, code secret.Bytes) []byte {
	text := fmt.Appendf(nil, "activation code of %s: ", token)
	return s.store.HashAPIKey(append(text, code...))
}

// Activate ends the activation of a token without a code, for an administrator who knows
// that the holder has the token.
func (s *Service) Activate(ctx context.Context, c Caller, ref TokenRef) (Token, error) {
	return s.changeToken(ctx, c, OpTokenActivated, ref, func(t *record.Token) error {
		setActivation(t, record.Activated)
		return nil
	})
}

// FinishActivation ends the activation of a token with the code of
// [Service.StartActivation]. A wrong or expired code is WrongCode; the fifth wrong one
// ends the activation. Without an activation under way it is WrongState. The count of
// wrong codes is stored before the answer.
func (s *Service) FinishActivation(ctx context.Context, c Caller, ref TokenRef, code secret.Bytes) (view Token, err error) {
	var t *record.Token
	err = s.view(ctx, func(tx ReadTx) (err error) {
		if t, err = s.token(tx, c, OpTokenActivated, ref); err == nil {
			err = checkActivating(t)
		}
		return err
	})
	if err != nil {
		return Token{}, err
	}
	err = s.compareInTurn(ctx, c, t, ActivationCode, func() (v verdict, err error) {
		view, v, err = s.compareCode(ctx, c, ref, code)
		return v, err
	})
	return view, err
}

// checkActivating returns an error for a token whose activation is not under way.
func checkActivating(t *record.Token) error {
	if t.Activation != record.ActivationPending || len(t.Code.Hash) == 0 {
		return Errorf(WrongState, "no activation of token %s is under way; begin one first", t.ID)
	}
	return nil
}

// compareCode compares a code and commits the result before it returns it.
func (s *Service) compareCode(ctx context.Context, c Caller, ref TokenRef, code secret.Bytes) (Token, verdict, error) {
	var v verdict
	var now *record.Token
	view, err := s.changeToken(ctx, c, OpTokenActivated, ref, func(t *record.Token) error {
		v, now = undecided, t
		if err := checkActivating(t); err != nil {
			return err
		}
		if !s.now().Before(t.Code.ExpiresAt) {
			return Errorf(WrongCode, "the activation code has expired; begin the activation again")
		}
		if v = wrong; hmac.Equal(t.Code.Hash, s.hashCode(t.ID, code)) {
			v = right
			setActivation(t, record.Activated)
		} else if t.Code.Failed++; t.Code.Failed >= maxWrongCodes {
			setActivation(t, record.ActivationNew)
		}
		return nil
	})
	if err != nil {
		return Token{}, undecided, err
	}
	if v == wrong {
		s.opt.Guessed(ctx, now, ActivationCode, GuessWrong)
		if now.Activation == record.ActivationNew {
			s.opt.Guessed(ctx, now, ActivationCode, GuessLocked)
		}
		return Token{}, wrong, Errorf(WrongCode, "the activation code is wrong; check it, or begin the activation again")
	}
	return view, v, nil
}
