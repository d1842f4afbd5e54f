package attack

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Hostile OS users beside mallory and trudy.
const (
	pairMaker = 62005 // makes key pairs without end
	babbler   = 62006 // sends what is no protocol
)

// TestSiege has four hostile users at once (memory, connections, key pairs, malformed
// frames) and one hostile API key. Meanwhile alice signs and logs in to tokens for the first
// time, bob works, and an administrator asks. None of their calls fails, the daemon stays
// small, and in the end it holds nothing for those who are gone.
func TestSiege(t *testing.T) {
	long := attackTime(t, 5*time.Second)
	_, stretch := measureFor(t)
	d := start(t)
	newToken(t, d, "alice", alice, "card")
	logins := int(long/(2*time.Second)) + 1
	for n := range logins {
		_, err := d.NewTokenFor("alice", fmt.Sprintf("first %d", n), harness.PIN, harness.SOPIN)
		require.NoError(t, err)
	}
	newToken(t, d, "bob", bob, "card-of-bob")
	newToken(t, d, "mallory", mallory, "card-of-mallory")
	newToken(t, d, "pairs", pairMaker, "card-of-pairs")
	friend := tenantKey(t, d, "default", "view")
	enemy := tenantKey(t, d, "default", "admin")
	victim, err := d.NewTokenFor("victim", "card-of-victim", harness.PIN, harness.SOPIN)
	require.NoError(t, err)

	authority, err := os.ReadFile(d.CA)
	require.NoError(t, err)
	signer := launch(t, d, alice, "signer", "card")
	require.Equal(t, "ready", signer.line(t))
	quiet := signer.measure(t, min(long, 5*time.Second))

	attacks := []*attacker{
		launch(t, d, mallory, "halfframes", "100"),
		launch(t, d, mallory, "hoarder", "10", "objects", "gcm", "sessions"),
		launch(t, d, trudy, "crowds", "2000"),
		launch(t, d, pairMaker, "pairs", "32"),
		launch(t, d, babbler, "babble", "16"),
		launch(t, d, trudy, "besiege", enemy.authorization, victim, string(authority)),
	}
	for _, a := range attacks {
		a.goLast(t)
	}
	var others sync.WaitGroup
	failed := make(chan error, 2)
	worked := launch(t, d, bob, "worker", long.String())
	others.Go(func() {
		out, err := worked.wait()
		if err != nil {
			err = fmt.Errorf("bob: %w", err)
		}
		t.Logf("bob: %s", strings.TrimSpace(out))
		failed <- err
	})
	answered := 0
	others.Go(func() { failed <- friend.keepAsking(long, &answered) })

	measured := make(chan times, 1)
	go func() { measured <- signer.measure(t, long) }()
	var first []time.Duration
	for n := range logins {
		out, err := run(t, d, alice, "first-login", fmt.Sprintf("first %d", n))
		require.NoError(t, err)
		took, err := time.ParseDuration(strings.TrimSpace(out))
		require.NoError(t, err)
		first = append(first, took)
	}
	busy := <-measured
	require.NoError(t, <-failed)
	require.NoError(t, <-failed)
	_, most := resident(t, d)
	hostile := metric(t, d, `vtoken_api_requests_total{dialect="native",operation="POST /v1/users",status="413"}`)
	require.Positive(t, hostile, "the hostile API key does not get through")
	for _, a := range attacks {
		a.kill()
	}
	others.Wait()
	idle := idleAfter(t, d)

	slices.Sort(first)
	slowest := first[len(first)-1]
	t.Logf("quiet median %v p99 %v; besieged median %v (%.1f times) p99 %v (%d signatures); first logins up to %v; daemon at most %d MB; "+
		"%d answers to an API key; idle %v after the end",
		quiet.median, quiet.p99, busy.median, float64(busy.median)/float64(quiet.median), busy.p99, busy.count, slowest, most, answered, idle)
	require.Less(t, most, maxDaemon, "MB of memory")
	require.NotContains(t, d.Log(), "panic")
	require.LessOrEqual(t, float64(busy.median), stretch*busyMedian*float64(quiet.median), "the median of alice's signatures")
	require.LessOrEqual(t, float64(busy.p99), stretch*float64(busyP99), "the 99th percentile of alice's signatures")
	require.LessOrEqual(t, float64(slowest), stretch*float64(firstLogin), "alice's first logins")
	signer.kill()
	allReturned(t, d)
	requireNobody(t, d)
}

// crowds opens as many connections as it gets, closes them, and begins again.
func crowds(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	for {
		var held []*wire
		for range n {
			w, err := dial(p11rpc.MaxVersion)
			if err != nil {
				break
			}
			held = append(held, w)
		}
		for _, w := range held {
			w.Close()
		}
	}
}

// babble sends frames that break the protocol, on several connections at a time.
func babble(args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for rng := rand.New(rand.NewPCG(uint64(i), 1)); ; {
				babbleOnce(rng)
			}
		})
	}
	all.Wait()
	return nil
}

