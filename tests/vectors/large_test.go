package vectors

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// largeSize is how much goes through each mechanism: more than a frame of the protocol holds,
// or LARGE_BYTES.
func largeSize(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LARGE_BYTES")
	if text == "" {
		return 20 << 20
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "LARGE_BYTES is a number of bytes")
	return n
}

// onePart is the most that goes in one call. More goes in several calls of an operation in parts.
const onePart = 64 << 20

// large is data of which no part is like another.
func large(n int) []byte {
	b := make([]byte, 0, n+8)
	for i := uint64(0); len(b) < n; i++ {
		b = binary.LittleEndian.AppendUint64(b, i*0x9e3779b97f4a7c15)
	}
	return b[:n]
}

// tooMuch are the codes with which a mechanism refuses so much data.
var tooMuch = []ck.Error{ck.CKR_DATA_LEN_RANGE, ck.CKR_ENCRYPTED_DATA_LEN_RANGE, ck.CKR_DEVICE_MEMORY}

// refused reports whether the mechanism refuses so much data, after which the operation is over.
func refused(t *testing.T, err error, final func() error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	require.Contains(t, tooMuch, code(err), "%v", err)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, code(final()), "it goes on without the data")
	return true
}

func code(err error) ck.Error {
	if err == nil {
		return ck.CKR_OK
	}
	return ck.Error(err.(pkcs11.Error))
}

// signedEach says that one of so many mechanisms for signatures is played, unless LARGE_BYTES is
// set: most differ in the hash alone.
const signedEach = 4

// TestLargeData puts more than a frame holds through each use of each mechanism, in one call
// and in parts that are larger than a frame, too. It is done right, or refused at once, and
// nothing is made of a part of the data.
func TestLargeData(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	k.setPolicy(t, "legacy")
	slots, err := k.p.GetSlotList(true)
	require.NoError(t, err)
	list, err := k.p.GetMechanismList(slots[0])
	require.NoError(t, err)
	k.keys = k.makeKeys(t)
	size := largeSize(t)
	data := large(min(size, onePart))
	each := 1
	if os.Getenv("LARGE_BYTES") == "" {
		each = signedEach
	}
	done, met := map[string]int{}, map[string]int{}
	for _, offered := range list {
		m := ck.MechanismType(offered.Mechanism)
		info, err := k.p.GetMechanismInfo(slots[0], []*pkcs11.Mechanism{offered})
		require.NoError(t, err, m)
		for _, u := range []struct {
			flag ck.Flags
			name string
			play func(t *testing.T, m ck.MechanismType, data []byte, times int) bool
		}{
			{ck.CKF_DIGEST, "digest", k.largeDigest}, {ck.CKF_SIGN, "sign", k.largeSignature}, {ck.CKF_ENCRYPT, "encrypt", k.largeCipher},
		} {
			if !ck.Flags(info.Flags).Has(u.flag) || m == ck.CKM_HOTP {
				continue
			}
			if met[u.name]++; u.name == "sign" && met[u.name]%each != 0 {
				continue
			}
			t.Run(m.String()+"/"+u.name, func(t *testing.T) {
				if u.play(t, m, data, max(1, size/onePart)) {
					done[u.name]++
				}
			})
		}
	}
	require.Greater(t, done["digest"], 8)
	require.Greater(t, done["sign"], 20/each)
	require.GreaterOrEqual(t, done["encrypt"], 5)
	t.Logf("%d MiB with mechanisms that %v", size>>20, done)
}

func (k *token) largeDigest(t *testing.T, m ck.MechanismType, data []byte, times int) bool {
	digest := func(run func() ([]byte, error)) []byte {
		require.NoError(t, k.p.DigestInit(k.h, mechanism(m, nil)))
		sum, err := run()
		require.NoError(t, err)
		return sum
	}
	whole := digest(func() ([]byte, error) { return k.p.Digest(k.h, data) })
	pieces := digest(func() ([]byte, error) {
		for piece := range slices.Chunk(data, 10<<20) {
			require.NoError(t, k.p.DigestUpdate(k.h, piece))
		}
		return k.p.DigestFinal(k.h)
	})
	require.Equal(t, pieces, whole)
	digest(func() ([]byte, error) {
		for range times {
			require.NoError(t, k.p.DigestUpdate(k.h, data))
		}
		return k.p.DigestFinal(k.h)
	})
	return true
}

