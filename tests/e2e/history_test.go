package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// killTimes is how often the daemon is killed under writers: as KILLS says in
// make soak, else 25 times. Package keystore dies at each commit in turn.
func killTimes(t *testing.T) int {
	text := os.Getenv("KILLS")
	if text == "" {
		return 25
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

const writers = 8

// TestKilledUnderWriters kills the daemon at random moments while eight clients
// write, each on a card of its own, and holds what is there afterwards against
// the history of what each was told: every acknowledged create, destroy, label
// and PIN is there, nothing is half done, and no wrong PIN is forgotten.
func TestKilledUnderWriters(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := start(t)
	var cards []*history
	for i := range writers {
		id, err := d.NewTokenFor(me(t), fmt.Sprint("Card ", i), harness.PIN, harness.SOPIN)
		require.NoError(t, err)
		cards = append(cards, &history{
			id: id, pin: harness.PIN, objects: map[string]string{}, pairs: map[string]bool{},
			random: rand.New(rand.NewPCG(seed, uint64(i)+1)),
		})
	}
	slots := slotsOf(t, d)
	for _, h := range cards {
		h.slot = slots[h.id]
	}
	kills := killTimes(t)
	for round := range kills {
		dead, die := context.WithCancel(t.Context())
		var working sync.WaitGroup
		for _, h := range cards {
			working.Go(func() { h.write(dead, d) })
		}
		killed := make(chan error, 1)
		at := time.Duration(random.IntN(150)) * time.Millisecond
		time.AfterFunc(at, func() {
			err := d.Kill()
			die()
			killed <- err
		})
		require.NoError(t, <-killed)
		working.Wait()
		require.NoError(t, d.Start())
		tries := triesLeft(t, d)
		for _, h := range cards {
			h.check(t, d, tries[h.id])
		}
		require.False(t, t.Failed(), "in round %d, killed after %v", round, at)
	}
	var acknowledged, asked, wrong int
	for _, h := range cards {
		acknowledged, asked, wrong = acknowledged+h.acknowledged, asked+h.asked, wrong+h.wrong
	}
	t.Logf("%d kills: %d changes asked for, %d acknowledged and there, %d wrong PINs counted", kills, asked, acknowledged, wrong)
	if acknowledged < kills || wrong == 0 {
		t.Error("hardly anything was acknowledged; the test proved nothing")
	}
	_, err := d.Vtoken("check")
	require.NoError(t, err)
}

// history is what one client was told of its card. Its methods are for one
// goroutine at a time.
type history struct {
	id     string
	slot   ck.SlotID
	random *rand.Rand

	pin     string
	objects map[string]string // labels of data objects, by name (CKA_APPLICATION)
	pairs   map[string]bool   // ids of key pairs
	wrong   int               // wrong SO PINs that were answered

	// pending is what was asked for and not answered: it may be done or not.
	pending pending

	made, asked, acknowledged int
}

// pending is one change whose outcome nobody knows.
type pending struct {
	kind  string // "", "object", "pair", "pin" or "wrong"
	name  string // of the object, id of the pair, or the new PIN
	label string // of the object afterwards, "" where it is destroyed
}

func dialDaemon(d *harness.Daemon) *remote.Client {
	return remote.New(remote.Options{Socket: func() string { return d.P11Socket }, Timeout: time.Minute})
}

// dialUntil is dialDaemon for a client that does not wait for the next daemon after this one is
// dead. The caller calls end.
func dialUntil(dead context.Context, d *harness.Daemon) (c *remote.Client, end func()) {
	c = dialDaemon(d)
	end = sync.OnceFunc(c.Close)
	context.AfterFunc(dead, end)
	return c, end
}

// write changes the card until the daemon is dead.
func (h *history) write(dead context.Context, d *harness.Daemon) {
	c, end := dialUntil(dead, d)
	defer end()
	s, err := h.login(c)
	for err == nil && dead.Err() == nil {
		err = h.change(dead, d, c, s)
	}
}

func (h *history) login(c *remote.Client) (ck.SessionHandle, error) {
	s, err := c.OpenSession(h.slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return 0, err
	}
	return s, c.Login(s, ck.CKU_USER, secret.Bytes(h.pin))
}

// change asks for one change and notes what was answered.
func (h *history) change(dead context.Context, d *harness.Daemon, c *remote.Client, s ck.SessionHandle) error {
	h.made++
	name := fmt.Sprintf("%06d", h.made)
	var err error
	switch kind := h.random.IntN(20); {
	case kind < 8 || len(h.objects) == 0:
		h.pending = pending{"object", name, "new " + name}
		_, err = c.CreateObject(s, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true),
			ck.String(ck.CKA_APPLICATION, name), ck.String(ck.CKA_LABEL, h.pending.label),
		})
	case kind < 12:
		h.pending = pending{"object", h.any(), "label " + name}
		err = h.onObject(c, s, func(o ck.ObjectHandle) error {
			return c.SetAttributeValue(s, o, ck.Template{ck.String(ck.CKA_LABEL, h.pending.label)})
		})
	case kind < 15:
		h.pending = pending{"object", h.any(), ""}
		err = h.onObject(c, s, func(o ck.ObjectHandle) error { return c.DestroyObject(s, o) })
	case kind < 18:
		h.pending = pending{"pair", name, ""}
		err = makePair(c, s, name)
	case kind < 19:
		h.pending = pending{"pin", "pin " + name, ""}
		err = c.SetPIN(s, secret.Bytes(h.pin), secret.Bytes(h.pending.name))
	default:
		return h.wrongPIN(dead, d)
	}
	h.asked++
	if err == nil {
		h.acknowledged++
		h.done()
	}
	return err
}

