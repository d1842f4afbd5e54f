package remote

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

func wrapParams() *ck.WrapParams {
	return &ck.WrapParams{MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_GCM, Generator: ck.CKG_GENERATE_RANDOM,
		TagBits: 32, Nonce: []byte("aaaa"), Tag: []byte("bbbb")}}
}

// Wrapping with authentication has no call in p11-kit's protocol. Unwrapping is
// C_UnwrapKey there, with the tag at the end.
func TestWrappingWithStockServers(t *testing.T) {
	d := startFake(t)
	asked := make(chan string, 1)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call != p11rpc.CallUnwrapKey {
			return false
		}
		dec.Session()
		p, _ := dec.Mechanism().Parameter.(ck.GCMParams)
		dec.Object()
		asked <- fmt.Sprintf("%s about %s, tag of %d bits", dec.Data(), p.AAD, p.TagBits)
		f.reply(code, call, func(e *p11rpc.Encoder) { e.Ulong(7) })
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	_, err := c.WrapKeyAuthenticated(h, wrapParams(), 1, 2, nil, Out{Null: true})
	require.ErrorIs(t, err, ck.CKR_FUNCTION_NOT_SUPPORTED)
	_, err = c.WrapKey(h, &ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: wrapParams()}, 1, 2, Out{Null: true})
	require.ErrorIs(t, err, ck.CKR_FUNCTION_NOT_SUPPORTED)
	key, err := c.UnwrapKeyAuthenticated(h, wrapParams(), 1, []byte("key."), nil, []byte("this"))
	require.NoError(t, err)
	require.EqualValues(t, 7, key)
	require.Equal(t, "key.bbbb about this, tag of 32 bits", <-asked)
}

// The nonce and the tag are written where a key was wrapped, and not otherwise.
func TestWrapWritesWhatWasMade(t *testing.T) {
	d := startFake(t)
	d.mu.Lock()
	d.newest = p11rpc.Extended
	d.mu.Unlock()
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call != p11rpc.CallWrapKeyAuthenticated {
			return false
		}
		dec.Session()
		dec.Message()
		dec.Object()
		dec.Object()
		dec.Data()
		buf := dec.Buffer()
		f.reply(code, call, func(e *p11rpc.Encoder) {
			out := ck.Output{Len: 3}
			if !buf.Null && buf.Len >= 3 {
				out.Data = []byte("key")
			}
			e.Output(out)
			e.Data([]byte("made"))
			e.Data([]byte("tags"))
		})
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	for _, tc := range []struct {
		out  Out
		rv   ck.Error
		made bool
	}{{Out{Null: true}, ck.CKR_OK, false}, {Out{To: make([]byte, 2)}, ck.CKR_BUFFER_TOO_SMALL, false}, {Out{To: make([]byte, 9)}, ck.CKR_OK, true}} {
		p := wrapParams()
		n, err := c.WrapKeyAuthenticated(h, p, 1, 2, nil, tc.out)
		require.Equal(t, tc.rv, ck.CodeOf(err))
		require.EqualValues(t, 3, n, "%v", tc.out)
		require.Equal(t, tc.made, string(p.Nonce) == "made", "%v", tc.out)
		require.Equal(t, tc.made, string(p.Tag) == "tags", "%v", tc.out)
	}
	// C_WrapKey has the tag at the end.
	m := &ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: wrapParams()}
	for n := range 9 {
		out := make([]byte, n)
		length, err := c.WrapKey(h, m, 1, 2, Out{To: out})
		if want := n >= 7; length != 7 || (err == nil) != want || want && string(out[:7]) != "keytags" {
			t.Errorf("room for %d: %d bytes, %q, %v", n, length, out, err)
		}
	}
}
