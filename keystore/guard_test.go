package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// moment is the world at one step: the data folder, the counter, and how many
// tries of each token have been acknowledged, and so may have been compared.
type moment struct {
	dir      string
	hardware *hardware
	compared map[record.TokenID]int
}

// TestKilledAtEveryStep copies the world before and after every use of the
// counter, while several tokens' PINs are tried. Killed at any of these steps,
// the store opens again. And no folder of an earlier step, put back at any later
// one, gives a try back: it is refused, or it has at least the tries that were
// acknowledged by then.
func TestKilledAtEveryStep(t *testing.T) {
	h, o, s, first := protected(t)
	tokens := []record.TokenID{first.ID}
	for _, label := range []string{"second", "third"} {
		tokens = append(tokens, addToken(t, s, record.User{Tenant: first.Tenant, ID: first.Owner()}, label).ID)
	}
	var mu sync.Mutex
	compared := map[record.TokenID]int{}
	var moments []moment
	h.used = func() {
		mu.Lock()
		defer mu.Unlock()
		m := moment{copyFolder(t, o.Dir), h.copy(), map[record.TokenID]int{}}
		for id, n := range compared {
			m.compared[id] = n
		}
		moments = append(moments, m)
	}
	var wg sync.WaitGroup
	for _, id := range tokens {
		wg.Go(func() {
			for range 2 {
				if err := try(s, id); err != nil {
					t.Error(err)
				}
				mu.Lock()
				compared[id]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
	s = openWith(t, o) // the steps of a start, too
	h.used = func() {}
	closeStore(t, s)
	require.GreaterOrEqual(t, len(moments), 3*2*2, "%d steps were seen", len(moments))
	refused := 0
	for i, earlier := range moments {
		for j, later := range moments[i:] {
			refused += earlier.putBack(t, later, j == 0)
		}
	}
	require.NotEqual(t, 0, refused, "nothing was refused")
	t.Logf("%d steps, %d copies refused", len(moments), refused)
}

// putBack opens the folder of a moment with the counter of a later one. It
// returns 1 where the folder is refused, which that of the same moment is not.
func (m moment) putBack(t *testing.T, later moment, same bool) int {
	t.Helper()
	s, err := Open(t.Context(), later.hardware.copy().on(copyFolder(t, m.dir)))
	switch {
	case errors.Is(err, ErrRollback) && !same:
		return 1
	case err != nil:
		t.Fatalf("killed here, the store does not open: %v", err)
	}
	defer closeStore(t, s)
	for id, n := range later.compared {
		got := triesOf(t, s, id)
		require.GreaterOrEqual(t, got, n, "%d tries were compared, and an older copy has %d", n, got)
	}
	return 0
}

// childKEK is in the environment of a child where a KEK is named.
const childKEK = "VTOKEN_TEST_CHILD_KEK"

// named names a KEK to a child.
func named(cmd *exec.Cmd, uri string) *exec.Cmd {
	cmd.Env = append(cmd.Env, childKEK+"="+uri)
	return cmd
}

// tryForever counts tries, and prints which were acknowledged.
func tryForever(dir string, token record.TokenID) error {
	o := options(dir)
	if uri := os.Getenv(childKEK); uri != "" {
		o.KEKs = []string{uri}
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	for i := 1; ; i++ {
		if err := try(s, token); err != nil {
			return err
		}
		fmt.Println("token", i)
	}
}

// TestKilledWhileCounting kills a process that counts tries in a software TPM,
// and every other time the TPM with it, as power cuts do: the store opens each
// time, with every acknowledged try.
func TestKilledWhileCounting(t *testing.T) {
	tpm := softTPM(t)
	o := options(tempDir(t))
	o.KEKs = []string{tpm.URI()}
	s := openWith(t, o)
	tok := addToken(t, s, addUser(t, s, "alice"), "label")
	closeStore(t, s)
	tries := 0
	for round := range 8 {
		before := copyFolder(t, o.Dir)
		_, last := killAfter(t, named(child(t, "try", o.Dir, tok.ID), tpm.URI()), 1+2*round)
		if round%2 == 1 {
			require.NoError(t, errors.Join(tpm.Stop(), tpm.Start()))
		}
		s := openWith(t, o)
		got := triesOf(t, s, tok.ID)
		if got < tries+last || got > tries+last+1 {
			t.Errorf("round %d: %d tries were stored and %d acknowledged, there are %d", round, tries, last, got)
		}
		tries = got
		closeStore(t, s)
		old := o
		old.Dir = before
		rolledBackWith(t, old)
	}
}

// Where the counter cannot be read, tries are refused without being stored, and
// everything else goes on.
func TestCounterIsAway(t *testing.T) {
	h, o, s, tok := protected(t)
	h.set(func() { h.off = true })
	err := try(s, tok.ID)
	require.Equal(t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), "a try: %v", err)
	n := triesOf(t, s, tok.ID)
	require.Equal(t, 0, n, "%d tries are stored that were refused", n)
	addObject(t, s, tok.ID, "at leisure", "")
	before := copyFolder(t, o.Dir)
	update(t, s, changes(tok.ID)["another PIN"])
	h.set(func() { h.off = false })
	require.NoError(t, try(s, tok.ID))
	closeStore(t, s)
	rolledBackWith(t, h.on(before))
	closeStore(t, openWith(t, o))
}

// A try whose increment fails is an error, and no further one is stored until
// the counter counts again; the store stays one that opens.
func TestCounterFails(t *testing.T) {
	for name, fail := range map[string]func(h *hardware, on bool){
		"does not count":         func(h *hardware, on bool) { h.deaf = on },
		"counts without telling": func(h *hardware, on bool) { h.mute = on },
	} {
		t.Run(name, func(t *testing.T) {
			h, o, s, tok := protected(t)
			h.set(func() { fail(h, true) })
			for range 4 {
				if err := try(s, tok.ID); ck.CodeOf(err) != ck.CKR_DEVICE_ERROR {
					t.Errorf("a try: %v", err)
				}
			}
			if n := triesOf(t, s, tok.ID); name == "does not count" && n != 1 {
				t.Errorf("%d tries are stored by a counter that does not count", n)
			}
			killed, at := copyFolder(t, o.Dir), h.copy()
			closeStore(t, openWith(t, at.on(killed)))
			h.set(func() { fail(h, false) })
			require.NoError(t, try(s, tok.ID))
			closeStore(t, s)
			closeStore(t, openWith(t, o))
			rolledBackWith(t, h.on(killed))
		})
	}
}

// Who counts beside us is noticed at the next try, and at the next start.
func TestCounterMoved(t *testing.T) {
	h, o, s, tok := protected(t)
	h.set(func() {
		for name := range h.counters {
			h.counters[name] += 2
		}
	})
	err := try(s, tok.ID)
	require.ErrorIs(t, err, ErrRollback)
	require.Equal(t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), "a try: %v", err)
	closeStore(t, s)
	rolledBackWith(t, o)
	h.set(func() { // and one that was set back, as none can be
		for name := range h.counters {
			h.counters[name] = 0
		}
	})
	rolledBackWith(t, o)
}

// Reading, and writing at leisure, costs no increment but those of start and
// stop.
func TestCountingIsSparing(t *testing.T) {
	h, o, s, tok := protected(t)
	closeStore(t, s)
	start := h.value()
	s = openWith(t, o)
	for range 50 {
		addObject(t, s, tok.ID, "at leisure", "")
	}
	closeStore(t, s)
	n := h.value() - start
	require.EqualValues(t, 2, n, "%d increments for a start and a stop", n)
	start = h.value()
	closeStore(t, openWith(t, o))
	n = h.value() - start
	require.EqualValues(t, 1, n, "%d increments for a start", n)
}
