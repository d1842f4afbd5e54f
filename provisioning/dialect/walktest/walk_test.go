package walktest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	p "vtoken/provisioning"
)

// The size of the walk: how many steps, and the tokens that it keeps about.
const (
	defaultSteps = 10_000
	mostTokens   = 30
	allEvery     = 250 // steps after which all tokens are compared
)

// plan is one request, what the model answers to it, and what it does.
type plan struct {
	op           p.Operation // the transition of the core, if it is one on a token
	method, path string
	body         any // a form or encoded, else JSON
	// call is instead of a request for what no dialect can say.
	call func() error
	// want is the answer. It is found when the plan is made, before effect.
	want   p.Kind
	effect func(answer []byte) // on the model, after a success
	// cleanup is done whatever the answer was.
	cleanup func()
}

// also adds what refuses a plan where the state of the token does not.
func (pl *plan) also(refuses p.Kind) *plan {
	if pl != nil {
		pl.want = first(pl.want, refuses)
	}
	return pl
}

// action is something that a dialect can do to a token.
type action struct {
	name   string
	weight int // how often it is done beside others
	// plan is nil where there is no way to say it of this token.
	plan func(w *walk, m *token) *plan
}

// fromEnvironment is a number that the environment may set: WALK_STEPS is how many
// steps to walk, WALK_SEED the seed.
func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "%s", name)
	return n
}

// TestWalk does one random thing after another to some tokens, through all
// dialects, right and wrong, and compares.
func TestWalk(t *testing.T) {
	seed := fromEnvironment(t, "WALK_SEED", uint64(time.Now().UnixNano()))
	steps := int(fromEnvironment(t, "WALK_STEPS", defaultSteps))
	t.Logf("seed %d, %d steps", seed, steps)
	w := newWalk(t, rand.New(rand.NewPCG(seed, 0)))
	t.Cleanup(func() { // however the walk ends
		if t.Failed() {
			t.Logf("WALK_SEED=%d WALK_STEPS=%d failed in step %d; the last steps:\n%s", seed, steps, w.count, strings.Join(w.trail, "\n"))
		}
	})
	var all []int // each action as often as it weighs
	type choice struct {
		d *spoken
		a action
	}
	var choices []choice
	for _, d := range w.dialects {
		for _, a := range d.actions {
			for range a.weight {
				all = append(all, len(choices))
			}
			choices = append(choices, choice{d, a})
		}
	}
	for i := range steps {
		w.count = i
		for stepped := false; !stepped; {
			c := choices[all[w.rng.IntN(len(all))]]
			stepped = w.step(c.d, c.a)
		}
		if i%allEvery == 0 {
			w.compareAll()
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	w.compareAll()
	w.report()
}

// step does an action to a token, where there is a way.
func (w *walk) step(d *spoken, a action) bool {
	var m *token
	if len(w.tokens) > 0 {
		m = w.tokens[w.rng.IntN(len(w.tokens))]
	}
	before := w.tell(m)
	pl := a.plan(w, m)
	if pl == nil {
		return false
	}
	got, answer := w.do(d, pl)
	if pl.cleanup != nil {
		pl.cleanup()
	}
	w.note(fmt.Sprintf("%d %s %s %s %s %v: %s, want %v\n\t%s", w.count, d.name, a.name, pl.method, pl.path, pl.body, clip(answer), pl.want, before))
	if want := d.code(pl.want); got != want {
		w.t.Errorf("%s %s of %s: %d, want %d (%v): %s", d.name, a.name, before, got, want, pl.want, answer)
		return true
	}
	if pl.op.Action() != "" || pl.op == p.OpTokenKeep {
		w.seen[pl.op] = [2]int{w.seen[pl.op][0] + btoi(pl.want == done), w.seen[pl.op][1] + btoi(pl.want != done)}
	}
	w.did[d.name+" "+a.name]++
	if pl.want == done && pl.effect != nil {
		pl.effect(answer)
	}
	if m != nil && slices.Contains(w.tokens, m) {
		m.enrolled = m.enrolled || m.otp && m.active()
		w.compare(m)
		other := w.dialects[w.rng.IntN(len(w.dialects))]
		if other.project != nil {
			other.project(w, other, m)
		}
	}
	return true
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func clip(b []byte) string { return string(b[:min(len(b), 300)]) }

func (w *walk) tell(m *token) string {
	if m == nil {
		return "no token"
	}
	short := *m
	short.seed = nil
	return fmt.Sprintf("%+v", short)
}

// note keeps the last steps.
func (w *walk) note(text string) {
	if w.trail = append(w.trail, text); len(w.trail) > 12 {
		w.trail = w.trail[1:]
	}
}

// report checks that the walk proved something: each operation on a token was both
// done and refused, and each action of each dialect was tried.
func (w *walk) report() {
	for op := range p.Operation(1000) {
		if op.Action() == "" && op != p.OpTokenKeep {
			continue
		}
		if n := w.seen[op]; n[0] == 0 || n[1] == 0 {
			w.t.Errorf("%v: done %d times, refused %d times", op, n[0], n[1])
		}
	}
	for _, d := range w.dialects {
		for _, a := range d.actions {
			if w.did[d.name+" "+a.name] == 0 {
				w.t.Errorf("%s: nobody did %s", d.name, a.name)
			}
		}
	}
	if testing.Verbose() {
		for op, n := range w.seen {
			w.t.Logf("%v: %d done, %d refused", op, n[0], n[1])
		}
	}
}

// decode reads JSON that an answer is.
func decode[T any](w *walk, answer []byte) (v T) {
	w.t.Helper()
	if err := json.Unmarshal(answer, &v); err != nil {
		w.t.Errorf("%v: %s", err, answer)
	}
	return v
}
