package vtoken_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

func slots(t testing.TB, c *vtoken.Client) []ck.SlotID {
	t.Helper()
	list, err := c.GetSlotList(true)
	require.NoError(t, err)
	return list
}

// Each user sees the own tokens only; who is nobody's user sees none.
func TestSlotsAreTheUsers(t *testing.T) {
	w := newWorld(t)
	if got := slots(t, w.connect(bobUID)); !slices.Equal(got, []ck.SlotID{w.bob.Slot}) {
		t.Errorf("bob sees %v", got)
	}
	stranger := w.connect(strangerUID)
	if got := slots(t, stranger); len(got) != 0 {
		t.Errorf("a stranger sees %v", got)
	}
	_, err := stranger.GetTokenInfo(w.alice.Slot)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	_, err = w.connect(bobUID).OpenSession(w.alice.Slot, rw)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
}

// Every function takes a slot id in any order, also before C_GetSlotList.
func TestSlotBeforeList(t *testing.T) {
	w := newWorld(t)
	for name, call := range map[string]func(c *vtoken.Client) error{
		"GetSlotInfo":      func(c *vtoken.Client) error { _, err := c.GetSlotInfo(w.bob.Slot); return err },
		"GetTokenInfo":     func(c *vtoken.Client) error { _, err := c.GetTokenInfo(w.bob.Slot); return err },
		"GetMechanismList": func(c *vtoken.Client) error { _, err := c.GetMechanismList(w.bob.Slot); return err },
		"GetMechanismInfo": func(c *vtoken.Client) error {
			_, err := c.GetMechanismInfo(w.bob.Slot, ck.CKM_ECDSA)
			return err
		},
		"OpenSession":      func(c *vtoken.Client) error { _, err := c.OpenSession(w.bob.Slot, ro); return err },
		"CloseAllSessions": func(c *vtoken.Client) error { return c.CloseAllSessions(w.bob.Slot) },
	} {
		if err := call(w.connect(bobUID)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSlotAndTokenInfo(t *testing.T) {
	w := newWorld(t)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Label = strings.Repeat("ä", 20) }))
	c := w.connect(bobUID)
	slot, err := c.GetSlotInfo(w.bob.Slot)
	require.NoError(w.t, err)
	require.Equal(t, ck.CKF_TOKEN_PRESENT|ck.CKF_REMOVABLE_DEVICE, slot.Flags, "slot flags %x", slot.Flags)
	info, err := c.GetTokenInfo(w.bob.Slot)
	require.NoError(w.t, err)
	require.Equal(t, strings.Repeat("ä", 16), info.Label, "label %q", info.Label)
	require.Equal(t, 16, len(info.SerialNumber), "serial number %q", info.SerialNumber)
	flags := ck.CKF_RNG | ck.CKF_CLOCK_ON_TOKEN | ck.CKF_LOGIN_REQUIRED | ck.CKF_TOKEN_INITIALIZED | ck.CKF_USER_PIN_INITIALIZED |
		ck.CKF_DUAL_CRYPTO_OPERATIONS | ck.CKF_RESTORE_KEY_NOT_NEEDED
	require.Equal(t, flags, info.Flags, "token flags %x, want %x", info.Flags, flags)
	if info.MaxSessionCount != ck.EffectivelyInfinite || info.MaxRwSessionCount != ck.EffectivelyInfinite {
		t.Error("session limits are reported")
	}
	for _, f := range []ck.Flags{ro, rw, rw} {
		_, err := c.OpenSession(w.bob.Slot, f)
		require.NoError(t, err)
	}
	info, err = c.GetTokenInfo(w.bob.Slot)
	require.NoError(w.t, err)
	if info.SessionCount != 3 || info.RwSessionCount != 2 {
		t.Errorf("%d sessions, %d read-write", info.SessionCount, info.RwSessionCount)
	}
}

