package provisioning

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Secret is something of a token that can be guessed.
type Secret int

// The secrets.
const (
	UserPIN Secret = iota
	SOPIN
	OneTimePassword
	ActivationCode
	numberOfSecrets // keep last
)

// secrets says of each what it is called, and whether its wrong ones slow down the
// credential that gave them, whatever tokens they are of. One-time passwords do not: one
// credential verifies those of everybody, and people mistype them. The pace of the
// token holds for all.
var secrets = [numberOfSecrets]struct {
	name       string
	credential bool
}{
	UserPIN:         {"user PIN", true},
	SOPIN:           {"SO PIN", true},
	OneTimePassword: {"one-time password", false},
	ActivationCode:  {"activation code", true},
}

// String is its name, as errors, the audit log and metrics have it.
func (s Secret) String() string {
	if s < 0 || s >= numberOfSecrets {
		return fmt.Sprintf("secret %d", int(s))
	}
	return secrets[s].name
}

// Secrets are all secrets.
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

// Guess is what became of a try of a secret, or of its tries.
type Guess string

// What becomes of tries.
const (
	GuessWrong    Guess = "wrong"    // it was compared, and is not right
	GuessLocked   Guess = "locked"   // it was wrong, and no more are taken
	GuessRefused  Guess = "refused"  // not compared: too many wait already, or new tries came too often
	GuessUnlocked Guess = "unlocked" // an administrator gave it new tries
)

// The bounds of [guesses]: the tokens and credentials whose wrong tries are remembered,
// and the tries of one secret that wait for each other.
const (
	maxGuessers = 10_000
	maxWaiting  = 64
)

// guesses are the paces of those who gave wrong secrets: one for each secret of a token,
// whoever gives them, so that more credentials make no more guesses, and one for each
// credential. The zero value has none.
type guesses struct {
	mu sync.Mutex
	of map[guesser]*guessed
}

// guesser is a secret of a token, or a credential.
type guesser struct {
	token  record.TokenID
	secret Secret

	tenant record.TenantID
	name   string
}

// guessed is the pace of a guesser. busy has a place for the one comparison that is
// under way, and users are those who hold a reference.
type guessed struct {
	pace  pin.Pace
	busy  chan struct{}
	users int
}

// verdict is what a comparison says.
type verdict int

const (
	undecided verdict = iota // there was none, or it tells nothing
	right
	wrong
)

// compareInTurn has a secret of a token compared as [pin.Pace] wants it: one comparison
// after the other, and after wrong ones with a wait, which ends with ctx. Nothing is
// held meanwhile but a place in the row. The caller has checked that c may try at all.
// compare counts the try durably before it compares.
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

// enter waits until no other comparison is under way. Whoever is in takes the value out
// of busy again.
func (g *guessed) enter(ctx context.Context) error {
	select {
	case g.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return givenUp(ctx.Err())
	}
}

// givenUp is the error of a try that ended while it waited.
func givenUp(err error) error {
	return Errorf(RateLimited, "the try was given up while it waited, and nothing was compared: %w", err)
}

// join finds or makes the pace of a guesser, and holds on to it; nil where too many do
// already.
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

// leave lets go of what join found, and forgets it where nothing was wrong.
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

// makeRoom forgets those whose wrong tries are long ago, or else the one whose are
// longest ago.
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

// turn takes a place in all rows, or in none where one of them is too long.
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

// note remembers how a comparison ended. A right secret forgets the wrong ones of its
// token, and not those of the credential: it may be right about a token of its own.
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
