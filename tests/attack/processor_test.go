package attack

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// What alice is promised while another user keeps the processors busy. The figures are
// for a machine that does nothing else, so `make test`, which shares it with other tests,
// allows slack times as much; `make soak` holds the daemon to the figures.
const (
	busyMedian  = 3 // times the quiet one
	busyP99     = 20 * time.Millisecond
	firstLogin  = 500 * time.Millisecond
	quietWithin = 2 * time.Second // after the clients were killed
	slack       = 10
)

// measureFor is how long alice signs for one measurement, and by how much the promises are
// stretched.
func measureFor(t *testing.T) (long time.Duration, stretch float64) {
	t.Helper()
	text := os.Getenv("ATTACK_TIME")
	if text == "" {
		return time.Second, slack // a longer time tells the same
	}
	long, err := time.ParseDuration(text)
	require.NoError(t, err, "ATTACK_TIME")
	return long, 1
}

// processorLoads are what keeps the processors busy: an attacker and how many connections
// it makes.
var processorLoads = []struct {
	name     string
	attacker string
	count    int
}{
	{"32 RSA-8192 pairs", "pairs", 32},
	{"300 SetPINs", "set-pins", 300},
	{"200 RSA-4096 signers", "rsa-signers", 200},
	{"8 PBKDF2 with 10,000,000 iterations", "stretchers", 8},
	{"200 RSA-2048 signers", "rsa-2048-signers", 200},
	{"200 P-256 signers", "p256-signers", 200},
	{"200 that make P-384 pairs", "p384-pairs", 200},
	{"200 that create objects", "creators", 200},
	{"200 that find", "finders", 200},
	{"200 that read attributes", "readers", 200},
	{"50 that digest 8 MiB", "digesters", 50},
	{"50 that want 8 MiB of random", "gamblers", 50},
}

// TestProcessorTime has mallory do slow work on many connections at once. Alice's
// signatures and her first login keep their times, and after mallory was killed the daemon
// soon has nothing more to do. Each kind of work is that of a user with a token of its own,
// so that nothing is left of one for the next.
func TestProcessorTime(t *testing.T) {
	long, stretch := measureFor(t)
	d := start(t)
	newToken(t, d, "alice", alice, "card")
	signer := launch(t, d, alice, "signer", "card")
	require.Equal(t, "ready", signer.line(t))
	for i, load := range processorLoads {
		t.Run(load.name, func(t *testing.T) {
			second, worker := fmt.Sprint("second ", i), uint32(firstWorker+i)
			_, err := d.NewTokenFor("alice", second, harness.PIN, harness.SOPIN)
			require.NoError(t, err)
			newToken(t, d, fmt.Sprint("mallory", i), worker, "card-of-mallory")
			quiet := signer.measure(t, long)

			attack := launch(t, d, worker, load.attacker, strconv.Itoa(load.count)).goLast(t)
			require.Equal(t, "ready", attack.line(t))
			busy := signer.measure(t, long)
			out, err := run(t, d, alice, "first-login", second)
			require.NoError(t, err)
			login, err := time.ParseDuration(strings.TrimSpace(out))
			require.NoError(t, err)
			attack.kill()
			idle := idleAfter(t, d)

			t.Logf("%s: quiet median %v p99 %v (%d signatures); busy median %v (%.1f times) p99 %v (%d signatures); first login %v; idle %v after the end",
				load.name, quiet.median, quiet.p99, quiet.count, busy.median, float64(busy.median)/float64(quiet.median), busy.p99, busy.count, login, idle)
			require.LessOrEqual(t, float64(busy.median), stretch*busyMedian*float64(quiet.median), "the median of alice's signatures")
			require.LessOrEqual(t, float64(busy.p99), stretch*float64(busyP99), "the 99th percentile of alice's signatures")
			require.LessOrEqual(t, float64(login), stretch*float64(firstLogin), "alice's first login")
			require.LessOrEqual(t, float64(idle), stretch*float64(quietWithin), "the end of mallory's work")
		})
	}
}

// firstWorker is the first of the users who work in TestProcessorTime.
const firstWorker = 62600

// times sums up the times of signatures.
type times struct {
	median, p99 time.Duration
	count       int
}

// measure has the signer sign for so long.
func (a *attacker) measure(t *testing.T, long time.Duration) (m times) {
	t.Helper()
	a.tell(t, long.String())
	_, err := fmt.Sscan(a.line(t), (*int64)(&m.median), (*int64)(&m.p99), &m.count)
	require.NoError(t, err)
	return m
}

// fewest is how many signatures a measurement has at least: fewer say nothing of the slowest
// one in a hundred.
const fewest = 500

