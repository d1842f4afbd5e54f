package remote

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// cancelled notes the flags of each C_SessionCancel, which that code answers. The result returns
// them.
func cancelled(d *fakeDaemon, rv ck.Error) func() []ck.Flags {
	var mu sync.Mutex
	var flags []ck.Flags
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call != p11rpc.CallSessionCancel {
			return false
		}
		dec.Ulong()
		mu.Lock()
		flags = append(flags, ck.Flags(dec.Ulong()))
		mu.Unlock()
		if rv == ck.CKR_OK {
			f.reply(code, call, func(*p11rpc.Encoder) {})
		} else {
			f.refuse(code, rv)
		}
		return true
	})
	return func() []ck.Flags {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(flags)
	}
}

// wantCancel is what the daemon is to hear after an error of the call.
func wantCancel(call p11rpc.CallID) ck.Flags {
	operations, messages := p11rpc.SplitEnds(call.Ends())
	if messages != 0 {
		return p11rpc.EndMessages(messages)
	}
	return operations
}

// What the library refuses by itself is ended in the daemon before the next call of the session,
// once, and with every version of the protocol that has C_SessionCancel.
func TestRefusedByTheLibrary(t *testing.T) {
	for _, version := range []byte{p11rpc.Extended, p11rpc.Joined} {
		d := startFake(t)
		if version == p11rpc.Joined {
			d = startJoined(t)
		} else {
			d.mu.Lock()
			d.newest = version
			d.mu.Unlock()
		}
		flags := cancelled(d, ck.CKR_OK)
		c := d.client(patience)
		h := openSession(t, c)
		names := slices.Sorted(maps.Keys(functionCalls))
		require.Greater(t, len(names), 35)
		for _, name := range names {
			require.True(t, Ends(name))
			c.Refuse(h, name)
			before := len(flags())
			for range 2 {
				_, err := c.GetObjectSize(h, 1)
				require.NoError(t, err)
			}
			require.Len(t, flags(), before+1, "%s, version %d", name, version)
			got := flags()[before]
			want := wantCancel(functionCalls[name])
			if version != p11rpc.Joined {
				want &^= ck.CKF_END_OF_MESSAGE
			}
			require.Equal(t, want, got, "%s, version %d", name, version)
		}
		require.False(t, Ends("C_SignInit"))
		c.Refuse(h, "C_SignInit")
		c.Refuse(12345, "C_Sign")
	}
}

// A server that cannot cancel is made to finish the operation.
func TestRefusedWithoutCancel(t *testing.T) {
	for version, refuses := range map[byte]ck.Error{0: ck.CKR_OK, p11rpc.Extended: ck.CKR_FUNCTION_NOT_SUPPORTED} {
		d := startFake(t)
		d.mu.Lock()
		d.newest = version
		d.mu.Unlock()
		cancelled(d, refuses)
		c := d.client(patience)
		h := openSession(t, c)
		for name, want := range map[string][]p11rpc.CallID{
			"C_DigestUpdate":        {p11rpc.CallDigestFinal},
			"C_Sign":                {p11rpc.CallSignFinal},
			"C_VerifyFinal":         {p11rpc.CallVerifyFinal},
			"C_SignRecover":         {p11rpc.CallSignRecover},
			"C_VerifyRecover":       {p11rpc.CallVerifyRecover},
			"C_FindObjects":         {p11rpc.CallFindObjectsFinal},
			"C_DecryptVerifyUpdate": {p11rpc.CallDecryptFinal, p11rpc.CallVerifyFinal},
			"C_EncryptUpdate":       {p11rpc.CallEncryptFinal},
		} {
			before := len(d.seen())
			c.Refuse(h, name)
			require.NoError(t, c.DigestUpdate(h, nil))
			got := slices.DeleteFunc(d.seen()[before:], func(id p11rpc.CallID) bool { return id == p11rpc.CallSessionCancel })
			require.Equal(t, append(want, p11rpc.CallDigestUpdate), got, "%s, version %d", name, version)
		}
	}
}

// A signature that was begun and held back is dropped, and the daemon need not hear of it.
func TestRefusedWhileHeld(t *testing.T) {
	d := startJoined(t)
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, sign(t, c, h, 3))
	require.NoError(t, c.SignInit(h, ecdsa, 3))
	before := len(d.seen())
	c.Refuse(h, "C_Sign")
	require.NoError(t, sign(t, c, h, 3))
	require.NotContains(t, d.seen()[before:][2:], p11rpc.CallSignInit, "the one that was held back is sent")
}

// A call that cannot reach the daemon has an error, which ends the operation.
func TestNoAnswerEndsTheOperation(t *testing.T) {
	d := startJoined(t)
	flags := cancelled(d, ck.CKR_OK)
	c := New(Options{Socket: func() string { return d.path }, Timeout: short})
	defer c.Close()
	h := openSession(t, c)
	require.NoError(t, c.DigestInit(h, &ck.Mechanism{Type: ck.CKM_SHA256}))
	path := d.path
	d.path += ".away"
	d.hangUp()
	require.Equal(t, ck.CKR_DEVICE_REMOVED, ck.CodeOf(c.DigestUpdate(h, []byte("lost"))))
	d.path = path
	_, err := c.GetObjectSize(h, 1)
	require.NoError(t, err)
	require.Equal(t, []ck.Flags{ck.CKF_DIGEST}, flags())
}

// An answer that is not the protocol, and a request that no frame holds, end the operation.
func TestOtherErrorsOfTheLibrary(t *testing.T) {
	d := startJoined(t)
	flags := cancelled(d, ck.CKR_OK)
	c := d.client(patience)
	h := openSession(t, c)
	large := make([]byte, p11rpc.MaxBody+1)
	for _, call := range []func() error{
		func() error { _, err := c.SignRecover(h, large, Out{}); return err },
		func() error { return c.VerifyFinal(h, large) },
		func() error {
			_, err := c.EncryptMessage(h, &ck.MessageParams{Mechanism: ck.CKM_AES_GCM}, nil, large, Out{})
			return err
		},
	} {
		require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(call()))
		_, err := c.GetObjectSize(h, 1)
		require.NoError(t, err)
	}
	require.Equal(t, []ck.Flags{
		ck.CKF_SIGN_RECOVER, ck.CKF_VERIFY, p11rpc.EndMessages(ck.CKF_MESSAGE_ENCRYPT),
	}, flags())
}

// What a call may have done to the operations of its session is what its error ends, unless it
// starts one.
func TestStepsAgreeWithTheProtocol(t *testing.T) {
	compared := 0
	for call := range p11rpc.NumCalls {
		if steps[call].step == stepNone || steps[call].step == stepInit {
			continue
		}
		compared++
		operations, _ := p11rpc.SplitEnds(call.Ends())
		require.Equal(t, disturbs(call), operations, "%v", call)
	}
	require.Greater(t, compared, 20)
}
