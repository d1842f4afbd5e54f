package vtoken_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

var hotp = ck.Mechanism{Type: ck.CKM_HOTP}

const otpSeed = "12345678901234567890" // of RFC 4226, appendix D

func (w *world) otpKey(c *vtoken.Client, h ck.SessionHandle, token bool, more ...ck.Attribute) ck.ObjectHandle {
	w.t.Helper()
	t := append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP), ck.Bool(ck.CKA_TOKEN, token),
		ck.String(ck.CKA_VALUE, otpSeed),
	}, more...)
	o, err := c.CreateObject(h, t)
	require.NoError(w.t, err)
	return o
}

// password signs once.
func password(c *vtoken.Client, h ck.SessionHandle, key ck.ObjectHandle) (string, error) {
	if err := c.SignInit(h, hotp, key); err != nil {
		return "", err
	}
	out, err := c.Sign(h, nil, big1K)
	return string(out.Data), err
}

func (w *world) counter(c *vtoken.Client, h ck.SessionHandle, key ck.ObjectHandle) uint64 {
	w.t.Helper()
	r, err := c.GetAttributeValue(h, key, []ck.AttributeQuery{{Type: ck.CKA_OTP_COUNTER, Buffer: big1K}})
	require.NoError(w.t, err)
	return binary.BigEndian.Uint64(r[0].Value)
}

func expectedOTP(t testing.TB, counter uint64) string {
	t.Helper()
	p, err := mech.HOTP(secret.Bytes(otpSeed), ck.OTPHashSHA1, counter, 6)
	require.NoError(t, err)
	return p
}

// Neither a question for the length, nor a short buffer, nor data that HOTP does
// not take, uses a counter up; each password does, also across a restart.
func TestCounterOfHOTP(t *testing.T) {
	for _, token := range []bool{true, false} {
		w := newWorld(t)
		c, h := w.loggedIn(rw)
		k := w.otpKey(c, h, token)
		for i := range uint64(3) {
			require.NoError(w.t, c.SignInit(h, hotp, k))
			out, err := c.Sign(h, nil, query)
			require.NoError(w.t, err)
			require.EqualValues(t, 6, out.Len, "a password has %d digits", out.Len)
			_, err = c.Sign(h, nil, ck.Buffer{Len: 5})
			require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
			if n := w.counter(c, h, k); n != i {
				t.Errorf("questions moved the counter from %d to %d", i, n)
			}
			out, err = c.Sign(h, nil, ck.Buffer{Len: 6})
			require.NoError(w.t, err)
			if string(out.Data) != expectedOTP(t, i) || w.counter(c, h, k) != i+1 {
				t.Errorf("password %d is %s, then the counter is %d", i, out.Data, w.counter(c, h, k))
			}
			require.NoError(w.t, c.SignInit(h, hotp, k))
			_, err = c.Sign(h, []byte("data"), big1K)
			require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(err))
			_, err = c.Sign(h, nil, big1K)
			require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
		}
		require.NoError(w.t, c.SignInit(h, hotp, k))
		require.NoError(w.t, c.SignUpdate(h, nil))
		out, err := c.SignFinal(h, big1K)
		require.NoError(w.t, err)
		require.Equal(t, expectedOTP(t, 3), string(out.Data), "in parts: %s", out.Data)
		if token {
			w.restart()
			c, h = w.loggedIn(ro) // a read-only session signs, too
			if p, err := password(c, h, k); err != nil || p != expectedOTP(t, 4) {
				t.Errorf("after a restart: %s, %v", p, err)
			}
		}
	}
}

