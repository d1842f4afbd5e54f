package attack

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// keyAnswered is how long a quick request of another API key may take meanwhile, but for one in
// a thousand.
const keyAnswered = 500 * time.Millisecond

// TestHostileAPIKey has one API key send slow requests on 50 connections. Alice's signatures
// keep their times, and what another API key asks for is answered.
func TestHostileAPIKey(t *testing.T) {
	const connections = 50
	long, stretch := measureFor(t)
	d := start(t)
	card := newToken(t, d, "alice", alice, "card")
	target := newToken(t, d, "mallory", mallory, "card-of-mallory")
	signer := launch(t, d, alice, "signer", "card")
	require.Equal(t, "ready", signer.line(t))
	quiet := signer.measure(t, long)
	other := newKey(t, d, "other", "edit")

	requests := slowRequests(t, target)
	end := make(chan struct{})
	var all sync.WaitGroup
	hostile := newKey(t, d, "hostile", "admin")
	for i := range connections {
		c := newCaller(t, d, hostile.authorization)
		send := requests[i%len(requests)]
		all.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if a, err := send(c); err != nil {
					t.Error(err)
					return
				} else if a.status == http.StatusInternalServerError {
					t.Error(a.text)
				}
			}
		})
	}
	stop := sync.OnceFunc(func() { close(end); all.Wait() })
	defer stop()

	asked := make(chan []time.Duration)
	go func() {
		var took []time.Duration
		for begun := time.Now(); time.Since(begun) < long; {
			one := time.Now()
			if a, err := other.call("GET", "/v1/tokens/"+card, nil); err != nil || a.status != http.StatusOK {
				t.Errorf("the other key's request: %v %v", a, err)
				break
			}
			took = append(took, time.Since(one))
		}
		asked <- took
	}()
	busy := signer.measure(t, long)
	took := <-asked
	stop()
	require.NotEmpty(t, took)
	slices.Sort(took)
	slowest := took[len(took)-1]
	late := took[len(took)*999/1000] // the slowest of a longer run is slower, whatever the daemon does
	t.Logf("quiet median %v p99 %v; beside %d connections of an API key: median %v (%.1f times) p99 %v (%d signatures); another key: %d answers, median %v, one in a thousand over %v, slowest %v",
		quiet.median, quiet.p99, connections, busy.median, float64(busy.median)/float64(quiet.median), busy.p99, busy.count, len(took), took[len(took)/2], late, slowest)
	require.LessOrEqual(t, float64(busy.median), stretch*busyMedian*float64(quiet.median), "the median of alice's signatures")
	require.LessOrEqual(t, float64(busy.p99), stretch*float64(busyP99), "the 99th percentile of alice's signatures")
	require.LessOrEqual(t, float64(late), stretch*float64(keyAnswered), "the answers to another API key, but for one in a thousand")
}

// slowRequests are the requests of the hostile key about a token: PFX files with many
// rounds, key pairs of RSA-4096, PINs. Whether the daemon grants them does not matter.
func slowRequests(t *testing.T, token string) []func(*apiCaller) (answer, error) {
	t.Helper()
	root, err := harness.Root()
	require.NoError(t, err)
	file, err := os.ReadFile(filepath.Join(root, "provisioning/testdata/pfx/openssl-iter-100k.p12"))
	require.NoError(t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("pfx", "key.p12")
	require.NoError(t, err)
	_, err = part.Write(file)
	require.NoError(t, err)
	require.NoError(t, form.WriteField("password", "wrong"))
	require.NoError(t, form.Close())
	path := "/v1/tokens/" + token
	return []func(*apiCaller) (answer, error){
		func(c *apiCaller) (answer, error) {
			return c.send("POST", path+"/pfx", form.FormDataContentType(), body.Bytes())
		},
		func(c *apiCaller) (answer, error) {
			return c.call("POST", path+"/csr", object{"type": "rsa:4096", "subject": "CN=mallory"})
		},
		func(c *apiCaller) (answer, error) {
			return c.call("POST", path+"/pin", object{"role": "user", "pin": harness.PIN})
		},
	}
}
