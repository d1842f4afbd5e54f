package scale

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/tests/harness"
)

// TestMain is also the main function of the client processes, which are this
// program again.
func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) == "" {
		os.Exit(m.Run())
	}
	if err := clientMain(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const (
	tokens    = 100
	processes = 20
)

// walkFor is how long the processes work: 20 seconds, or as long as SCALE_TIME
// says, in make soak.
func walkFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SCALE_TIME")
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, "SCALE_TIME")
	return d
}

// TestManyTokensUnderRandomWork: each process keeps a model of
// what it did, and every code and every object that it sees has to be the
// model's.
func TestManyTokensUnderRandomWork(t *testing.T) {
	d := start(t)
	cards := makeCards(t, d)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	tallies, errs := make([]tally, processes), make([]error, processes)
	for i := range processes {
		o := order{Module: d.Module(), Seed: seed + uint64(i), Time: walkFor(t), Cards: share(cards, i)}
		wg.Go(func() { errs[i] = runClient(d, o, &tallies[i]) })
	}
	wg.Wait()
	total := tally{Steps: map[string]int{}}
	for i, err := range errs {
		if err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		total.add(tallies[i])
	}
	t.Logf("%d calls, the longest took %v; steps: %v", total.Calls, total.Longest, total.Steps)
	for _, s := range steps {
		if total.Steps[s.name] == 0 {
			t.Errorf("no process did the step %q; the test proved nothing about it", s.name)
		}
	}
	sessionsEnd(t, d)
}

// share is the cards as one process gets them: each card is written to by one
// process only, so that the writer knows all that is on it.
func share(cards []card, process int) []card {
	mine := append([]card{}, cards...)
	for i := range mine {
		mine[i].Mine = i%processes == process
	}
	return mine
}

// start starts a daemon that ends with the test.
func start(t *testing.T) *harness.Daemon {
	t.Helper()
	return startWith(t)
}

// startWith runs a daemon with more flags.
func startWith(t *testing.T, flags ...string) *harness.Daemon {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	dir, err := harness.TempDir()
	require.NoError(t, err)
	d := harness.NewDaemon(bin, dir)
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Log())
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, d.Start(flags...))
	return d
}

// makeCards makes the tokens, each with one key pair.
func makeCards(t *testing.T, d *harness.Daemon) []card {
	t.Helper()
	me, err := user.Current()
	require.NoError(t, err)
	require.NoError(t, d.NewUser(me.Username))
	cards := make([]card, tokens)
	admin := client.Unix(d.AdminSocket)
	for i := range cards {
		c := card{Label: fmt.Sprintf("card-%03d", i), PIN: fmt.Sprintf("pin-%06d", i), SOPIN: harness.SOPIN}
		made, err := admin.CreateToken(t.Context(), "", api.NewToken{User: me.Username, Label: c.Label,
			UserPIN: api.Secret(c.PIN), SOPIN: api.Secret(c.SOPIN), Complete: true})
		require.NoError(t, err)
		c.Slot, c.Serial = uint(made.Slot), made.Serial
		cards[i] = c
	}
	t.Setenv("VTOKEN_P11_SOCKET", d.P11Socket)
	p := pkcs11.New(d.Module())
	require.NotNil(t, p, "%s cannot be loaded", d.Module())
	require.NoError(t, p.Initialize())
	for i := range cards {
		cards[i].makeKey(t, p)
	}
	require.NoError(t, p.Finalize())
	return cards
}

var p256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// makeKey makes the key pair of a card, called after it.
func (c *card) makeKey(t *testing.T, p *pkcs11.Ctx) {
	t.Helper()
	h, err := p.OpenSession(c.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, p.Login(h, pkcs11.CKU_USER, c.PIN))
	public, _, err := p.GenerateKeyPair(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.Label),
			pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true), pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p256),
		},
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.Label),
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		})
	require.NoError(t, err)
	a, err := p.GetAttributeValue(h, public, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
	require.NoError(t, err)
	c.Point = hex.EncodeToString(a[0].Value)
	require.NoError(t, p.CloseSession(h))
}

// sessionsEnd waits until the daemon serves nobody: sessions end with their connection.
func sessionsEnd(t *testing.T, d *harness.Daemon) {
	t.Helper()
	admin := client.Unix(d.AdminSocket)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		s, err := admin.Status(ctx)
		require.NoError(t, err)
		require.NotNil(t, s.Clients, "the daemon does not tell how many clients it has")
		if *s.Clients == (api.Clients{}) {
			return
		}
		require.NoError(t, ctx.Err(), "all clients are gone, and the daemon still has %+v", *s.Clients)
	}
}

// TestShortLivedClients has many short-lived programs sign at the same time: none fails
// (mtrojnar/osslsigncode#497), and their sessions end with them (Yubico/yubihsm-shell#379).
func TestShortLivedClients(t *testing.T) {
	const clients, atOnce = 1000, 50
	d := start(t)
	require.NoError(t, d.NewToken("short", harness.PIN, harness.SOPIN))
	program := compile(t, "short", filepath.Join(t.TempDir(), "short"))
	require.NoError(t, runShort(d, program, "make"))
	ways := []string{"sign", "sign", "leave", "die"}
	queue := make(chan int)
	errs := make(chan error, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for range atOnce {
		wg.Go(func() {
			for i := range queue {
				if err := runShort(d, program, ways[i%len(ways)]); err != nil {
					errs <- fmt.Errorf("client %d: %w", i, err)
				}
			}
		})
	}
	for i := range clients {
		queue <- i
	}
	close(queue)
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	t.Logf("%d clients, %d at a time, took %v", clients, atOnce, time.Since(begin).Round(time.Millisecond))
	sessionsEnd(t, d)
}

// decode reads one value of JSON.
func decode[T any](b []byte) (v T, err error) { return v, json.Unmarshal(b, &v) }
