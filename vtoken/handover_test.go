package vtoken_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// handOver restarts the engine as a planned restart does, and returns the applications in the
// new one. Those in the old one are left as they are.
func (w *world) handOver(old ...*vtoken.Client) (restored []*vtoken.Client) {
	w.t.Helper()
	finish := w.save(old...)
	w.restart()
	return finish(w.engine)
}

// save saves the engine and applications, and returns what restores them in another engine.
func (w *world) save(old ...*vtoken.Client) func(e *vtoken.Engine) []*vtoken.Client {
	w.t.Helper()
	var apps [][]byte
	for _, c := range old {
		state, err := c.Save()
		require.NoError(w.t, err)
		require.Empty(w.t, state.Lost())
		b, err := state.MarshalBinary()
		require.NoError(w.t, err)
		state.Wipe()
		apps = append(apps, b)
	}
	state := w.engine.Save()
	common, err := state.MarshalBinary()
	require.NoError(w.t, err)
	state.Wipe()
	return func(e *vtoken.Engine) (restored []*vtoken.Client) {
		w.t.Helper()
		var state vtoken.EngineState
		require.NoError(w.t, state.UnmarshalBinary(common))
		require.NoError(w.t, e.RestoreState(state))
		state.Wipe()
		for _, b := range apps {
			var state vtoken.ClientState
			require.NoError(w.t, state.UnmarshalBinary(b))
			c, err := e.Restore(peerOf(aliceUID), state)
			require.NoError(w.t, err)
			state.Wipe()
			w.t.Cleanup(c.Close)
			restored = append(restored, c)
		}
		return restored
	}
}

// movingCase is an operation that was begun in a session, and what its end gives, in the
// application that went on in the old engine and in the one that was restored.
type movingCase struct {
	name   string
	finish func(c *vtoken.Client) (result []byte, err error)
	// check checks a result that may differ, because it is randomized.
	check func(c *vtoken.Client, result []byte) error
	once  bool // it takes long, and check is enough
}

// movingBench makes the operations.
type movingBench struct {
	*bench
	all []movingCase
}

// 32 bytes are what every mechanism takes, cut where no block ends.
var (
	movingData = []byte("thirty-two bytes of some message")
	head, tail = movingData[:13], movingData[13:]
)

// TestEveryOperationGoesOn: each operation of each mechanism, begun and in the middle of its
// data, gives after a restart what it gives without one.
func TestEveryOperationGoesOn(t *testing.T) {
	b := &movingBench{bench: newBench(t)}
	b.addImported()
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		for _, kind := range b.kinds() {
			if !d.Info().Flags.Has(kind.flag) {
				continue
			}
			begun := slices.ContainsFunc(b.keys, func(k benchKey) bool {
				return slices.ContainsFunc(movingParameters(m), func(p ck.Parameter) bool {
					return kind.begin(d, ck.Mechanism{Type: m, Parameter: p}, k)
				})
			})
			require.True(t, begun, "%v: nothing begins a %s; add a key or a parameter", m, kind.name)
		}
	}
	first := b.handOver(b.c)[0]
	second := b.handOver(first)[0]
	require.Empty(t, first.NotRestored())
	require.Empty(t, second.NotRestored())
	for _, one := range b.all {
		got, err := one.finish(second)
		if one.once {
			require.NoError(t, err, one.name)
			require.NoError(t, one.check(second, got), one.name)
			continue
		}
		want, wantErr := one.finish(b.c)
		require.Equal(t, ck.CodeOf(wantErr), ck.CodeOf(err), "%s: %v, without a restart %v", one.name, err, wantErr)
		if !bytes.Equal(want, got) {
			require.NotNil(t, one.check, "%s: %x, without a restart %x", one.name, got, want)
			require.NoError(t, one.check(second, got), one.name)
		}
	}
	require.Greater(t, len(b.all), 300)
	t.Logf("%d operations", len(b.all))
}

// movingParameters are parameters for operations.
func movingParameters(m ck.MechanismType) []ck.Parameter {
	if m == ck.CKM_HOTP {
		return []ck.Parameter{nil, ck.OTPParams{{Type: ck.CK_OTP_COUNTER, Value: []byte{0, 0, 0, 0, 0, 0, 0, 9}}}}
	}
	return parameters(m)
}