// What an administrator does to a token reaches running applications: the slot
// goes and comes, sessions end, and there is an event for each.
func TestTokenChangesReachApplications(t *testing.T) {
	w := newWorld(t)
	c, bystander := w.connect(bobUID), w.connect(strangerUID)
	slots(t, bystander)
	slots(t, c)
	h, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	event := func(step string) {
		t.Helper()
		w.oneEvent(step, c, w.bob.Slot)
	}

	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Label = "new" }))
	event("label")
	info, err := c.GetTokenInfo(w.bob.Slot)
	require.NoError(w.t, err)
	require.Equal(t, "new", info.Label, "label %q after the change", info.Label)

	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Enabled = false }))
	event("disable")
	_, err = c.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	_, err = c.GetTokenInfo(w.bob.Slot)
	require.Equal(t, ck.CKR_TOKEN_NOT_PRESENT, ck.CodeOf(err))
	slot, err := c.GetSlotInfo(w.bob.Slot)
	require.NoError(w.t, err)
	require.Equal(t, ck.CKF_REMOVABLE_DEVICE, slot.Flags, "slot flags %x without a token", slot.Flags)
	if got := slots(t, c); len(got) != 0 {
		t.Errorf("slots %v after the token has been disabled", got)
	}

	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Enabled = true }))
	event("enable")
	_, err = c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	_, err = bystander.WaitForSlotEvent(context.Background(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
}

func (w *world) oneEvent(step string, c *vtoken.Client, slot ck.SlotID) {
	w.t.Helper()
	if got, err := c.WaitForSlotEvent(context.Background(), true); err != nil || got != slot {
		w.t.Fatalf("%s: event on slot %d, %v", step, got, err)
	}
	_, err := c.WaitForSlotEvent(context.Background(), true)
	require.Equal(w.t, ck.CKR_NO_EVENT, ck.CodeOf(err))
}

func TestTokensComeAndGo(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	slots(t, c)
	h, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.DeleteToken(w.bob.ID))
	w.oneEvent("delete", c, w.bob.Slot)
	_, err = c.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	_, err = c.OpenSession(w.bob.Slot, rw)
	require.Equal(t, ck.CKR_TOKEN_NOT_PRESENT, ck.CodeOf(err))

	made, err := w.store.AddToken("bob", "second", userPIN, soPIN)
	require.NoError(w.t, err)
	w.oneEvent("create", c, made.Slot)
	require.NoError(w.t, w.store.ChangeToken(made.ID, func(r *record.Token) {
		r.Holders = record.HeldBy("alice", time.Time{},
			"")
	}))
	w.oneEvent("assign to another", c, made.Slot)
	if list := slots(t, c); len(list) != 0 {
		t.Errorf("slots %v", list)
	}
}

// A token that is being provisioned is not seen before it is complete.
func TestIncompleteTokenIsHidden(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	slots(t, c)
	token := &record.Token{Holders: record.HeldBy("bob", time.Time{}, ""), Label: "in work", Initialized: true, Enabled: true}
	require.NoError(w.t, w.store.Update(func(tx vtoken.Tx) error {
		made := *token
		err := tx.NewToken(&made)
		token = &made
		return err
	}))
	if got := slots(t, c); len(got) != 1 {
		t.Fatalf("slots %v", got)
	}
	_, err := c.WaitForSlotEvent(context.Background(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
	require.NoError(w.t, w.store.ChangeToken(token.ID, func(r *record.Token) { r.Complete, r.Activation = true, record.Activated }))
	if got := slots(t, c); len(got) != 2 {
		t.Fatalf("slots %v after completion", got)
	}
	if slot, err := c.WaitForSlotEvent(context.Background(), true); err != nil || slot != token.Slot {
		t.Fatalf("event on slot %d, %v", slot, err)
	}
}

// A user who is switched off or mapped elsewhere loses tokens and sessions.
func TestUnmappedUser(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	h, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	w.store.UnmapUser(bobUID)
	_, err = c.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	if got := slots(t, c); len(got) != 0 {
		t.Errorf("slots %v", got)
	}
	slot, err := c.WaitForSlotEvent(context.Background(), true)
	require.NoError(w.t, err)
	waited := make(chan ck.SlotID)
	go func() {
		slot, _ := c.WaitForSlotEvent(context.Background(), false)
		waited <- slot
	}()
	w.store.MapUser(bobUID, "bob")
	if again := <-waited; slot != w.bob.Slot || again != slot {
		t.Errorf("events on slots %d and %d", slot, again)
	}
	if got := slots(t, c); len(got) != 1 {
		t.Errorf("slots %v after being mapped again", got)
	}
}

// Who may make tokens finds one blank token, and after C_InitToken another.
func TestBlankToken(t *testing.T) {
	w := newWorld(t)
	c, other := w.connect(aliceUID), w.connect(aliceUID)
	list := slots(t, c)
	if len(list) != 2 || !slices.Equal(list, slots(t, other)) || !slices.Equal(list, slots(t, c)) {
		t.Fatalf("slots %v, then %v", list, slots(t, c))
	}
	blank := list[1]
	info, err := c.GetTokenInfo(blank)
	require.NoError(w.t, err)
	if info.Flags.Has(ck.CKF_TOKEN_INITIALIZED) || info.Flags.Has(ck.CKF_USER_PIN_INITIALIZED) {
		t.Errorf("flags %x of a blank token", info.Flags)
	}
	_, err = c.OpenSession(blank, rw)
	require.Equal(t, ck.CKR_TOKEN_NOT_RECOGNIZED, ck.CodeOf(err))

	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(c.InitToken(blank, pinOf("abc"), "short PIN")))
	require.NoError(w.t, c.InitToken(blank, pinOf("abcdef"), "mine                            "))
	info, err = c.GetTokenInfo(blank)
	require.NoError(w.t, err)
	if info.Label != "mine" || !info.Flags.Has(ck.CKF_TOKEN_INITIALIZED) {
		t.Errorf("label %q, flags %x", info.Label, info.Flags)
	}
	if slot, err := other.WaitForSlotEvent(context.Background(), true); err != nil || slot != blank {
		t.Errorf("event on slot %d, %v", slot, err)
	}
	if got := slots(t, other); len(got) != 3 || got[1] != blank {
		t.Errorf("slots %v", got)
	}

	h, err := c.OpenSession(blank, rw)
	require.NoError(w.t, err)
	require.Equal(t, ck.CKR_USER_PIN_NOT_INITIALIZED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("1234"))))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.InitPIN(h, pinOf("1234"))))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf("abcdef")))
	require.NoError(w.t, c.InitPIN(h, pinOf("1234")))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("1234")))
}

