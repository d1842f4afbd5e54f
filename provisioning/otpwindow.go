package provisioning

import (
	"math"
	"time"

	"vtoken/provisioning/oath"
	"vtoken/vtoken/record"
)

// How far off a password may be. A token's own window (NewOTP.Window) replaces
// DefaultWindow and DefaultSteps.
const (
	// DefaultWindow is the look-ahead window of HOTP: how many passwords may have
	// been made without being used (RFC 4226, section 7.4).
	DefaultWindow = 10
	// DefaultSteps is how many time steps a password of TOTP may be before and
	// after the step that the token's clock is at as far as is known (RFC 6238,
	// section 5.2, wants no more than one for the delay of typing).
	DefaultSteps = 1
	// MaxWindow is the largest window that a token may have.
	MaxWindow = 120
	// SyncWindow and SyncSteps are the windows for two passwords in a row.
	SyncWindow = 1000
	SyncSteps  = 120
)

// MaxWrongOTP is how many wrong passwords in a row lock the passwords of a token.
const MaxWrongOTP = 10

// OTPLocked reports whether too many passwords in a row were wrong, so that no more are
// accepted until [Service.ResetOTP].
func OTPLocked(o record.OTP) bool { return o.Failed >= MaxWrongOTP }

// span is a range of counters, both ends included; empty where first is greater.
type span struct{ first, last uint64 }

// around returns the counters from below under at to above over it, within the range of
// counters.
func around(at, below, above uint64) span {
	s := span{at - min(at, below), at + above}
	if s.last < at {
		s.last = math.MaxUint64
	}
	return s
}

// move returns a counter with a drift added, within the range of counters.
func move(at uint64, drift int) uint64 {
	if drift < 0 {
		return at - min(at, uint64(-drift))
	}
	return around(at, 0, uint64(drift)).last
}

// verifyWindow returns the counters whose passwords are accepted, including used ones.
func verifyWindow(o record.OTP, now time.Time) span {
	if o.Period == 0 {
		n := uint64(orDefault(o.Window, DefaultWindow))
		return around(o.Next, n, n)
	}
	n := uint64(orDefault(o.Window, DefaultSteps))
	return around(move(oath.Step(now, o.Period), o.Drift), n, n)
}

// syncWindow returns the counters for two consecutive passwords.
func syncWindow(o record.OTP, now time.Time) span {
	if o.Period == 0 {
		return around(o.Next, SyncWindow, SyncWindow)
	}
	return around(oath.Step(now, o.Period), SyncSteps, SyncSteps)
}

// unused and used split a window at next, the lowest counter that was not used.
func (s span) unused(next uint64) span { return span{max(s.first, next), s.last} }

func (s span) used(next uint64) span {
	if next == 0 {
		return span{1, 0}
	}
	return span{s.first, min(s.last, next-1)}
}

// driftOf returns how many steps a counter is ahead of the time, within the range of
// synchronisation.
func driftOf(o record.OTP, at uint64, now time.Time) int {
	if o.Period == 0 {
		return 0
	}
	return int(max(-SyncSteps, min(SyncSteps, int64(at)-int64(oath.Step(now, o.Period)))))
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