// A store that fails gives no password away, and none is given twice.
func TestNoPasswordWithoutCommit(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	k := w.otpKey(c, h, true)
	for _, code := range []ck.Error{ck.CKR_DEVICE_ERROR, ck.CKR_DEVICE_MEMORY} {
		w.store.BeforeCommit = func() error { return ck.Errorf(code, "the disk says no") }
		p, err := password(c, h, k)
		require.Equal(t, code, ck.CodeOf(err))
		require.Equal(t, "", p, "a password without a commit: %s", p)
		_, err = c.Sign(h, nil, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	}
	w.store.BeforeCommit = nil
	if p, err := password(c, h, k); err != nil || p != expectedOTP(t, 0) {
		t.Errorf("afterwards %s, %v", p, err)
	}
}

// Many applications with one key, a store that fails now and then and a daemon
// that dies in between: no counter gives two passwords, and those of one
// application ascend.
func TestCounterIsUsedOnce(t *testing.T) {
	const rounds, clients, each = 4, 6, 25
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	k := w.otpKey(c, h, true)
	var mu sync.Mutex
	seen := map[uint64]int{}
	for round := range rounds {
		var commits int
		w.store.BeforeCommit = func() error {
			if commits++; commits%5 == 0 {
				return ck.Errorf(ck.CKR_DEVICE_ERROR, "the disk says no")
			}
			return nil
		}
		var wg sync.WaitGroup
		for i := range clients {
			c := w.connect(aliceUID)
			wg.Go(func() {
				if err := takePasswords(c, w.alice.Slot, k, each, func(n uint64) {
					mu.Lock()
					defer mu.Unlock()
					seen[n]++
				}); err != nil {
					t.Errorf("round %d, client %d: %v", round, i, err)
				}
			})
		}
		wg.Wait()
		w.store.BeforeCommit = nil
		w.restart()
	}
	for n, times := range seen {
		require.Equal(t, 1, times, "counter %d gave %d passwords", n, times)
	}
	require.GreaterOrEqual(t, len(seen), clients*each, "only %d passwords", len(seen))
	c, h = w.loggedIn(ro)
	if n := w.counter(c, h, k); n != uint64(len(seen)) {
		t.Errorf("the counter is %d after %d passwords", n, len(seen))
	}
}

// takePasswords signs n times and tells the counter of each password.
func takePasswords(c *vtoken.Client, slot ck.SlotID, k ck.ObjectHandle, n int, took func(uint64)) error {
	h, err := c.OpenSession(slot, ro)
	if err != nil {
		return err
	}
	if err := c.Login(h, ck.CKU_USER, pinOf(userPIN)); err != nil && !errors.Is(err, ck.CKR_DEVICE_ERROR) {
		return err
	}
	last := int64(-1)
	for range n {
		m := ck.Mechanism{Type: ck.CKM_HOTP, Parameter: ck.OTPParams{}}
		if err := c.SignInit(h, m, k); err != nil {
			return err
		}
		out, err := c.Sign(h, nil, big1K)
		if ck.CodeOf(err) == ck.CKR_DEVICE_ERROR {
			continue
		}
		if err != nil {
			return err
		}
		value, counter := signatureInfo(out.Data)
		made, _ := mech.HOTP(secret.Bytes(otpSeed), ck.OTPHashSHA1, counter, 6)
		if value != made || int64(counter) <= last {
			return fmt.Errorf("%s for counter %d, after %d; want %s", value, counter, last, made)
		}
		last = int64(counter)
		took(counter)
	}
	return nil
}

// signatureInfo is the value and the counter in a CK_OTP_SIGNATURE_INFO.
func signatureInfo(info []byte) (value string, counter uint64) {
	le := binary.LittleEndian
	for i := range le.Uint64(info[8:]) {
		row := info[le.Uint64(info)+24*i:]
		v := info[le.Uint64(row[8:]):][:le.Uint64(row[16:])]
		switch le.Uint64(row) {
		case ck.CK_OTP_VALUE:
			value = string(v)
		case ck.CK_OTP_COUNTER:
			counter = binary.BigEndian.Uint64(v)
		}
	}
	return value, counter
}

// The rules of OTP keys: what is refused, what is filled in, what does not change.
func TestOTPKeyObjects(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	k := w.otpKey(c, h, false, ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(60)))
	for typ, value := range map[ck.AttributeType]uint64{
		ck.CKA_OTP_LENGTH: 6, ck.CKA_OTP_FORMAT: 0, ck.CKA_OTP_TIME_INTERVAL: 60, ck.CKA_OTP_TIME_REQUIREMENT: ck.CK_OTP_PARAM_OPTIONAL,
		ck.CKA_OTP_COUNTER_REQUIREMENT: ck.CK_OTP_PARAM_IGNORED, ck.CKA_OTP_PIN_REQUIREMENT: 0, ck.CKA_OTP_CHALLENGE_REQUIREMENT: 0,
		ck.CKA_VALUE_LEN: 20,
	} {
		if got := w.ulong(c, h, k, typ); got != value {
			t.Errorf("%v is %d, want %d", typ, got, value)
		}
	}
	_, err := c.GetAttributeValue(h, k, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
	require.Equal(t, ck.CKR_ATTRIBUTE_SENSITIVE, ck.CodeOf(err))
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(c.SetAttributeValue(h, k, ck.Template{object.OTPCounterAttribute(0)})))
	made, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_HOTP_KEY_GEN}, ck.Template{ck.String(ck.CKA_VTOKEN_OTP_HASH, ck.OTPHashSHA512)})
	require.NoError(w.t, err)
	if n := w.ulong(c, h, made, ck.CKA_VALUE_LEN); n != 64 {
		t.Errorf("a generated key for SHA-512 has %d bytes", n)
	}
	copied, err := c.CopyObject(h, made, nil)
	require.NoError(w.t, err)
	if p, err := password(c, h, copied); err != nil || len(p) != 6 || w.counter(c, h, made) != 0 {
		t.Errorf("a copy: %q, %v", p, err)
	}
	require.NoError(w.t, c.FindObjectsInit(h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY)}))
	found, err := c.FindObjects(h, 10)
	if err != nil || len(found) != 3 {
		t.Errorf("found %d OTP keys, %v", len(found), err)
	}
}

