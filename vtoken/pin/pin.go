package pin

import (
	"time"
	"unicode/utf8"

	"vtoken/vtoken/ck"
)

// Role is whose PIN it is.
type Role byte

// The two roles of a token.
const (
	User Role = iota
	SO
)

// String is the name of the role, as errors and logs use it.
func (r Role) String() string {
	if r == SO {
		return "SO"
	}
	return "user"
}

// Policy is what a token asks of a role's PIN.
type Policy struct {
	MinLen   int // characters
	MaxLen   int // characters
	MaxTries int // wrong tries in a row until the PIN is locked; 0 is no limit
}

// Default is the policy of tokens made by C_InitToken.
var Default = Policy{MinLen: 4, MaxLen: 255, MaxTries: 10}

// Check tells whether a new PIN fits the policy: CKR_PIN_LEN_RANGE where its
// length does not, CKR_PIN_INVALID where it is not UTF-8.
func (p Policy) Check(newPIN []byte) error {
	if !utf8.Valid(newPIN) {
		return ck.Errorf(ck.CKR_PIN_INVALID, "a PIN is UTF-8 text")
	}
	if n := utf8.RuneCount(newPIN); n < p.MinLen || n > p.MaxLen {
		return ck.Errorf(ck.CKR_PIN_LEN_RANGE, "a PIN here has %d to %d characters, not %d", p.MinLen, p.MaxLen, n)
	}
	return nil
}

// State is what is stored of one role's PIN. The zero value is a PIN that was
// never set.
type State struct {
	Policy Policy
	// Verifier is what the store's CheckPIN compares a PIN with; empty means
	// that no PIN is set. It says nothing about the PIN without the store's
	// pepper key.
	Verifier []byte
	// Failed counts the wrong tries since the last right one.
	Failed int
	// Unlocks are the times when an administrator reset the tries.
	Unlocks Unlocks
	// ToBeChanged asks the holder to change the PIN (CKF_USER_PIN_TO_BE_CHANGED).
	ToBeChanged bool
	// ChangedAt is when the PIN was last set.
	ChangedAt time.Time
}

// Set reports whether there is a PIN.
func (s State) Set() bool { return len(s.Verifier) > 0 }

// Locked reports whether no further try is allowed.
func (s State) Locked() bool { return s.Policy.MaxTries > 0 && s.Failed >= s.Policy.MaxTries }

// TriesLeft is the number of wrong tries left, or -1 where there is no limit.
func (s State) TriesLeft() int {
	if s.Policy.MaxTries == 0 {
		return -1
	}
	return max(0, s.Policy.MaxTries-s.Failed)
}

// Try is the state to commit before a PIN is compared: one more wrong try. It
// fails with CKR_PIN_LOCKED, or CKR_USER_PIN_NOT_INITIALIZED where none is set,
// and then nothing is to be compared or stored.
func (s State) Try() (State, error) {
	switch {
	case !s.Set():
		return s, ck.Errorf(ck.CKR_USER_PIN_NOT_INITIALIZED, "no PIN is set; set one first")
	case s.Locked():
		return s, ck.Errorf(ck.CKR_PIN_LOCKED, "the PIN is locked after %d wrong tries; it must be reset", s.Failed)
	}
	s.Failed++
	return s, nil
}

// Right is the state to commit after a PIN was right.
func (s State) Right() State {
	s.Failed = 0
	return s
}

// Change is the state with a new PIN, given as its verifier: the tries are
// counted anew.
func (s State) Change(verifier []byte, now time.Time) State {
	s.Verifier, s.Failed, s.ToBeChanged, s.ChangedAt = verifier, 0, false, now
	return s
}

// Flags are the flags of CK_TOKEN_INFO that this role's PIN sets (section 3.2,
// CKF_USER_PIN_COUNT_LOW and its neighbours).
func (s State) Flags(r Role) ck.Flags {
	low, final, locked, change := ck.CKF_USER_PIN_COUNT_LOW, ck.CKF_USER_PIN_FINAL_TRY, ck.CKF_USER_PIN_LOCKED, ck.CKF_USER_PIN_TO_BE_CHANGED
	var f ck.Flags
	if r == SO {
		low, final, locked, change = ck.CKF_SO_PIN_COUNT_LOW, ck.CKF_SO_PIN_FINAL_TRY, ck.CKF_SO_PIN_LOCKED, ck.CKF_SO_PIN_TO_BE_CHANGED
	} else if s.Set() {
		f |= ck.CKF_USER_PIN_INITIALIZED
	}
	if s.Set() && s.Failed > 0 && !s.Locked() {
		f |= low
	}
	if s.Set() && s.TriesLeft() == 1 {
		f |= final
	}
	if s.Locked() {
		f |= locked
	}
	if s.ToBeChanged {
		f |= change
	}
	return f
}
