package pfxfile

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"software.sslmate.com/src/go-pkcs12"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// neverEnds is a context for what the tests themselves derive.
type neverEnds struct{ context.Context }

func (neverEnds) Err() error { return nil }

// looks counts how often work looks whether its request has ended, which is once every
// 4096 steps at least. Where that is too often, the request ends: a test fails rather
// than hangs.
type looks struct {
	context.Context
	n, most int
}

func (l *looks) Err() error {
	if l.n++; l.n > l.most {
		return context.Canceled
	}
	return nil
}

const (
	limit    = 60_000 // steps
	mostLook = 500
)

// readBounded reads a file and checks what it cost.
func readBounded(t *testing.T, file []byte, what string) (*File, error) {
	t.Helper()
	ctx := &looks{Context: t.Context(), most: mostLook}
	b := work.New(ctx, limit)
	f, err := Read(file, secret.Bytes(testPassword), b)
	require.Less(t, ctx.n, mostLook, "%s: it works without end", what)
	require.LessOrEqual(t, b.Spent(), int64(limit), what)
	if err == nil && f.Key != nil {
		_, _ = x509.ParsePKCS8PrivateKey(f.Key) // whose numbers are of a good size
	}
	return f, err
}

// hostileNumbers are contents of an INTEGER.
func hostileNumbers() map[string][]byte {
	return map[string][]byte{
		"0": {0}, "-1": {0xff}, "2^31-1": {0x7f, 0xff, 0xff, 0xff}, "2^31": {0, 0x80, 0, 0, 0}, "2^32": {1, 0, 0, 0, 0},
		"2^62": {0x40, 0, 0, 0, 0, 0, 0, 0}, "2^63-1": {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "2^63": {0, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"2^64": {1, 0, 0, 0, 0, 0, 0, 0, 0}, "-2^63": {0x80, 0, 0, 0, 0, 0, 0, 0}, "2^80000": append([]byte{1}, make([]byte, 10_000)...), "": {},
	}
}

// hostileLengths are written instead of a right length.
func hostileLengths() [][]byte {
	return [][]byte{{0x80}, {0x81, 0xff}, {0x84, 0x7f, 0xff, 0xff, 0xff}, {0x84, 0xff, 0xff, 0xff, 0xff}, {0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0xff}}
}

// bases are good files of several makers, whose keys take few rounds.
func bases(t testing.TB) map[string][]byte {
	t.Helper()
	list := map[string][]byte{}
	for _, name := range []string{"openssl-p256-legacy", "openssl-modern", "openssl-plain-key"} {
		data, err := os.ReadFile("../testdata/pfx/" + name + ".p12")
		require.NoError(t, err)
		list[name] = data
	}
	list["pbmac1"] = pbmac1File(t)
	return list
}

// pbmac1File is a file with PBMAC1.
func pbmac1File(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file, err := pkcs12.Modern2026.Encode(key, cert, nil, testPassword)
	require.NoError(t, err)
	return file
}

// TestEveryFieldHostile takes good files apart, down to what is inside of what is
// encrypted. Every number in them becomes each of the hostile ones, every length as
// well, and everything that can be there several times is there too often, nested and
// repeated. Written again with right lengths, encryption and MAC, each such file costs
// no more than its budget.
func TestEveryFieldHostile(t *testing.T) {
	for name, data := range bases(t) {
		t.Run(name, func(t *testing.T) {
			f := newTree(t, data)
			_, err := readBounded(t, data, name)
			require.NoError(t, err)
			files, refused, numbers := 0, 0, 0
			try := func(what string) {
				files++
				if _, err := readBounded(t, f.encode(t), what); err != nil {
					refused++
				}
			}
			for i, n := range f.root.all() {
				saved := *n
				if n.tag == 0x02 {
					numbers++
					for value, content := range hostileNumbers() {
						n.raw = content
						try(fmt.Sprintf("number %d is %s", i, value))
						*n = saved
					}
				}
				if len(n.kids) == 0 && n.tag == 0x04 {
					n.raw = make([]byte, 200_000)
					try(fmt.Sprintf("octets %d are many", i))
					*n = saved
				}
				if len(n.kids) > 0 {
					n.kids = append(bytesOf(n.kids), repeat(n.kids, 100)...)
					try(fmt.Sprintf("element %d repeats what is in it", i))
					*n = saved
				}
			}
			for i, n := range f.root.all() {
				if n.crypt != nil || i > 40 {
					continue
				}
				for _, length := range hostileLengths() {
					n.length = length
					try(fmt.Sprintf("element %d is as long as % x", i, length))
					n.length = nil
				}
			}
			require.Greater(t, numbers, 4, "seeds")
			require.Greater(t, refused, files/3)
			t.Logf("%d files, %d refused", files, refused)
		})
	}
}

func bytesOf(list []*node) []*node { return list[:len(list):len(list)] }

func repeat(list []*node, times int) (out []*node) {
	for range times {
		out = append(out, list...)
	}
	return out
}

// der writes an element for the tests.
func der(tag byte, parts ...[]byte) []byte {
	return (&node{tag: tag, raw: bytes.Join(parts, nil)}).encode()
}

func number(n int64) []byte {
	size := 8 - (bits.LeadingZeros64(uint64(n))-1)/8
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(n >> (56 - 8*i))
	}
	return der(2, b[8-max(size, 1):])
}

func oid(t testing.TB, text string) []byte {
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	return der(6, raw)
}

// The object identifiers that the tests write, in hexadecimal.
const (
	hexData      = "2a864886f70d010701"
	hexEncrypted = "2a864886f70d010706"
	hexShrouded  = "2a864886f70d010c0a0102"
	hexContents  = "2a864886f70d010c0a0106"
	hexPBES2     = "2a864886f70d01050d"
	hexPBKDF2    = "2a864886f70d01050c"
	hexScrypt    = "2b06010401da47040b"
	hexAES128    = "608648016503040102"
	hexSHA1      = "2b0e03021a"
	hexPBE3DES   = "2a864886f70d010c0103"
)

func pbes2With(t testing.TB, kdf []byte) []byte {
	aes := der(0x30, oid(t, hexAES128), der(4, make([]byte, 16)))
	return der(0x30, oid(t, hexPBES2), der(0x30, kdf, aes))
}

func pbkdf2With(t testing.TB, iterations int64) []byte {
	return der(0x30, oid(t, hexPBKDF2), der(0x30, der(4, []byte("saltsalt")), number(iterations)))
}

// shroudedKey is an entry with a key that is encrypted so; nothing decrypts to one.
func shroudedKey(t testing.TB, a []byte) []byte {
	return der(0x30, oid(t, hexShrouded), der(0xa0, der(0x30, a, der(4, make([]byte, 16)))))
}

// encryptedFile is a file whose only contents are encrypted, with one round, and have
// a good MAC.
func encryptedFile(t testing.TB, contents []byte) []byte {
	a := pbes2With(t, pbkdf2With(t, 1))
	in := toString(a)
	var parsed algorithm
	require.True(t, parsed.read(&in))
	s, err := encryption(parsed)
	require.NoError(t, err)
	info := der(0x30, oid(t, hexData), a, der(0x80, s.encrypt(contents)))
	safe := der(0x30, oid(t, hexEncrypted), der(0xa0, der(0x30, number(0), info)))
	return withMAC(t, der(0x30, safe))
}

// withMAC is a file of these contents, with the MAC of SHA-1 and one round.
func withMAC(t testing.TB, safes []byte) []byte {
	mac := der(0x30, der(0x30, der(0x30, oid(t, hexSHA1)), der(4, make([]byte, 20))), der(4, []byte("salt")))
	file := der(0x30, number(3), der(0x30, oid(t, hexData), der(0xa0, der(4, safes))), mac)
	list, ok := parse(file)
	require.True(t, ok)
	f := &tree{root: list[0]}
	in := toString(f.root.kids[2].encode())
	var err error
	f.mac, _, err = macData(&in)
	require.NoError(t, err)
	return f.encode(t)
}

var update = flag.Bool("update", false, "write the hostile files of the corpus")

// TestInnerCounts: the key that is inside of what is encrypted asks for more rounds
// than anybody can make. It is refused when that is seen, and costs next to nothing.
func TestInnerCounts(t *testing.T) {
	scrypt := der(0x30, oid(t, hexScrypt), der(0x30, der(4, []byte("salt")), number(1<<40), number(1<<20), number(1<<20)))
	files := map[string][]byte{
		"inner":  encryptedFile(t, der(0x30, shroudedKey(t, pbes2With(t, pbkdf2With(t, math.MaxInt64))))),
		"scrypt": encryptedFile(t, der(0x30, shroudedKey(t, pbes2With(t, scrypt)))),
	}
	for name, data := range files {
		path := filepath.Join("../testdata/pfx", "hostile-"+name+".p12")
		if *update {
			require.NoError(t, os.WriteFile(path, data, 0o644))
		}
		stored, err := os.ReadFile(path)
		require.NoError(t, err, "make it with -update")
		require.Equal(t, data, stored, "make it anew with -update")
		require.Less(t, len(data), 512)
	}
	old := der(0x30, oid(t, hexPBE3DES), der(0x30, der(4, []byte("salt")), number(limit/2)))
	files["a little too much, by blocks"] = encryptedFile(t, der(0x30, shroudedKey(t, old)))
	for name, data := range files {
		b := work.New(t.Context(), limit)
		_, err := Read(data, secret.Bytes(testPassword), b)
		var over *work.OverError
		if name == "scrypt" {
			require.ErrorContains(t, err, "not supported")
		} else {
			require.ErrorAs(t, err, &over, name)
		}
		require.LessOrEqual(t, b.Spent(), int64(2), "%s: the MAC and the contents, a round each", name)
	}
}

// Contents within contents, and entries without end.
func TestNesting(t *testing.T) {
	nested := func(depth int) []byte {
		contents := der(0x30)
		for range depth {
			contents = der(0x30, der(0x30, oid(t, hexContents), der(0xa0, contents)))
		}
		return contents
	}
	for depth, want := range map[int]error{0: nil, maxNesting - 1: nil, maxNesting: errNesting, 1000: errNesting} {
		_, err := readBounded(t, encryptedFile(t, nested(depth)), fmt.Sprint("depth ", depth))
		require.ErrorIs(t, err, want, "%d", depth)
	}
	bag := der(0x30, oid(t, "2a03"), der(0xa0, der(5)))
	for n, want := range map[int]error{maxBags: nil, maxBags + 1: errBags, 50_000: errBags} {
		_, err := readBounded(t, encryptedFile(t, der(0x30, bytes.Repeat(bag, n))), fmt.Sprint(n, " entries"))
		require.ErrorIs(t, err, want, "%d", n)
	}
	two := shroudedKey(t, pbes2With(t, pbkdf2With(t, 1)))
	_, err := readBounded(t, encryptedFile(t, der(0x30, two, two)), "two keys")
	require.ErrorIs(t, err, errKeys)
	safe := der(0x30, oid(t, hexData), der(0xa0, der(4, der(0x30))))
	for n, want := range map[int]error{maxSafes: nil, maxSafes + 1: errSafes, 10_000: errSafes} {
		_, err := readBounded(t, withMAC(t, der(0x30, bytes.Repeat(safe, n))), fmt.Sprint(n, " contents"))
		require.ErrorIs(t, err, want, "%d", n)
	}
	// What a file shows is added up before the first round.
	shown := der(0x30, oid(t, hexData), der(0xa0, der(4, der(0x30, shroudedKey(t, pbes2With(t, pbkdf2With(t, limit)))))))
	b := work.New(t.Context(), limit)
	_, err = Read(withMAC(t, der(0x30, shown)), secret.Bytes(testPassword), b)
	var over *work.OverError
	require.ErrorAs(t, err, &over)
	require.Zero(t, b.Spent())
}

// The request ends while keys are derived.
func TestRequestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Read(bases(t)["openssl-modern"], secret.Bytes(testPassword), work.New(ctx, limit))
	require.ErrorIs(t, err, context.Canceled)
}

// RC2 as in RFC 2268, section 5.
func TestRC2(t *testing.T) {
	for _, c := range []struct{ key, plain, cipher string }{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		key, _ := hex.DecodeString(c.key)
		b, err := newRC2(key)
		require.NoError(t, err)
		got, _ := hex.DecodeString(c.cipher)
		b.Decrypt(got, got)
		require.Equal(t, c.plain, hex.EncodeToString(got))
		b.(*rc2).encrypt(got)
		require.Equal(t, c.cipher, hex.EncodeToString(got))
	}
}

// FuzzRead: no file costs more than its budget.
func FuzzRead(f *testing.F) {
	seeds := 0
	paths, err := filepath.Glob("../testdata/pfx/*.p12")
	require.NoError(f, err)
	for _, path := range paths {
		if strings.Contains(path, "iter-") || strings.Contains(path, "gnutls") {
			continue // which take long
		}
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(data)
		seeds++
	}
	require.Greater(f, seeds, 30)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 1<<16 {
			_, _ = readBounded(t, data, "fuzzed")
		}
	})
}
