package provisioning_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/oath"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// rfcSeed is the seed of RFC 4226 and RFC 6238.
var rfcSeed = secret.Bytes("12345678901234567890")

// otpToken makes an activated token of alice's with one-time passwords.
func (w *world) otpToken(n provisioning.NewOTP) provisioning.TokenRef {
	w.t.Helper()
	return w.otpTokenWith(n, record.Activated)
}

func (w *world) otpTokenWith(n provisioning.NewOTP, a record.Activation) provisioning.TokenRef {
	w.t.Helper()
	t, err := w.core.CreateToken(w.t.Context(), w.admin, provisioning.NewToken{
		Tenant: w.tenant, User: "alice", CreateUser: true, Kind: record.KindOTP, OTP: &n, Activation: a,
	})
	require.NoError(w.t, err)
	return provisioning.TokenRef{Tenant: w.tenant, ID: t.ID}
}

// rfcCode is the password of the RFC's seed with SHA-1.
func rfcCode(t testing.TB, digits int, counter uint64) provisioning.Code {
	t.Helper()
	code, err := oath.Key{Seed: rfcSeed, Hash: oath.SHA1, Digits: digits}.Code(counter)
	require.NoError(t, err)
	return provisioning.Code{Text: code}
}

// verify wants a password to be taken, or to be an error of the kind.
func (w *world) verify(ref provisioning.TokenRef, code provisioning.Code, want ...provisioning.Kind) provisioning.Token {
	w.t.Helper()
	t, err := w.core.VerifyOTP(w.t.Context(), w.admin, ref, code)
	if len(want) > 0 {
		wantKind(w.t, err, want[0])
	} else {
		require.NoError(w.t, err)
	}
	return t
}

// A new token has a key that PKCS#11 can use and nobody can read.
func TestNewOTPKey(t *testing.T) {
	w := newWorld(t)
	for _, n := range []provisioning.NewOTP{{}, {Hash: "SHA256", Digits: 8, Period: 60}, {Hash: "SHA512", Seed: rfcSeed, Counter: math.MaxUint64}} {
		ref := w.otpToken(n)
		got, err := w.core.Token(t.Context(), w.admin, ref)
		require.NoError(t, err)
		objects := w.store.ObjectsOf(ref.ID)
		if len(objects) != 1 || uint64(objects[0].ID) != got.OTP.Key {
			t.Fatalf("%d objects, %+v", len(objects), got.OTP)
		}
		o := objects[0]
		seed := o.Secret.Get(ck.CKA_VALUE)
		if kt, _ := o.KeyType(); o.Class() != ck.CKO_OTP_KEY || kt != ck.CKK_HOTP || !o.Private() || !o.Sensitive() || o.Extractable() || !o.Bool(ck.CKA_SIGN) || !o.Token() {
			t.Errorf("%+v", o.Attrs)
		}
		want := max(20, oath.SeedSize(n.Hash))
		if n.Seed != nil {
			want = len(n.Seed)
		}
		if len(seed) != want || bytes.Equal(seed, make([]byte, want)) || got.OTP.Next != n.Counter || got.OTP.Digits != max(6, n.Digits) || got.OTP.Period != n.Period {
			t.Errorf("%d bytes of seed, %+v", len(seed), got.OTP)
		}
	}
	for _, bad := range []provisioning.NewOTP{
		{Hash: "MD5"}, {Digits: 7}, {Period: 15}, {Period: 30, Counter: 1}, {Seed: secret.Bytes("short")}, {Seed: make(secret.Bytes, 129)}, {Window: -1}, {Window: 121},
	} {
		_, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice", Kind: record.KindOTP, OTP: &bad})
		wantKind(t, err, provisioning.BadInput)
	}
}

func TestVerifyHOTP(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	if got := w.verify(ref, provisioning.TextCode("755224")); got.OTP.Next != 1 || !got.LastUsedAt.Equal(w.now) || got.OTP.Failed != 0 {
		t.Errorf("%+v", got.OTP)
	}
	_, err := w.core.VerifyOTP(t.Context(), w.admin, ref, provisioning.TextCode("755224"))
	wantKind(t, err, provisioning.WrongCode)
	if !errors.Is(err, provisioning.ErrCodeUsed) {
		t.Errorf("a used password: %v", err)
	}
	w.verify(ref, rfcCode(t, 6, 1+provisioning.DefaultWindow)) // the last of the window
	w.verify(ref, rfcCode(t, 6, 1+provisioning.DefaultWindow), provisioning.WrongCode)
	w.verify(ref, rfcCode(t, 6, 5), provisioning.WrongCode)
	w.verify(ref, rfcCode(t, 6, 13+provisioning.DefaultWindow), provisioning.WrongCode) // one beyond
	if got := w.verify(ref, rfcCode(t, 6, 12)); got.OTP.Failed != 0 || got.OTP.Next != 13 {
		t.Errorf("%+v", got.OTP)
	}
}