func (k *token) largeSignature(t *testing.T, m ck.MechanismType, data []byte, times int) bool {
	key := k.keys[family(m)]
	signInit := func(p []*pkcs11.Mechanism) error { return k.p.SignInit(k.h, p, key.private) }
	verifyInit := func(p []*pkcs11.Mechanism) error { return k.p.VerifyInit(k.h, p, key.public) }
	final := func() error { _, err := k.p.SignFinal(k.h); return err }
	require.NoError(t, k.good(m, ck.CKF_SIGN, signInit))
	signature, err := k.p.Sign(k.h, data)
	if refused(t, err, final) {
		require.NoError(t, k.good(m, ck.CKF_SIGN, signInit))
		require.True(t, refused(t, k.p.SignUpdate(k.h, data), final), "in one part it is refused, and in parts it is not")
		return false
	}
	require.NoError(t, k.good(m, ck.CKF_VERIFY, verifyInit))
	require.NoError(t, k.p.Verify(k.h, data, signature))
	require.NoError(t, k.good(m, ck.CKF_VERIFY, verifyInit))
	for piece := range slices.Chunk(data, 10<<20) {
		require.NoError(t, k.p.VerifyUpdate(k.h, piece))
	}
	require.NoError(t, k.p.VerifyFinal(k.h, signature))
	require.NoError(t, k.good(m, ck.CKF_VERIFY, verifyInit))
	require.Error(t, k.p.Verify(k.h, data[:len(data)-1], signature), "less than was signed verifies")
	if times > 1 {
		require.NoError(t, k.good(m, ck.CKF_SIGN, signInit))
		for range times {
			require.NoError(t, k.p.SignUpdate(k.h, data))
		}
		require.NoError(t, final())
	}
	return true
}

func (k *token) largeCipher(t *testing.T, m ck.MechanismType, data []byte, times int) bool {
	key := k.keys[family(m)]
	encryptInit := func(p []*pkcs11.Mechanism) error { return k.p.EncryptInit(k.h, p, key.public) }
	decryptInit := func(p []*pkcs11.Mechanism) error { return k.p.DecryptInit(k.h, p, key.private) }
	final := func() error { _, err := k.p.EncryptFinal(k.h); return err }
	require.NoError(t, k.good(m, ck.CKF_ENCRYPT, encryptInit))
	whole, err := k.p.Encrypt(k.h, data)
	if refused(t, err, final) {
		require.NoError(t, k.good(m, ck.CKF_ENCRYPT, encryptInit))
		_, err = k.p.EncryptUpdate(k.h, data)
		require.True(t, refused(t, err, final), "in one part it is refused, and in parts it is not")
		return false
	}
	require.NoError(t, k.good(m, ck.CKF_ENCRYPT, encryptInit))
	parts, err := k.p.EncryptUpdate(k.h, data)
	require.NoError(t, err)
	last, err := k.p.EncryptFinal(k.h)
	require.NoError(t, err)
	require.True(t, bytes.Equal(whole, append(parts, last...)), "in parts it is something else")
	require.NoError(t, k.good(m, ck.CKF_DECRYPT, decryptInit))
	plain, err := k.p.Decrypt(k.h, whole)
	if m == ck.CKM_AES_GCM {
		require.True(t, refused(t, err, func() error { _, err := k.p.DecryptFinal(k.h); return err }), "a decryption holds back so much")
		block, err := aes.NewCipher(desKey[:16])
		require.NoError(t, err)
		aead, err := cipher.NewGCM(block)
		require.NoError(t, err)
		plain, err = aead.Open(nil, bytes.Repeat([]byte{7}, 12), whole, bytes.Repeat([]byte{7}, 5))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, plain))
	} else {
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, plain))
	}
	if times > 1 {
		require.NoError(t, k.good(m, ck.CKF_ENCRYPT, encryptInit))
		for range times {
			out, err := k.p.EncryptUpdate(k.h, data)
			require.NoError(t, err)
			require.NotEmpty(t, out)
		}
		require.NoError(t, final())
	}
	return true
}

// raw is the client of the library, whose buffers a test chooses.
func raw(t *testing.T, k *token) (*remote.Client, ck.SessionHandle) {
	t.Helper()
	c := remote.New(remote.Options{Socket: func() string { return k.d.P11Socket }, Timeout: time.Minute})
	t.Cleanup(c.Close)
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	h, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, c.Login(h, ck.CKU_USER, secret.Bytes(harness.PIN)))
	return c, h
}