// addImported adds keys that nobody generates.
func (b *movingBench) addImported() {
	oddKey := bytes.Repeat([]byte{1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, 3)
	for i := range oddKey {
		oddKey[i] = oddKey[i]&^1 | byte(i>>3)<<4 // the parts differ
	}
	for i, v := range oddKey {
		ones := 0
		for n := v >> 1; n > 0; n >>= 1 {
			ones += int(n & 1)
		}
		oddKey[i] = v&^1 | byte(1-ones%2)
	}
	for typ, n := range map[ck.KeyType]int{ck.CKK_DES: 8, ck.CKK_DES3: 24} {
		k, err := b.c.CreateObject(b.h, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, typ),
			ck.Bytes(ck.CKA_VALUE, oddKey[:n]), ck.Bool(ck.CKA_DECRYPT, true), ck.Bool(ck.CKA_VERIFY, true),
		})
		require.NoError(b.t, err)
		b.add(0, k)
	}
	pub, priv, err := b.c.GenerateKeyPair(b.h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), ck.Bool(ck.CKA_VERIFY_RECOVER, true)},
		ck.Template{ck.Bool(ck.CKA_SIGN_RECOVER, true)})
	require.NoError(b.t, err)
	b.add(0, pub)
	b.add(0, priv)
}

// partner is the other half of a key pair, or a secret key itself.
func (b *movingBench) partner(k benchKey) ck.ObjectHandle {
	i := slices.IndexFunc(b.keys, func(other benchKey) bool { return other.h == k.h })
	switch k.class {
	case ck.CKO_PUBLIC_KEY:
		return b.keys[i+2].h // after the copy without uses
	case ck.CKO_PRIVATE_KEY:
		return b.keys[i-2].h
	}
	return k.h
}

// movingKind is a way to begin an operation and process a part of the data.
type movingKind struct {
	name  string
	flag  ck.Flags
	begin func(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool
}

func (b *movingBench) kinds() []movingKind {
	return []movingKind{
		{"signature", ck.CKF_SIGN, b.beginSign}, {"verification", ck.CKF_VERIFY, b.beginVerify},
		{"encryption", ck.CKF_ENCRYPT, b.beginEncrypt}, {"decryption", ck.CKF_DECRYPT, b.beginDecrypt},
		{"digest", ck.CKF_DIGEST, b.beginDigest},
		{"signature with recovery", ck.CKF_SIGN_RECOVER, b.beginSignRecover},
		{"verification with recovery", ck.CKF_VERIFY_RECOVER, b.beginVerifyRecover},
		{"signature of messages", ck.CKF_MESSAGE_SIGN, b.beginMessageSign},
		{"verification of messages", ck.CKF_MESSAGE_VERIFY, b.beginMessageVerify},
		{"encryption of messages", ck.CKF_MESSAGE_ENCRYPT, b.beginMessageEncrypt},
		{"decryption of messages", ck.CKF_MESSAGE_DECRYPT, b.beginMessageDecrypt},
	}
}

// finishFunc finishes an operation with the rest of the data.
type finishFunc func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error)

// cases adds the operation at two moments: just begun, and in the middle.
func (b *movingBench) cases(what string, m ck.Mechanism, start, middle func(h ck.SessionHandle) error,
	finish finishFunc, check func(c *vtoken.Client, result []byte) error) bool {
	h := b.session(b.c, rw)
	if start(h) != nil {
		require.NoError(b.t, b.c.CloseSession(h))
		return false
	}
	name := fmt.Sprintf("%s with %v", what, m.Type)
	d, _ := mech.Lookup(m.Type)
	slow := slices.Contains(d.KeyTypes, ck.CKK_SLH_DSA) // the middle is enough
	if !slow {
		b.all = append(b.all, movingCase{name: name + ", begun", check: check,
			finish: func(c *vtoken.Client) ([]byte, error) { return finish(c, h, movingData) }})
	}
	if middle == nil {
		return true
	}
	h2 := b.session(b.c, rw)
	require.NoError(b.t, start(h2), name)
	require.NoError(b.t, middle(h2), name)
	b.all = append(b.all, movingCase{name: name + ", in the middle", check: check, once: slow && check != nil,
		finish: func(c *vtoken.Client) ([]byte, error) { return finish(c, h2, tail) }})
	return true
}