func TestBadOTPTemplates(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for name, tc := range map[string]struct {
		attrs []ck.Attribute
		code  ck.Error
	}{
		"no value":   {nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"5 digits":   {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_LENGTH, uint64(5))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"hex":        {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_FORMAT, uint64(1))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"MD5":        {[]ck.Attribute{ck.String(ck.CKA_VTOKEN_OTP_HASH, "MD5")}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"counter":    {[]ck.Attribute{ck.Bytes(ck.CKA_OTP_COUNTER, []byte{1})}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"challenge":  {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_CHALLENGE_REQUIREMENT, uint64(1))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"a PIN":      {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_PIN_REQUIREMENT, uint64(2))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"neither":    {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, uint64(0))}, ck.CKR_TEMPLATE_INCONSISTENT},
		"no time":    {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(0))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"contradict": {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(30)), ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, uint64(0))}, ck.CKR_TEMPLATE_INCONSISTENT},
		"a modulus":  {[]ck.Attribute{ck.Bytes(ck.CKA_MODULUS, []byte{1})}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		"its clock":  {[]ck.Attribute{ck.String(ck.CKA_OTP_TIME, "20260101000000")}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		template := append(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP)}, tc.attrs...)
		if name != "no value" {
			template = append(template, ck.String(ck.CKA_VALUE, otpSeed))
		}
		if _, err := c.CreateObject(h, template); ck.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want %v", name, err, tc.code)
		}
	}
}

