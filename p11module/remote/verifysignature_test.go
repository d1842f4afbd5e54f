package remote

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// verifier notes what the fake was given to verify.
type verifier struct {
	mu   sync.Mutex
	seen []string
}

func (v *verifier) serve(d *fakeDaemon) {
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch call {
		case p11rpc.CallVerify:
			dec.Ulong()
			v.seen = append(v.seen, "verify "+string(dec.Data())+" "+string(dec.Data()))
		case p11rpc.CallVerifyUpdate:
			dec.Ulong()
			v.seen = append(v.seen, "part "+string(dec.Data()))
		case p11rpc.CallVerifyFinal:
			dec.Ulong()
			v.seen = append(v.seen, "final "+string(dec.Data()))
		}
		return false
	})
}

func (v *verifier) took() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen
}

// The signature that is given first goes to the daemon with the data, or after its last part. It is
// good for one verification, and a nil mechanism takes it back.
func TestVerifySignature(t *testing.T) {
	d, v := startFake(t), new(verifier)
	v.serve(d)
	c := d.client(patience)
	h := openSession(t, c)
	mechanism := &ck.Mechanism{Type: ck.CKM_ECDSA}
	begin := func() { require.NoError(t, c.VerifySignatureInit(h, mechanism, 1, []byte("signature"))) }

	begin()
	require.NoError(t, c.VerifySignature(h, []byte("data")))
	require.ErrorIs(t, c.VerifySignature(h, []byte("data")), ck.CKR_OPERATION_NOT_INITIALIZED)
	begin()
	require.NoError(t, c.VerifySignatureUpdate(h, []byte("da")))
	require.NoError(t, c.VerifySignatureUpdate(h, []byte("ta")))
	require.NoError(t, c.VerifySignatureFinal(h))
	require.ErrorIs(t, c.VerifySignatureFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
	require.ErrorIs(t, c.VerifySignatureUpdate(h, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
	require.Equal(t, []string{"verify data signature", "part da", "part ta", "final signature"}, v.took())

	begin()
	require.NoError(t, c.VerifySignatureInit(h, nil, 0, nil))
	require.ErrorIs(t, c.VerifySignature(h, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
	require.Error(t, c.VerifySignatureInit(h+1000, mechanism, 1, nil), "there is no such session")
}
