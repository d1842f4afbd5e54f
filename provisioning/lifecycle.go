package provisioning

import (
	"context"
	"time"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// EnableRule is what a dialect requires before it switches a token on or off. The zero
// value requires nothing.
type EnableRule struct {
	Held      bool // somebody holds it
	Activated bool // it is activated
	Change    bool // it is not so already
}

func (r EnableRule) check(t *record.Token, on bool) error {
	word := map[bool]string{true: "enabled", false: "disabled"}[on]
	switch {
	case r.Held && len(t.Holders) == 0:
		return Errorf(WrongState, "token %s is not assigned to anybody; assign it first", t.ID)
	case r.Activated && t.Activation != record.Activated:
		return Errorf(WrongState, "token %s is not activated; activate it first", t.ID)
	case r.Change && t.Enabled == on:
		return Errorf(WrongState, "token %s is %s already", t.ID, word)
	}
	return nil
}

// SetEnabled switches a token on or off. Applications do not see a token that is switched
// off. Unless the rule says otherwise, a token that is in that state already is no error.
func (s *Service) SetEnabled(ctx context.Context, c Caller, ref TokenRef, on bool, rule EnableRule) (Token, error) {
	return s.changeBy(ctx, c, ref, []step{s.enableStep(c, on, rule)})
}

// enableStep is the step that switches a token on or off.
func (s *Service) enableStep(c Caller, on bool, rule EnableRule) step {
	op := OpTokenDisable
	if on {
		op = OpTokenEnable
	}
	return step{op, func(_ Tx, t *record.Token) error {
		if err := rule.check(t, on); err != nil {
			return err
		}
		if t.Enabled != on || t.EnabledAt.IsZero() { // the first call is told of, too
			t.Enabled, t.EnabledAt, t.EnabledBy = on, s.now(), c.Name
		}
		return nil
	}}
}

// SetExpiry sets when a token expires; the zero time is never. Its holders' applications
// do not see an expired token.
func (s *Service) SetExpiry(ctx context.Context, c Caller, ref TokenRef, at time.Time) (Token, error) {
	return s.changeToken(ctx, c, OpTokenExpiry, ref, func(t *record.Token) error {
		t.ExpiresAt = at.UTC()
		return nil
	})
}

// Decease ends a token for good. It deletes what is on the token and keeps the record.
func (s *Service) Decease(ctx context.Context, c Caller, ref TokenRef) (Token, error) {
	return s.changeBy(ctx, c, ref, []step{deceaseStep()})
}

// deceaseStep is the step of [Service.Decease].
func deceaseStep() step {
	return step{OpTokenDecease, func(tx Tx, t *record.Token) error {
		t.Deceased, t.Code, t.OTP.Key, t.BoundKey = true, record.ActivationCode{}, 0, nil
		for _, role := range []pin.Role{pin.User, pin.SO} {
			*t.PIN(role) = pin.State{Policy: t.PIN(role).Policy}
		}
		return tx.DeleteObjects(t.ID)
	}}
}

// SetConfined closes the download of a soft token, or opens it. A token that is in that
// state already is no error.
func (s *Service) SetConfined(ctx context.Context, c Caller, ref TokenRef, confined bool) (Token, error) {
	op := OpTokenRelease
	if confined {
		op = OpTokenConfine
	}
	return s.changeToken(ctx, c, op, ref, func(t *record.Token) error {
		t.Confined = confined
		return nil
	})
}

// Download records the device that a soft token is downloaded to. The same device may
// download it again; another one is a Conflict until the token is released.
func (s *Service) Download(ctx context.Context, c Caller, ref TokenRef, device string) (Token, error) {
	if err := checkName("device", device); err != nil {
		return Token{}, err
	}
	return s.changeToken(ctx, c, OpTokenDownload, ref, func(t *record.Token) error {
		if t.Device != "" && t.Device != device {
			return Errorf(Conflict, "token %s is on another device already; release it first", t.ID)
		}
		t.Device = device
		return nil
	})
}
