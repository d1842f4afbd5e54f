package provisioning

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// withKeys checks the caller's right for what an operation is besides where the token
// has keys; see the table of rights. Who has the right is not asked whether there are
// any.
func (c Caller) withKeys(tx ReadTx, op Operation, t *record.Token) error {
	err := c.mayDo(op)
	if err == nil {
		return nil
	}
	has, readErr := hasKeys(tx, t, rules[op].keys)
	if readErr != nil {
		return readErr
	}
	if has {
		return err
	}
	return nil
}

// hasKeys reports whether a token has keys of those that count: on a card private and
// secret keys and whatever else only a login shows, on a token for one-time passwords
// its seed.
func hasKeys(tx ReadTx, t *record.Token, which keys) (bool, error) {
	if t.Kind == record.KindOTP && which == cardKeys {
		return false, nil
	}
	all, err := tx.Objects(t.ID)
	if err != nil {
		return false, err
	}
	for _, o := range all {
		if slices.Contains(keyClasses, o.Class()) || o.Private() {
			return true, nil
		}
	}
	return false, nil
}

// keyClasses are the classes of objects that are keys.
var keyClasses = []ck.ObjectClass{ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY}

// widens reports whether the second part in a token lets its user do more than the
// first.
func widens(before, after record.Assignment) bool {
	return before.Suspended && !after.Suspended ||
		after.Starts.Before(before.Starts) ||
		later(after.Expires, before.Expires) ||
		more(after, before)
}

// later reports whether one end of a time is later than another; zero is no end.
func later(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// more reports whether one part leaves more uses than another; a limit of 0 is none.
func more(a, b record.Assignment) bool {
	return b.UsageLimit > 0 && (a.UsageLimit == 0 || a.UsageLimit-a.Uses > b.UsageLimit-b.Uses)
}