// A password that came as a number has lost its zeros.
func TestCodesWithZeros(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed, Digits: 8, Period: 30})
	w.now = time.Unix(1111111109, 0).UTC() // 07081804
	for _, bad := range []provisioning.Code{
		provisioning.TextCode("7081804"), provisioning.TextCode(""), provisioning.TextCode("070818040"), provisioning.TextCode("0708180x"),
		provisioning.TextCode("+7081804"), provisioning.NumberCode(107081804), provisioning.TextCode(" 7081804"),
	} {
		w.verify(ref, bad, provisioning.BadInput)
	}
	if got := w.verify(ref, provisioning.NumberCode(7081804)); got.OTP.Failed != 0 {
		t.Errorf("what is no password counts as a wrong one: %+v", got.OTP)
	}
	for _, text := range []string{fmt.Sprint(provisioning.TextCode("123456")), fmt.Sprintf("%+v", []provisioning.Code{provisioning.NumberCode(123456)})} {
		if strings.Contains(text, "123456") {
			t.Errorf("a password prints as %s", text)
		}
	}
}

func TestVerifyTOTP(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed, Period: 30})
	step := oath.Step(w.now, 30)
	w.verify(ref, rfcCode(t, 6, step+2), provisioning.WrongCode)
	w.verify(ref, rfcCode(t, 6, step-2), provisioning.WrongCode)
	w.verify(ref, rfcCode(t, 6, step-1)) // slow to type
	got := w.verify(ref, rfcCode(t, 6, step))
	w.verify(ref, rfcCode(t, 6, step), provisioning.WrongCode)
	if got.OTP.Drift != 0 {
		t.Errorf("%+v", got.OTP)
	}
	// A clock that goes slow takes the window along.
	for i := 1; i <= 5; i++ {
		w.now = w.now.Add(10 * time.Minute)
		if got := w.verify(ref, rfcCode(t, 6, oath.Step(w.now, 30)-uint64(i))); got.OTP.Drift != -i {
			t.Errorf("%+v", got.OTP)
		}
	}
	_, err := w.core.ResetOTP(t.Context(), w.admin, ref, nil)
	require.NoError(t, err)
	w.now = w.now.Add(time.Hour)
	w.verify(ref, rfcCode(t, 6, oath.Step(w.now, 30)-6), provisioning.WrongCode)
}

// So many wrong passwords lock the token, also for right ones, until it is reset.
func TestOTPLock(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	for range provisioning.MaxWrongOTP {
		w.verify(ref, provisioning.TextCode("000000"), provisioning.WrongCode)
	}
	w.verify(ref, provisioning.TextCode("755224"), provisioning.WrongState)
	_, err := w.core.SyncOTP(t.Context(), w.admin, ref, rfcCode(t, 6, 1), rfcCode(t, 6, 2))
	wantKind(t, err, provisioning.WrongState)
	if got, err := w.core.Token(t.Context(), w.admin, ref); err != nil || !provisioning.OTPLocked(got.OTP) {
		t.Errorf("%+v, %v", got.OTP, err)
	}
	if got, err := w.core.ResetOTP(t.Context(), w.admin, ref, nil); err != nil || provisioning.OTPLocked(got.OTP) || got.OTP.Next != 0 {
		t.Errorf("%+v, %v", got.OTP, err)
	}
	w.verify(ref, provisioning.TextCode("755224"))
}

// Where the try cannot be stored there is no answer, right or wrong.
func TestOTPTryIsStoredFirst(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	w.store.FillDisk()
	w.verify(ref, provisioning.TextCode("755224"), provisioning.StorageFull)
	w.verify(ref, provisioning.TextCode("000000"), provisioning.StorageFull)
	w.store.Fail(nil)
	w.verify(ref, provisioning.TextCode("755224"))
}

