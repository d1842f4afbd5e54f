package provisioning

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"vtoken/provisioning/pace"
	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Service is the provisioning core. It is safe for concurrent use. Beside the store it
// keeps only the directory of tokens, which follows the store, and the wrong tries of
// PINs and codes of the last minutes. [AsError] classifies the errors of all methods.
type Service struct {
	store  Store
	opt    Options
	finder finder
	fresh  freshKeys

	paces pace.Paces[paceKey]
}

// Options configure the core. The zero value is valid.
type Options struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// UserPIN and SOPIN are the policies that new tokens get; the zero value is
	// pin.Default.
	UserPIN, SOPIN pin.Policy
	// OSUser returns the name and the uid, as "#1000", of an operating system user who is
	// given as either, and nothing for an unknown one. If it is nil, all are unknown.
	OSUser func(name string) []string
	// Turns schedules slow work on the processors; nil runs all of it at once.
	Turns Turns
	// Applications are those that use tokens now; nil is none.
	Applications Applications
	// Wait delays a call after wrong secrets. It returns an error when ctx ends first;
	// nil is a timer.
	Wait func(ctx context.Context, long time.Duration) error
	// Guessed is called with the result of each try of a secret, and with ctx of the
	// call; nil is not called.
	Guessed func(ctx context.Context, t *record.Token, s Secret, what Guess)
}

// MaxPFX is the maximal size of a PFX in bytes.
const MaxPFX = 1 << 20

// New returns the core on a store.
func New(store Store, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OSUser == nil {
		o.OSUser = func(string) []string { return nil }
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Guessed == nil {
		o.Guessed = func(context.Context, *record.Token, Secret, Guess) {}
	}
	if o.UserPIN == (pin.Policy{}) {
		o.UserPIN = pin.Default
	}
	if o.SOPIN == (pin.Policy{}) {
		o.SOPIN = pin.Default
	}
	if o.Turns == nil {
		o.Turns = unlimitedTurns{}
	}
	return &Service{store: store, opt: o}
}

// wait waits for long, or until ctx ends.
func wait(ctx context.Context, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// now is the time as records keep it.
func (s *Service) now() time.Time { return s.opt.Now().UTC().Truncate(time.Second) }

// update runs fn in a transaction of the store. A request that ended before that changes
// nothing.
func (s *Service) update(ctx context.Context, fn func(tx Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.store.Update(fn)
}

// view runs fn in a snapshot of the store.
func (s *Service) view(ctx context.Context, fn func(tx ReadTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.store.View(fn)
}

// ParseID reads a GUID of 36 characters, in either case, and returns it in lower case, as
// it is stored. Errors are BadInput.
func ParseID[T ~string](what, s string) (T, error) {
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return "", Errorf(BadInput, "the %s id is not a GUID such as 123e4567-e89b-42d3-a456-426614174000; check it", what)
	}
	return T(id.String()), nil
}

// ParseIDs is [ParseID] for several. It returns the first error.
func ParseIDs[T ~string](what string, list []string) ([]T, error) {
	var ids []T
	for _, s := range list {
		id, err := ParseID[T](what, s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// newID returns a random id (RFC 9562, version 4).
func newID[T ~string]() T { return T(uuid.NewString()) }

// checkName is checkKnownName for a new name, which must not have deceptive characters.
func checkName(what, s string) error {
	if err := checkKnownName(what, s); err != nil {
		return err
	}
	return checkClear(what, s)
}

// checkKnownName refuses text that cannot be a name: empty, too long, not UTF-8, with
// control characters, or with blanks at the ends.
func checkKnownName(what, s string) error {
	switch {
	case !utf8.ValidString(s):
		return Errorf(BadInput, "the %s is not UTF-8 text", what)
	case s == "":
		return Errorf(BadInput, "the %s is empty; give one of 1 to %d characters", what, text.MaxName)
	case utf8.RuneCountInString(s) > text.MaxName:
		return Errorf(BadInput, "the %s has %d characters; give one of 1 to %d",
			what, utf8.RuneCountInString(s), text.MaxName)
	case strings.ContainsFunc(s, unicode.IsControl):
		return Errorf(BadInput, "the %s has a control character in it; leave it out", what)
	case strings.TrimSpace(s) != s:
		return Errorf(BadInput, "the %s begins or ends with a blank; leave it out", what)
	}
	return nil
}

// exists reports whether err is nil. It returns errors other than record.ErrNotFound.
func exists(err error) (bool, error) {
	if errors.Is(err, record.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
