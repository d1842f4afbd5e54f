package provisioning_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const ms = time.Millisecond

// grown are the waits after wrong secrets, one after the other.
var grown = []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 2000 * ms, 2000 * ms}

// as is an administrator of the tenant by another name.
func (w *world) as(name string) provisioning.Caller {
	return provisioning.Caller{Name: name, Tenant: w.tenant, Role: record.RoleAdmin}
}

// guess tries to set a user PIN with a guess of the SO PIN.
func (w *world) guess(c provisioning.Caller, ref provisioning.TokenRef, guess string) error {
	return w.core.ChangePIN(w.t.Context(), c, ref, pin.User, secret.Bytes("another PIN"), provisioning.PINRule{}, provisioning.CurrentPIN{Role: pin.SO, PIN: secret.Bytes(guess)})
}

// Wrong PINs slow down the next try of the same token, by whichever credential, and the
// next of the same credential, of whichever token; nobody else's.
func TestGuessesOfPINsWait(t *testing.T) {
	w := newWorld(t)
	tokens := make([]provisioning.TokenRef, 3)
	for i := range tokens {
		tokens[i] = w.boundToken(goodPIN, soPIN)
	}
	for i := range 8 {
		err := w.guess(w.as(fmt.Sprint("credential ", i)), tokens[0], fmt.Sprint("wrong ", i))
		wantKind(t, err, provisioning.Forbidden)
	}
	require.Equal(t, grown, w.waits, "many credentials and one token")
	w.waits = nil
	for i := range 4 {
		ref := tokens[1]
		if i%2 == 1 {
			ref = tokens[2]
		}
		wantKind(t, w.guess(w.as("one"), ref, fmt.Sprint("wrong ", i)), provisioning.Forbidden)
	}
	require.Equal(t, grown[:2], w.waits, "one credential and several tokens")
	w.waits = nil
	require.NoError(t, w.guess(w.as("another"), tokens[1], soPIN))
	require.Empty(t, w.waits)
	// The right PIN of a token of one's own does not speed up guesses of another's.
	require.NoError(t, w.guess(w.as("one"), tokens[1], soPIN))
	wantKind(t, w.guess(w.as("one"), tokens[2], "wrong again"), provisioning.Forbidden)
	require.Equal(t, []time.Duration{1000 * ms, 1000 * ms}, w.waits)
	// Later all is as it was.
	w.now, w.waits = w.now.Add(6*time.Minute), nil
	require.NoError(t, w.guess(w.as("one"), tokens[2], soPIN))
	require.Empty(t, w.waits)
}

// One-time passwords wait for their token only: one credential verifies everybody's.
// One that was used, as one is that is sent twice, slows nothing down.
func TestGuessesOfPasswordsWait(t *testing.T) {
	w := newWorld(t)
	ref, other := w.otpToken(provisioning.NewOTP{Seed: rfcSeed}), w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	for range 5 {
		w.verify(ref, provisioning.TextCode("000000"), provisioning.WrongCode)
	}
	require.Equal(t, grown[:3], w.waits)
	w.waits = nil
	w.verify(other, rfcCode(t, 6, 0))
	for range 5 {
		w.verify(other, rfcCode(t, 6, 0), provisioning.WrongCode)
	}
	require.Empty(t, w.waits)
	w.verify(ref, rfcCode(t, 6, 0))
	w.waits = nil
	w.verify(ref, provisioning.TextCode("000000"), provisioning.WrongCode)
	require.Empty(t, w.waits)
}

// Activation codes wait, too.
func TestGuessesOfCodesWait(t *testing.T) {
	w := newWorld(t)
	code, _, err := w.core.StartActivation(t.Context(), w.admin, w.ref, 0)
	require.NoError(t, err)
	for range 4 {
		_, err := w.core.FinishActivation(t.Context(), w.admin, w.ref, secret.Bytes("0"))
		wantKind(t, err, provisioning.WrongCode)
	}
	require.Equal(t, grown[:2], w.waits)
	_, err = w.core.FinishActivation(t.Context(), w.admin, w.ref, code)
	require.NoError(t, err)
	require.Contains(t, w.told, "activation code wrong")
}

