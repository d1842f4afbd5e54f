package provisioning

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vtoken/provisioning/oath"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Code is a one-time password from a caller.
type Code struct {
	// Text has the digits.
	Text secret.Bytes
	// Short says that leading zeros may be missing: the password came as a number.
	Short bool
}

// TextCode returns a password that was sent as text.
func TextCode(text string) Code { return Code{Text: secret.Bytes(text)} }

// NumberCode returns a password that was sent as a number, without its leading zeros.
func NumberCode(n uint64) Code { return Code{Text: strconv.AppendUint(nil, n, 10), Short: true} }

// digits returns the password with the number of digits of the token's passwords.
func (c Code) digits(want int) (secret.Bytes, error) {
	text := c.Text
	if c.Short && len(text) < want {
		text = fmt.Appendf(nil, "%0*s", want, []byte(text))
	}
	if len(text) != want {
		return nil, Errorf(BadInput, "the one-time password has %d digits; those of this token have %d", len(text), want)
	}
	for _, b := range text {
		if b < '0' || b > '9' {
			return nil, Errorf(BadInput, "the one-time password has a character that is not a digit")
		}
	}
	return text, nil
}

// ErrCodeUsed is the cause of a WrongCode for a right password that was used before.
var ErrCodeUsed = errors.New("the one-time password was used already")

// attempt is one try of one or two passwords.
type attempt struct {
	op     Operation
	ref    TokenRef
	codes  []Code
	window func(record.OTP, time.Time) span
	done   func(t *record.Token) // what else becomes of the token if they are right
}

// VerifyOTP accepts a one-time password of a token, once. It is WrongCode if the password
// is wrong or was used ([ErrCodeUsed]), and WrongState if the token or its holders may
// not be used, or after MaxWrongOTP wrong passwords in a row. The try is stored before
// the password is compared, as with PINs. If ref names a user, that holder must be
// allowed to use the token; otherwise any holder.
//
// The counter of verification (record.OTP.Next) is the server's. That of the OTP key
// (CKA_OTP_COUNTER) advances when the holder makes passwords through PKCS#11: it is the
// device's, and the two are independent.
func (s *Service) VerifyOTP(ctx context.Context, c Caller, ref TokenRef, code Code) (Token, error) {
	return s.tryOTP(ctx, c, attempt{op: OpTokenVerify, ref: ref, codes: []Code{code}, window: verifyWindow})
}

// SyncOTP finds the counter or the clock drift of a token by two consecutive passwords,
// which count as used then. Errors are those of VerifyOTP.
func (s *Service) SyncOTP(ctx context.Context, c Caller, ref TokenRef, first, next Code) (Token, error) {
	return s.tryOTP(ctx, c, attempt{op: OpTokenSync, ref: ref, codes: []Code{first, next}, window: syncWindow})
}

// FindOTP finds the counter or the clock drift of a token by one password, in the window
// of SyncOTP. One password proves less than two: it is for callers who may reset the
// token anyway. Errors are those of VerifyOTP.
func (s *Service) FindOTP(ctx context.Context, c Caller, ref TokenRef, code Code) (Token, error) {
	return s.tryOTP(ctx, c, attempt{op: OpTokenSync, ref: ref, codes: []Code{code}, window: syncWindow})
}

// ActivateOTP synchronises a token as SyncOTP does, and ends its activation: two
// passwords prove that the caller has the token.
func (s *Service) ActivateOTP(ctx context.Context, c Caller, ref TokenRef, first, next Code) (Token, error) {
	return s.tryOTP(ctx, c, attempt{op: OpTokenActivated, ref: ref, codes: []Code{first, next}, window: syncWindow, done: func(t *record.Token) {
		setActivation(t, record.Activated)
	}})
}

