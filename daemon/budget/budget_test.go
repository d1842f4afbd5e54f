package budget

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLedgerAgainstModel plays random charges and refunds of several owners.
func TestLedgerAgainstModel(t *testing.T) {
	const total, each, owners = 1000, 400, 6
	l := New("things", Limits{Total: total, Each: each})
	rng := rand.New(rand.NewPCG(1, 2))
	model := map[string]int{}
	sum := func() (all int) {
		for _, n := range model {
			all += n
		}
		return all
	}
	for range 20000 {
		owner, n := fmt.Sprint(rng.IntN(owners)), 1+rng.IntN(120)
		if rng.IntN(5) < 3 {
			may := model[owner]+n <= each && model[owner]+n <= total-sum()-n
			err := l.Charge(owner, n)
			require.Equal(t, may, err == nil, "%v has %d of %d and wants %d", owner, model[owner], sum(), n)
			if may {
				model[owner] += n
			}
		} else {
			n = min(n, model[owner])
			l.Refund(owner, n)
			model[owner] -= n
		}
		require.Equal(t, model[owner], l.Held(owner))
		require.Equal(t, sum(), l.State().Used)
		require.LessOrEqual(t, l.State().Used, total)
	}
	for owner, n := range model {
		l.Refund(owner, n)
	}
	require.Equal(t, 0, l.State().Used)
	require.Zero(t, l.State().Owners)
	require.Empty(t, l.Heaviest())
}

// TestOwnersThatTakeAllLeaveSome: whatever order the greedy come in, one who holds
// nothing gets something.
func TestOwnersThatTakeAllLeaveSome(t *testing.T) {
	for greedy := 1; greedy <= 10; greedy++ {
		l := New("bytes", Limits{Total: 128 << 20, Each: 64 << 20})
		for i := range greedy {
			for n := 16 << 20; n > 0; n /= 2 {
				for l.Charge(fmt.Sprint("greedy", i), n) == nil {
				}
			}
		}
		require.NoError(t, l.Charge("alice", 32<<10), "with %d others", greedy)
	}
}

func TestAloneHalfIsFree(t *testing.T) {
	l := New("bytes of memory", Limits{Total: 128, Each: 64})
	a := l.Account("alice")
	require.NoError(t, a.Charge(64))
	err := a.Charge(1)
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	require.ErrorContains(t, err, "64 bytes of memory in use")
	require.ErrorContains(t, err, "limit of 64")
	require.Equal(t, State{Used: 64, Limit: 128, Owners: 1, Refused: 1}, l.State())
	require.Equal(t, "alice", l.Heaviest())
	l.Move("alice", "bob", 1)
	require.Equal(t, 63, l.Held("alice"))
	require.Equal(t, 1, l.Held("bob"))
	a.Refund(1000) // never below nothing
	require.Equal(t, 1, l.State().Used)
}

// Other limits apply to the next charge; what is held stays.
func TestSetLimits(t *testing.T) {
	l := New("things", Limits{Total: 100, Each: 40})
	require.NoError(t, l.Charge("alice", 40))
	l.SetLimits(Limits{Total: 100, Each: 20})
	require.Equal(t, 40, l.Held("alice"))
	require.Error(t, l.Charge("alice", 1))
	require.NoError(t, l.Charge("bob", 20))
	l.SetLimits(Limits{Total: 200, Each: 50})
	require.NoError(t, l.Charge("alice", 10))
	require.Equal(t, State{Used: 70, Limit: 200, Owners: 2, Refused: 1}, l.State())
}

func TestLedgerIsSafeForConcurrentUse(t *testing.T) {
	l := New("things", Limits{Total: 100, Each: 40})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 2000 {
				if l.Charge(fmt.Sprint(i%4), 7) == nil {
					l.Refund(fmt.Sprint(i%4), 7)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, l.State().Used)
}

func TestOwnersOfSubUIDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "subuid")
	write := func(text string, at time.Time) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	now := time.Unix(1_000_000, 0)
	write("alice:100000:65536\n1002:165536:65536\nroot:1000000:1000\nnobody\n# x:1:2\nbob:300000:notanumber\nghost:400000:10\n\nmallory:4294967290:10\n", now)
	o := NewOwners(path)
	o.now = func() time.Time { return now }
	o.lookup = func(name string) (uint32, bool) {
		uid, ok := map[string]uint32{"alice": 1001, "root": 0}[name]
		return uid, ok
	}
	for uid, want := range map[uint32]uint32{
		0: 0, 1001: 1001, 99999: 99999, 100000: 1001, 165535: 1001, 165536: 1002, 231071: 1002, 231072: 231072,
		1000000: 1000000, 1000999: 1000000, 1001000: 1001000, 300005: 300005, 400005: 400000, 4294967294: 4294967294,
	} {
		require.Equal(t, fmt.Sprintf("uid %d", want), o.Of(uid), "uid %d", uid)
	}
	// Another file counts a while later.
	write("1002:100000:65536\n", now.Add(time.Second))
	require.Equal(t, "uid 1001", o.Of(100000))
	now = now.Add(lookAgain)
	require.Equal(t, "uid 1002", o.Of(100000))
	require.NoError(t, os.Remove(path))
	now = now.Add(lookAgain)
	require.Equal(t, "uid 100000", o.Of(100000))
	require.Equal(t, "uid 100000", NewOwners(path).Of(100000))
}

func TestRangesThatOverlap(t *testing.T) {
	ranges, err := readRanges(strings.NewReader("a:100:100\nb:150:100\nc:160:10\nd:300:1\n"))
	require.NoError(t, err)
	require.Equal(t, []uidRange{{100, 199, "a"}, {200, 249, "b"}, {300, 300, "d"}}, ranges)
}

func FuzzReadRanges(f *testing.F) {
	f.Add("alice:100000:65536\nbob:165536:65536\n")
	f.Add("a:1:4294967295\nb:2:3\n")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := readRanges(strings.NewReader(text))
		if err != nil {
			return
		}
		for i, r := range ranges {
			if r.first > r.last || i > 0 && ranges[i-1].last >= r.first {
				t.Fatalf("%v", ranges)
			}
		}
	})
}

func TestListenerCounts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ledger := New("connections", Limits{Total: 4, Each: 2})
	counted := Listen(l, ledger, func(c net.Conn) string { return "one" })
	defer counted.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	var served []net.Conn
	for range 2 {
		dial()
		c, err := counted.Accept()
		require.NoError(t, err)
		served = append(served, c)
	}
	over := dial()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := counted.Accept()
		accepted <- c
	}()
	_, err = over.Read(make([]byte, 1)) // ends: it was closed
	require.Error(t, err)
	require.NoError(t, served[0].Close())
	require.ErrorIs(t, served[0].Close(), net.ErrClosed)
	require.Equal(t, 1, ledger.Held("one"))
	dial()
	c := <-accepted
	require.NotNil(t, c)
	require.NoError(t, errors.Join(c.Close(), served[1].Close()))
	require.Zero(t, ledger.State().Used)
}