func makePair(c *remote.Client, s ck.SessionHandle, id string) error {
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	_, _, err := c.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Bytes(ck.CKA_EC_PARAMS, p256), ck.String(ck.CKA_ID, id)},
		ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true), ck.String(ck.CKA_ID, id)})
	return err
}

// wrongPIN tries a wrong SO PIN, another one each time, as long as that does not
// lock it.
func (h *history) wrongPIN(dead context.Context, d *harness.Daemon) error {
	if h.wrong >= 8 {
		return nil
	}
	c, end := dialUntil(dead, d)
	defer end()
	s, err := c.OpenSession(h.slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	h.pending = pending{"wrong", "", ""}
	if err = c.Login(s, ck.CKU_SO, secret.Bytes(fmt.Sprint("wrong ", h.made))); errors.Is(err, ck.CKR_PIN_INCORRECT) {
		h.pending = pending{}
		h.wrong++
		return nil
	}
	return err
}

// done takes what was pending for done.
func (h *history) done() {
	switch p := h.pending; {
	case p.kind == "object" && p.label == "":
		delete(h.objects, p.name)
	case p.kind == "object":
		h.objects[p.name] = p.label
	case p.kind == "pair":
		h.pairs[p.name] = true
	case p.kind == "pin":
		h.pin = p.name
	case p.kind == "wrong":
		h.wrong++
	}
	h.pending = pending{}
}

// any is the name of some object.
func (h *history) any() string {
	n := h.random.IntN(len(h.objects))
	for name := range h.objects {
		if n--; n < 0 {
			return name
		}
	}
	return ""
}

// onObject finds the object that is pending and does something to it.
func (h *history) onObject(c *remote.Client, s ck.SessionHandle, do func(ck.ObjectHandle) error) error {
	found, err := search(c, s, ck.Template{ck.String(ck.CKA_APPLICATION, h.pending.name)})
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("there are %d objects %s", len(found), h.pending.name)
	}
	return do(found[0])
}

func search(c *remote.Client, s ck.SessionHandle, t ck.Template) ([]ck.ObjectHandle, error) {
	if err := c.FindObjectsInit(s, t); err != nil {
		return nil, err
	}
	list, err := c.FindObjects(s, 100_000)
	return list, errors.Join(err, c.FindObjectsFinal(s))
}

