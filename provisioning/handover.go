package provisioning

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// mayDoWithKeys checks the right that a caller needs for an operation on a token that has
// keys; see the table of operations. It does not look for keys if the caller has the
// right.
func (c Caller) mayDoWithKeys(tx ReadTx, op Operation, t *record.Token) error {
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

// hasKeys reports whether a token has keys of a kind: on a card, private and secret keys
// and other private objects; on an OTP token, its seed.
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

// widens reports whether an assignment after a change lets its user do more than before.
func widens(before, after record.Assignment) bool {
	return before.Suspended && !after.Suspended ||
		after.Starts.Before(before.Starts) ||
		endsLater(after.Expires, before.Expires) ||
		leavesMoreUses(after, before)
}

// endsLater reports whether a ends later than b; the zero time is no end.
func endsLater(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

// leavesMoreUses reports whether a leaves more uses than b; a limit of 0 is none.
func leavesMoreUses(a, b record.Assignment) bool {
	return b.UsageLimit > 0 && (a.UsageLimit == 0 || a.UsageLimit-a.Uses > b.UsageLimit-b.Uses)
}
