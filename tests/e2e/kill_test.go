package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// rounds is how often the daemon is killed in one test.
const rounds = 12

// ledger is what was acknowledged to the clients, and so must be there.
type ledger struct {
	objects []string // labels of data objects on the card
	keys    []string // ids of key pairs on the card
	tokens  []string // labels of tokens
	pin     string   // the user PIN of the card
	tried   string   // a PIN whose change was not acknowledged; it may count or not
	tries   int
}

// TestKilledDaemonKeepsWhatItAcknowledged kills the daemon at random moments
// while stock clients write, and looks for all that they were told is done.
func TestKilledDaemonKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	blob := filepath.Join(d.Dir, "blob")
	require.NoError(t, os.WriteFile(blob, []byte(strings.Repeat("x", 700)), 0o600))

	l := &ledger{pin: harness.PIN}
	for round := range rounds {
		dead, die := context.WithCancel(t.Context())
		killed := make(chan error, 1)
		require.NoError(t, l.object(dead, d, blob)) // so that there is something, however slow the machine is
		at := time.Duration(random.IntN(400)) * time.Millisecond
		time.AfterFunc(at, func() {
			err := d.Kill()
			die()
			killed <- err
		})
		l.writeUntil(dead, d, blob)
		require.NoError(t, <-killed)
		require.NoError(t, d.Start())
		l.check(t, d)
		require.False(t, t.Failed(), "in round %d, killed after %v", round, at)
	}
	t.Logf("acknowledged and there: %d objects, %d key pairs, %d tokens, %d PIN changes",
		len(l.objects), len(l.keys), len(l.tokens), l.tries)
	require.NotEqual(t, 0, len(l.objects)+len(l.keys)+len(l.tokens), "nothing was acknowledged in any round; the test proved nothing")
}

// writeUntil writes with stock clients until the daemon is dead.
func (l *ledger) writeUntil(dead context.Context, d *harness.Daemon, blob string) {
	writers := []func(context.Context, *harness.Daemon, string) error{l.object, l.key, l.changePIN, l.token}
	for i := 0; dead.Err() == nil; i++ { // errors are expected: the daemon dies under the clients
		_ = writers[i%len(writers)](dead, d, blob)
	}
}

func (l *ledger) object(dead context.Context, d *harness.Daemon, blob string) error {
	label := fmt.Sprintf("object-%d-%d", len(l.objects), time.Now().UnixNano())
	_, err := toolUntil(dead, d, append(login("Card", l.pin), "--write-object", blob, "--type", "data", "--label", label, "--private")...)
	if err == nil {
		l.objects = append(l.objects, label)
	}
	return err
}

func (l *ledger) key(dead context.Context, d *harness.Daemon, _ string) error {
	id := fmt.Sprintf("%016x", time.Now().UnixNano())
	_, err := toolUntil(dead, d, append(login("Card", l.pin), "--keypairgen", "--key-type", "EC:prime256v1", "--id", id)...)
	if err == nil {
		l.keys = append(l.keys, id)
	}
	return err
}

func (l *ledger) changePIN(dead context.Context, d *harness.Daemon, _ string) error {
	if l.tried != "" {
		return nil // one open question at a time
	}
	l.tries++
	next := fmt.Sprintf("pin%08d", l.tries)
	l.tried = next
	_, err := toolUntil(dead, d, append(login("Card", l.pin), "--change-pin", "--new-pin", next)...)
	if err == nil {
		l.pin, l.tried = next, ""
	}
	return err
}

func (l *ledger) token(_ context.Context, d *harness.Daemon, _ string) error {
	label := fmt.Sprintf("token-%d", time.Now().UnixNano())
	err := d.NewToken(label, harness.PIN, harness.SOPIN)
	if err == nil {
		l.tokens = append(l.tokens, label)
	}
	return err
}

// check looks for everything that was acknowledged.
func (l *ledger) check(t *testing.T, d *harness.Daemon) {
	t.Helper()
	listed, err := tool(d, append(login("Card", l.pin), "-O")...)
	if err != nil && l.tried != "" { // the change was done, and only its answer lost
		l.pin = l.tried
		listed, err = tool(d, append(login("Card", l.pin), "-O")...)
	}
	if err != nil {
		t.Errorf("no acknowledged PIN is right: %v", err)
		return
	}
	l.tried = ""
	for _, want := range append(append([]string{}, l.objects...), l.keys...) {
		if !strings.Contains(listed, want) {
			t.Errorf("%s was acknowledged and is gone", want)
		}
	}
	slots, err := tool(d, "-L")
	require.NoError(t, err)
	for _, want := range l.tokens {
		if !strings.Contains(slots, want) {
			t.Errorf("token %s was acknowledged and is gone", want)
		}
	}
	for _, id := range l.keys[max(0, len(l.keys)-2):] { // a key that is there works
		if err := sign(d, id, l.pin); err != nil {
			t.Error(err)
		}
	}
}

func sign(d *harness.Daemon, id, pin string) error {
	digest := filepath.Join(d.Dir, "digest")
	if err := os.WriteFile(digest, make([]byte, 32), 0o600); err != nil {
		return err
	}
	_, err := tool(d, append(login("Card", pin), "--sign", "--mechanism", "ECDSA", "--id", id,
		"--input-file", digest, "--output-file", filepath.Join(d.Dir, "signature"))...)
	return err
}