// verifies checks a signature of the data.
func (b *movingBench) verifies(m ck.Mechanism, k benchKey) func(c *vtoken.Client, sig []byte) error {
	return func(c *vtoken.Client, sig []byte) error {
		h := b.session(c, rw)
		if err := c.VerifyInit(h, m, b.partner(k)); err != nil {
			return err
		}
		return c.Verify(h, movingData, sig)
	}
}

func (b *movingBench) beginSign(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	start := func(h ck.SessionHandle) error { return b.c.SignInit(h, m, k.h) }
	if d.Stateful {
		return b.cases("signature", m, start, nil, func(c *vtoken.Client, h ck.SessionHandle, _ []byte) ([]byte, error) {
			return dataOf(c.Sign(h, nil, big64K))
		}, nil)
	}
	return b.cases("signature", m, start,
		func(h ck.SessionHandle) error { return b.c.SignUpdate(h, head) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			if err := c.SignUpdate(h, rest); err != nil {
				return nil, err
			}
			return dataOf(c.SignFinal(h, big64K))
		}, b.verifies(m, k))
}

var big64K = ck.Buffer{Len: 64 << 10}

func dataOf(out ck.Output, err error) ([]byte, error) { return out.Data, err }

// signature signs the data with the partner of a key, if the mechanism signs.
func (b *movingBench) signature(d *mech.Descriptor, m ck.Mechanism, k benchKey) []byte {
	b.t.Helper()
	h := b.session(b.c, rw)
	if d.Sign == nil || b.c.SignInit(h, m, b.partner(k)) != nil {
		return make([]byte, 8)
	}
	data := movingData
	if d.Stateful {
		data = nil
	}
	out, err := b.c.Sign(h, data, big64K)
	require.NoError(b.t, err)
	return out.Data
}

func (b *movingBench) beginVerify(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	var sig []byte
	start := func(h ck.SessionHandle) error {
		err := b.c.VerifyInit(h, m, k.h)
		if err == nil && sig == nil {
			sig = b.signature(d, m, k)
		}
		return err
	}
	if d.Stateful {
		return b.cases("verification", m, start, nil, func(c *vtoken.Client, h ck.SessionHandle, _ []byte) ([]byte, error) {
			return nil, c.Verify(h, nil, sig)
		}, nil)
	}
	return b.cases("verification", m, start,
		func(h ck.SessionHandle) error { return b.c.VerifyUpdate(h, head) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			if err := c.VerifyUpdate(h, rest); err != nil {
				return nil, err
			}
			err := c.VerifyFinal(h, sig)
			if d.Sign != nil {
				require.NoError(b.t, err, "%v", m.Type)
			}
			return nil, err
		}, nil)
}

// encryptRest finishes an encryption.
func encryptRest(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
	out, err := dataOf(c.EncryptUpdate(h, rest, big64K))
	if err != nil {
		return nil, err
	}
	last, err := dataOf(c.EncryptFinal(h, big64K))
	return append(out, last...), err
}

// decryptRest finishes a decryption.
func decryptRest(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
	out, err := dataOf(c.DecryptUpdate(h, rest, big64K))
	if err != nil {
		return nil, err
	}
	last, err := dataOf(c.DecryptFinal(h, big64K))
	return append(out, last...), err
}

func (b *movingBench) beginEncrypt(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	return b.cases("encryption", m,
		func(h ck.SessionHandle) error { return b.c.EncryptInit(h, m, k.h) },
		func(h ck.SessionHandle) error { return errorOf(b.c.EncryptUpdate(h, head, big64K)) },
		encryptRest,
		func(c *vtoken.Client, enc []byte) error {
			h := b.session(c, rw)
			if err := c.DecryptInit(h, m, b.partner(k)); err != nil {
				return err
			}
			out, err := c.Decrypt(h, enc, big64K)
			if err == nil && !bytes.Equal(out.Data, movingData) {
				return fmt.Errorf("it decrypts to %x", out.Data)
			}
			return err
		})
}

