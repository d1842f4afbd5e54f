package remote

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// p11-kit's servers would get the host's pointers: they are not asked at all.
func TestMessageCiphersNeedOurDaemon(t *testing.T) {
	d := startFake(t)
	c := d.client(patience)
	h := openSession(t, c)
	p := &ck.MessageParams{Mechanism: ck.CKM_AES_GCM, TagBits: 128, Nonce: make([]byte, 12), Tag: make([]byte, 16)}
	require.ErrorIs(t, c.MessageEncryptInit(h, &ck.Mechanism{Type: ck.CKM_AES_GCM}, 1), ck.CKR_FUNCTION_NOT_SUPPORTED)
	require.ErrorIs(t, c.MessageDecryptInit(h, &ck.Mechanism{Type: ck.CKM_AES_GCM}, 1), ck.CKR_FUNCTION_NOT_SUPPORTED)
	_, err := c.EncryptMessage(h, p, nil, nil, Out{Null: true})
	require.ErrorIs(t, err, ck.CKR_FUNCTION_NOT_SUPPORTED)
	require.ErrorIs(t, c.DecryptMessageBegin(h, p, nil), ck.CKR_FUNCTION_NOT_SUPPORTED)
	require.Len(t, d.seen(), 1)
}

// What an encryption made is written, and nothing else: neither with an answer
// to a question, nor for a nonce that was given, nor by a decryption.
func TestMessageCiphersWriteWhatWasMade(t *testing.T) {
	d := startFake(t)
	d.mu.Lock()
	d.newest = p11rpc.Extended
	d.mu.Unlock()
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		if call < p11rpc.CallEncryptMessage2 {
			return false
		}
		f.reply(code, call, func(e *p11rpc.Encoder) {
			e.Output(ck.Output{Data: []byte("out"), Len: 3})
			e.Data([]byte("made"))
			e.Data([]byte("tags"))
		})
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	room := func() Out { return Out{To: make([]byte, 8)} }
	const end = ck.CKF_END_OF_MESSAGE
	for name, tc := range map[string]struct {
		do         func(p *ck.MessageParams) error
		generator  uint64
		nonce, tag string
	}{
		"encryption": {func(p *ck.MessageParams) error { _, err := c.EncryptMessage(h, p, nil, nil, room()); return err }, 1, "made", "tags"},
		"given":      {func(p *ck.MessageParams) error { _, err := c.EncryptMessage(h, p, nil, nil, room()); return err }, 0, "aaaa", "tags"},
		"question": {func(p *ck.MessageParams) error {
			_, err := c.EncryptMessage(h, p, nil, nil, Out{Null: true})
			return err
		}, 1, "aaaa", "bbbb"},
		"begin":      {func(p *ck.MessageParams) error { return c.EncryptMessageBegin(h, p, nil) }, 1, "made", "bbbb"},
		"part":       {func(p *ck.MessageParams) error { _, err := c.EncryptMessageNext(h, p, nil, room(), 0); return err }, 1, "aaaa", "bbbb"},
		"last part":  {func(p *ck.MessageParams) error { _, err := c.EncryptMessageNext(h, p, nil, room(), end); return err }, 1, "aaaa", "tags"},
		"decryption": {func(p *ck.MessageParams) error { _, err := c.DecryptMessage(h, p, nil, nil, room()); return err }, 1, "aaaa", "bbbb"},
	} {
		p := &ck.MessageParams{Generator: tc.generator, Nonce: []byte("aaaa"), Tag: []byte("bbbb")}
		require.NoError(t, tc.do(p))
		require.Equal(t, tc.nonce, string(p.Nonce), "%v", name)
		require.Equal(t, tc.tag, string(p.Tag), "%v", name)
	}
}