// ResetOTP forgets the drift of a token's clock and unlocks its passwords if they are
// locked. Unlocking takes the right for OpTokenUnlock, and is RateLimited more often than
// [pin.MaxUnlocks] times a day. Before that, a right password restores the tries. With a
// counter, that is the next one to be accepted, even if it was used: the device was set
// up again. Without one, used passwords stay used.
func (s *Service) ResetOTP(ctx context.Context, c Caller, ref TokenRef, counter *uint64) (Token, error) {
	var u unlocking
	view, err := s.changeToken(ctx, c, OpTokenResetOTP, ref, func(t *record.Token) error {
		if counter != nil && t.OTP.Period != 0 {
			return Errorf(BadInput, "token %s makes passwords by time and has no counter; leave it out", t.ID)
		}
		t.OTP.Drift = 0
		set(&t.OTP.Next, counter)
		u = unlocking{}
		if !OTPLocked(t.OTP) {
			return nil
		}
		if err := c.mayDo(OpTokenUnlock); err != nil {
			return err
		}
		return u.passwords(t, s.now())
	})
	s.reportUnlocked(ctx, u, err)
	return view, err
}

// tryOTP compares passwords in turn with other tries. It refuses at once where the state
// of the token or the rights of the caller do not allow a try.
func (s *Service) tryOTP(ctx context.Context, c Caller, a attempt) (view Token, err error) {
	var t *record.Token
	err = s.view(ctx, func(tx ReadTx) (err error) {
		if t, err = s.token(tx, c, a.op, a.ref); err == nil {
			_, err = s.mayTry(tx, t, a)
		}
		return err
	})
	if err != nil {
		return Token{}, err
	}
	err = s.compareInTurn(ctx, c, t, OneTimePassword, func() (verdict, error) {
		view, err = s.compareOTP(ctx, c, a)
		switch {
		case err == nil:
			return right, nil
		case KindOf(err) == WrongCode && !errors.Is(err, ErrCodeUsed): // a used one is often sent twice
			s.opt.Guessed(ctx, t, OneTimePassword, GuessWrong)
			return wrong, err
		}
		return undecided, err
	})
	return view, err
}

// compareOTP commits the try, compares, and commits the success.
func (s *Service) compareOTP(ctx context.Context, c Caller, a attempt) (Token, error) {
	tried, row, user, err := s.countTry(ctx, c, a)
	if err != nil {
		return Token{}, err
	}
	now := s.now()
	at, err := s.match(tried, row, a.window(tried.OTP, now))
	if err != nil {
		if KindOf(err) == WrongCode && OTPLocked(tried.OTP) {
			s.opt.Guessed(ctx, tried, OneTimePassword, GuessLocked)
		}
		return Token{}, err
	}
	last := at + uint64(len(row)) - 1
	return s.changeToken(ctx, c, a.op, a.ref, func(t *record.Token) error {
		if t.OTP.Key != tried.OTP.Key || at < t.OTP.Next { // another one was first
			return used(t)
		}
		t.OTP.Next, t.OTP.Failed, t.OTP.Drift, t.LastUsedAt = last+1, 0, driftOf(t.OTP, last, now), now
		t.OTP.Enrolled = true
		if a.done != nil {
			a.done(t)
		}
		return countUse(t, user)
	})
}

// countUse counts a use by a holder with a usage limit, and refuses it where concurrent
// uses have reached the limit.
func countUse(t *record.Token, user record.UserID) error {
	part := t.Assignment(user)
	if part == nil || part.UsageLimit == 0 {
		return nil
	}
	if part.UsedUp() {
		return Errorf(WrongState, "the holder has used token %s as often as its usage limit says", t.ID)
	}
	part.Uses++
	return nil
}

// countTry commits one more wrong password. It returns the token with it, the passwords
// with all their digits, and the holder who uses the token, where that was asked.
func (s *Service) countTry(
	ctx context.Context, c Caller, a attempt,
) (tried *record.Token, row []secret.Bytes, user record.UserID, err error) {
	_, err = s.changeIn(ctx, c, a.op, a.ref, func(tx Tx, t *record.Token) (err error) {
		if user, err = s.mayTry(tx, t, a); err != nil {
			return err
		}
		row = make([]secret.Bytes, len(a.codes))
		for i, code := range a.codes {
			if row[i], err = code.digits(t.OTP.Digits); err != nil {
				return err
			}
		}
		t.OTP.Failed++
		tried = t.Clone()
		return nil
	})
	return tried, row, user, err
}

