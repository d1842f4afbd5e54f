package vtoken

import (
	"context"
	"sync"

	"vtoken/vtoken/ck"
)

// slotEvents are the slots with an event that the application has not taken yet: at most one
// event for each slot, as the standard has it.
type slotEvents struct {
	mu     sync.Mutex
	slots  []ck.SlotID
	queued map[ck.SlotID]struct{} // the same
	wake   chan struct{}          // not empty while slots is not
	closed chan struct{}
	over   bool
}

func (e *slotEvents) raise(slot ck.SlotID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, there := e.queued[slot]; !there {
		if e.queued == nil {
			e.queued = map[ck.SlotID]struct{}{}
		}
		e.queued[slot] = struct{}{}
		e.slots = append(e.slots, slot)
	}
	e.ring()
}

func (e *slotEvents) take() (ck.SlotID, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.slots) == 0 {
		return 0, false
	}
	slot := e.slots[0]
	e.slots = e.slots[1:]
	delete(e.queued, slot)
	e.ring()
	return slot, true
}

// ring wakes one waiting call if there is an event to take. e.mu is locked.
func (e *slotEvents) ring() {
	if len(e.slots) > 0 {
		e.nudge()
	}
}

// nudge makes a waiting call check again what the application may see.
func (e *slotEvents) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *slotEvents) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.over {
		e.over = true
		close(e.closed)
	}
}

// WaitForSlotEvent is C_WaitForSlotEvent (section 5.5). It returns the slot of a token that
// was made, completed, removed, relabelled, initialized, enabled, disabled, locked or
// unlocked. Without such an event it waits, or returns CKR_NO_EVENT with dontBlock. If the
// client is closed during the wait, it returns CKR_CRYPTOKI_NOT_INITIALIZED: NSS relies on
// C_Finalize to wake it. If ctx ends, it returns CKR_FUNCTION_CANCELED.
func (c *Client) WaitForSlotEvent(ctx context.Context, dontBlock bool) (ck.SlotID, error) {
	for {
		// The slots have to be known for their changes to be noticed.
		if err := c.refreshIfStale(); err != nil {
			return 0, err
		}
		if slot, ok := c.events.take(); ok {
			c.mu.Lock()
			c.seen[slot] = struct{}{}
			c.mu.Unlock()
			return slot, nil
		}
		if dontBlock {
			return 0, ck.CKR_NO_EVENT
		}
		select {
		case <-c.events.wake:
		case <-c.events.closed:
			return 0, ck.CKR_CRYPTOKI_NOT_INITIALIZED
		case <-ctx.Done():
			return 0, canceled(ctx.Err())
		}
	}
}