// pkcs11-tool finds an OTP key as what it signs with; nobody else does, and no
// such key hides another one.
func TestFindOTPKeyAsKey(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	id := func(b byte) ck.Attribute { return ck.Bytes(ck.CKA_ID, []byte{b}) }
	class := func(c ck.ObjectClass) ck.Attribute { return ck.Ulong(ck.CKA_CLASS, c) }
	k := w.otpKey(c, h, true, id(1))
	both := w.otpKey(c, h, true, id(2))
	_, priv := w.ecPair(c, h, true, id(2))
	for _, tc := range []struct {
		t     ck.Template
		found ck.ObjectHandle
	}{
		{ck.Template{class(ck.CKO_PRIVATE_KEY), id(1)}, k},
		{ck.Template{id(1), class(ck.CKO_SECRET_KEY)}, k},
		{ck.Template{class(ck.CKO_OTP_KEY), id(2)}, both},
		{ck.Template{class(ck.CKO_PRIVATE_KEY), id(2)}, priv},
		{ck.Template{class(ck.CKO_SECRET_KEY)}, 0},
		{ck.Template{class(ck.CKO_SECRET_KEY), ck.Bytes(ck.CKA_ID, nil)}, 0},
		{ck.Template{class(ck.CKO_SECRET_KEY), ck.Bool(ck.CKA_SIGN, true)}, 0},
		{ck.Template{class(ck.CKO_PRIVATE_KEY), id(1), ck.Bool(ck.CKA_SIGN, true)}, 0},
		{ck.Template{class(ck.CKO_PUBLIC_KEY), id(1)}, 0},
		{ck.Template{class(ck.CKO_PRIVATE_KEY), id(3)}, 0},
	} {
		require.NoError(w.t, c.FindObjectsInit(h, tc.t))
		found, err := c.FindObjects(h, 10)
		require.NoError(w.t, err)
		require.NoError(w.t, c.FindObjectsFinal(h))
		if tc.found == 0 && len(found) != 0 || tc.found != 0 && (len(found) != 1 || found[0] != tc.found) {
			t.Errorf("%v finds %v, want %v", tc.t, found, tc.found)
		}
	}
	stranger, s := w.open(ro)
	require.NoError(w.t, stranger.FindObjectsInit(s, ck.Template{class(ck.CKO_PRIVATE_KEY), id(1)}))
	if found, err := stranger.FindObjects(s, 10); err != nil || len(found) != 0 {
		t.Errorf("without login: %v, %v", found, err)
	}
}

// By time the password is that of the engine's clock, made and verified, and
// nothing is written for it.
func TestTOTPByTheClock(t *testing.T) {
	w := newWorld(t)
	now := time.Unix(59, 0)
	e, err := vtoken.New(w.store, vtoken.Options{Now: func() time.Time { return now }})
	require.NoError(w.t, err)
	w.engine = e
	c, h := w.loggedIn(rw)
	k := w.otpKey(c, h, true, ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(30)), ck.Ulong(ck.CKA_OTP_LENGTH, uint64(8)))
	w.store.BeforeCommit = func() error { return ck.Errorf(ck.CKR_DEVICE_ERROR, "a password by time needs no commit") }
	for _, tc := range []struct {
		unix int64
		want string
	}{{59, "94287082"}, {1111111109, "07081804"}, {1111111111, "14050471"}, {20000000000, "65353130"}} {
		now = time.Unix(tc.unix, 0)
		p, err := password(c, h, k)
		if err != nil || p != tc.want {
			t.Errorf("at %d: %s, %v", tc.unix, p, err)
		}
		require.NoError(w.t, c.VerifyInit(h, hotp, k))
		require.NoError(w.t, c.Verify(h, nil, []byte(tc.want)))
		now = now.Add(30 * time.Second)
		require.NoError(w.t, c.VerifyInit(h, hotp, k))
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(c.Verify(h, nil, []byte(tc.want))))
	}
}

// A key that goes away, or whose login ends, while a password is under way.
func TestOTPKeyGoesAway(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for _, token := range []bool{true, false} {
		k := w.otpKey(c, h, token)
		require.NoError(w.t, c.SignInit(h, hotp, k))
		require.NoError(w.t, c.DestroyObject(h, k))
		_, err := c.Sign(h, nil, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	}
	k := w.otpKey(c, h, true)
	require.NoError(w.t, c.SignInit(h, hotp, k))
	require.NoError(w.t, c.Logout(h))
	_, err := c.Sign(h, nil, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	if n := w.counter(c, h, k); n != 0 {
		t.Errorf("the counter is %d and no password was made", n)
	}
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.MessageSignInit(h, hotp, k)))
	require.NoError(w.t, c.SignInit(h, hotp, k))
	_, err = c.GetOperationState(h, big1K)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
}