// Initializing again takes the SO PIN, empties the token and unsets the user PIN.
func TestInitTokenAgain(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, err := c.CreateObject(h, data("a", "b", onToken))
	require.NoError(t, err)
	require.Equal(t, ck.CKR_SESSION_EXISTS, ck.CodeOf(w.connect(aliceUID).InitToken(w.alice.Slot, pinOf(soPIN), "x")))
	require.NoError(w.t, c.CloseSession(h))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.InitToken(w.alice.Slot, pinOf("wrong"), "x")))
	info, err := c.GetTokenInfo(w.alice.Slot)
	require.NoError(w.t, err)
	if !info.Flags.Has(ck.CKF_SO_PIN_COUNT_LOW) || info.Label != "alice's card" {
		t.Errorf("flags %x, label %q after a wrong SO PIN", info.Flags, info.Label)
	}
	require.Equal(t, ck.CKR_ARGUMENTS_BAD, ck.CodeOf(c.InitToken(w.alice.Slot, pinOf(soPIN), strings.Repeat("x", 33))))
	require.NoError(w.t, c.InitToken(w.alice.Slot, pinOf(soPIN), "x"))
	info, err = c.GetTokenInfo(w.alice.Slot)
	require.NoError(w.t, err)
	if info.Label != "x" || info.Flags.Has(ck.CKF_USER_PIN_INITIALIZED) || info.Flags.Has(ck.CKF_SO_PIN_COUNT_LOW) {
		t.Errorf("label %q, flags %x", info.Label, info.Flags)
	}
	h = w.session(c, rw)
	if found := findAll(t, c, h, nil); len(found) != 0 {
		t.Errorf("objects %v are left", found)
	}
}

// A waiting call hears of an event, and of the end of the application and of its
// own context.
func TestWaitForSlotEventBlocks(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	slots(t, c)
	type answer struct {
		slot ck.SlotID
		err  error
	}
	answers := make(chan answer)
	wait := func(ctx context.Context) {
		slot, err := c.WaitForSlotEvent(ctx, false)
		answers <- answer{slot, err}
	}
	go wait(context.Background())
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Label = "new" }))
	if a := <-answers; a.err != nil || a.slot != w.bob.Slot {
		t.Errorf("event on slot %d, %v", a.slot, a.err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go wait(ctx)
	cancel()
	if a := <-answers; !errors.Is(a.err, context.Canceled) || ck.CodeOf(a.err) != ck.CKR_FUNCTION_CANCELED {
		t.Errorf("a cancelled wait answers %v", a.err)
	}
	go wait(context.Background())
	go wait(context.Background())
	c.Close()
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf((<-answers).err))
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf((<-answers).err))
}

