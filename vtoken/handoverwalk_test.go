package vtoken_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// TestModelOverRestarts: the model of the engine knows nothing of restarts, and they make no
// difference.
func TestModelOverRestarts(t *testing.T) {
	for seed := range uint64(6) {
		walkModel(t, 100+seed, (*walk).stepRestart)
	}
}

// stepRestart is a planned restart.
func (w *walk) stepRestart(*modelApp) {
	old := []*vtoken.Client{w.m.apps[0].client, w.m.apps[1].client}
	for i, c := range w.handOver(old...) {
		w.m.apps[i].client = c
		old[i].Close()
	}
}

// twins are two applications that do the same: one stays in its engine, one moves at random.
type twins struct {
	*world
	rng      *rand.Rand
	clients  [2]*vtoken.Client
	sessions [2][]ck.SessionHandle
	aes, mac [2]ck.ObjectHandle
	priv     [2]ck.ObjectHandle // an RSA key of the token
	moved    int
	outputs  int // calls with an output
}

// TestTwins: whatever two applications do with operations, restarts of the daemon of one of
// them make no difference.
func TestTwins(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newTwins(t, seed)
			for range 1500 {
				if w.rng.IntN(8) == 0 {
					w.move()
				}
				w.step()
			}
			require.Greater(t, w.moved, 100)
			require.Greater(t, w.outputs, 80)
		})
	}
}

func newTwins(t *testing.T, seed uint64) *twins {
	w := &twins{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 9))}
	for i := range w.clients {
		c, h := w.loggedIn(rw)
		w.clients[i], w.sessions[i] = c, []ck.SessionHandle{h, w.session(c, rw), w.session(c, ro)}
		var err error
		w.aes[i], err = c.CreateObject(h, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 16)),
			ck.Bool(ck.CKA_ENCRYPT, true), ck.Bool(ck.CKA_DECRYPT, true), ck.Bool(ck.CKA_SIGN, true), public,
		})
		require.NoError(t, err)
		w.mac[i], err = c.CreateObject(h, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
			ck.Bytes(ck.CKA_VALUE, make([]byte, 40)), ck.Bool(ck.CKA_SIGN, true),
			ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true), public,
		})
		require.NoError(t, err)
	}
	_, priv, err := w.clients[0].GenerateKeyPair(w.sessions[0][0], ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), onToken}, ck.Template{onToken})
	require.NoError(t, err)
	w.priv = [2]ck.ObjectHandle{priv, priv}
	return w
}

// move restarts the engine of the second application. The first stays in the one where it began.
func (w *twins) move() {
	c := w.handOver(w.clients[1])[0]
	require.Empty(w.t, c.NotRestored())
	w.clients[1].Close()
	w.clients[1] = c
	w.moved++
}

// data is some data, the same for both.
func (w *twins) data() []byte {
	b := make([]byte, w.rng.IntN(50))
	for i := range b {
		b[i] = byte(w.rng.IntN(256))
	}
	return b
}

// buffer mostly has room.
func (w *twins) buffer() ck.Buffer {
	switch w.rng.IntN(8) {
	case 0:
		return query
	case 1:
		return ck.Buffer{Len: uint64(w.rng.IntN(40))}
	}
	return ck.Buffer{Len: 4096}
}

// step makes one call in both, and compares what it gives.
func (w *twins) step() {
	w.t.Helper()
	n, in, buf, choice := w.rng.IntN(3), w.data(), w.buffer(), w.rng.Uint64()
	var outs [2][]byte
	var lens [2]uint64
	var errs [2]error
	var name string
	for i, c := range w.clients {
		var out ck.Output
		name, out, errs[i] = w.call(c, i, w.sessions[i][n], in, buf, choice)
		outs[i], lens[i] = out.Data, out.Len
	}
	require.Equal(w.t, ck.CodeOf(errs[0]), ck.CodeOf(errs[1]), "%s: %v, and after restarts %v", name, errs[0], errs[1])
	require.Equal(w.t, lens[0], lens[1], name)
	require.True(w.t, bytes.Equal(outs[0], outs[1]), "%s: %x, and after restarts %x", name, outs[0], outs[1])
	if errs[0] == nil && len(outs[0]) > 0 {
		w.outputs++
	}
}

