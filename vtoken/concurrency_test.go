package vtoken_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// allowed is what a call may answer while others log out, close, destroy and an
// administrator switches tokens: never a general error, never a wrong PIN.
var allowed = []ck.Error{
	ck.CKR_OK, ck.CKR_SESSION_HANDLE_INVALID, ck.CKR_OBJECT_HANDLE_INVALID, ck.CKR_KEY_HANDLE_INVALID,
	ck.CKR_USER_NOT_LOGGED_IN, ck.CKR_USER_ALREADY_LOGGED_IN, ck.CKR_OPERATION_NOT_INITIALIZED,
	ck.CKR_OPERATION_ACTIVE, ck.CKR_DEVICE_REMOVED, ck.CKR_TOKEN_NOT_PRESENT, ck.CKR_SLOT_ID_INVALID, ck.CKR_NO_EVENT,
}

// worker is one thread of an application that shares its sessions with others.
type worker struct {
	w       *world
	c       *vtoken.Client
	rng     *rand.Rand
	session *sync.Map // int to ck.SessionHandle
	priv    ck.ObjectHandle
}

func (k *worker) handle() ck.SessionHandle {
	h, _ := k.session.Load(k.rng.IntN(3))
	s, _ := h.(ck.SessionHandle)
	return s
}

func (k *worker) step() error {
	h := k.handle()
	switch k.rng.IntN(12) {
	case 0:
		h, err := k.c.OpenSession(k.w.alice.Slot, rw)
		if err == nil {
			if old, ok := k.session.Swap(k.rng.IntN(3), h); ok {
				_ = k.c.CloseSession(old.(ck.SessionHandle))
			}
		}
		return err
	case 1, 2:
		return k.c.Login(h, ck.CKU_USER, pinOf(userPIN))
	case 3:
		return k.c.Logout(h)
	case 4, 5, 6:
		if err := k.c.SignInit(h, ecdsaMech, k.priv); err != nil {
			return err
		}
		_, err := k.c.Sign(h, make([]byte, 32), big1K)
		return err
	case 7:
		o, err := k.c.CreateObject(h, data(fmt.Sprint(k.rng.IntN(3)), "v", onToken, ck.Bool(ck.CKA_PRIVATE, k.rng.IntN(2) == 0)))
		if err == nil && k.rng.IntN(2) == 0 {
			err = k.c.DestroyObject(h, o)
		}
		return err
	case 8:
		return k.find(h)
	case 9:
		_, err := k.c.CreateObject(h, data("s", "v"))
		return err
	case 10:
		_, err := k.c.WaitForSlotEvent(context.Background(), true)
		return err
	}
	_, err := k.c.GetSlotList(true)
	return err
}

func (k *worker) find(h ck.SessionHandle) error {
	if err := k.c.FindObjectsInit(h, ck.Template{ck.String(ck.CKA_LABEL, "1")}); err != nil {
		return err
	}
	found, err := k.c.FindObjects(h, 10)
	if err != nil {
		return err
	}
	for _, o := range found {
		if err := k.c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_APPLICATION, "x")}); err != nil {
			return err
		}
	}
	return k.c.FindObjectsFinal(h)
}

// Everything at once, under the race detector: each answer is one that can be,
// and in the end memory and store are the same.
func TestEverythingAtOnce(t *testing.T) {
	for i, world := range worlds {
		t.Run(worldNames[i], func(t *testing.T) { everythingAtOnce(t, world(t)) })
	}
}

func everythingAtOnce(t *testing.T, w *world) {
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	c.Close()
	var wg sync.WaitGroup
	work := func(seed uint64, c *vtoken.Client, sessions *sync.Map) {
		k := &worker{w: w, c: c, rng: rand.New(rand.NewPCG(seed, 9)), session: sessions, priv: priv}
		for range 1500 {
			if err := k.step(); !slices.Contains(allowed, ck.CodeOf(err)) {
				t.Errorf("worker %d: %v", seed, err)
				return
			}
		}
	}
	for app := range uint64(3) {
		c, sessions := w.connect(aliceUID), &sync.Map{}
		for thread := range uint64(3) {
			wg.Go(func() { work(10*app+thread, c, sessions) })
		}
	}
	wg.Go(func() {
		for i := range 200 {
			if err := w.store.ChangeToken(w.alice.ID, func(r *record.Token) {
				r.Enabled, r.Label = i%10 != 0, fmt.Sprint(i)
			}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 300 {
			c := w.engine.Connect(peerOf(aliceUID))
			if h, err := c.OpenSession(w.alice.Slot, rw); err == nil {
				_ = c.Login(h, ck.CKU_USER, pinOf(userPIN))
			}
			c.Close()
		}
	})
	wg.Wait()
	before := w.snapshot()
	w.restart()
	if after := w.snapshot(); !maps.Equal(before, after) {
		t.Errorf("memory has %v, the store %v", before, after)
	}
}

// Two who initialize one blank token at the same time: one does.
func TestInitTokenRace(t *testing.T) {
	w := newWorld(t)
	blank := slots(t, w.connect(aliceUID))[1]
	errs := make(chan error, 8)
	var wg sync.WaitGroup
	for i := range cap(errs) {
		c := w.connect(aliceUID)
		wg.Go(func() { errs <- c.InitToken(blank, pinOf(fmt.Sprint("so-pin-", i)), "mine") })
	}
	wg.Wait()
	done := 0
	for range cap(errs) {
		switch err := <-errs; ck.CodeOf(err) {
		case ck.CKR_OK:
			done++
		case ck.CKR_FUNCTION_FAILED, ck.CKR_PIN_INCORRECT:
		default:
			t.Error(err)
		}
	}
	require.Equal(t, 1, done, "%d of them initialized the token", done)
}
