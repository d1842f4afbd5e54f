package provisioning

import (
	"context"
	"fmt"
	"sync"
	"time"

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

// Bounds of [guesses]: the tokens and credentials whose wrong tries are kept, and the
// tries of one secret that wait for each other.
const (
	maxGuessers = 10_000
	maxWaiting  = 64
)

// guesses has the paces of wrong tries: one for each secret of a token, for all
// credentials together, so that more credentials get no more tries; and one for each
// credential. The zero value is ready to use.
type guesses struct {
	mu sync.Mutex
	of map[guesser]*guessed
}

// guesser names a secret of a token, or a credential.
type guesser struct {
	token  record.TokenID
	secret Secret

	tenant record.TenantID
	name   string
}

// guessed is the pace of a guesser. busy has room for the one comparison that is running,
// and users counts references.
type guessed struct {
	pace  pin.Pace
	busy  chan struct{}
	users int
}

// verdict is the result of a comparison.
type verdict int

const (
	undecided verdict = iota // there was none, or it tells nothing
	right
	wrong
)

// compareInTurn calls compare for a secret of a token at the pace of [pin.Pace]: one
// comparison at a time, and after wrong ones with a wait, which ends with ctx. The caller
// has checked that c may try. compare must store the try before it compares.
func (s *Service) compareInTurn(ctx context.Context, c Caller, t *record.Token, secret Secret, compare func() (verdict, error)) error {
	of := guesser{token: t.ID, secret: secret}
	g := s.guesses.join(of, s.opt.Now())
	if g == nil {
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(time.Second, "too many tries of the %v of token %s come at the same time; try again later", secret, t.ID)
	}
	defer func() { s.guesses.leave(of, g, s.opt.Now()) }()
	if err := g.enter(ctx); err != nil {
		return err
	}
	in := true
	defer func() {
		if in {
			<-g.busy
		}
	}()
	paces := []guesser{of}
	if secrets[secret].credential {
		paces = append(paces, guesser{tenant: c.Tenant, name: c.Name})
	}
	wait, ok := s.guesses.turn(paces, s.opt.Now())
	if !ok {
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(wait, "too many tries wait already, after wrong ones of the %v; try again later", secret)
	}
	if wait > 0 {
		<-g.busy // others go on meanwhile
		in = false
		if err := s.opt.Wait(ctx, wait); err != nil {
			return givenUp(err)
		}
		if err := g.enter(ctx); err != nil {
			return err
		}
		in = true
	}
	v, err := compare()
	s.guesses.note(paces, v, s.opt.Now())
	return err
}

// enter waits until no other comparison is running. The caller receives from busy when it
// is done.
func (g *guessed) enter(ctx context.Context) error {
	select {
	case g.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return givenUp(ctx.Err())
	}
}

// givenUp returns the error of a try that ended while it waited.
func givenUp(err error) error {
	return Errorf(RateLimited, "the try was given up while it waited, and nothing was compared: %w", err)
}

// join returns the pace of a guesser and holds a reference to it, or nil where too many
// hold one.
func (gs *guesses) join(of guesser, now time.Time) *guessed {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.find(of, now)
	if g.users >= maxWaiting {
		return nil
	}
	g.users++
	return g
}

// leave drops the reference of join, and deletes a pace that has no wrong tries.
func (gs *guesses) leave(of guesser, g *guessed, now time.Time) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g.users--; g.users == 0 && g.pace.Over(now) {
		delete(gs.of, of)
	}
}

func (gs *guesses) find(of guesser, now time.Time) *guessed {
	if g := gs.of[of]; g != nil {
		return g
	}
	if len(gs.of) >= maxGuessers {
		gs.makeRoom(now)
	}
	if gs.of == nil {
		gs.of = map[guesser]*guessed{}
	}
	g := &guessed{busy: make(chan struct{}, 1)}
	gs.of[of] = g
	return g
}

// makeRoom deletes the paces whose wrong tries are old, or at least the oldest one.
func (gs *guesses) makeRoom(now time.Time) {
	var oldest guesser
	var until time.Time
	for of, g := range gs.of {
		switch {
		case g.users > 0:
		case g.pace.Over(now):
			delete(gs.of, of)
		case until.IsZero() || g.pace.Until().Before(until):
			oldest, until = of, g.pace.Until()
		}
	}
	if len(gs.of) >= maxGuessers {
		delete(gs.of, oldest)
	}
}

// turn reserves a place in all queues, or in none if one of them is too long.
func (gs *guesses) turn(paces []guesser, now time.Time) (wait time.Duration, ok bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	after := make([]pin.Pace, len(paces))
	for i, of := range paces {
		if g := gs.of[of]; g != nil {
			after[i] = g.pace
		}
		long, ok := after[i].Turn(now)
		if wait = max(wait, long); !ok {
			return wait, false
		}
	}
	for i, of := range paces {
		if g := gs.of[of]; g != nil {
			g.pace = after[i]
		}
	}
	return wait, true
}

// note records the result of a comparison. A right secret clears the wrong tries of its
// token, but not those of the credential: it may be the secret of the attacker's own
// token.
func (gs *guesses) note(paces []guesser, v verdict, now time.Time) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	switch v {
	case right:
		if g := gs.of[paces[0]]; g != nil {
			g.pace = pin.Pace{}
		}
	case wrong:
		for _, of := range paces {
			gs.find(of, now).pace.Wrong(now)
		}
	}
}