// A blocking wait wakes on whatever happens to a token, and tells its slot. Each
// step ends when the wait has, so that none is woken by the step before.
func TestBlockingWaitWakesOnEachEvent(t *testing.T) {
	w := newWorld(t)
	c, other := w.connect(bobUID), w.connect(bobUID)
	slots(t, c)
	made := &record.Token{}
	change := func(how func(*record.Token)) func() {
		return func() { require.NoError(w.t, w.store.ChangeToken(made.ID, how)) }
	}
	wrong := func() {
		h, err := other.OpenSession(made.Slot, rw)
		require.NoError(w.t, err)
		for i := 0; !w.stored(made.ID).UserPIN.Locked(); i++ {
			require.Error(t, other.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong ", i))), "a wrong PIN is right")
		}
		require.NoError(w.t, other.CloseSession(h))
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"create", func() {
			var err error
			made, err = w.store.AddToken("bob", "second", userPIN, soPIN)
			require.NoError(w.t, err)
		}},
		{"rename", change(func(r *record.Token) { r.Label = "new" })},
		{"disable", change(func(r *record.Token) { r.Enabled = false })},
		{"enable", change(func(r *record.Token) { r.Enabled = true })},
		{"lock the PIN", wrong},
		{"unlock the PIN", change(func(r *record.Token) { r.UserPIN.Failed = 0 })},
		{"lock the SO PIN", change(func(r *record.Token) { r.SOPIN.Failed = r.SOPIN.Policy.MaxTries })},
		{"unassign", change(func(r *record.Token) { r.Holders = nil })},
		{"assign", change(func(r *record.Token) { r.Holders = record.HeldBy("bob", time.Time{}, "") })},
		{"expire", change(func(r *record.Token) { r.ExpiresAt = time.Unix(1, 0) })},
		{"last longer", change(func(r *record.Token) { r.ExpiresAt = time.Time{} })},
		{"delete", func() { require.NoError(w.t, w.store.DeleteToken(made.ID)) }},
	} {
		woken := make(chan ck.SlotID)
		go func() {
			slot, err := c.WaitForSlotEvent(t.Context(), false)
			if err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			woken <- slot
		}()
		step.do()
		if got := <-woken; got != made.Slot {
			t.Errorf("%s: an event of slot %d, want %d", step.name, got, made.Slot)
		}
		_, err := c.WaitForSlotEvent(t.Context(), true)
		require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
	}
}

// stored is a token's record as the store has it.
func (w *world) stored(id record.TokenID) (r *record.Token) {
	w.t.Helper()
	require.NoError(w.t, w.store.View(func(tx vtoken.ReadTx) (err error) {
		r, err = tx.Token(id)
		return err
	}))
	return r
}

func TestMechanisms(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	list, err := c.GetMechanismList(w.bob.Slot)
	require.NoError(w.t, err)
	for _, m := range list {
		if _, err := c.GetMechanismInfo(w.bob.Slot, m); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	_, err = c.GetMechanismInfo(w.bob.Slot, ck.CKM_VENDOR_DEFINED)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.MaxRSABits = 2048 }))
	info, err := c.GetMechanismInfo(w.bob.Slot, ck.CKM_RSA_PKCS_KEY_PAIR_GEN)
	require.NoError(w.t, err)
	require.EqualValues(t, 2048, info.MaxKeySize, "RSA keys of up to %d bits on a token limited to 2048", info.MaxKeySize)
}

// A token made by C_InitToken takes PINs of 4 to 255 characters, and both may be
// the same.
func TestInitTokenPINRules(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	blank := slots(t, c)[1]
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(c.InitToken(blank, pinOf("abc"), "x")))
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(c.InitToken(blank, pinOf(strings.Repeat("x", 256)), "x")))
	longest := strings.Repeat("ü", 255)
	require.NoError(w.t, c.InitToken(blank, pinOf(longest), "x"))
	h, err := c.OpenSession(blank, rw)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(longest)))
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(c.InitPIN(h, pinOf("äöü"))))
	require.Equal(t, ck.CKR_PIN_INVALID, ck.CodeOf(c.InitPIN(h, pinOf("\xff\xff\xff\xff"))))
	require.NoError(w.t, c.InitPIN(h, pinOf("äöüß")))
	require.NoError(w.t, c.InitPIN(h, pinOf(longest)))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(longest)))
}

// A process that acts for two users makes its tokens for the first, does not see the
// blank token of the other, and sees a token that both hold once.
func TestTwoUsers(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	before := slots(t, c)
	require.Len(t, before, 2)
	h := w.session(c, rw)
	w.store.MapUser(aliceUID, "bob")
	require.ElementsMatch(t, append(before, w.bob.Slot), slots(t, c))
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Initialized = false }))
	require.Equal(t, before, slots(t, c))
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) {
		r.Holders = append(r.Holders, record.HeldBy("bob", time.Time{},
			"")...)
	}))
	require.Equal(t, before, slots(t, c))
	_, err := c.GetSessionInfo(h)
	require.NoError(w.t, err)
	require.NoError(w.t, c.InitToken(before[1], pinOf("abcdef"), "mine"))
	made, err := c.TokenIn(before[1])
	require.NoError(w.t, err)
	require.EqualValues(t, "alice", made.Owner())
}