// check holds the card against the history, and learns what became of what was
// pending.
func (h *history) check(t *testing.T, d *harness.Daemon, soTriesLeft int) {
	t.Helper()
	c := dialDaemon(d)
	defer c.Close()
	s, err := h.login(c)
	if errors.Is(err, ck.CKR_PIN_INCORRECT) && h.pending.kind == "pin" {
		h.done() // the change was done, and only its answer lost
		s, err = h.login(c)
	}
	if err != nil {
		t.Errorf("%s: no PIN that was acknowledged is right: %v", h.id, err)
		return
	}
	there, pairs := h.read(t, c, s)
	before := maps.Clone(h.objects)
	pairsBefore := maps.Clone(h.pairs)
	p := h.pending
	failed := 10 - soTriesLeft
	if p.kind == "wrong" && failed == h.wrong+1 || p.kind == "pair" && pairs[p.name] > 0 ||
		p.kind == "object" && there[p.name] == p.label {
		h.done()
	}
	h.pending = pending{}
	require.True(t, maps.Equal(there, h.objects), "%s: pending %v; before %v; there are %v", h.id, p, before, there)
	for id := range h.pairs {
		if pairs[id] != 2 {
			t.Errorf("%s: of key pair %s there are %d keys", h.id, id, pairs[id])
		}
	}
	require.Len(t, pairs, len(h.pairs), "%s: pending %v; key pairs before %v, now %v", h.id, p, pairsBefore, pairs)
	require.Equal(t, h.wrong, failed, "%s: wrong PINs that were answered, and that are counted", h.id)
}

// read is what is on the card: labels of objects by name, and how many keys have
// an id.
func (h *history) read(t *testing.T, c *remote.Client, s ck.SessionHandle) (objects map[string]string, keys map[string]int) {
	t.Helper()
	objects, keys = map[string]string{}, map[string]int{}
	data, err := search(c, s, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)})
	require.NoError(t, err)
	for _, o := range data {
		v := values(t, c, s, o, ck.CKA_APPLICATION, ck.CKA_LABEL)
		objects[v[0]] = v[1]
	}
	for _, class := range []ck.ObjectClass{ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY} {
		list, err := search(c, s, ck.Template{ck.Ulong(ck.CKA_CLASS, class)})
		require.NoError(t, err)
		for _, o := range list {
			keys[values(t, c, s, o, ck.CKA_ID)[0]]++
		}
	}
	return objects, keys
}

func values(t *testing.T, c *remote.Client, s ck.SessionHandle, o ck.ObjectHandle, types ...ck.AttributeType) []string {
	t.Helper()
	queries := make([]ck.AttributeQuery, len(types))
	for i, typ := range types {
		queries[i] = ck.AttributeQuery{Type: typ, Buffer: ck.Buffer{Len: 256}}
	}
	out := make([]string, len(types))
	require.NoError(t, c.GetAttributeValue(s, o, queries, func(i int, r ck.AttributeResult) { out[i] = string(r.Value) }))
	return out
}

// cardJSON is what the CLI tells of a token.
type cardJSON struct {
	ID    string
	Slot  ck.SlotID
	SOPin struct{ TriesLeft int }
}

func cardsOf(t *testing.T, d *harness.Daemon) (list []cardJSON) {
	t.Helper()
	out, err := d.Vtoken("token", "list", "-o", "json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	return list
}

func slotsOf(t *testing.T, d *harness.Daemon) map[string]ck.SlotID {
	slots := map[string]ck.SlotID{}
	for _, c := range cardsOf(t, d) {
		slots[c.ID] = c.Slot
	}
	return slots
}

func triesLeft(t *testing.T, d *harness.Daemon) map[string]int {
	tries := map[string]int{}
	for _, c := range cardsOf(t, d) {
		tries[c.ID] = c.SOPin.TriesLeft
	}
	return tries
}