func (b *movingBench) beginDecrypt(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	var enc []byte
	start := func(h ck.SessionHandle) error {
		err := b.c.DecryptInit(h, m, k.h)
		if err == nil && enc == nil {
			enc = b.encrypted(d, m, k)
		}
		return err
	}
	begun := b.cases("decryption", m, start,
		func(h ck.SessionHandle) error { return errorOf(b.c.DecryptUpdate(h, enc[:len(enc)-len(tail)], big64K)) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			if len(rest) < len(movingData) {
				return decryptRest(c, h, enc[len(enc)-len(tail):])
			}
			return decryptRest(c, h, enc)
		}, nil)
	if !begun {
		return false
	}
	// A result that waits for a longer buffer, fetched, and left for other data.
	for name, other := range map[string]bool{"kept": false, "kept and dropped": true} {
		h := b.session(b.c, rw)
		require.NoError(b.t, start(h))
		_, err := b.c.Decrypt(h, enc, ck.Buffer{Len: 1})
		if ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL {
			return true // noise, whose padding is wrong
		}
		b.all = append(b.all, movingCase{name: fmt.Sprintf("decryption with %v, %s", m.Type, name),
			finish: func(c *vtoken.Client) ([]byte, error) {
				in := enc
				if other {
					in = append(bytes.Clone(enc[:len(enc)-1]), enc[len(enc)-1]^1)
				} else if _, err := c.DecryptUpdate(h, in, big64K); ck.CodeOf(err) != ck.CKR_OPERATION_ACTIVE {
					return nil, fmt.Errorf("an update while a result waits: %w", err)
				}
				return dataOf(c.Decrypt(h, in, big64K))
			}})
	}
	return true
}

// encrypted encrypts the data for a key, if the mechanism encrypts.
func (b *movingBench) encrypted(d *mech.Descriptor, m ck.Mechanism, k benchKey) []byte {
	b.t.Helper()
	h := b.session(b.c, rw)
	if d.Encrypt == nil {
		return bytes.Repeat([]byte("somebits"), 6)
	}
	require.NoError(b.t, b.c.EncryptInit(h, m, b.partner(k)))
	out, err := b.c.Encrypt(h, movingData, big64K)
	require.NoError(b.t, err)
	return out.Data
}

func (b *movingBench) beginDigest(_ *mech.Descriptor, m ck.Mechanism, _ benchKey) bool {
	return b.cases("digest", m,
		func(h ck.SessionHandle) error { return b.c.DigestInit(h, m) },
		func(h ck.SessionHandle) error { return b.c.DigestUpdate(h, head) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			if err := c.DigestUpdate(h, rest); err != nil {
				return nil, err
			}
			return dataOf(c.DigestFinal(h, big64K))
		}, nil)
}

func (b *movingBench) beginSignRecover(_ *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	return b.cases("signature with recovery", m,
		func(h ck.SessionHandle) error { return b.c.SignRecoverInit(h, m, k.h) }, nil,
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			return dataOf(c.SignRecover(h, rest, big64K))
		}, nil)
}

func (b *movingBench) beginVerifyRecover(_ *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	begin := func(h ck.SessionHandle) error { return b.c.VerifyRecoverInit(h, m, k.h) }
	var sig []byte
	started := b.cases("verification with recovery", m, func(h ck.SessionHandle) error {
		err := begin(h)
		if err == nil && sig == nil {
			other := b.session(b.c, rw)
			require.NoError(b.t, b.c.SignRecoverInit(other, m, b.partner(k)))
			sig = b.exact(b.c.SignRecover, other, movingData)
		}
		return err
	}, nil, func(c *vtoken.Client, h ck.SessionHandle, _ []byte) ([]byte, error) {
		return dataOf(c.VerifyRecover(h, sig, big64K))
	}, nil)
	return started
}