func TestSyncAndReset(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed, Counter: 5})
	sync := func(first, next uint64, want ...provisioning.Kind) {
		t.Helper()
		got, err := w.core.SyncOTP(t.Context(), w.admin, ref, rfcCode(t, 6, first), rfcCode(t, 6, next))
		if len(want) > 0 {
			wantKind(t, err, want[0])
		} else if err != nil || got.OTP.Next != next+1 || got.OTP.Failed != 0 {
			t.Fatalf("%+v, %v", got.OTP, err)
		}
	}
	sync(3, 4, provisioning.WrongCode)  // used
	sync(9, 11, provisioning.WrongCode) // not in a row
	sync(5+provisioning.SyncWindow, 6+provisioning.SyncWindow)
	w.verify(ref, rfcCode(t, 6, 7+provisioning.SyncWindow))
	sync(9+2*provisioning.SyncWindow, 10+2*provisioning.SyncWindow, provisioning.WrongCode) // one beyond

	counter := uint64(2)
	_, err := w.core.ResetOTP(t.Context(), w.admin, ref, &counter)
	require.NoError(t, err)
	w.verify(ref, rfcCode(t, 6, 2))

	ref = w.otpToken(provisioning.NewOTP{Seed: rfcSeed, Period: 60})
	_, err = w.core.ResetOTP(t.Context(), w.admin, ref, &counter)
	wantKind(t, err, provisioning.BadInput)
	step := oath.Step(w.now, 60)
	sync(step+provisioning.SyncSteps-1, step+provisioning.SyncSteps)
	w.now = w.now.Add(3 * time.Hour)
	if got := w.verify(ref, rfcCode(t, 6, oath.Step(w.now, 60)+provisioning.SyncSteps)); got.OTP.Drift != provisioning.SyncSteps {
		t.Errorf("%+v", got.OTP)
	}
}

func TestActivateOTP(t *testing.T) {
	w := newWorld(t)
	ref := w.otpTokenWith(provisioning.NewOTP{Seed: rfcSeed}, record.ActivationNew)
	w.verify(ref, rfcCode(t, 6, 0), provisioning.WrongState)
	_, err := w.core.ActivateOTP(t.Context(), w.admin, ref, rfcCode(t, 6, 0), rfcCode(t, 6, 2))
	wantKind(t, err, provisioning.WrongCode)
	got, err := w.core.ActivateOTP(t.Context(), w.admin, ref, rfcCode(t, 6, 30), rfcCode(t, 6, 31))
	if err != nil || got.Activation != record.Activated || got.OTP.Next != 32 {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = w.core.ActivateOTP(t.Context(), w.admin, ref, rfcCode(t, 6, 32), rfcCode(t, 6, 33))
	wantKind(t, err, provisioning.WrongState)
	_, err = w.core.ActivateOTP(t.Context(), w.admin, w.ref, rfcCode(t, 6, 32), rfcCode(t, 6, 33))
	wantKind(t, err, provisioning.NotSupported)
}

// Nobody who may not use a token verifies with it.
func TestVerifyNeedsTheHolder(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	counter := uint64(0)
	refused := func(kind provisioning.Kind) {
		t.Helper()
		w.verify(ref, rfcCode(t, 6, counter), kind)
	}
	taken := func() {
		t.Helper()
		w.verify(ref, rfcCode(t, 6, counter))
		counter++
	}
	must := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	taken()
	must(w.core.SetEnabled(ctx, w.admin, ref, false, provisioning.EnableRule{}))
	refused(provisioning.WrongState)
	must(w.core.SetEnabled(ctx, w.admin, ref, true, provisioning.EnableRule{}))
	must(w.core.SetUserEnabled(ctx, w.admin, w.tenant, "alice", false))
	refused(provisioning.WrongState)
	must(w.core.SetUserEnabled(ctx, w.admin, w.tenant, "alice", true))
	on, off := true, false
	must(w.core.SetHolder(ctx, w.admin, ref, "alice", provisioning.HolderChange{Suspended: &on}))
	refused(provisioning.WrongState)
	must(w.core.CreateUser(ctx, w.admin, w.tenant, "bob"))
	must(w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "bob", Share: true}))
	taken() // by bob
	ref.User = "alice"
	refused(provisioning.WrongState)
	must(w.core.SetHolder(ctx, w.admin, ref, "alice", provisioning.HolderChange{Suspended: &off}))
	taken()
	ref.User = ""
	must(w.core.SetExpiry(ctx, w.admin, ref, w.now))
	refused(provisioning.WrongState)
	must(w.core.SetExpiry(ctx, w.admin, ref, time.Time{}))
	must(w.core.Unassign(ctx, w.admin, ref, ""))
	refused(provisioning.WrongState)
	must(w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "bob", Activation: record.Activated}))
	taken()
	must(w.core.Decease(ctx, w.admin, ref))
	refused(provisioning.WrongState)
	w.verify(w.ref, rfcCode(t, 6, 0), provisioning.NotSupported)
	w.verify(provisioning.TokenRef{Tenant: w.tenant, ID: "11111111-2222-4333-8444-555555555555"}, rfcCode(t, 6, 0), provisioning.TokenNotFound)
}

