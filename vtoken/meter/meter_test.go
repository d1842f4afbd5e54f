package meter

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// purseful is an account that has so much left, and counts how often it is asked.
type purseful struct{ left, charged, calls int }

func (a *purseful) Charge(n int) error {
	a.calls++
	if n > a.left {
		return errors.New("over the limit")
	}
	a.left -= n
	a.charged += n
	return nil
}

func (a *purseful) Refund(n int) {
	a.calls++
	a.left += n
	a.charged -= n
}

func TestPursePaysForWhatIsUsed(t *testing.T) {
	for _, step := range []int{0, 16} {
		account := &purseful{left: 5000}
		p, err := Open(account, 100, step)
		require.NoError(t, err)
		used, taken := 0, []int{}
		rng := rand.New(rand.NewPCG(1, uint64(step)))
		for range 5000 {
			if n := rng.IntN(600); len(taken) == 0 || rng.IntN(2) == 0 {
				if err := p.Take(n); err != nil {
					require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
					require.Greater(t, max(used+n, account.charged), 5000-step, "refused too early")
				} else {
					used, taken = used+n, append(taken, n)
				}
			} else {
				last := taken[len(taken)-1]
				taken = taken[:len(taken)-1]
				used -= last
				p.Give(last)
			}
			require.GreaterOrEqual(t, account.charged, max(used, 100))
			require.LessOrEqual(t, account.charged, max(used+slack*step, 100))
			require.LessOrEqual(t, account.charged, 5000)
		}
		p.End()
		require.Zero(t, account.charged)
		p.End()
		p.Give(7)
		require.Zero(t, account.charged)
		require.Error(t, p.Take(1))
	}
}

// TestSmallChangesReachNoAccount: what comes and goes within the advance, or around a
// step, is not charged each time.
func TestSmallChangesReachNoAccount(t *testing.T) {
	account := &purseful{left: 1 << 20}
	p, err := Open(account, 1000, 100)
	require.NoError(t, err)
	require.NoError(t, p.Take(900))
	before := account.calls
	for range 100 {
		require.NoError(t, p.Take(100))
		p.Give(100)
	}
	require.Equal(t, before, account.calls)
	for range 100 {
		require.NoError(t, p.Take(250))
		p.Give(250)
	}
	require.LessOrEqual(t, account.calls, before+1)
}

func TestPurseThatCannotBeOpened(t *testing.T) {
	account := &purseful{left: 99}
	_, err := Open(account, 100, 0)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.Zero(t, account.charged)
	p, err := Open(nil, 100, 0)
	require.NoError(t, err)
	require.NoError(t, p.Take(1<<40))
	p.End()
}

// A purse pays in steps, and exactly where the account has not enough for a step. It keeps a step
// when it gives back, and the advance.
func TestSteps(t *testing.T) {
	account := &purseful{left: 1000}
	p, err := Open(account, 100, 50)
	require.NoError(t, err)
	for _, c := range []struct {
		take, give int
		charged    int
	}{
		{take: 100, charged: 100}, {take: 1, charged: 150}, {take: 49, charged: 150}, {take: 50, charged: 200},
		{take: 101, charged: 350}, {give: 50, charged: 350}, {give: 101, charged: 350}, {give: 1, charged: 350 - 151},
	} {
		if c.take > 0 {
			require.NoError(t, p.Take(c.take))
		} else {
			p.Give(c.give)
		}
		require.Equal(t, c.charged, account.charged, "%+v", c)
	}
	p.Give(149) // all of it
	require.Equal(t, 199, account.charged, "within the slack")
	require.NoError(t, p.Take(800+199))
	require.Equal(t, 999, account.charged, "for a step there is not enough")
	err = p.Take(2)
	require.ErrorIs(t, err, ErrOver)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.NoError(t, p.Take(1))
	p.End()
	require.Zero(t, account.charged)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(p.Take(0)))
}

// An account that is not there pays for everything.
func TestNoAccount(t *testing.T) {
	require.NoError(t, Charge(nil, 1<<40))
	Refund(nil, 1<<40)
	account := &purseful{left: 5}
	require.NoError(t, Charge(account, 5))
	require.ErrorIs(t, Charge(account, 1), ErrOver)
	Refund(account, 5)
	require.Equal(t, 5, account.left)
}