// signer signs with a P-256 key for as long as each line of its input says, at least fewest
// times, and prints the median and the 99th percentile in nanoseconds, and the count.
func signer(args []string) error {
	c, h, err := loggedIn(args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	key, err := ecPair(c, h, p256, false)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		long, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		var took []time.Duration
		for begun := time.Now(); time.Since(begun) < long || len(took) < fewest; {
			one := time.Now()
			if err := sign(c, h, ck.CKM_ECDSA, key); err != nil {
				return err
			}
			took = append(took, time.Since(one))
		}
		slices.Sort(took)
		fmt.Println(int64(took[len(took)/2]), int64(took[len(took)*99/100]), len(took))
	}
	return nil
}

// sign makes one signature.
func sign(c *remote.Client, h ck.SessionHandle, m ck.MechanismType, key ck.ObjectHandle) error {
	if err := c.SignInit(h, &ck.Mechanism{Type: m}, key); err != nil {
		return err
	}
	_, err := c.Sign(h, make([]byte, 32), remote.Out{To: make([]byte, 1024)})
	return err
}

// firstLoginOf prints how long the first login to a token takes.
func firstLoginOf(args []string) error {
	c, h, err := session(args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	begun := time.Now()
	if err := c.Login(h, ck.CKU_USER, []byte(harness.PIN)); err != nil {
		return err
	}
	fmt.Println(time.Since(begun))
	return nil
}

// session opens a session with the token of that label; empty is any.
func session(label string) (*remote.Client, ck.SessionHandle, error) {
	c, err := client()
	if err != nil {
		return nil, 0, err
	}
	slots, err := c.GetSlotList(true)
	if err != nil {
		return nil, 0, err
	}
	for _, slot := range slots {
		info, err := c.GetTokenInfo(slot)
		if err != nil {
			return nil, 0, err
		}
		if label == "" || info.Label == label {
			h, err := c.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
			return c, h, err
		}
	}
	return nil, 0, fmt.Errorf("no token is named %q", label)
}

// loggedIn is session with a login.
func loggedIn(label string) (*remote.Client, ck.SessionHandle, error) {
	c, h, err := session(label)
	if err == nil {
		err = c.Login(h, ck.CKU_USER, []byte(harness.PIN))
	}
	return c, h, err
}

// flood does something without end on as many connections as the argument says, each with
// a session that is logged in, and says when it begins.
func flood(args []string, work func(c *remote.Client, h ck.SessionHandle) error) error {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	type seat struct {
		c *remote.Client
		h ck.SessionHandle
	}
	seats := make([]seat, count)
	for i := range seats {
		if seats[i].c, seats[i].h, err = loggedIn(""); err != nil {
			return err
		}
	}
	failed := make(chan error, count)
	for _, s := range seats {
		go func() {
			for {
				if err := work(s.c, s.h); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	fmt.Println("ready")
	return <-failed
}

// rsaPair makes an RSA key pair that signs and goes with its session.
func rsaPair(c *remote.Client, h ck.SessionHandle, bits uint64, token bool) (ck.ObjectHandle, error) {
	_, key, err := c.GenerateKeyPair(h, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, bits), ck.Bool(ck.CKA_VERIFY, true), ck.Bool(ck.CKA_TOKEN, token)},
		ck.Template{ck.Bool(ck.CKA_SIGN, true), ck.Bool(ck.CKA_TOKEN, token)})
	return key, err
}

// p384 is the OID of the curve P-384, as CKA_EC_PARAMS has it.
var p384 = []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}

// ecPair makes a key pair on the curve that signs.
func ecPair(c *remote.Client, h ck.SessionHandle, curve []byte, token bool) (ck.ObjectHandle, error) {
	_, key, err := c.GenerateKeyPair(h, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, curve), ck.Bool(ck.CKA_VERIFY, true), ck.Bool(ck.CKA_TOKEN, token)},
		ck.Template{ck.Bool(ck.CKA_SIGN, true), ck.Bool(ck.CKA_TOKEN, token)})
	return key, err
}

// pairs makes key pairs of RSA-8192.
func pairs(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		_, err := rsaPair(c, h, 8192, false)
		return err
	})
}

// setPINs sets the PIN to what it is. Where another connection was quicker, the PIN was
// changed meanwhile; that is no reason to stop.
func setPINs(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		err := c.SetPIN(h, []byte(harness.PIN), []byte(harness.PIN))
		if errors.Is(err, ck.CKR_PIN_INCORRECT) || errors.Is(err, ck.CKR_FUNCTION_FAILED) {
			return nil
		}
		return err
	})
}

// rsaSigners signs with a key of RSA-4096.
func rsaSigners(args []string) error { return rsaSignersOf(4096, args) }

// rsa2048Signers signs with a key of RSA-2048, each of whose signatures is quick.
func rsa2048Signers(args []string) error { return rsaSignersOf(2048, args) }

