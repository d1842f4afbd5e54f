package vectors

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// wire is what stands between the library and the daemon, and counts the bytes of
// the daemon's answers.
type wire struct{ answered atomic.Int64 }

// between listens for the library.
func (w *wire) between(t *testing.T, socket string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(socket), "wire.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			library, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(library, socket)
		}
	}()
	return path
}

func (w *wire) carry(library net.Conn, socket string) {
	defer library.Close()
	daemon, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(daemon, library)
		daemon.Close()
	}()
	_, _ = io.Copy(io.MultiWriter(counter{&w.answered}, library), daemon)
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) { c.n.Add(int64(len(b))); return len(b), nil }

// answer is how a decryption looks from outside: its code, and the bytes on the
// wire.
type answer struct {
	code  pkcs11.Error
	bytes int64
}

// answer decrypts, and tells how that looked and what came of it.
func (k *token) answer(t *testing.T, w *wire, m []*pkcs11.Mechanism, key pkcs11.ObjectHandle, in []byte) (answer, []byte) {
	t.Helper()
	require.NoError(t, k.p.DecryptInit(k.h, m, key))
	before := w.answered.Load()
	plain, err := k.p.Decrypt(k.h, in)
	a := answer{bytes: w.answered.Load() - before}
	if err != nil {
		require.ErrorAs(t, err, &a.code)
	}
	return a, plain
}

// TestPaddingFaultsLookAlike: on the wire and in the code every fault of a
// padding is like every other. Of PKCS #1 v1.5 there are no faults: what comes of a
// wrong padding is as long on the wire as a message of its length.
func TestPaddingFaultsLookAlike(t *testing.T) {
	var w wire
	k := newToken(t, w.between)
	t.Run("CBC", func(t *testing.T) { k.cbcFaults(t, &w) })
	t.Run("OAEP", func(t *testing.T) { k.oaepFaults(t, &w) })
	t.Run("PKCS1", func(t *testing.T) { k.pkcs1Faults(t, &w) })
}

func (k *token) cbcFaults(t *testing.T, w *wire) {
	value, iv := make([]byte, 16), make([]byte, 16)
	block, err := aes.NewCipher(value)
	require.NoError(t, err)
	key, err := k.secret(ck.CKK_AES, value, ck.CKA_DECRYPT)
	require.NoError(t, err)
	m := mechanism(ck.CKM_AES_CBC_PAD, iv)
	faults := map[answer]int{}
	for last := range 256 {
		plain := bytes.Repeat([]byte{byte(last)}, 48)
		if last > 0 && last <= 16 {
			plain[48-last] ^= 1 // at the first byte of the padding, and where it is one byte, as 0
		}
		in := make([]byte, len(plain))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(in, plain)
		a, _ := k.answer(t, w, m, key, in)
		faults[a]++
	}
	if len(faults) != 1 || faults[answer{pkcs11.Error(ck.CKR_ENCRYPTED_DATA_INVALID), only(faults).bytes}] != 256 {
		t.Errorf("faults of the padding look like %+v", faults)
	}
	require.NoError(t, k.sweep())
}

func (k *token) oaepFaults(t *testing.T, w *wire) {
	faults := map[answer]int{}
	for _, g := range load(t, "testdata/rsa_oaep_2048_sha256_mgf1sha256.json.gz") {
		key, err := k.rsa(g)
		require.NoError(t, err)
		for _, v := range g.Tests {
			if v.Result != "invalid" || len(v.CT) != len(g.PrivateKey.Modulus)-1 {
				continue
			}
			p := pkcs11.NewOAEPParams(uint(hashes[g.SHA].digest), uint(hashes[g.MGFSHA].mgf), pkcs11.CKZ_DATA_SPECIFIED, v.Label)
			a, _ := k.answer(t, w, mechanism(ck.CKM_RSA_PKCS_OAEP, p), key, v.CT)
			faults[a]++
		}
	}
	if a := only(faults); len(faults) != 1 || a.code != pkcs11.Error(ck.CKR_ENCRYPTED_DATA_INVALID) || faults[a] < 10 {
		t.Errorf("faults of the padding look like %+v", faults)
	}
	require.NoError(t, k.sweep())
}

// only is a key of a map that should have one.
func only(m map[answer]int) (a answer) {
	for a = range m {
		break
	}
	return a
}

func (k *token) pkcs1Faults(t *testing.T, w *wire) {
	g := load(t, "testdata/rsa_pkcs1_2048.json.gz")[0]
	key, err := k.rsa(g)
	require.NoError(t, err)
	m := mechanism(ck.CKM_RSA_PKCS, nil)
	overhead := map[int64]int{}
	look := func(in []byte) {
		a, plain := k.answer(t, w, m, key, in)
		require.Zero(t, a.code, "a decryption fails")
		overhead[a.bytes-int64(len(plain))]++
	}
	for _, v := range g.Tests {
		if v.Result == "valid" {
			look(v.CT)
		}
	}
	for range 100 {
		in := make([]byte, 256) // below the modulus, and hardly ever well padded
		_, err := rand.Read(in[1:])
		require.NoError(t, err)
		look(in)
	}
	require.Len(t, overhead, 1, "bytes that answers have beside their messages")
	require.NoError(t, k.sweep())
}
