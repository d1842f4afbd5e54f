package vtoken

import (
	"context"
	"fmt"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Turns shares the processors between the OS users with slow work.
type Turns interface {
	// Do runs work when it is the owner's turn. It returns nil when work has returned, and
	// an error where work was not run: ctx's where that ended, or that too much of the
	// owner's work waits. Work that takes long calls pause between its steps; an error of
	// pause is ctx's, and work ends.
	Do(ctx context.Context, owner string, work func(pause func() error)) error
}

// atOnce is the default Turns: nobody waits.
type atOnce struct{}

func (atOnce) Do(ctx context.Context, _ string, work func(pause func() error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	work(ctx.Err)
	return nil
}

// ownerOf is the default owner of a process's work: its OS user.
func ownerOf(p record.Peer) string { return fmt.Sprintf("uid %d", p.UID) }

// inTurn runs slow work of the application when it is its turn. If the application ends
// before, the work does not run: CKR_FUNCTION_CANCELED.
func (c *Client) inTurn(work func(pause func() error) error) error {
	var err error
	ctx := c.calls.Load().ctx
	refused := c.engine.opts.Turns.Do(ctx, c.owner, func(pause func() error) {
		err = work(func() error { return canceled(pause()) })
	})
	switch {
	case refused == nil:
		return err
	case ctx.Err() != nil:
		return canceled(refused)
	}
	return ck.Errorf(ck.CKR_DEVICE_MEMORY, "waiting for a processor: %w", refused)
}

// canceled returns the error of a call whose application is gone; nil stays nil.
func canceled(err error) error {
	if err == nil {
		return nil
	}
	return ck.Errorf(ck.CKR_FUNCTION_CANCELED, "the application is gone: %w", err)
}

// Cancel ends what the application waits for, and its slow work, as far as that can be
// interrupted: those calls answer CKR_FUNCTION_CANCELED. It is called when the application's
// last connection has ended. Later calls are not affected: an application may come back.
func (c *Client) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.calls.Load()
	if !c.closed {
		c.calls.Store(newCalls())
	}
	now.cancel()
}
