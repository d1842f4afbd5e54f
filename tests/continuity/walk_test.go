package continuity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

const (
	// walkers is how many processes walk. Each has a card of its own, and all sign with
	// the key of one more.
	walkers = 8
	// sharedCard is the label of that.
	sharedCard = "Shared"
	// shortFreeze is how long the walk freezes the daemon.
	shortFreeze = 20 * time.Millisecond
)

// TestWalk interrupts the daemon in random ways, at random moments, under processes that do
// all kinds of things. Each compares every answer with its model; in the end the cards must
// hold what was acknowledged, and nothing may have grown.
func TestWalk(t *testing.T) {
	t.Parallel() // with the stock programs
	restarts := number(t, "CONTINUITY_RESTARTS", 40)
	seed := uint64(number(t, "CONTINUITY_SEED", int(time.Now().UnixNano())))
	t.Logf("CONTINUITY_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newStage(t)
	require.NoError(t, s.daemon.NewToken(sharedCard, harness.PIN, harness.SOPIN))
	s.run(`pkcs11-tool --module "$MODULE" --token-label ` + sharedCard + ` --login --pin "$PIN" --keypairgen --key-type EC:prime256v1 --id 01 --label ec`)
	board, err := newBoard(filepath.Join(s.dir, "board"))
	require.NoError(t, err)
	defer board.close()

	var list []*process
	for n := range walkers {
		label := fmt.Sprintf("Card-%d", n)
		require.NoError(t, s.daemon.NewToken(label, harness.PIN, harness.SOPIN))
		p, err := startWalker(s, order{Module: s.env["MODULE"], Label: label, Number: n, Seed: seed, Board: filepath.Join(s.dir, "board")})
		require.NoError(t, err)
		defer p.kill()
		list = append(list, p)
	}
	awaitAll(t, board, list, 10)
	kinds := walkKinds(t)
	count, took := map[string]int{}, map[string]time.Duration{}
	early := measure(t, s)
	for n := range restarts {
		kind := kinds[rng.IntN(len(kinds))]
		count[kind.Name]++
		if !kind.Planned && !kind.SameProcess {
			board.crashes().Add(1) // odd: the daemon may go at any moment
		}
		began := time.Now()
		require.NoError(t, kind.Do(s.daemon), "%d: %s", n, kind.Name)
		took[kind.Name] += time.Since(began)
		if board.crashes().Load()%2 == 1 {
			board.crashes().Add(1)
		}
		if rng.IntN(2) > 0 { // else the next one comes while they still find back
			awaitAll(t, board, list, uint64(rng.IntN(4)))
		}
		if n == restarts/5 {
			awaitAll(t, board, list, 10)
			early = measure(t, s)
		}
	}
	awaitAll(t, board, list, 10)
	late := measure(t, s)
	t.Logf("interruptions: %v, which took %v; the daemon at first %+v, in the end %+v", count, took, early, late)
	late.requireNoGrowth(t, early)
	steps := map[string]int{}
	for _, p := range list {
		done, err := p.end()
		require.NoError(t, err)
		for name, n := range done.Steps {
			steps[name] += n
		}
		requireLabels(t, s, done)
	}
	t.Logf("steps: %v", steps)
	for name := range steps {
		require.Positive(t, steps[name], name)
	}
}

// walkKinds are the ways in which the walk interrupts the daemon: all, or the one that
// CONTINUITY_KIND names. To be away is as good as killed, and takes its time.
func walkKinds(t *testing.T) []harness.Interruption {
	t.Helper()
	only := os.Getenv("CONTINUITY_KIND")
	kinds := slices.DeleteFunc(harness.Interruptions(shortFreeze), func(k harness.Interruption) bool {
		return k.Name == "away" || only != "" && k.Name != only
	})
	require.NotEmpty(t, kinds, "CONTINUITY_KIND=%s names a way", only)
	return kinds
}

// requireLabels compares the objects of a card, as another process sees them, with what was
// acknowledged.
func requireLabels(t *testing.T, s *stage, done outcome) {
	t.Helper()
	out, err := s.command(`pkcs11-tool --module "$MODULE" --token-label ` + done.Card + ` --login --pin "$PIN" -O --type data`).Output()
	require.NoError(t, err)
	var found []string
	for line := range strings.Lines(string(out)) {
		if _, label, ok := strings.Cut(line, "label:"); ok {
			found = append(found, strings.Trim(label, " '\n"))
		}
	}
	require.ElementsMatch(t, done.Labels, found, "objects on %s", done.Card)
}

// size is what may not grow.
type size struct {
	Descriptors, Records, MemoryMiB, StoreMiB int
}

func measure(t *testing.T, s *stage) size {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d", s.daemon.PID())
	descriptors, err := os.ReadDir(proc + "/fd")
	require.NoError(t, err)
	records, err := filepath.Glob(s.daemon.P11Socket + ".logins/*.login")
	require.NoError(t, err)
	status, err := os.ReadFile(proc + "/status")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(status), "VmRSS:")
	require.True(t, ok)
	var kib int
	_, err = fmt.Sscan(after, &kib)
	require.NoError(t, err)
	store, err := os.Stat(filepath.Join(s.daemon.DataDir, "vtoken.db"))
	require.NoError(t, err)
	return size{Descriptors: len(descriptors), Records: len(records), MemoryMiB: kib >> 10, StoreMiB: int(store.Size() >> 20)}
}

