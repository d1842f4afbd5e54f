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

// Bounds of [tryPaces]: the tokens and credentials whose wrong tries are kept, and the
// tries of one secret that wait for each other.
const (
	maxGuessers = 10_000
	maxWaiting  = 64
)

// tryPaces has the paces of wrong tries: one for each secret of a token, for all
// credentials together, so that more credentials get no more tries; and one for each
// credential. The zero value is ready to use.
type tryPaces struct {
	mu sync.Mutex
	of map[paceKey]*paceEntry
}

// paceKey names a secret of a token, or a credential.
type paceKey struct {
	token  record.TokenID
	secret Secret

	tenant record.TenantID
	name   string
}

// paceEntry is the pace of a guesser. busy has room for the one comparison that is running,
// and users counts references.
type paceEntry struct {
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
func (s *Service) compareInTurn(
	ctx context.Context, c Caller, t *record.Token, secret Secret, compare func() (verdict, error),
) error {
	of := paceKey{token: t.ID, secret: secret}
	g := s.paces.join(of, s.opt.Now())
	if g == nil {
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(time.Second, "too many tries of the %v of token %s come at the same time; try again later",
			secret, t.ID)
	}
	defer func() { s.paces.leave(of, g, s.opt.Now()) }()
	if err := g.enter(ctx); err != nil {
		return err
	}
	in := true
	defer func() {
		if in {
			<-g.busy
		}
	}()
	paces := []paceKey{of}
	if secrets[secret].credential {
		paces = append(paces, paceKey{tenant: c.Tenant, name: c.Name})
	}
	wait, ok := s.paces.turn(paces, s.opt.Now())
	if !ok {
		s.opt.Guessed(ctx, t, secret, GuessRefused)
		return TooSoon(wait, "too many tries wait already, after wrong ones of the %v; try again later", secret)
	}
	if wait > 0 {
		<-g.busy // others go on meanwhile
		in = false
		if err := s.opt.Wait(ctx, wait); err != nil {
			return tryEnded(err)
		}
		if err := g.enter(ctx); err != nil {
			return err
		}
		in = true
	}
	v, err := compare()
	s.paces.note(paces, v, s.opt.Now())
	return err
}

// enter waits until no other comparison is running. The caller receives from busy when it
// is done.
func (g *paceEntry) enter(ctx context.Context) error {
	select {
	case g.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return tryEnded(ctx.Err())
	}
}

// tryEnded returns the error of a try that ended while it waited.
func tryEnded(err error) error {
	return Errorf(RateLimited, "the try was given up while it waited, and nothing was compared: %w", err)
}

// join returns the pace of a guesser and holds a reference to it, or nil where too many
// hold one.
func (gs *tryPaces) join(of paceKey, now time.Time) *paceEntry {
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
func (gs *tryPaces) leave(of paceKey, g *paceEntry, now time.Time) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g.users--; g.users == 0 && g.pace.Over(now) {
		delete(gs.of, of)
	}
}

func (gs *tryPaces) find(of paceKey, now time.Time) *paceEntry {
	if g := gs.of[of]; g != nil {
		return g
	}
	if len(gs.of) >= maxGuessers {
		gs.makeRoom(now)
	}
	if gs.of == nil {
		gs.of = map[paceKey]*paceEntry{}
	}
	g := &paceEntry{busy: make(chan struct{}, 1)}
	gs.of[of] = g
	return g
}

// makeRoom deletes the paces whose wrong tries are old, or at least the oldest one.
func (gs *tryPaces) makeRoom(now time.Time) {
	var oldest paceKey
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
func (gs *tryPaces) turn(paces []paceKey, now time.Time) (wait time.Duration, ok bool) {
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
func (gs *tryPaces) note(paces []paceKey, v verdict, now time.Time) {
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