// Who may not try, or tries what is locked, does not wait, and nobody waits for him.
func TestNoTurnForNobody(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken(goodPIN, soPIN)
	viewer := provisioning.Caller{Name: "viewer", Tenant: w.tenant, Role: record.RoleView}
	stranger := provisioning.Caller{Name: "stranger", Tenant: "11111111-2222-4333-8444-555555555555", Role: record.RoleAdmin}
	for range 5 {
		wantKind(t, w.guess(viewer, ref, "wrong"), provisioning.Forbidden)
		wantKind(t, w.guess(stranger, provisioning.TokenRef{ID: ref.ID}, "wrong"), provisioning.TokenNotFound)
	}
	wantKind(t, w.guess(w.admin, ref, "wrong"), provisioning.Forbidden)
	require.Empty(t, w.waits)
	w.store.Tries(ref.ID, pin.SO, 10)
	for range 5 {
		wantKind(t, w.guess(w.admin, ref, "wrong"), provisioning.WrongState)
	}
	require.Empty(t, w.waits)
}

// A try that waits ends with its request and is neither compared nor counted, and a row
// that is too long refuses more with the time to wait.
func TestWaitingEnds(t *testing.T) {
	w := newWorld(t)
	waiting, on := make(chan struct{}, 16), make(chan struct{})
	o := w.options()
	o.Wait = func(ctx context.Context, _ time.Duration) error {
		waiting <- struct{}{}
		select {
		case <-on:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.core = provisioning.New(w.store, o)
	ref := w.boundToken(goodPIN, soPIN)
	w.store.Tries(ref.ID, pin.SO, 5)
	for i := range 3 {
		if i == 2 {
			close(on)
		}
		wantKind(t, w.guess(w.admin, ref, fmt.Sprint("wrong ", i)), provisioning.Forbidden)
	}
	<-waiting
	on = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	rows := 0
	for ; ; rows++ {
		c := w.as(fmt.Sprint("credential ", rows))
		go func() {
			ended <- w.core.ChangePIN(ctx, c, ref, pin.User, secret.Bytes("another PIN"), provisioning.PINRule{}, provisioning.CurrentPIN{Role: pin.SO, PIN: secret.Bytes(soPIN)})
		}()
		var err error
		select {
		case <-waiting:
			continue
		case err = <-ended:
		}
		wantKind(t, err, provisioning.RateLimited)
		require.Greater(t, provisioning.AsError(err).Wait, 5*time.Second)
		break
	}
	require.Greater(t, rows, 3)
	cancel()
	for range rows {
		err := <-ended
		wantKind(t, err, provisioning.RateLimited)
		require.True(t, errors.Is(err, context.Canceled), "%v", err)
	}
	got, err := w.core.Token(t.Context(), w.admin, ref)
	require.NoError(t, err)
	require.Equal(t, 2, got.SOPIN.TriesLeft) // 5 before, 3 wrong ones, and nothing since
	require.Contains(t, w.told, "SO PIN refused")
}

// A PIN gets new tries three times a day, through each call that gives them, from callers
// who may manage; and what is told of that.
func TestUnlocksADay(t *testing.T) {
	w := newWorld(t)
	editor := provisioning.Caller{Name: "editor", Tenant: w.tenant, Role: record.RoleEdit}
	ref := w.boundToken(goodPIN, soPIN)
	on := false
	ways := []func(provisioning.Caller) error{
		func(c provisioning.Caller) error {
			_, err := w.core.UnlockPIN(t.Context(), c, ref, pin.User)
			return err
		},
		func(c provisioning.Caller) error {
			_, _, err := w.core.UnlockByChallenge(t.Context(), c, ref, "4711")
			return err
		},
		func(c provisioning.Caller) error {
			_, err := w.core.SetHolder(t.Context(), c, ref, "alice", provisioning.HolderChange{Suspended: &on, PIN: provisioning.PINChange{Unlock: true}})
			return err
		},
	}
	for _, unlock := range ways {
		w.store.Tries(ref.ID, pin.User, 10)
		wantKind(t, unlock(editor), provisioning.Forbidden)
		require.NoError(t, unlock(w.admin))
	}
	require.NoError(t, ways[2](editor), "a PIN that is not locked needs no unlocking")
	w.store.Tries(ref.ID, pin.User, 10)
	for _, unlock := range ways {
		for _, c := range []provisioning.Caller{w.admin, w.system} {
			err := unlock(c)
			wantKind(t, err, provisioning.RateLimited)
			require.Equal(t, 24*time.Hour, provisioning.AsError(err).Wait)
		}
	}
	require.Equal(t, []string{"user PIN unlocked", "user PIN unlocked", "user PIN unlocked", "user PIN refused"}, w.told[:4])
	w.now = w.now.Add(24 * time.Hour)
	require.NoError(t, ways[0](w.admin))
	require.NoError(t, ways[0](w.admin), "there was nothing to unlock")
}

// Passwords get new tries as PINs do, and where they are locked only.
func TestOTPUnlocksADay(t *testing.T) {
	w := newWorld(t)
	editor := provisioning.Caller{Name: "editor", Tenant: w.tenant, Role: record.RoleEdit}
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	wrong := func(n int) {
		t.Helper()
		for range n {
			w.verify(ref, provisioning.TextCode("000000"), provisioning.WrongCode)
		}
	}
	wrong(provisioning.MaxWrongOTP - 1)
	got, err := w.core.ResetOTP(t.Context(), editor, ref, nil)
	require.NoError(t, err)
	require.Equal(t, provisioning.MaxWrongOTP-1, got.OTP.Failed, "a reset gives no tries back")
	wrong(1)
	for range pin.MaxUnlocks {
		_, err := w.core.ResetOTP(t.Context(), editor, ref, nil)
		wantKind(t, err, provisioning.Forbidden)
		_, err = w.core.ResetOTP(t.Context(), w.admin, ref, nil)
		require.NoError(t, err)
		wrong(provisioning.MaxWrongOTP)
	}
	_, err = w.core.ResetOTP(t.Context(), w.system, ref, nil)
	wantKind(t, err, provisioning.RateLimited)
	require.Contains(t, w.told, "one-time password locked")
	require.Contains(t, w.told, "one-time password unlocked")
}

// The seed of a device stays where it is, whatever is done to the token.
func TestSeedsOfDevices(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	enrol := func(ref provisioning.TokenRef) error {
		_, err := w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{})
		return err
	}
	make := func(n provisioning.NewToken) provisioning.TokenRef {
		t.Helper()
		n.Tenant, n.User, n.CreateUser, n.Kind, n.OTP = w.tenant, "alice", true, record.KindOTP, &provisioning.NewOTP{Seed: rfcSeed}
		made, err := w.core.CreateToken(ctx, w.admin, n)
		require.NoError(t, err)
		return provisioning.TokenRef{Tenant: w.tenant, ID: made.ID}
	}
	hardware := make(provisioning.NewToken{Product: record.Product{Hardware: true}})
	wantKind(t, enrol(hardware), provisioning.NotSupported)
	_, err := w.core.ReseedOTP(ctx, w.admin, hardware, rfcSeed)
	wantKind(t, err, provisioning.NotSupported)

	// Each way in which a soft token comes into use.
	for name, use := range map[string]func(ref provisioning.TokenRef) error{
		"activated": func(ref provisioning.TokenRef) error { _, err := w.core.Activate(ctx, w.admin, ref); return err },
		"activated by passwords": func(ref provisioning.TokenRef) error {
			_, err := w.core.ActivateOTP(ctx, w.admin, ref, rfcCode(t, 6, 0), rfcCode(t, 6, 1))
			return err
		},
		"synchronised": func(ref provisioning.TokenRef) error {
			_, err := w.core.FindOTP(ctx, w.admin, ref, rfcCode(t, 6, 0))
			return err
		},
		"given another seed": func(ref provisioning.TokenRef) error {
			_, err := w.core.ReseedOTP(ctx, w.admin, ref, rfcSeed)
			return err
		},
		"assigned": func(ref provisioning.TokenRef) error {
			if _, err := w.core.CreateUser(ctx, w.admin, w.tenant, "bob"); err != nil {
				return err
			}
			_, err := w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "bob", Take: true, Activation: record.Activated})
			return err
		},
	} {
		ref := make(provisioning.NewToken{})
		require.NoError(t, use(ref), name)
		for _, change := range []func() error{
			func() error { return nil },
			func() error { _, err := w.core.SetConfined(ctx, w.admin, ref, false); return err },
			func() error { _, _, err := w.core.StartActivation(ctx, w.admin, ref, 0); return err },
			func() error { _, err := w.core.Unassign(ctx, w.admin, ref, ""); return err },
			func() error {
				_, err := w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "alice"})
				return err
			},
		} {
			require.NoError(t, change(), name)
			wantKind(t, enrol(ref), provisioning.WrongState)
		}
	}
}
