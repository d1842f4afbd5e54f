package provisioning

import (
	"context"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Assign says who gets a token, and how.
type Assign struct {
	// User is the login, an alias or the id of a user who is enabled.
	User string
	// Share adds the user to the holders of a token that is held.
	Share bool
	// Take takes a held token from its holders. A token that nobody holds is assigned as
	// usual.
	Take bool
	// KeepKeys keeps the keys and PINs of a card that changes hands; it takes the right
	// for OpTokenKeep. Otherwise a card that goes to anybody but its last owner is
	// emptied first: its keys are deleted, its PINs unset and its seal removed. If it has
	// keys, that takes the right for OpTokenEmpty.
	KeepKeys bool
	// Activation is the activation of the token afterwards. Share does not change it.
	Activation record.Activation
	// Label is its new label; empty keeps the old one.
	Label string
}

// Assign gives a token to a user. Without Share or Take nobody may hold the token
// (WrongState); a user who holds it already is a Conflict. The table of operations says
// which rights it takes where the token has keys.
func (s *Service) Assign(ctx context.Context, c Caller, ref TokenRef, a Assign) (Token, error) {
	if a.Label != "" {
		if err := checkLabel(a.Label, LabelRule{}); err != nil {
			return Token{}, err
		}
	}
	if a.KeepKeys {
		if err := c.mayDo(OpTokenKeep); err != nil {
			return Token{}, err
		}
	}
	return s.changeFound(ctx, c, OpTokenAssign, ref, func(tx Tx, t *record.Token) error { return s.assign(tx, c, t, a) })
}

// assign makes a user the holder of t. It deletes objects of the token where the token
// must be emptied, and leaves storing t to the caller.
func (s *Service) assign(tx Tx, c Caller, t *record.Token, a Assign) error {
	u, err := userOf(tx, t.Tenant, a.User)
	if err != nil {
		return err
	}
	if !u.Enabled {
		return Errorf(WrongState, "user %q is disabled; enable the user first", text.Clip(u.Login))
	}
	if t.Assignment(u.ID) != nil {
		return Errorf(Conflict, "user %q has token %s already", text.Clip(u.Login), t.ID)
	}
	op := a.operation(t)
	if err := c.mayDo(op); err != nil {
		return err
	}
	if err := op.allowed(t, s.now()); err != nil {
		return err
	}
	if a.Label != "" && a.Label != t.Label {
		if err := OpTokenLabel.allowed(t, s.now()); err != nil {
			return err
		}
		t.Label = a.Label
	}
	part := record.Assignment{User: u.ID, At: s.now(), By: c.Name}
	if op == OpTokenShare {
		if err := c.mayDoWithKeys(tx, OpTokenShareKeys, t); err != nil {
			return err
		}
		if len(t.Holders) >= maxHolders {
			return Errorf(WrongState, "token %s has %d holders, which is the most there may be", t.ID, len(t.Holders))
		}
		t.Holders = append(t.Holders, part)
		return nil
	}
	last := t.LastHolder
	if t.Owner() != "" {
		last = t.Owner()
	}
	if last != "" && last != u.ID && !a.KeepKeys {
		if err := c.mayDoWithKeys(tx, OpTokenEmpty, t); err != nil {
			return err
		}
		if err := empty(tx, t); err != nil {
			return err
		}
	}
	t.Holders, t.LastHolder, t.Groups = []record.Assignment{part}, "", nil
	setActivation(t, a.Activation)
	return nil
}

// maxHolders bounds the holders of one token.
const maxHolders = 64

// operation returns the operation that the assignment is.
func (a Assign) operation(t *record.Token) Operation {
	switch {
	case a.Share:
		return OpTokenShare
	case a.Take && len(t.Holders) > 0:
		return OpTokenTake
	}
	return OpTokenAssign
}

// empty prepares a token for another owner: it deletes the keys of a card, and unsets the
// PINs. The seed of an OTP token belongs to the token and stays.
func empty(tx Tx, t *record.Token) error {
	for _, role := range []pin.Role{pin.User, pin.SO} {
		*t.PIN(role) = pin.State{Policy: t.PIN(role).Policy}
	}
	t.Complete, t.Device, t.BoundKey = false, "", nil
	if t.Kind == record.KindOTP {
		return nil
	}
	return tx.DeleteObjects(t.ID)
}

// Unassign takes a token from a user, or from all holders where user is empty. Its
// contents stay until another user gets the token, and nobody can use them meanwhile. A
// user who does not hold it is WrongState. Where the owner leaves a card with keys to
// other holders, it takes the right for OpTokenPassOn.
func (s *Service) Unassign(ctx context.Context, c Caller, ref TokenRef, user string) (Token, error) {
	return s.changeIn(ctx, c, OpTokenUnassign, ref, func(tx Tx, t *record.Token) error {
		owner, gone := t.Owner(), record.UserID("")
		if user != "" {
			u, err := userOf(tx, t.Tenant, user)
			if err != nil {
				return err
			}
			if gone = u.ID; t.Assignment(gone) == nil {
				return Errorf(WrongState, "user %q does not have token %s", text.Clip(u.Login), t.ID)
			}
		}
		var left []record.Assignment
		for _, a := range t.Holders {
			if user != "" && a.User != gone {
				left = append(left, a)
			}
		}
		if len(left) > 0 && gone == owner {
			if err := c.mayDoWithKeys(tx, OpTokenPassOn, t); err != nil {
				return err
			}
		}
		if t.Holders = left; len(left) == 0 {
			t.LastHolder = owner
			setActivation(t, record.ActivationNew)
		}
		return nil
	})
}

// HolderChange is a change to the assignment of one holder; nil leaves a field unchanged,
// and a zero time is no bound. A new usage limit restarts the count. The PIN belongs to
// the token, so it is the same for all holders.
type HolderChange struct {
	Suspended            *bool
	Starts, Expires      *time.Time
	UsageLimit, Priority *int
	PIN                  PINChange
}

// SetHolder changes the assignment of a holder, all or nothing. A user who does not hold
// the token is WrongState. Where it lets a holder beside the owner use keys more than
// before, it takes the right for OpTokenWiden.
func (s *Service) SetHolder(ctx context.Context, c Caller, ref TokenRef, user string, change HolderChange) (Token, error) {
	for _, n := range []*int{change.UsageLimit, change.Priority} {
		if n != nil && *n < 0 {
			return Token{}, Errorf(BadInput, "a usage limit or a priority cannot be %d; give 0 or more", *n)
		}
	}
	var u unlocking
	steps := append([]step{holderStep(c, user, change)}, change.PIN.steps(s, c, &u)...)
	if change.PIN.New != nil {
		return s.resetPIN(ctx, c, ref, newPIN{role: pin.User, pin: change.PIN.New, also: steps}, nil)
	}
	view, err := s.changeBy(ctx, c, ref, steps)
	s.reportUnlocked(ctx, u, err)
	return view, err
}

// holderStep is the step that changes the assignment of a holder.
func holderStep(c Caller, user string, change HolderChange) step {
	return step{OpTokenHolder, func(tx Tx, t *record.Token) error {
		u, err := userOf(tx, t.Tenant, user)
		if err != nil {
			return err
		}
		a := t.Assignment(u.ID)
		if a == nil {
			return Errorf(WrongState, "user %q does not have token %s", text.Clip(u.Login), t.ID)
		}
		before := *a
		set(&a.Suspended, change.Suspended)
		set(&a.Starts, change.Starts)
		set(&a.Expires, change.Expires)
		if change.UsageLimit != nil {
			a.UsageLimit, a.Uses = *change.UsageLimit, 0
		}
		set(&a.Priority, change.Priority)
		if a.User != t.Owner() && widens(before, *a) {
			return c.mayDoWithKeys(tx, OpTokenWiden, t)
		}
		return nil
	}}
}

// HolderRef names the assignment of a token to a user.
type HolderRef struct {
	Token TokenRef
	User  string // login, alias or id
}

// SortHolders sets the priorities of assignments to their positions in order, from 0 on,
// all or none.
func (s *Service) SortHolders(ctx context.Context, c Caller, order []HolderRef) error {
	return s.update(ctx, func(tx Tx) error {
		for i, ref := range order {
			t, err := s.token(tx, c, OpTokenHolder, ref.Token)
			if err != nil {
				return err
			}
			u, err := userOf(tx, t.Tenant, ref.User)
			if err != nil {
				return err
			}
			t = t.Clone()
			a := t.Assignment(u.ID)
			if a == nil {
				return Errorf(WrongState, "user %q does not have token %s", text.Clip(u.Login), t.ID)
			}
			a.Priority = i
			if err := tx.PutToken(t); err != nil {
				return err
			}
		}
		return nil
	})
}

// set assigns value to field unless value is nil.
func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
