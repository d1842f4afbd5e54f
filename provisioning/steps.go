package provisioning

import (
	"context"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// step is one of several changes to a token that are made together, with its operation.
type step struct {
	op     Operation
	change func(tx Tx, t *record.Token) error
}

// changeBy takes the steps in order in one transaction, all or none. The state of the
// token is checked before each.
func (s *Service) changeBy(ctx context.Context, c Caller, ref TokenRef, steps []step) (Token, error) {
	if len(steps) == 0 {
		return Token{}, Errorf(BadInput, "nothing to change; name something")
	}
	if err := mayTakeAll(c, steps); err != nil {
		return Token{}, err
	}
	return s.changeIn(ctx, c, steps[0].op, ref, func(tx Tx, t *record.Token) error { return s.takeAll(tx, t, steps) })
}

// mayTakeAll checks the caller's rights for all steps.
func mayTakeAll(c Caller, steps []step) error {
	for _, one := range steps {
		if err := c.mayDo(one.op); err != nil {
			return err
		}
	}
	return nil
}

// takeAll takes the steps on a copy of a token.
func (s *Service) takeAll(tx Tx, t *record.Token, steps []step) error {
	for _, one := range steps {
		if err := one.op.allowed(t, s.now()); err != nil {
			return err
		}
		if err := one.change(tx, t); err != nil {
			return err
		}
	}
	return nil
}

// TokenChange changes several properties of a token at once; nil leaves one unchanged.
type TokenChange struct {
	// Label is the new name. Empty names the token after its serial number.
	Label *string
	// Enabled switches it on or off.
	Enabled *bool
	// Deceased ends it for good.
	Deceased bool
}

// ChangeToken makes all changes or none. Switching a token to the state that it has is no
// error.
func (s *Service) ChangeToken(ctx context.Context, c Caller, ref TokenRef, change TokenChange) (Token, error) {
	var steps []step
	if change.Label != nil {
		steps = append(steps, labelStep(*change.Label))
	}
	if change.Enabled != nil {
		steps = append(steps, s.enableStep(c, *change.Enabled, EnableRule{}))
	}
	if change.Deceased {
		steps = append(steps, deceaseStep())
	}
	return s.changeBy(ctx, c, ref, steps)
}

// labelStep is the step that sets the label of a token. The empty label is the serial
// number.
func labelStep(label string) step {
	return step{OpTokenLabel, func(_ Tx, t *record.Token) error {
		if label == "" {
			t.Label = t.Serial
			return nil
		}
		t.Label = label
		return checkLabel(label, LabelRule{})
	}}
}

// PINChange changes a token's user PIN; the zero value changes nothing.
type PINChange struct {
	// New is the new PIN; the caller wipes it. Clear unsets the current one.
	New   secret.Bytes
	Clear bool
	// Unlock restores the tries of a locked PIN.
	Unlock bool
	// MustChange says whether the holder must choose another PIN.
	MustChange *bool
}

// steps returns the steps after setting a new PIN. u gets what was unlocked.
func (p PINChange) steps(s *Service, c Caller, u *unlocking) (list []step) {
	if p.Clear {
		list = append(list, clearPINStep(pin.User))
	}
	if p.Unlock {
		list = append(list, s.unlocking(c, u))
	}
	if p.MustChange != nil {
		list = append(list, step{OpTokenHolder, func(_ Tx, t *record.Token) error {
			if *p.MustChange && !t.UserPIN.Set() {
				return Errorf(WrongState, "token %s has no user PIN that could be changed; set one first", t.ID)
			}
			t.UserPIN.ToBeChanged = *p.MustChange
			return nil
		}})
	}
	return list
}

// unlocking is the step that restores the tries of a locked user PIN. Only a locked one
// takes the right to unlock.
func (s *Service) unlocking(c Caller, u *unlocking) step {
	return step{OpTokenHolder, func(_ Tx, t *record.Token) error {
		*u = unlocking{}
		if !t.UserPIN.Locked() {
			return nil
		}
		if err := c.mayDo(OpTokenUnlock); err != nil {
			return err
		}
		if err := OpTokenUnlock.allowed(t, s.now()); err != nil {
			return err
		}
		return u.pin(t, pin.User, s.now())
	}}
}