// requireNoGrowth compares with an earlier size. Connections come and go, at most 16 for
// each process; what a garbage collector and a database keep for later is bounded by a factor.
// To compare a PIN takes 19 MiB, and several are compared at once; a daemon that has just been
// started may not have done so yet.
func (n size) requireNoGrowth(t *testing.T, early size) {
	t.Helper()
	require.LessOrEqual(t, n.Records, walkers, "records of logins")
	require.LessOrEqual(t, n.Descriptors, early.Descriptors+walkers*4, "descriptors")
	require.LessOrEqual(t, n.MemoryMiB, 2*early.MemoryMiB+96, "memory")
	require.LessOrEqual(t, n.StoreMiB, 2*early.StoreMiB+4, "store")
}

// process is a process that walks.
type process struct {
	cmd    *exec.Cmd
	number int
	in     io.WriteCloser
	out    bytes.Buffer
	errs   bytes.Buffer
	done   chan struct{} // closed when it has ended, with err
	err    error
}

func startWalker(s *stage, o order) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), number: o.Number, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), clientVariable+"=1", "VTOKEN_P11_SOCKET="+s.daemon.P11Socket, "VTOKEN_P11_TIMEOUT="+callLimit)
	if trace := s.env["VTOKEN_TRACE"]; trace != "" {
		p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("VTOKEN_TRACE=%s-%d", trace, o.Number))
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	_, err = p.in.Write(append(text, '\n'))
	return p, err
}

// end has the process come to an end, and returns what it did.
func (p *process) end() (o outcome, err error) {
	if err := p.in.Close(); err != nil {
		return o, err
	}
	select {
	case <-p.done:
	case <-time.After(hangsAfter):
		return o, fmt.Errorf("walker %d hangs", p.number)
	}
	if p.err != nil {
		return o, fmt.Errorf("walker %d: %w\n%s", p.number, p.err, p.errs.String())
	}
	return o, json.Unmarshal(p.out.Bytes(), &o)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it has mostly ended
	<-p.done
}

// awaitAll waits until every process has taken some more steps.
func awaitAll(t *testing.T, b *board, list []*process, more uint64) {
	t.Helper()
	looks := time.NewTicker(looksEach)
	defer looks.Stop()
	late := time.After(hangsAfter)
	for _, p := range list {
		goal := b.steps(p.number).Load() + more
		for b.steps(p.number).Load() < goal {
			select {
			case <-looks.C:
			case <-p.done:
				require.FailNow(t, "a walker ended", "%d: %v\n%s", p.number, p.err, p.errs.String())
			case <-late:
				require.FailNow(t, "a walker takes no more steps", "%d", p.number)
			}
		}
	}
}
