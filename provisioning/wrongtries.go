package provisioning

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vtoken/provisioning/pace"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Secret is a secret of a token that can be guessed.
type Secret int

// The secrets.
const (
	UserPIN Secret = iota
	SOPIN
	OneTimePassword
	ActivationCode
	numberOfSecrets // keep last
)

// secrets has the name of each, and whether wrong tries slow down the credential that
// made them, for all tokens. One-time passwords do not: one credential verifies those of
// everybody, and people mistype them. The pace of the token applies to all.
var secrets = [numberOfSecrets]struct {
	name       string
	credential bool
}{
	UserPIN:         {"user PIN", true},
	SOPIN:           {"SO PIN", true},
	OneTimePassword: {"one-time password", false},
	ActivationCode:  {"activation code", true},
}

// String returns the name, as in errors, the audit log and metrics.
func (s Secret) String() string {
	if s < 0 || s >= numberOfSecrets {
		return fmt.Sprintf("secret %d", int(s))
	}
	return secrets[s].name
}

// Secrets returns all secrets.
func Secrets() []Secret {
	all := make([]Secret, numberOfSecrets)
	for i := range all {
		all[i] = Secret(i)
	}
	return all
}

func pinSecret(r pin.Role) Secret {
	if r == pin.SO {
		return SOPIN
	}
	return UserPIN
}

// Guess is the result of a try of a secret, or what happened to its tries.
type Guess string

// What becomes of tries.
const (
	GuessWrong    Guess = "wrong"    // it was compared, and is not right
	GuessLocked   Guess = "locked"   // it was wrong, and no more are taken
	GuessRefused  Guess = "refused"  // not compared: too many wait already, or new tries came too often
	GuessUnlocked Guess = "unlocked" // an administrator gave it new tries
)

// paceKey names a secret of a token, or a credential.
type paceKey struct {
	token  record.TokenID
	secret Secret

	tenant record.TenantID
	name   string
}

// verdict is the result of a comparison.
type verdict = pace.Verdict

const (
	undecided = pace.Undecided
	right     = pace.Right
	wrong     = pace.Wrong
)

// compareInTurn calls compare for a secret of a token at the pace of its wrong tries, and
// for most secrets at that of the credential, too. The caller has checked that c may try.
// compare must store the try before it compares.
func (s *Service) compareInTurn(
	ctx context.Context, c Caller, t *record.Token, secret Secret, compare func() (verdict, error),
) error {
	keys := []paceKey{{token: t.ID, secret: secret}}
	if secrets[secret].credential {
		keys = append(keys, paceKey{tenant: c.Tenant, name: c.Name})
	}
	err := s.paces.Compare(ctx, pace.Clock{Now: s.opt.Now, Wait: s.opt.Wait}, keys, compare)
	var soon *pace.TooSoonError
	var ended *pace.EndedError
	switch {
	case errors.Is(err, pace.ErrBusy):
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(time.Second, "too many tries of the %v of token %s come at the same time; try again later",
			secret, t.ID)
	case errors.As(err, &soon):
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(soon.Wait, "too many tries wait already, after wrong ones of the %v; try again later", secret)
	case errors.As(err, &ended):
		return Errorf(RateLimited, "the try was given up while it waited, and nothing was compared: %w", ended.Err)
	}
	return err
}
