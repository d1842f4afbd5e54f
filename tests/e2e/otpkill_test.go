package e2e

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// otpRounds is how often the daemon is killed.
const otpRounds = 5

// TestKilledDaemonRepeatsNoPassword kills the daemon at random moments while
// several applications take one-time passwords of one key: no counter gives two.
func TestKilledDaemonRepeatsNoPassword(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	key := putOTPKey(t, d)
	book := counters{seen: map[uint64]int{}, news: make(chan struct{}, 1)}
	for range otpRounds {
		var wg sync.WaitGroup
		dead, die := context.WithCancel(t.Context())
		for range 4 {
			wg.Go(func() { book.takeUntilDead(dead, d, key) })
		}
		book.waitFor(t, 1+random.IntN(40))
		require.NoError(t, d.Kill())
		die()
		wg.Wait()
		require.NoError(t, d.Start())
	}
	c, h := loggedIn(t, d)
	defer c.Close()
	next, err := onePassword(c, h, key)
	require.NoError(t, err)
	for n, times := range book.seen {
		if times != 1 || n >= next {
			t.Errorf("the counter %d gave %d passwords; the next is %d", n, times, next)
		}
	}
	t.Logf("%d passwords, the next counter is %d", len(book.seen), next)
}

// counters is what the passwords that were given out were made of.
type counters struct {
	mu   sync.Mutex
	seen map[uint64]int
	news chan struct{}
}

func (b *counters) add(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[n]++
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// waitFor waits until that many passwords more were taken.
func (b *counters) waitFor(t *testing.T, more int) {
	t.Helper()
	b.mu.Lock()
	want := len(b.seen) + more
	b.mu.Unlock()
	for {
		b.mu.Lock()
		n := len(b.seen)
		b.mu.Unlock()
		if n >= want {
			return
		}
		select {
		case <-b.news:
		case <-time.After(2 * time.Minute):
			require.FailNow(t, "no more passwords come", "%d of %d", n, want)
		}
	}
}

// takeUntilDead is one application.
func (b *counters) takeUntilDead(dead context.Context, d *harness.Daemon, key ck.ObjectHandle) {
	c, end := dialUntil(dead, d)
	defer end()
	h, err := openCard(c)
	for err == nil {
		var n uint64
		if n, err = onePassword(c, h, key); err == nil {
			b.add(n)
		}
	}
}

// onePassword takes a password and returns the counter that it is of.
func onePassword(c *remote.Client, h ck.SessionHandle, key ck.ObjectHandle) (uint64, error) {
	if err := c.SignInit(h, &ck.Mechanism{Type: ck.CKM_HOTP, Parameter: ck.OTPParams{}}, key); err != nil {
		return 0, err
	}
	buf := make([]byte, 256)
	n, err := c.Sign(h, nil, remote.Out{To: buf})
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(buf[n-8 : n]), nil // the counter is last in CK_OTP_SIGNATURE_INFO
}

// openCard is loggedIn for an application that may be interrupted at any time.
func openCard(c *remote.Client) (ck.SessionHandle, error) {
	slots, err := c.GetSlotList(true)
	if err != nil || len(slots) == 0 {
		return 0, ck.Errorf(ck.CKR_TOKEN_NOT_PRESENT, "no slot, %w", err)
	}
	h, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION)
	if err != nil {
		return 0, err
	}
	return h, c.Login(h, ck.CKU_USER, secret.Bytes(harness.PIN))
}

func putOTPKey(t *testing.T, d *harness.Daemon) ck.ObjectHandle {
	t.Helper()
	c, h := loggedIn(t, d)
	defer c.Close()
	key, err := c.CreateObject(h, ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP), ck.Bool(ck.CKA_TOKEN, true),
		ck.String(ck.CKA_VALUE, "12345678901234567890"),
	})
	require.NoError(t, err)
	return key
}
