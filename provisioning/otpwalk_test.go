package provisioning_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/oath"
	"vtoken/vtoken/pin"
)

// otpModel is what verification is to remember of a token, in plain words: which
// counters were used, the next one, the drift, and the wrong passwords in a row.
type otpModel struct {
	*world
	ref    provisioning.TokenRef
	period int
	used   map[uint64]bool
	next   uint64
	drift  int
	failed int
	locks  int // that were undone
}

// TestOTPWalk compares verification with the model after each of many random
// passwords, right and wrong, old and new, and jumps of the clock.
func TestOTPWalk(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 6238))
		m := &otpModel{world: newWorld(t), used: map[uint64]bool{}, period: []int{0, 30, 60}[seed%3]}
		m.ref = m.otpToken(provisioning.NewOTP{Seed: rfcSeed, Digits: 8, Period: m.period})
		accepted := 0
		for range 600 {
			switch rng.IntN(12) {
			case 0:
				m.reset(rng)
			case 1, 2:
				m.pair(rng)
			case 3, 4, 5:
				m.now = m.now.Add(time.Duration(rng.IntN(200)) * time.Second)
			default:
				if m.single(m.pick(rng)) {
					accepted++
				}
			}
			m.compare()
		}
		if accepted < 25 {
			t.Errorf("only %d passwords were taken", accepted)
		}
	}
}

// center is the counter that the model looks around.
func (m *otpModel) center(drift int) int64 {
	if m.period == 0 {
		return int64(m.next)
	}
	return int64(oath.Step(m.now, m.period)) + int64(drift)
}

// pick is a counter in the window, at its edges or around.
func (m *otpModel) pick(rng *rand.Rand) uint64 {
	width := int64(15)
	if m.period > 0 {
		width = 4
	}
	return uint64(max(0, m.center(m.drift)+rng.Int64N(2*width)-width+1))
}

// single tries one password and reports whether it was taken.
func (m *otpModel) single(c uint64) bool {
	m.t.Helper()
	window := int64(provisioning.DefaultWindow)
	if m.period > 0 {
		window = provisioning.DefaultSteps
	}
	_, err := m.core.VerifyOTP(m.t.Context(), m.admin, m.ref, rfcCode(m.t, 8, c))
	return m.judge(err, c, c, m.center(m.drift), window)
}

// pair tries two passwords, in a row or not.
func (m *otpModel) pair(rng *rand.Rand) {
	m.t.Helper()
	c := uint64(max(0, m.center(0)+int64(rng.IntN(2600))-1300))
	if rng.IntN(2) == 0 {
		c = m.pick(rng)
	}
	n := c + 1 + uint64(rng.IntN(6)/5)
	window := int64(provisioning.SyncWindow)
	if m.period > 0 {
		window = provisioning.SyncSteps
	}
	_, err := m.core.SyncOTP(m.t.Context(), m.admin, m.ref, rfcCode(m.t, 8, c), rfcCode(m.t, 8, n))
	if n != c+1 {
		window = -1
	}
	m.judge(err, c, n, m.center(0), window)
}

// judge says what the core should have answered to the passwords of the counters
// from c to last, and changes the model.
func (m *otpModel) judge(err error, c, last uint64, center, window int64) bool {
	m.t.Helper()
	if m.failed >= provisioning.MaxWrongOTP {
		wantKind(m.t, err, provisioning.WrongState)
		return false
	}
	in := int64(c) >= center-window && int64(c) <= center+window
	if !in || c < m.next {
		m.failed++
		wantKind(m.t, err, provisioning.WrongCode)
		if errors.Is(err, provisioning.ErrCodeUsed) != in {
			m.t.Fatalf("counter %d around %d, next %d: %v", c, center, m.next, err)
		}
		return false
	}
	require.NoError(m.t, err, "counter %d around %d, next %d", c, center, m.next)
	for i := c; i <= last; i++ {
		if m.used[i] {
			m.t.Fatalf("the password of counter %d was taken twice", i)
		}
		m.used[i] = true
	}
	m.next, m.failed = last+1, 0
	if m.period > 0 {
		m.drift = int(int64(last) - m.center(0))
	}
	m.drift = max(-provisioning.SyncSteps, min(provisioning.SyncSteps, m.drift))
	return true
}

func (m *otpModel) reset(rng *rand.Rand) {
	m.t.Helper()
	var counter *uint64
	if m.failed >= provisioning.MaxWrongOTP && m.locks == pin.MaxUnlocks {
		m.locks, m.now = 0, m.now.Add(24*time.Hour) // later, there are new ones
	}
	if m.period == 0 && rng.IntN(3) == 0 {
		n := m.next + uint64(rng.IntN(20))
		counter, m.next = &n, n
	}
	_, err := m.core.ResetOTP(m.t.Context(), m.admin, m.ref, counter)
	require.NoError(m.t, err)
	if m.drift = 0; m.failed >= provisioning.MaxWrongOTP {
		m.failed = 0
		m.locks++
	}
}

func (m *otpModel) compare() {
	m.t.Helper()
	got, err := m.core.Token(m.t.Context(), m.admin, m.ref)
	require.NoError(m.t, err)
	if o := got.OTP; o.Next != m.next || o.Drift != m.drift || o.Failed != m.failed {
		m.t.Fatalf("%+v, want next %d, drift %d, %d wrong", o, m.next, m.drift, m.failed)
	}
}
