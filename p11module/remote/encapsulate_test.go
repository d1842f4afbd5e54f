package remote

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Encapsulation has no call in p11-kit's protocol.
func TestEncapsulationNeedsOurDaemon(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	m := &ck.Mechanism{Type: ck.CKM_ML_KEM}
	_, _, err := c.EncapsulateKey(h, m, 1, nil, Out{Null: true})
	require.ErrorIs(t, err, ck.CKR_FUNCTION_NOT_SUPPORTED)
	_, err = c.DecapsulateKey(h, m, 1, nil, nil)
	require.ErrorIs(t, err, ck.CKR_FUNCTION_NOT_SUPPORTED)
	_, _, err = c.EncapsulateKey(h+1, m, 1, nil, Out{Null: true})
	require.ErrorIs(t, err, ck.CKR_SESSION_HANDLE_INVALID)
	require.Len(t, d.seen(), 1)
}

func TestEncapsulation(t *testing.T) {
	d := startFake(t)
	d.mu.Lock()
	d.newest = p11rpc.Extended
	d.mu.Unlock()
	ciphertext := []byte("a ciphertext")
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		switch call {
		case p11rpc.CallEncapsulateKey:
			dec.Session()
			dec.Mechanism()
			dec.Object()
			dec.Template()
			buf := dec.Buffer()
			f.reply(code, call, func(e *p11rpc.Encoder) {
				if n := uint64(len(ciphertext)); buf.Null || buf.Len < n {
					e.Output(ck.Output{Len: n})
					e.Ulong(0)
					return
				}
				e.Output(ck.Output{Data: ciphertext, Len: uint64(len(ciphertext))})
				e.Ulong(41)
			})
		case p11rpc.CallDecapsulateKey:
			dec.Session()
			dec.Mechanism()
			dec.Object()
			dec.Template()
			good := bytes.Equal(dec.Data(), ciphertext)
			f.reply(code, call, func(e *p11rpc.Encoder) {
				if good {
					e.Ulong(42)
				} else {
					e.Ulong(43)
				}
			})
		default:
			return false
		}
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	m := &ck.Mechanism{Type: ck.CKM_ML_KEM}
	small, room := make([]byte, 3), make([]byte, 20)
	for _, tc := range []struct {
		out Out
		key ck.ObjectHandle
		rv  ck.Error
	}{{Out{Null: true}, 0, ck.CKR_OK}, {Out{To: small}, 0, ck.CKR_BUFFER_TOO_SMALL}, {Out{To: room}, 41, ck.CKR_OK}} {
		n, key, err := c.EncapsulateKey(h, m, 1, nil, tc.out)
		require.Equal(t, tc.rv, ck.CodeOf(err))
		require.Equal(t, uint64(len(ciphertext)), n)
		require.Equal(t, tc.key, key)
	}
	require.True(t, bytes.HasPrefix(room, ciphertext), "the buffers hold %q and %q", room, small)
	require.Equal(t, make([]byte, 3), small)
	key, err := c.DecapsulateKey(h, m, 1, ck.Template{ck.Bool(ck.CKA_TOKEN, true)}, ciphertext)
	require.NoError(t, err)
	require.EqualValues(t, 42, key)
}

// A server of a later protocol than we know is asked for one that we know.
func TestNewerServer(t *testing.T) {
	d := startFake(t)
	d.mu.Lock()
	d.newest = p11rpc.MaxVersion
	d.mu.Unlock()
	c := d.client(patience)
	h := openSession(t, c)
	require.NoError(t, c.SessionCancel(h, ck.CKF_SIGN)) // a call of version 1
}