// TestLargeBuffers: a question for the length and a buffer that is too short change nothing,
// also where the data take several frames.
func TestLargeBuffers(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	c, h := raw(t, k)
	key, err := c.GenerateKey(h, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
	require.NoError(t, err)
	data := large(p11rpc.MaxBody + 5)
	iv := ck.RawParameter(make([]byte, 16))
	pad := &ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Parameter: iv}
	gcm := &ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}}
	sha, cmac := &ck.Mechanism{Type: ck.CKM_SHA256}, &ck.Mechanism{Type: ck.CKM_AES_CMAC}

	// exact runs a call with no buffer, with one that is a byte too short and with one that fits.
	exact := func(t *testing.T, call func(remote.Out) (uint64, error), want int) []byte {
		t.Helper()
		n, err := call(remote.Out{Null: true})
		require.NoError(t, err)
		require.EqualValues(t, want, n)
		to := make([]byte, n)
		short, err := call(remote.Out{To: to[:n-1]})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
		require.EqualValues(t, n, short)
		got, err := call(remote.Out{To: to})
		require.NoError(t, err)
		require.EqualValues(t, n, got)
		return to
	}
	whole := func(f func(ck.SessionHandle, []byte, remote.Out) (uint64, error), data []byte) func(remote.Out) (uint64, error) {
		return func(out remote.Out) (uint64, error) { return f(h, data, out) }
	}
	require.NoError(t, c.DigestInit(h, sha))
	exact(t, whole(c.Digest, data), 32)
	require.NoError(t, c.SignInit(h, cmac, key))
	signature := exact(t, whole(c.Sign, data), 16)
	require.NoError(t, c.VerifySignatureInit(h, cmac, key, signature))
	require.NoError(t, c.VerifySignature(h, data))
	for m, more := range map[*ck.Mechanism]int{pad: 11, gcm: 16} {
		require.NoError(t, c.EncryptInit(h, m, key))
		exact(t, whole(c.Encrypt, data), len(data)+more)
		require.NoError(t, c.EncryptInit(h, m, key))
		part := len(data)
		if m == pad {
			part -= 5
		}
		exact(t, whole(c.EncryptUpdate, data), part)
		exact(t, func(out remote.Out) (uint64, error) { return c.EncryptFinal(h, out) }, 16)
	}

	// A decryption knows its length at its end: the buffer of exactly that is enough, and the one
	// below it has the call made again.
	require.NoError(t, c.EncryptInit(h, pad, key))
	enc := exact(t, whole(c.Encrypt, data), len(data)+11)
	require.NoError(t, c.DecryptInit(h, pad, key))
	bound, err := c.Decrypt(h, enc, remote.Out{Null: true})
	require.NoError(t, err)
	require.GreaterOrEqual(t, bound, uint64(len(data)))
	plain := make([]byte, len(data))
	for _, room := range []int{16, len(data) - 100, len(data) - 1} {
		n, err := c.Decrypt(h, enc, remote.Out{To: plain[:room]})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err), "%d bytes", room)
		require.GreaterOrEqual(t, n, uint64(len(data)))
	}
	n, err := c.Decrypt(h, enc, remote.Out{To: plain})
	require.NoError(t, err)
	require.EqualValues(t, len(data), n)
	require.True(t, bytes.Equal(data, plain))

	// The same memory for both, as PKCS#11 allows.
	require.NoError(t, c.DecryptInit(h, pad, key))
	n, err = c.Decrypt(h, enc, remote.Out{To: enc})
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, enc[:n]))
}

// TestLargeDataEnds: what one part has begun, and what no frame holds, ends the operation.
func TestLargeDataEnds(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	c, h := raw(t, k)
	data := large(p11rpc.MaxBody + 1)
	key, err := c.GenerateKey(h, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))})
	require.NoError(t, err)
	cmac := &ck.Mechanism{Type: ck.CKM_AES_CMAC}
	out := make([]byte, 64)
	over := func(err error) { t.Helper(); require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err)) }

	require.NoError(t, c.SignInit(h, cmac, key))
	require.NoError(t, c.SignUpdate(h, out))
	_, err = c.Sign(h, data, remote.Out{To: out})
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	_, err = c.SignFinal(h, remote.Out{To: out})
	over(err)
	require.NoError(t, c.VerifyInit(h, cmac, key))
	require.NoError(t, c.VerifyUpdate(h, out))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.Verify(h, data, out[:16])))
	over(c.VerifyFinal(h, out[:16]))
	require.NoError(t, c.VerifyInit(h, cmac, key))
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(c.VerifyFinal(h, data)), "a signature that no frame holds")
	over(c.VerifyFinal(h, out[:16]))

	require.NoError(t, c.MessageSignInit(h, cmac, key))
	n, err := c.SignMessage(h, nil, data, remote.Out{To: out})
	require.NoError(t, err)
	require.NoError(t, c.MessageVerifyInit(h, cmac, key))
	require.NoError(t, c.VerifyMessage(h, nil, data, out[:n]))
	require.NoError(t, c.VerifyMessageBegin(h, nil))
	require.NoError(t, c.VerifyMessageNext(h, nil, data, nil))
	require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(c.VerifyMessageNext(h, nil, []byte("more"), out[:n])))
}

// TestLargeValues: the value of an attribute has a limit, which has one code however far it is
// passed.
func TestLargeValues(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	create := func(size int) error {
		_, err := k.note(k.p.CreateObject(k.h, []*pkcs11.Attribute{
			attr(ck.CKA_CLASS, uint(ck.CKO_DATA)), attr(ck.CKA_VALUE, make([]byte, size)),
		}))
		return err
	}
	const limit = 1 << 20
	require.NoError(t, create(limit))
	for _, size := range []int{limit + 1, p11rpc.MaxBody - 1000, p11rpc.MaxBody, p11rpc.MaxBody + 1, 64 << 20} {
		require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, code(create(size)), "%d bytes", size)
	}
	require.NoError(t, k.sweep())
}
