package provisioning

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// UnlockPIN restores all tries of a role's PIN and keeps the PIN, on complete tokens too.
// It is WrongState if no PIN is set, and RateLimited more often than [pin.MaxUnlocks]
// times a day, for all callers: otherwise a PIN could be guessed by unlocking it repeatedly.
func (s *Service) UnlockPIN(ctx context.Context, c Caller, ref TokenRef, role pin.Role) (Token, error) {
	return s.unlockPIN(ctx, c, ref, role, nil)
}

// unlockPIN unlocks a PIN and applies also to the token.
func (s *Service) unlockPIN(
	ctx context.Context, c Caller, ref TokenRef, role pin.Role, also func(t *record.Token),
) (Token, error) {
	var u unlocking
	view, err := s.changeToken(ctx, c, OpTokenUnlock, ref, func(t *record.Token) error {
		if !t.PIN(role).Set() {
			return Errorf(WrongState, "token %s has no %v PIN to unlock; set one with `vtoken token reset-pin`", t.ID, role)
		}
		if also != nil {
			also(t)
		}
		u = unlocking{}
		return u.pin(t, role, s.now())
	})
	s.reportUnlocked(ctx, u, err)
	return view, err
}

// unlocking is a token whose PIN or passwords got new tries. Its zero value is none.
type unlocking struct {
	token  *record.Token
	secret Secret
}

// pin restores the tries of a PIN.
func (u *unlocking) pin(t *record.Token, role pin.Role, now time.Time) error {
	state := t.PIN(role)
	if state.Failed == 0 {
		return nil
	}
	u.token, u.secret = t, pinSecret(role)
	next, wait := state.Unlock(now)
	*state = next
	return u.tooOften(wait)
}

// passwords restores the tries of a token's one-time passwords.
func (u *unlocking) passwords(t *record.Token, now time.Time) (err error) {
	u.token, u.secret = t, OneTimePassword
	var wait time.Duration
	if t.OTP.Unlocks, wait = t.OTP.Unlocks.Add(now); wait == 0 {
		t.OTP.Failed = 0
	}
	return u.tooOften(wait)
}

func (u *unlocking) tooOften(wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	return TooSoon(wait, "the %v of token %s was unlocked %d times in the last 24 hours, and is again in %v; set another one instead",
		u.secret, u.token.ID, pin.MaxUnlocks, wait.Round(time.Minute))
}

// reportUnlocked reports an unlocking after its commit.
func (s *Service) reportUnlocked(ctx context.Context, u unlocking, err error) {
	switch {
	case u.token == nil:
	case err == nil:
		s.opt.Guessed(ctx, u.token, u.secret, GuessUnlocked)
	case KindOf(err) == RateLimited:
		s.opt.Guessed(ctx, u.token, u.secret, GuessRefused)
	}
}

// maxChallenge bounds a challenge, in characters.
const maxChallenge = 64

// UnlockByChallenge answers the challenge of a locked token with the code that unlocks
// it, eight decimal digits, and restores the tries of its user PIN. The code depends only
// on the token and the challenge. Errors are those of [Service.UnlockPIN].
func (s *Service) UnlockByChallenge(
	ctx context.Context, c Caller, ref TokenRef, challenge string,
) (secret.Bytes, Token, error) {
	if err := checkName("challenge", challenge); err != nil {
		return nil, Token{}, err
	}
	if len(challenge) > maxChallenge {
		return nil, Token{}, Errorf(BadInput, "the challenge has %d bytes; one has at most %d", len(challenge), maxChallenge)
	}
	var code secret.Bytes
	view, err := s.unlockPIN(ctx, c, ref, pin.User, func(t *record.Token) { code = s.unlockCode(t.ID, challenge) })
	if err != nil {
		return nil, Token{}, err
	}
	return code, view, nil
}

// unlockCode returns the code for a challenge.
func (s *Service) unlockCode(token record.TokenID, challenge string) secret.Bytes {
	hash := s.store.HashAPIKey(fmt.Appendf(nil, "unlock code of %s: %s", token, challenge))
	return fmt.Appendf(nil, "%08d", binary.BigEndian.Uint64(hash)%100_000_000)
}
