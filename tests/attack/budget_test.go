package attack

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// maxDaemon is the resident memory in MB that the daemon stays under whatever its clients
// do.
const maxDaemon = 400

// resident is the daemon's resident memory in MB, now and at most.
func resident(t *testing.T, d *harness.Daemon) (now, most int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID()))
	require.NoError(t, err, "the daemon is gone")
	value := func(key string) int {
		_, rest, _ := strings.Cut(string(status), key+":")
		fields := strings.Fields(rest)
		n, err := strconv.Atoi(fields[0])
		require.NoError(t, err)
		return n >> 10
	}
	return value("VmRSS"), value("VmHWM")
}

// metric is a value of the daemon's metrics. What is not measured is not a number, which no
// comparison holds for.
func metric(t *testing.T, d *harness.Daemon, name string) float64 {
	t.Helper()
	sock, err := net.Dial("unix", d.AdminSocket)
	require.NoError(t, err)
	defer sock.Close()
	_, err = io.WriteString(sock, "GET /v1/metrics HTTP/1.0\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(sock)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(t, err)
			return v
		}
	}
	t.Logf("there is no metric %s", name)
	return math.NaN()
}

// allReturned waits until nothing is charged but what alice's signer has.
func allReturned(t *testing.T, d *harness.Daemon) {
	t.Helper()
	require.Eventually(t, func() bool {
		return metric(t, d, `vtoken_limit_used{kind="memory"}`) == 0 && metric(t, d, `vtoken_limit_used{kind="connections"}`) == 0
	}, time.Minute, 50*time.Millisecond, "memory or connections are charged, and nobody is there")
}

// bystander signs with P-256 until its standard input ends, and then prints how often it
// did and how long the slowest took. Each line on its input gets such a line, too.
func bystander([]string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	key, h, err := ownKey(c)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			lines <- in.Text()
		}
	}()
	made, slowest := 0, time.Duration(0)
	for {
		select {
		case _, more := <-lines:
			fmt.Println(made, slowest.Milliseconds())
			made, slowest = 0, 0
			if !more {
				return nil
			}
		default:
		}
		began := time.Now()
		if err := c.SignInit(h, &ck.Mechanism{Type: ck.CKM_ECDSA}, key); err != nil {
			return err
		}
		if _, err := c.Sign(h, make([]byte, 32), remote.Out{To: make([]byte, 64)}); err != nil {
			return err
		}
		made, slowest = made+1, max(slowest, time.Since(began))
	}
}

// ownKey is a P-256 key in the first slot.
func ownKey(c *remote.Client) (ck.ObjectHandle, ck.SessionHandle, error) {
	slots, err := c.GetSlotList(true)
	if err != nil || len(slots) == 0 {
		return 0, 0, fmt.Errorf("slots %v: %w", slots, err)
	}
	h, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return 0, 0, err
	}
	if err := c.Login(h, ck.CKU_USER, []byte(harness.PIN)); err != nil {
		return 0, 0, err
	}
	_, key, err := c.GenerateKeyPair(h, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"))}, nil)
	return key, h, err
}

// whileAliceSigns runs attacks while alice signs, and asks that she could go on, that the
// daemon stayed small, and that everything was given back.
func whileAliceSigns(t *testing.T, d *harness.Daemon, attack func()) {
	t.Helper()
	newToken(t, d, "alice", alice, "card-of-alice")
	signs := launch(t, d, alice, "bystander")
	require.Equal(t, "ready", signs.line(t))
	signs.tell(t, "before")
	signs.line(t)
	attack()
	signs.tell(t, "after")
	line := signs.line(t)
	now, most := resident(t, d)
	t.Logf("alice's signatures during the attack, and the slowest in ms: %s; the daemon has %d MB, had %d MB", line, now, most)
	require.NotEqual(t, "0", strings.Fields(line)[0], "alice could not sign")
	require.Less(t, most, maxDaemon)
	// A newcomer gets in as well.
	out, err := run(t, d, alice, "login", harness.PIN)
	require.NoError(t, err)
	require.Contains(t, out, "CKR_OK")
	require.NoError(t, signs.in.Close())
	signs.line(t)
	_ = signs.cmd.Wait()
}