// babbleOnce sends a few requests that are right, and then some with bytes changed, until
// the daemon ends the connection.
func babbleOnce(rng *rand.Rand) {
	versions := p11rpc.Versions()
	w, err := dial(versions[rng.IntN(len(versions))])
	if err != nil {
		return
	}
	defer w.Close()
	_ = w.SetDeadline(time.Now().Add(2 * time.Second))
	calls := p11rpc.Calls(w.version)
	for range 20 {
		body := make([]byte, 8+rng.IntN(200))
		for i := range body {
			body[i] = byte(rng.Uint32())
		}
		w.add(p11rpc.CallOpenSession, func(e *p11rpc.Encoder) {
			e.Ulong(1)
			e.Ulong(uint64(ck.CKF_SERIAL_SESSION))
		})
		frame := slices.Concat(w.enc.Bytes(), body)
		if call := calls[rng.IntN(len(calls))]; rng.IntN(2) == 0 {
			frame[15] = byte(call)
		}
		frame[rng.IntN(len(frame))] ^= byte(1 << rng.IntN(8))
		w.enc.Reset()
		if _, err := w.Write(frame); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, w)
}

// worker does what applications do, for so long, and fails with the first call that does.
// It prints how many rounds it made.
func worker(args []string) error {
	long, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	rounds := 0
	for begun := time.Now(); time.Since(begun) < long; rounds++ {
		if err := workOnce(); err != nil {
			return fmt.Errorf("after %d rounds: %w", rounds, err)
		}
	}
	fmt.Println("rounds:", rounds)
	return nil
}

// workOnce is an application from C_Initialize to C_Finalize.
func workOnce() error {
	c, h, err := loggedIn("")
	if err != nil {
		return err
	}
	defer c.Close()
	secretKey, err := c.GenerateKey(h, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), ck.Bool(ck.CKA_SIGN, true)})
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	if err := sign(c, h, ck.CKM_AES_CMAC, secretKey); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	object, err := c.CreateObject(h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, "work"), ck.Bytes(ck.CKA_VALUE, make([]byte, 500))})
	if err != nil {
		return fmt.Errorf("creating an object: %w", err)
	}
	if err := c.FindObjectsInit(h, ck.Template{ck.String(ck.CKA_LABEL, "work")}); err != nil {
		return fmt.Errorf("searching: %w", err)
	}
	found, err := c.FindObjects(h, 10)
	if err != nil || len(found) != 1 {
		return fmt.Errorf("found %d objects: %w", len(found), err)
	}
	if err := c.FindObjectsFinal(h); err != nil {
		return fmt.Errorf("ending the search: %w", err)
	}
	if err := c.DestroyObject(h, object); err != nil {
		return fmt.Errorf("destroying an object: %w", err)
	}
	return c.CloseSession(h)
}

// besiege asks the API in many ways at once, without end. Its arguments are the value of
// the Authorization header, a token, and the certificate of the API.
func besiege(args []string) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(args[2])) {
		return errors.New("the certificate does not read")
	}
	a := tenantAPI{&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, os.Getenv("API"), args[0]}
	token := args[1]
	upload := "--x\r\nContent-Disposition: form-data; name=\"pfx\"\r\n\r\n" + strings.Repeat("\x30\x84\x7f", 300_000) +
		"\r\n--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nx\r\n--x--\r\n"
	var all sync.WaitGroup
	for _, attack := range []struct{ method, path, kind, body string }{
		{"POST", "/v1/tokens/" + token + "/pfx", "multipart/form-data; boundary=x", upload},
		{"POST", "/v1/tokens/" + token + "/pin", "application/json", `{"role": "user", "pin": "12345678", "currentPin": "wrong-guess"}`},
		{"GET", "/v1/tokens?limit=1000", "", ""},
		{"POST", "/v1/users", "application/json", `{"login":"` + strings.Repeat("[", 100_000) + `"}`},
		{"GET", "/v1/nothing", "", ""},
	} {
		for range 4 {
			all.Go(func() {
				for {
					_, _ = a.send(attack.method, attack.path, attack.kind, []byte(attack.body))
				}
			})
		}
	}
	all.Wait()
	return nil
}

// keepAsking lists tokens for so long, and fails where the API does.
func (a tenantAPI) keepAsking(long time.Duration, answered *int) error {
	for begun := time.Now(); time.Since(begun) < long; *answered++ {
		status, err := a.send("GET", "/v1/tokens?limit=10", "", nil)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("listing tokens after %d answers: status %d: %w", *answered, status, err)
		}
		<-time.After(20 * time.Millisecond)
	}
	return nil
}

// send makes a request and returns the status of the answer.
func (a tenantAPI) send(method, path, kind string, body []byte) (int, error) {
	r, err := http.NewRequest(method, a.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", a.authorization)
	answer, err := a.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
