package provisioning

import (
	"context"
	"fmt"
)

// Turns shares the processors between callers that ask for slow work.
type Turns interface {
	// Do runs work when it is the owner's turn. It returns nil when work has returned,
	// and an error if work was not run: that of ctx, or that too much of the owner's work
	// is waiting. Long work calls pause between its steps, and stops when pause returns
	// an error, which is that of ctx.
	Do(ctx context.Context, owner string, work func(pause func() error)) error
}

// unlimitedTurns is the default Turns: it runs work at once.
type unlimitedTurns struct{}

func (unlimitedTurns) Do(ctx context.Context, _ string, work func(pause func() error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	work(ctx.Err)
	return nil
}

// inTurn runs slow work when it is the credential's turn. A request that has ended costs
// nothing. It is not called in a transaction.
func (s *Service) inTurn(ctx context.Context, c Caller, work func(pause func() error) error) error {
	var err error
	refused := s.opt.Turns.Do(ctx, fmt.Sprintf("api %q %q", c.Tenant, c.Name), func(pause func() error) { err = work(pause) })
	switch {
	case refused == nil:
		return err
	case ctx.Err() != nil:
		return refused
	}
	return &Error{Kind: RateLimited, Detail: "too many slow requests of this credential wait for a processor; try again when some are answered", Err: refused}
}