// halfFrames opens connections, announces a frame of 16 MiB on each and sends most of it.
func halfFrames(args []string) error {
	n, _ := strconv.Atoi(args[0])
	var all []*wire
	defer func() {
		for _, w := range all {
			w.Close()
		}
	}()
	frame := binary.BigEndian.AppendUint32(nil, 7)
	frame = binary.BigEndian.AppendUint32(frame, 0)
	frame = binary.BigEndian.AppendUint32(frame, p11rpc.MaxBody)
	frame = append(frame, make([]byte, 15<<20)...)
	for range n {
		w, err := dial(p11rpc.MaxVersion)
		if ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY {
			break // it has too much already
		}
		if err != nil {
			return err
		}
		all = append(all, w)
		if _, err := w.Write(frame); err != nil {
			return err
		}
	}
	fmt.Println("done", len(all))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// unread asks for large answers on many connections, and reads none.
func unread(args []string) error {
	n, _ := strconv.Atoi(args[0])
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slots, err := c.GetSlotList(true)
	if err != nil {
		return err
	}
	if len(slots) == 0 {
		return errors.New("no slot")
	}
	held := 0
	for range n {
		w, err := dial(p11rpc.MaxVersion)
		if err == nil {
			defer w.Close()
			err = w.call(p11rpc.CallOpenSession, func(e *p11rpc.Encoder) {
				e.Ulong(uint64(slots[0]))
				e.Ulong(uint64(ck.CKF_SERIAL_SESSION))
			})
		}
		if ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY {
			break // it has too much already
		}
		if err != nil {
			return err
		}
		session := w.dec.Ulong()
		held++
		for range 20 {
			w.add(p11rpc.CallGenerateRandom, func(e *p11rpc.Encoder) {
				e.Ulong(session)
				e.Buffer(ck.Buffer{Len: p11rpc.MaxBody / 2})
			})
		}
		_ = w.SetWriteDeadline(time.Now().Add(time.Second))
		if err := w.send(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	fmt.Println("done", held)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// hoarder makes session objects, gathers messages of GCM and opens sessions, on many
// connections, until it is refused.
func hoarder(args []string) error {
	n, _ := strconv.Atoi(args[0])
	counts := map[string]int{}
	refused := map[ck.Error]int{}
	large := make([]byte, 1<<20-100)
	for range n {
		c, err := client()
		if err != nil {
			return err
		}
		defer c.Close()
		slots, err := c.GetSlotList(true)
		if err != nil || len(slots) == 0 {
			refused[ck.CodeOf(err)]++
			continue
		}
		var h ck.SessionHandle
		try := func(what string, most int, do func() error) {
			for range most {
				if err := do(); err != nil {
					refused[ck.CodeOf(err)]++
					return
				}
				counts[what]++
			}
		}
		try("sessions", 1, func() (err error) {
			h, err = c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
			return err
		})
		for _, what := range args[1:] {
			switch what {
			case "objects":
				var o ck.ObjectHandle
				small := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_PRIVATE, false), ck.String(ck.CKA_VALUE, "x")}
				try("objects", 200, func() (err error) {
					if o, err = c.CreateObject(h, small); err != nil {
						return err
					}
					return c.SetAttributeValue(h, o, ck.Template{ck.Bytes(ck.CKA_VALUE, large)})
				})
			case "gcm":
				key, err := c.CreateObject(h, ck.Template{
					ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bool(ck.CKA_PRIVATE, false),
					ck.Bool(ck.CKA_DECRYPT, true), ck.Bool(ck.CKA_SENSITIVE, false), ck.Bytes(ck.CKA_VALUE, make([]byte, 32)),
				})
				if err != nil {
					refused[ck.CodeOf(err)]++
					continue
				}
				gcm := &ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}}
				if err := c.DecryptInit(h, gcm, key); err != nil {
					refused[ck.CodeOf(err)]++
					continue
				}
				// A decryption is held back until its tag is verified, and is 16 MiB at most.
				try("MiB of GCM", 15, func() error {
					_, err := c.DecryptUpdate(h, large, remote.Out{To: []byte{0}})
					return err
				})
			case "sessions":
				try("sessions", 60000, func() error {
					_, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION)
					return err
				})
			}
		}
	}
	fmt.Println("done", counts, refused)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// crowder opens connections until it is refused or has so many, and says how the last