// call makes the chosen call of application i.
func (w *twins) call(c *vtoken.Client, i int, h ck.SessionHandle, in []byte, buf ck.Buffer, choice uint64) (string, ck.Output, error) {
	iv := ck.RawParameter("sixteen bytes iv")
	ciphers := []ck.Mechanism{
		{Type: ck.CKM_AES_CBC, Parameter: iv}, {Type: ck.CKM_AES_CBC_PAD, Parameter: iv}, {Type: ck.CKM_AES_ECB},
		{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 7, CB: [16]byte(iv)}},
		{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 128, CB: [16]byte(iv)}},
		{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: iv[:12], AAD: []byte("about"), TagBits: 128}},
	}
	cipher := ciphers[choice>>32%uint64(len(ciphers))]
	only := func(err error) (ck.Output, error) { return ck.Output{}, err }
	p := &ck.MessageParams{Mechanism: ck.CKM_AES_GCM, Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 32, TagBits: 128,
		Nonce: []byte("twelve bytes"), Tag: make([]byte, 16)}
	message := func(out ck.Output, err error) (ck.Output, error) {
		out.Data = append(append(out.Data, p.Nonce...), p.Tag...)
		return out, err
	}
	calls := []struct {
		name string
		call func() (ck.Output, error)
	}{
		{"EncryptInit", func() (ck.Output, error) { return only(c.EncryptInit(h, cipher, w.aes[i])) }},
		{"EncryptUpdate", func() (ck.Output, error) { return c.EncryptUpdate(h, in, buf) }},
		{"EncryptFinal", func() (ck.Output, error) { return c.EncryptFinal(h, buf) }},
		{"Encrypt", func() (ck.Output, error) { return c.Encrypt(h, in, buf) }},
		{"DecryptInit", func() (ck.Output, error) { return only(c.DecryptInit(h, cipher, w.aes[i])) }},
		{"DecryptInit with RSA", func() (ck.Output, error) {
			return only(c.DecryptInit(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS}, w.priv[i]))
		}},
		{"DecryptUpdate", func() (ck.Output, error) { return c.DecryptUpdate(h, in, buf) }},
		{"DecryptFinal", func() (ck.Output, error) { return c.DecryptFinal(h, buf) }},
		{"Decrypt", func() (ck.Output, error) { return c.Decrypt(h, in, buf) }},
		{"Decrypt as for RSA", func() (ck.Output, error) { return c.Decrypt(h, append(make([]byte, 255), byte(len(in)|1)), buf) }},
		{"DigestInit", func() (ck.Output, error) {
			return only(c.DigestInit(h, ck.Mechanism{Type: []ck.MechanismType{ck.CKM_SHA256, ck.CKM_SHA3_256}[choice>>40&1]}))
		}},
		{"DigestUpdate", func() (ck.Output, error) { return only(c.DigestUpdate(h, in)) }},
		{"DigestKey", func() (ck.Output, error) { return only(c.DigestKey(h, w.mac[i])) }},
		{"DigestFinal", func() (ck.Output, error) { return c.DigestFinal(h, buf) }},
		{"SignInit with a MAC", func() (ck.Output, error) {
			return only(c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, w.mac[i]))
		}},
		{"SignInit with CMAC", func() (ck.Output, error) {
			return only(c.SignInit(h, ck.Mechanism{Type: ck.CKM_AES_CMAC}, w.aes[i]))
		}},
		{"SignInit with RSA", func() (ck.Output, error) {
			return only(c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, w.priv[i]))
		}},
		{"SignUpdate", func() (ck.Output, error) { return only(c.SignUpdate(h, in)) }},
		{"SignFinal", func() (ck.Output, error) { return c.SignFinal(h, buf) }},
		{"Sign", func() (ck.Output, error) { return c.Sign(h, in, buf) }},
		{"DigestEncryptUpdate", func() (ck.Output, error) { return c.DigestEncryptUpdate(h, in, buf) }},
		{"SignEncryptUpdate", func() (ck.Output, error) { return c.SignEncryptUpdate(h, in, buf) }},
		{"MessageEncryptInit", func() (ck.Output, error) {
			return only(c.MessageEncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_GCM}, w.aes[i]))
		}},
		{"EncryptMessage", func() (ck.Output, error) { return message(c.EncryptMessage(h, p, in, in, buf)) }},
		{"EncryptMessageBegin", func() (ck.Output, error) { return message(only(c.EncryptMessageBegin(h, p, in))) }},
		{"EncryptMessageNext", func() (ck.Output, error) {
			return message(c.EncryptMessageNext(h, p, in, buf, ck.Flags(choice>>40&1)*ck.CKF_END_OF_MESSAGE))
		}},
		{"SessionCancel", func() (ck.Output, error) { return only(c.SessionCancel(h, everyOperation)) }},
		{"Logout", func() (ck.Output, error) {
			if choice>>40%8 != 0 {
				return ck.Output{}, nil
			}
			return only(c.Logout(h))
		}},
		{"Login", func() (ck.Output, error) { return only(c.Login(h, ck.CKU_USER, pinOf(userPIN))) }},
	}
	one := calls[choice%uint64(len(calls))]
	out, err := one.call()
	return one.name, out, err
}