func (b *movingBench) beginMessageSign(_ *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	return b.cases("signature of messages", m,
		func(h ck.SessionHandle) error {
			if err := b.c.MessageSignInit(h, m, k.h); err != nil {
				return err
			}
			return b.c.SignMessageBegin(h, nil)
		},
		func(h ck.SessionHandle) error { return errorOf(b.c.SignMessageNext(h, nil, head, false, big64K)) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			sig, err := dataOf(c.SignMessageNext(h, nil, rest, true, big64K))
			if err != nil {
				return nil, err
			}
			return sig, c.MessageSignFinal(h)
		}, b.verifies(m, k))
}

func (b *movingBench) beginMessageVerify(d *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	var sig []byte
	return b.cases("verification of messages", m,
		func(h ck.SessionHandle) error {
			if err := b.c.MessageVerifyInit(h, m, k.h); err != nil {
				return err
			}
			if sig == nil {
				sig = b.signature(d, m, k)
			}
			return b.c.VerifyMessageBegin(h, nil)
		},
		func(h ck.SessionHandle) error { return b.c.VerifyMessageNext(h, nil, head, nil) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			err := c.VerifyMessageNext(h, nil, rest, sig)
			if d.Sign != nil {
				require.NoError(b.t, err, "%v", m.Type)
			}
			return nil, c.MessageVerifyFinal(h)
		}, nil)
}

// messageParameter is that of a message whose nonce has a counter.
func messageParameter(m ck.MechanismType) *ck.MessageParams {
	return &ck.MessageParams{
		Mechanism: m, Generator: ck.CKG_GENERATE_COUNTER, FixedBits: 32, DataLen: uint64(len(movingData)),
		TagBits: 128, Nonce: []byte("twelve bytes"), Tag: make([]byte, 16),
	}
}

func (b *movingBench) beginMessageEncrypt(_ *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	if m.Parameter != nil {
		return false
	}
	p := messageParameter(m.Type)
	return b.cases("encryption of messages", m,
		func(h ck.SessionHandle) error {
			if err := b.c.MessageEncryptInit(h, m, k.h); err != nil {
				return err
			}
			_, err := b.c.EncryptMessage(h, messageParameter(m.Type), nil, movingData, big64K)
			require.NoError(b.t, err)
			return b.c.EncryptMessageBegin(h, p, []byte("about"))
		},
		func(h ck.SessionHandle) error { return errorOf(b.c.EncryptMessageNext(h, p, head, big64K, 0)) },
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			p := messageParameter(m.Type)
			out, err := dataOf(c.EncryptMessageNext(h, p, rest, big64K, ck.CKF_END_OF_MESSAGE))
			if err != nil {
				return nil, err
			}
			next := messageParameter(m.Type)
			another, err := dataOf(c.EncryptMessage(h, next, nil, movingData, big64K))
			require.Equal(b.t, byte(2), next.Nonce[11], "the counter did not go on")
			return slices.Concat(out, p.Tag, another, next.Nonce, next.Tag), err
		}, nil)
}

func (b *movingBench) beginMessageDecrypt(_ *mech.Descriptor, m ck.Mechanism, k benchKey) bool {
	if m.Parameter != nil {
		return false
	}
	p := messageParameter(m.Type)
	var enc []byte
	return b.cases("decryption of messages", m,
		func(h ck.SessionHandle) error {
			if err := b.c.MessageDecryptInit(h, m, k.h); err != nil {
				return err
			}
			if enc == nil {
				other := b.session(b.c, rw)
				require.NoError(b.t, b.c.MessageEncryptInit(other, m, k.h))
				out, err := b.c.EncryptMessage(other, p, []byte("about"), movingData, big64K)
				require.NoError(b.t, err)
				enc = out.Data
			}
			return b.c.DecryptMessageBegin(h, p, []byte("about"))
		},
		func(h ck.SessionHandle) error {
			return errorOf(b.c.DecryptMessageNext(h, p, enc[:len(head)], big64K, 0))
		},
		func(c *vtoken.Client, h ck.SessionHandle, rest []byte) ([]byte, error) {
			return dataOf(c.DecryptMessageNext(h, p, enc[len(enc)-len(rest):], big64K, ck.CKF_END_OF_MESSAGE))
		}, nil)
}