func rsaSignersOf(bits uint64, args []string) error {
	c, h, err := loggedIn("")
	if err != nil {
		return err
	}
	key, err := rsaPair(c, h, bits, true)
	if err != nil {
		return err
	}
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		return sign(c, h, ck.CKM_RSA_PKCS, key)
	})
}

// p256Signers signs with a key of P-256, as alice does.
func p256Signers(args []string) error {
	c, h, err := loggedIn("")
	if err != nil {
		return err
	}
	key, err := ecPair(c, h, p256, true)
	if err != nil {
		return err
	}
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		return sign(c, h, ck.CKM_ECDSA, key)
	})
}

// p384Pairs makes key pairs of P-384 that it throws away.
func p384Pairs(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		key, err := ecPair(c, h, p384, false)
		if err != nil {
			return err
		}
		return c.DestroyObject(h, key)
	})
}

// creators makes data objects that it throws away.
func creators(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		o, err := c.CreateObject(h, dataObject(0, false))
		if err != nil {
			return err
		}
		return c.DestroyObject(h, o)
	})
}

// manyObjects is how many objects finders looks through.
const manyObjects = 5000

// finders looks for something that none of many objects is.
func finders(args []string) error {
	c, h, err := loggedIn("")
	if err != nil {
		return err
	}
	info, err := c.GetSessionInfo(h)
	if err != nil {
		return err
	}
	const makers = 16 // who share commits
	made := make(chan error, makers)
	for first := range makers {
		go func() {
			h, err := c.OpenSession(info.SlotID, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
			for i := first; i < manyObjects && err == nil; i += makers {
				_, err = c.CreateObject(h, dataObject(i, true))
			}
			made <- err
		}()
	}
	for range makers {
		if err := <-made; err != nil {
			return err
		}
	}
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		if err := c.FindObjectsInit(h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)}); err != nil {
			return err
		}
		if _, err := c.FindObjects(h, 1024); err != nil {
			return err
		}
		return c.FindObjectsFinal(h)
	})
}

// dataObject describes a data object of its own number.
func dataObject(number int, token bool) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_TOKEN, token),
		ck.Bytes(ck.CKA_LABEL, fmt.Append(nil, number)), ck.Bytes(ck.CKA_VALUE, make([]byte, 512)),
	}
}

// readers reads the attributes of an object.
func readers(args []string) error {
	c, h, err := loggedIn("")
	if err != nil {
		return err
	}
	o, err := c.CreateObject(h, dataObject(0, true))
	if err != nil {
		return err
	}
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		return c.GetAttributeValue(h, o, []ck.AttributeQuery{
			{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 64}}, {Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: 1024}},
		}, func(int, ck.AttributeResult) {})
	})
}

// stretchers makes keys of a password with as many iterations as may be.
func stretchers(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		_, err := c.GenerateKey(h, &ck.Mechanism{Type: ck.CKM_PKCS5_PBKD2, Parameter: ck.PBKD2Params{
			SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("salt"), Iterations: 10_000_000,
			PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA512, Password: []byte("password"),
		}}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
		return err
	})
}

// large is as much as one call may work on.
const large = 8 << 20

// digesters hashes as much as one call may.
func digesters(args []string) error {
	data := make([]byte, large-1024)
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		if err := c.DigestInit(h, &ck.Mechanism{Type: ck.CKM_SHA512}); err != nil {
			return err
		}
		_, err := c.Digest(h, data, remote.Out{To: make([]byte, 64)})
		return err
	})
}

// gamblers wants as much random as one call may.
func gamblers(args []string) error {
	return flood(args, func(c *remote.Client, h ck.SessionHandle) error {
		return c.GenerateRandom(h, make([]byte, large))
	})
}

// ticksPerSecond is the unit of processor times in /proc (USER_HZ).
const ticksPerSecond = 100

// processorTime is how long the daemon has had processors.
func processorTime(t *testing.T, d *harness.Daemon) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.PID()))
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(stat), ") ") // behind the name
	require.True(t, ok)
	fields := strings.Fields(rest) // from the third on (proc_pid_stat(5))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// idleAfter waits until the daemon has next to nothing to do for a while, and is how long
// it took until then.
func idleAfter(t *testing.T, d *harness.Daemon) time.Duration {
	t.Helper()
	const window, little = 500 * time.Millisecond, 100 * time.Millisecond
	begun := time.Now()
	for from := begun; ; from = time.Now() {
		before := processorTime(t, d)
		<-time.After(window)
		if processorTime(t, d)-before <= little {
			return from.Sub(begun)
		}
		require.Less(t, time.Since(begun), hangsAfter, "the daemon goes on working for nobody")
	}
}