// The seed leaves once, and never after activation.
func TestEnrol(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ref := w.otpTokenWith(provisioning.NewOTP{Seed: rfcSeed, Counter: 3, Digits: 8}, record.ActivationNew)
	for _, bad := range []provisioning.Enrolment{{Issuer: "a:b"}, {Account: strings.Repeat("a", 101)}, {Account: "a\n"}, {Device: " "}} {
		_, err := w.core.EnrolOTP(ctx, w.admin, ref, bad)
		wantKind(t, err, provisioning.BadInput)
	}
	got, err := w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{Issuer: "Example Ltd"})
	require.NoError(t, err)
	if want := "otpauth://hotp/Example%20Ltd:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Ltd&algorithm=SHA1&digits=8&counter=3"; string(got.URI) != want {
		t.Errorf("%s", []byte(got.URI))
	}
	if _, err := png.Decode(bytes.NewReader(got.PNG)); err != nil || !got.Seed.Equal(rfcSeed) || !got.Token.Confined || got.Account != "alice" {
		t.Errorf("%v, %+v", err, got.Token)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "GEZDG") || strings.Contains(text, "1234567890") {
		t.Errorf("an enrolment prints as %s", text)
	}
	_, err = w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{})
	wantKind(t, err, provisioning.WrongState)
	_, err = w.core.SetConfined(ctx, w.admin, ref, false)
	require.NoError(t, err)
	for range 2 {
		_, err = w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{Device: "phone"})
		require.NoError(t, err)
	}
	_, err = w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{Device: "tablet"})
	wantKind(t, err, provisioning.Conflict)
	_, err = w.core.ActivateOTP(ctx, w.admin, ref, rfcCode(t, 8, 3), rfcCode(t, 8, 4))
	require.NoError(t, err)
	_, err = w.core.EnrolOTP(ctx, w.admin, ref, provisioning.Enrolment{Device: "phone"})
	wantKind(t, err, provisioning.WrongState)
	_, err = w.core.EnrolOTP(ctx, w.admin, w.ref, provisioning.Enrolment{})
	wantKind(t, err, provisioning.NotSupported)
}

// Names that nobody chose are made fit for an app.
func TestEnrolNames(t *testing.T) {
	w := newWorld(t)
	n := provisioning.NewToken{Tenant: w.tenant, User: "ad:" + strings.Repeat("ä", 80), CreateUser: true, Kind: record.KindOTP, OTP: &provisioning.NewOTP{Period: 30}}
	made, err := w.core.CreateToken(t.Context(), w.admin, n)
	require.NoError(t, err)
	got, err := w.core.EnrolOTP(t.Context(), w.admin, provisioning.TokenRef{ID: made.ID}, provisioning.Enrolment{})
	if err != nil || got.Issuer != "default" || got.Account != "ad "+strings.Repeat("ä", 48) {
		t.Errorf("%q of %q, %v", got.Account, got.Issuer, err)
	}
	if u, err := url.Parse(string(got.URI)); err != nil || u.Host != "totp" || u.Query().Get("period") != "30" {
		t.Errorf("%v, %v", u, err)
	}
	n.User, n.Unassigned, n.Label = "", true, "a label: x"
	made, err = w.core.CreateToken(t.Context(), w.admin, n)
	require.NoError(t, err)
	got, err = w.core.EnrolOTP(t.Context(), w.admin, provisioning.TokenRef{ID: made.ID}, provisioning.Enrolment{})
	if err != nil || got.Account != "a label  x" {
		t.Errorf("%q, %v", got.Account, err)
	}
}

// Of many who send the same password at the same time one is let in.
func TestOTPOnceAmongMany(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	for counter := range uint64(20) {
		code := rfcCode(t, 6, counter)
		results := make(chan error)
		for range provisioning.MaxWrongOTP - 1 {
			go func() {
				_, err := w.core.VerifyOTP(t.Context(), w.admin, ref, code)
				results <- err
			}()
		}
		taken := 0
		for range provisioning.MaxWrongOTP - 1 {
			if err := <-results; err == nil {
				taken++
			} else if !errors.Is(err, provisioning.ErrCodeUsed) {
				t.Error(err)
			}
		}
		if taken != 1 {
			t.Fatalf("the password of counter %d was taken %d times", counter, taken)
		}
		_, err := w.core.ResetOTP(t.Context(), w.admin, ref, nil)
		require.NoError(t, err)
	}
}