// one went.
func crowder(args []string) error {
	n, _ := strconv.Atoi(args[0])
	held := 0
	for range n {
		w, err := dial(p11rpc.MaxVersion)
		if err != nil {
			break
		}
		defer w.Close()
		held++
	}
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.GetSlotList(true)
	fmt.Println("held", held, "then", ck.CodeOf(err))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// TestMemoryIsBudgeted: one user makes the daemon hold what it can, in every way, while
// alice signs.
func TestMemoryIsBudgeted(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct {
		token bool
		run   []string
	}{
		"half frames":    {false, []string{"halfframes", "100"}},
		"unread answers": {true, []string{"unread", "20"}},
		"objects":        {true, []string{"hoarder", "20", "objects"}},
		"messages":       {true, []string{"hoarder", "100", "gcm"}},
		"sessions":       {true, []string{"hoarder", "20", "sessions"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t)
			uid := uint32(trudy)
			if attack.token {
				newToken(t, d, "mallory", mallory, "card-of-mallory")
				uid = mallory
			}
			whileAliceSigns(t, d, func() {
				a := launch(t, d, uid, attack.run[0], attack.run[1:]...)
				t.Logf("the attacker: %s", a.line(t))
				now, most := resident(t, d)
				t.Logf("the daemon has %d MB, had %d MB", now, most)
				require.Less(t, most, maxDaemon)
				t.Logf("charged: %.0f MiB", metric(t, d, `vtoken_limit_used{kind="memory"}`)/(1<<20))
				require.Positive(t, metric(t, d, `vtoken_limit_refused_total{kind="memory"}`))
				// While the attacker holds on to it, alice logs in anew.
				out, err := run(t, d, alice, "login", harness.PIN)
				require.NoError(t, err)
				require.Contains(t, out, "CKR_OK")
				a.kill()
			})
			allReturned(t, d)
		})
	}
}

// TestFourHoarders: four users at once, each in all ways.
func TestFourHoarders(t *testing.T) {
	t.Parallel()
	d := start(t)
	users := []uint32{62011, 62012, 62013, 62014}
	for i, uid := range users {
		newToken(t, d, fmt.Sprint("hoarder", i), uid, "card")
	}
	whileAliceSigns(t, d, func() {
		var all []*attacker
		for _, uid := range users {
			all = append(all, launch(t, d, uid, "hoarder", "30", "objects", "gcm", "sessions"),
				launch(t, d, uid, "halfframes", "30"), launch(t, d, uid, "unread", "30"), launch(t, d, uid, "crowder", "400"))
		}
		for _, a := range all {
			line, err := a.lines.ReadString('\n')
			t.Logf("%s %v", strings.TrimSpace(line), err) // some cannot even begin
		}
		now, most := resident(t, d)
		t.Logf("with all of them the daemon has %d MB, had %d MB; charged %.0f MiB", now, most, metric(t, d, `vtoken_limit_used{kind="memory"}`)/(1<<20))
		out, err := run(t, d, alice, "login", harness.PIN)
		require.NoError(t, err)
		require.Contains(t, out, "CKR_OK")
		for _, a := range all {
			a.kill()
		}
	})
	allReturned(t, d)
}

