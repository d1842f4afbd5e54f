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

// StartActivation begins the activation of a token, or begins it anew, and
// returns the code that ends it, which cannot be had again: [CodeDigits] decimal
// digits. Until it is ended, the holder's applications do not see the token. A
// lifetime of 0 is [DefaultActivation].
func (s *Service) StartActivation(ctx context.Context, c Caller, ref TokenRef, lifetime time.Duration) (secret.Bytes, Token, error) {
	if lifetime == 0 {
		lifetime = DefaultActivation
	}
	if lifetime < MinActivation || lifetime > MaxActivation {
		return nil, Token{}, Errorf(BadInput, "an activation lasts from %v to %v, not %v", MinActivation, MaxActivation, lifetime)
	}
	code, err := newCode()
	if err != nil {
		return nil, Token{}, err
	}
	view, err := s.changeToken(ctx, c, OpTokenActivate, ref, func(t *record.Token) error {
		t.Activation = record.ActivationPending
		t.Code = record.ActivationCode{Hash: s.hashCode(t.ID, code), ExpiresAt: s.now().Add(lifetime)}
		return nil
	})
	if err != nil {
		code.Wipe()
		return nil, Token{}, err
	}
	return code, view, nil
}

// newCode is a random activation code.
func newCode() (secret.Bytes, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(CodeDigits), nil))
	if err != nil {
		return nil, fmt.Errorf("making an activation code: %w", err)
	}
	return fmt.Appendf(nil, "%0*d", CodeDigits, n), nil
}

// hashCode is the keyed hash of a token's activation code.
func (s *Service) hashCode(token record.TokenID, code secret.Bytes) []byte {
	text := fmt.Appendf(nil, "activation code of %s: ", token)
	return s.store.HashAPIKey(append(text, code...))
}

// Activate ends the activation of a token without a code: an administrator says
// that it is in its holder's hands.
func (s *Service) Activate(ctx context.Context, c Caller, ref TokenRef) (Token, error) {
	return s.changeToken(ctx, c, OpTokenActivated, ref, func(t *record.Token) error {
		t.Activation, t.Code = record.Activated, record.ActivationCode{}
		return nil
	})
}

// FinishActivation ends the activation of a token with the code of
// [Service.StartActivation]. A code that is wrong or has expired is WrongCode, the
// fifth wrong one ends the activation; without an activation it is WrongState.
// The count of wrong codes is stored before the answer.
func (s *Service) FinishActivation(ctx context.Context, c Caller, ref TokenRef, code secret.Bytes) (Token, error) {
	right := false
	view, err := s.changeToken(ctx, c, OpTokenActivated, ref, func(t *record.Token) error {
		right = false
		if t.Activation != record.ActivationPending || len(t.Code.Hash) == 0 {
			return Errorf(WrongState, "no activation of token %s is under way; begin one first", t.ID)
		}
		if !s.now().Before(t.Code.ExpiresAt) {
			return Errorf(WrongCode, "the activation code has expired; begin the activation anew")
		}
		if right = hmac.Equal(t.Code.Hash, s.hashCode(t.ID, code)); right {
			t.Activation, t.Code = record.Activated, record.ActivationCode{}
		} else if t.Code.Failed++; t.Code.Failed >= maxWrongCodes {
			t.Activation, t.Code = record.ActivationNew, record.ActivationCode{}
		}
		return nil
	})
	if err == nil && !right {
		return Token{}, Errorf(WrongCode, "the activation code is wrong; check it, or begin the activation anew")
	}
	return view, err
}