// mayTry checks what the table of operations does not cover, and returns the user of the
// token in a verification.
func (s *Service) mayTry(tx ReadTx, t *record.Token, a attempt) (record.UserID, error) {
	if t.Kind != record.KindOTP {
		return "", OpTokenSync.allowed(t, s.now())
	}
	if OTPLocked(t.OTP) {
		return "", Errorf(WrongState,
			"%d one-time passwords of token %s in a row were wrong, and no more are taken; reset its counter",
			t.OTP.Failed, t.ID)
	}
	if a.op != OpTokenVerify {
		return "", nil
	}
	return s.holderMayUse(tx, t, a.ref.User)
}

// holderMayUse returns the user, or the first holder if user is empty, who may use the
// token now.
func (s *Service) holderMayUse(tx ReadTx, t *record.Token, user string) (record.UserID, error) {
	var only record.UserID
	if user != "" {
		u, err := userOf(tx, t.Tenant, user)
		if err != nil {
			return "", err
		}
		only = u.ID
	}
	for _, a := range t.Holders {
		if only != "" && a.User != only || !t.VisibleTo(a.User, s.now()) {
			continue
		}
		u, err := tx.User(a.User)
		if err != nil {
			return "", fmt.Errorf("reading a holder of token %s: %w", t.ID, err)
		}
		if u.Enabled {
			return u.ID, nil
		}
	}
	return "", Errorf(WrongState,
		"the holder may not use token %s now: the user is disabled, or the assignment is suspended, has ended or is used up",
		t.ID)
}

// match finds the counter of consecutive passwords among the unused ones of a window. It
// takes the same time for every position.
func (s *Service) match(t *record.Token, row []secret.Bytes, window span) (at uint64, err error) {
	seed, err := s.seed(t)
	if err != nil {
		return 0, err
	}
	defer seed.Wipe()
	key := oath.Key{Seed: secret.Bytes(seed.Get(ck.CKA_VALUE)), Hash: t.OTP.Hash, Digits: t.OTP.Digits}
	find := func(in span) (uint64, bool, error) {
		if len(row) == 1 {
			return key.Find(row[0], in.first, in.last)
		}
		return key.FindPair(row[0], row[1], in.first, in.last)
	}
	at, right, err := find(window.unused(t.OTP.Next))
	if err != nil || right {
		return at, err
	}
	_, before, err := find(window.used(t.OTP.Next))
	switch {
	case err != nil:
		return 0, err
	case before:
		return 0, used(t)
	}
	return 0, Errorf(WrongCode, "the one-time password is wrong%s", triesLeft(t))
}

// used returns the error for a password that was right and is used.
func used(t *record.Token) error {
	return &Error{Kind: WrongCode, Detail: ErrCodeUsed.Error() + "; wait for the next one" + triesLeft(t), Err: ErrCodeUsed}
}

func triesLeft(t *record.Token) string {
	if left := MaxWrongOTP - t.OTP.Failed; left > 0 {
		return fmt.Sprintf("; %d tries are left", left)
	}
	return ", and no more are taken until its counter is reset"
}

// seed reads the secret attributes of the token's OTP key. The caller wipes them.
func (s *Service) seed(t *record.Token) (object.Set, error) {
	set, err := s.store.OpenSecret(t.ID, object.ID(t.OTP.Key), nil)
	if err != nil {
		return nil, fmt.Errorf("reading the seed of token %s: %w", t.ID, err)
	}
	if len(set.Get(ck.CKA_VALUE)) == 0 {
		return nil, fmt.Errorf("the OTP key of token %s has no value", t.ID)
	}
	return set, nil
}
