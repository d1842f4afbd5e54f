package provisioning

import (
	"context"
	"fmt"
)

// Turns shares the processors between the callers that ask for slow work.
type Turns interface {
	// Do runs work when it is the owner's turn. It returns nil when work has returned, and
	// an error where work was not run: ctx's where that ended, or that too much of the
	// owner's work waits. Work that takes long calls pause between its steps; an error of
	// pause is ctx's, and work ends.
	Do(ctx context.Context, owner string, work func(pause func() error)) error
}

// atOnce is the Turns of a service that is given none: nobody waits.
type atOnce struct{}

func (atOnce) Do(ctx context.Context, _ string, work func(pause func() error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	work(ctx.Err)
	return nil
}

// inTurn does slow work of a request when it is its credential's turn. A request that was
// given up before costs nothing. What waits for a turn is not in a transaction.
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
