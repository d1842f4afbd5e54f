package pin

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vtoken/vtoken/ck"

	"github.com/stretchr/testify/require"
)

func TestPolicyCheck(t *testing.T) {
	p := Policy{MinLen: 4, MaxLen: 8}
	for in, code := range map[string]ck.Error{
		"":                              ck.CKR_PIN_LEN_RANGE,
		"123":                           ck.CKR_PIN_LEN_RANGE,
		"1234":                          ck.CKR_OK,
		"12345678":                      ck.CKR_OK,
		"123456789":                     ck.CKR_PIN_LEN_RANGE,
		"äöüß":                          ck.CKR_OK, // characters count, not bytes
		strings.Repeat("ä", 9):          ck.CKR_PIN_LEN_RANGE,
		"\xff\xfe\xfd\xfc":              ck.CKR_PIN_INVALID,
		"a b\tc":                        ck.CKR_OK,
		strings.Repeat("\U0001F512", 8): ck.CKR_OK,
	} {
		if got := ck.CodeOf(p.Check([]byte(in))); got != code {
			t.Errorf("%q: %v, want %v", in, got, code)
		}
	}
}

// A model of the counter: tries left go down by one a try until none is left, a
// right PIN or a new one gives all of them back, and the flags follow.
func TestStateWalk(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, limit := range []int{0, 1, 2, 5} {
		s := State{Policy: Policy{MaxTries: limit}}
		set, left := false, limit
		for range 500 {
			switch rng.IntN(4) {
			case 0, 1:
				next, err := s.Try()
				var code ck.Error
				switch {
				case !set:
					code = ck.CKR_USER_PIN_NOT_INITIALIZED
				case limit > 0 && left == 0:
					code = ck.CKR_PIN_LOCKED
				case limit > 0:
					left--
				}
				require.Equal(t, code, ck.CodeOf(err), "limit %d, %d left: %v", limit, left, err)
				s = next
			case 2:
				if set && !s.Locked() {
					s, left = s.Right(), limit
				}
			case 3:
				if rng.IntN(5) == 0 {
					s, left, set = s.Change([]byte{1}, time.Time{}), limit, true
				}
			}
			check(t, s, set, limit, left)
		}
	}
}

func check(t *testing.T, s State, set bool, limit, left int) {
	t.Helper()
	locked := limit > 0 && left == 0
	require.Equal(t, set, s.Set(), "set %v, locked %v, with %d of %d tries left", s.Set(), s.Locked(), left, limit)
	require.Equal(t, locked, s.Locked(),
		"set %v, locked %v, with %d of %d tries left", s.Set(), s.Locked(), left, limit)
	if want := left; limit > 0 && s.TriesLeft() != want || limit == 0 && s.TriesLeft() != -1 {
		t.Fatalf("%d tries left, want %d of %d", s.TriesLeft(), left, limit)
	}
	user, so := s.Flags(User), s.Flags(SO)
	for _, f := range []struct {
		user, so ck.Flags
		want     bool
	}{
		{ck.CKF_USER_PIN_INITIALIZED, 0, set},
		{ck.CKF_USER_PIN_COUNT_LOW, ck.CKF_SO_PIN_COUNT_LOW, set && s.Failed > 0 && !locked},
		{ck.CKF_USER_PIN_FINAL_TRY, ck.CKF_SO_PIN_FINAL_TRY, set && limit > 0 && left == 1},
		{ck.CKF_USER_PIN_LOCKED, ck.CKF_SO_PIN_LOCKED, locked},
	} {
		if user.Has(f.user) != f.want || f.so != 0 && so.Has(f.so) != f.want {
			t.Fatalf("flags %x and %x: %x should be %v (%d of %d left)", user, so, f.user, f.want, left, limit)
		}
	}
}

func TestToBeChanged(t *testing.T) {
	now := time.Unix(1, 0)
	s := State{Verifier: []byte{1}, ToBeChanged: true}
	require.True(t, s.Flags(User).Has(ck.CKF_USER_PIN_TO_BE_CHANGED), "no flag asks for a change")
	require.True(t, s.Flags(SO).Has(ck.CKF_SO_PIN_TO_BE_CHANGED), "no flag asks for a change")
	s = s.Change([]byte{2}, now)
	require.False(t, s.ToBeChanged)
	require.True(t, s.ChangedAt.Equal(now))
	require.EqualValues(t, 2, s.Verifier[0])
}

func TestRoleNames(t *testing.T) {
	require.Equal(t, "user", User.String())
	require.Equal(t, "SO", SO.String())
}
