package provisioning

import (
	"time"

	"vtoken/vtoken/record"
)

// state is a set of the conditions below. Operations say what they need of a token with
// it; the zero value needs nothing.
type state uint16

// The conditions, on one axis of a token each.
const (
	alive        state = 1 << iota // not deceased
	incomplete                     // not complete
	unexpired                      // its end has not come
	held                           // somebody holds it
	unheld                         // nobody does
	notActivated                   // not activated yet
	activated                      // it is
	enabled                        // not switched off
	released                       // its download is not confined
	card                           // for keys and certificates
	otp                            // for one-time passwords
	soft                           // software, rather than a device that came with its secret
	unenrolled                     // no device has its seed for certain
)

// conditions says when each condition holds, and the kind and text of the error where it
// does not. The text follows "token …".
var conditions = []struct {
	is     state
	kind   Kind
	holds  func(t *record.Token, now time.Time) bool
	reason string
}{
	{alive, WrongState, func(t *record.Token, _ time.Time) bool { return !t.Deceased },
		"is deceased, and nothing about it changes any more; delete it and create a new one"},
	{card, NotSupported, func(t *record.Token, _ time.Time) bool { return t.Kind == record.KindCard },
		"is for one-time passwords; do this with a card"},
	{otp, NotSupported, func(t *record.Token, _ time.Time) bool { return t.Kind == record.KindOTP },
		"is a card; do this with a token for one-time passwords"},
	{soft, NotSupported, func(t *record.Token, _ time.Time) bool { return !t.Product.Hardware },
		"is a hardware token, whose secret is in the device and stays here; do this with a soft token"},
	{incomplete, Sealed, func(t *record.Token, _ time.Time) bool { return !t.Complete },
		"is complete, and a complete token's keys, certificates, PINs and label no longer change; create a new token instead"},
	{unexpired, WrongState, func(t *record.Token, now time.Time) bool { return !expired(t, now) },
		"has expired; give it another end first"},
	{held, WrongState, func(t *record.Token, _ time.Time) bool { return len(t.Holders) > 0 },
		"is not assigned to anybody; assign it first"},
	{unheld, WrongState, func(t *record.Token, _ time.Time) bool { return len(t.Holders) == 0 },
		"is assigned; unassign it first"},
	{notActivated, WrongState, func(t *record.Token, _ time.Time) bool { return t.Activation != record.Activated },
		"is activated already"},
	{unenrolled, WrongState, func(t *record.Token, _ time.Time) bool { return !enrolled(t) },
		"was in use, so a device has its seed, which does not leave again; delete the token and create a new one"},
	{activated, WrongState, func(t *record.Token, _ time.Time) bool { return t.Activation == record.Activated },
		"is not activated; activate it first"},
	{enabled, WrongState, func(t *record.Token, _ time.Time) bool { return t.Enabled },
		"is switched off; enable it first"},
	{released, WrongState, func(t *record.Token, _ time.Time) bool { return !t.Confined },
		"is confined; release its download first"},
}

// allowed checks a token's state against the operation's rule.
func (op Operation) allowed(t *record.Token, now time.Time) error {
	for _, c := range conditions {
		if rules[op].needs&c.is != 0 && !c.holds(t, now) {
			return Errorf(c.kind, "cannot %v: token %s %s", op, t.ID, c.reason)
		}
	}
	return nil
}

// enrolled reports whether a device certainly has the seed of a token. Records of earlier
// versions do not say so for tokens that were activated.
func enrolled(t *record.Token) bool {
	return t.OTP.Enrolled || t.Kind == record.KindOTP && (t.Activation == record.Activated || !t.LastUsedAt.IsZero())
}

// expired reports whether a token has expired.
func expired(t *record.Token, now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// actions returns the operations that change a token and that its state allows to callers
// with the rights for them.
func actions(t *record.Token, now time.Time) []Operation {
	var list []Operation
	for op := Operation(0); op < numberOfOperations; op++ {
		if rules[op].action != "" && op.allowed(t, now) == nil {
			list = append(list, op)
		}
	}
	return list
}
