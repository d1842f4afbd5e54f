package remote

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// What a frame holds is one request, and a byte more is several; nothing is lost in between.
func TestPartsOfLargeData(t *testing.T) {
	d := startJoined(t)
	var mu sync.Mutex // of calls and bytes
	var calls []p11rpc.CallID
	var bytes int
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call.Ends() == 0 {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, call)
		dec.Ulong()
		switch sig := call.Describe().Request; {
		case sig == "ufy" || sig == "ufu":
			require.False(t, dec.Buffer().Null)
		default:
			n := len(dec.Data())
			if sig == "uayfy" && dec.Buffer().Null {
				f.reply(code, call, func(e *p11rpc.Encoder) { e.Output(ck.Output{Len: uint64(n) + 1}) })
				return true
			}
			bytes += n
		}
		f.reply(code, call, func(e *p11rpc.Encoder) {
			if call.Describe().Response == "ay" {
				e.Output(ck.Output{Data: []byte{}})
			}
		})
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	update, out := p11rpc.CallDigestUpdate, Out{To: make([]byte, p11rpc.MaxBody)}
	for _, call := range []struct {
		name string
		run  func(data []byte) error
		one  []p11rpc.CallID
		more []p11rpc.CallID
	}{
		{"DigestUpdate", func(data []byte) error { return c.DigestUpdate(h, data) },
			[]p11rpc.CallID{update}, []p11rpc.CallID{update, update}},
		{"Digest", func(data []byte) error { _, err := c.Digest(h, data, out); return err },
			[]p11rpc.CallID{p11rpc.CallDigest}, []p11rpc.CallID{p11rpc.CallDigest, update, update, p11rpc.CallDigestFinal}},
		{"Encrypt", func(data []byte) error { _, err := c.Encrypt(h, data, Out{To: make([]byte, len(data)+1)}); return err },
			[]p11rpc.CallID{p11rpc.CallEncrypt},
			[]p11rpc.CallID{
				p11rpc.CallEncrypt, p11rpc.CallEncrypt, p11rpc.CallEncryptUpdate, p11rpc.CallEncryptUpdate,
				p11rpc.CallEncryptUpdate, p11rpc.CallEncryptUpdate, p11rpc.CallEncryptFinal,
			}},
	} {
		for n, want := range map[int][]p11rpc.CallID{largest: call.one, largest + 1: call.more} {
			mu.Lock()
			calls, bytes = nil, 0
			mu.Unlock()
			require.NoError(t, call.run(make([]byte, n)), call.name)
			mu.Lock()
			require.Equal(t, want, calls, "%s of %d bytes", call.name, n)
			require.Equal(t, n, bytes, "%s of %d bytes", call.name, n)
			mu.Unlock()
		}
	}
}