// TestConnectionsSayThatThereAreTooMany: the connection over the limit is told so, and
// the others and other users go on.
func TestConnectionsSayThatThereAreTooMany(t *testing.T) {
	t.Parallel()
	d := start(t)
	whileAliceSigns(t, d, func() {
		a := launch(t, d, trudy, "crowder", "2000")
		line := a.line(t)
		// While they are held, an application of another user comes.
		out, err := run(t, d, alice, "login", harness.PIN)
		require.NoError(t, err)
		require.Contains(t, out, "CKR_OK")
		require.Equal(t, "held 1024 then CKR_DEVICE_MEMORY", line)
		now, _ := resident(t, d)
		t.Logf("with 1024 idle connections the daemon has %d MB", now)
		require.Positive(t, metric(t, d, `vtoken_limit_refused_total{kind="connections"}`))
		a.kill()
	})
	require.Contains(t, d.Log(), "refusing PKCS#11 connections")
	allReturned(t, d)
}

// TestNewcomersGetIn: users who have nothing take all places that there are, as many as
// each may. Bob comes later, has none, and logs in.
func TestNewcomersGetIn(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "bob", bob, "card-of-bob")
	for _, uid := range []uint32{62011, 62012, 62013, 62014, 62015} {
		t.Logf("a crowd: %s", launch(t, d, uid, "crowder", "1024").line(t))
	}
	out, err := run(t, d, bob, "login", harness.PIN)
	require.NoError(t, err)
	require.Contains(t, out, "CKR_OK")
	require.EqualValues(t, 4096, metric(t, d, `vtoken_limit{kind="connections"}`))
}

// TestSilentConnectionsToTheAPI: more of them than the daemon may open files, and neither
// the socket of applications nor that of the administrator misses a descriptor; the API
// goes on for other addresses.
func TestSilentConnectionsToTheAPI(t *testing.T) {
	t.Parallel()
	const files, silent = 1024, 3000
	d := startWithFiles(t, files)
	whileAliceSigns(t, d, func() {
		address := strings.TrimPrefix(d.API, "https://")
		defer keepSilent(t, address, silent)()
		// Applications that come now find a descriptor.
		for range 3 {
			out, err := run(t, d, alice, "login", harness.PIN)
			require.NoError(t, err)
			require.Contains(t, out, "CKR_OK")
		}
		require.LessOrEqual(t, metric(t, d, `vtoken_limit_used{kind="api-connections"}`), 256.0)
		// From another address the API answers.
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		c, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /v1/tokens HTTP/1.0\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		answer, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, answer, "401")
		_, err = d.Vtoken("status")
		require.NoError(t, err)
	})
	allReturned(t, d)
}

// keepSilent holds so many connections to an address, says nothing on them, and opens
// those anew that are closed. It returns once each was opened, and gives what ends it.
func keepSilent(t *testing.T, address string, connections int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var opened, all sync.WaitGroup
	opened.Add(connections)
	for range connections {
		all.Go(func() {
			first := sync.OnceFunc(opened.Done)
			defer first()
			for ctx.Err() == nil {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
				if err != nil {
					continue
				}
				first()
				end := context.AfterFunc(ctx, func() { _ = c.Close() })
				_, _ = c.Read(make([]byte, 1)) // until the daemon closes it, or the test ends
				end()
				_ = c.Close()
			}
		})
	}
	opened.Wait()
	return func() { cancel(); all.Wait() }
}

// startWithFiles is start for a daemon that may have so many files open.
func startWithFiles(t *testing.T, files int) *harness.Daemon {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	programs := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(bin, "vtoken"), filepath.Join(programs, "vtoken")))
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", files, filepath.Join(bin, "vtokend"))
	require.NoError(t, harness.WriteProgram(filepath.Join(programs, "vtokend"), []byte(script)))
	return startFrom(t, programs)
}
