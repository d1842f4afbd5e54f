package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// numbers are the private numbers of keys, by name.
type numbers map[string][]byte

// window is how many bytes of a number are looked for.
const window = 16

// part is what is looked for of a number.
type part struct {
	name  string
	at    int
	bytes []byte
}

// parts are the first, the middle and the last bytes of each number, in either order
// of bytes, by the first two of them.
func (n numbers) parts() *[1 << 16][]part {
	var by [1 << 16][]part
	for name, number := range n {
		w := min(window, len(number))
		for _, at := range []int{0, (len(number) - w) / 2, len(number) - w} {
			turned := slices.Clone(number[at : at+w])
			slices.Reverse(turned)
			for _, b := range [][]byte{number[at : at+w], turned} {
				first := binary.BigEndian.Uint16(b)
				by[first] = append(by[first], part{name, at, b})
			}
		}
	}
	return &by
}

// in counts the copies of each number in a memory: those of the part that is there
// most often.
func (n numbers) in(memory []byte) map[string]int {
	type place struct {
		name string
		at   int
	}
	parts, counts, found := n.parts(), map[place]int{}, map[string]int{}
	for i := range len(memory) - 1 {
		for _, p := range parts[binary.BigEndian.Uint16(memory[i:])] {
			if bytes.HasPrefix(memory[i:], p.bytes) {
				counts[place{p.name, p.at}]++
				found[p.name] = max(found[p.name], counts[place{p.name, p.at}])
			}
		}
	}
	return found
}

// memoryOf reads all memory that a process can write and that is no file's.
func memoryOf(t *testing.T, pid int) []byte {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	require.NoError(t, err)
	defer mem.Close()
	var all []byte
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var rights string
		_, err = fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights)
		require.NoError(t, err)
		if !strings.HasPrefix(rights, "rw") || strings.Contains(lines.Text(), "/") || to-from > 1<<30 {
			continue
		}
		all = appendUsed(all, mem, int64(from), int64(to))
	}
	return all
}

// appendUsed reads a range of memory, but for pages of zeroes: Go and libc keep
// far more than they use.
func appendUsed(all []byte, mem *os.File, from, to int64) []byte {
	const page = 4096
	chunk, zero := make([]byte, 256*page), make([]byte, page)
	for ; from < to; from += int64(len(chunk)) {
		n, _ := mem.ReadAt(chunk[:min(to-from, int64(len(chunk)))], from)
		for p := range slices.Chunk(chunk[:n], page) {
			if !bytes.Equal(p, zero[:len(p)]) {
				all = append(all, p...)
			}
		}
	}
	return all
}

// The PINs of this test's token: long, so that finding one means something.
const (
	memoryPIN   = "kX7vRq2LmZ9wTb4"
	memorySOPIN = "8f3a1c5e7b9d2f4a6c8e0b1d3f5a7c9e1b3d5f7a9c0e2d4f"
)

// privateKeys are keys of several kinds: their numbers, and the templates that bring
// them into a token under a label of their own.
func privateKeys(t *testing.T) (numbers, map[string]ck.Template) {
	t.Helper()
	found, templates := numbers{"user PIN": []byte(memoryPIN), "SO PIN": []byte(memorySOPIN)}, map[string]ck.Template{}
	add := func(label string, key any) {
		attrs, err := object.PrivateTemplate(key)
		require.NoError(t, err)
		templates[label] = append(attrs, ck.String(ck.CKA_LABEL, label), ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true), ck.Bool(ck.CKA_SIGN, true))
		for _, a := range attrs {
			if object.IsSecret(ck.CKO_PRIVATE_KEY, a.Type) {
				found[fmt.Sprintf("%s %v", label, a.Type)] = bytes.Clone(a.Value)
			}
		}
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	add("rsa", r)
	for label, c := range map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384()} {
		e, err := ecdsa.GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		add(label, e)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	add("ed25519", e)
	for label, kind := range map[string]ck.KeyType{"aes": ck.CKK_AES, "hmac": ck.CKK_GENERIC_SECRET} {
		value := make([]byte, 32)
		_, _ = rand.Read(value)
		found[label] = value
		templates[label] = ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, kind),
			ck.String(ck.CKA_LABEL, label), ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true), ck.Bool(ck.CKA_SIGN, true), ck.Bytes(ck.CKA_VALUE, value)}
	}
	return found, templates
}

// signings are how the keys of privateKeys are used.
var signings = map[string]ck.MechanismType{
	"rsa": ck.CKM_SHA256_RSA_PKCS, "p256": ck.CKM_ECDSA_SHA256, "p384": ck.CKM_ECDSA_SHA384, "ed25519": ck.CKM_EDDSA,
	"aes": ck.CKM_AES_CMAC, "hmac": ck.CKM_SHA256_HMAC,
}

// TestMemory reads the memory of the daemon: private keys are in it from their
// first use after a login on, and not before, and are gone after the logout. That
// they are there in between shows that the test can see them.
func TestMemory(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"libcrypto", "go"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			testMemory(t, false, "--crypto", provider)
		})
	}
	t.Run("PIN-bound", func(t *testing.T) {
		t.Parallel()
		testMemory(t, true)
	})
}

func testMemory(t *testing.T, bound bool, flags ...string) {
	d := start(t, flags...)
	_, err := d.Vtoken("tenant", "policy", "default", fmt.Sprintf("--pin-bound=%v", bound))
	require.NoError(t, err)
	require.NoError(t, d.NewToken("Card", memoryPIN, memorySOPIN))
	secrets, templates := privateKeys(t)
	c, s := memoryLogin(t, d)
	for _, tpl := range templates {
		_, err := c.CreateObject(s, tpl)
		require.NoError(t, err)
	}
	generated(t, c, s, secrets)
	require.NoError(t, c.Logout(s))
	gone(t, d, secrets, "after keys were brought in or made, and logout")
	c.Close()
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start(flags...))
	found := secrets.in(memoryOf(t, d.PID()))
	require.Empty(t, found, "in memory before anybody has logged in")

	c, s = memoryLogin(t, d)
	defer c.Close()
	for range 20 {
		for label, m := range signings {
			signWith(t, c, s, label, m)
		}
	}
	found = secrets.in(memoryOf(t, d.PID()))
	t.Logf("in use: %v", found)
	for _, name := range []string{"rsa CKA_PRIME_1", "p256 CKA_VALUE", "p384 CKA_VALUE", "ed25519 CKA_VALUE", "aes", "hmac"} {
		if found[name] == 0 {
			t.Errorf("the test does not see the key that is in use: %s", name)
		}
	}
	require.NoError(t, c.Logout(s))
	gone(t, d, secrets, "after logout")
}

// generated has the token make keys that may be read, and reads them.
func generated(t *testing.T, c *remote.Client, s ck.SessionHandle, secrets numbers) {
	t.Helper()
	open := ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true), ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true)}
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	for _, v := range []struct {
		mechanism ck.MechanismType
		public    ck.Attribute
		secret    ck.AttributeType
	}{
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), ck.CKA_PRIME_1},
		{ck.CKM_EC_KEY_PAIR_GEN, ck.Bytes(ck.CKA_EC_PARAMS, p256), ck.CKA_VALUE},
	} {
		_, key, err := c.GenerateKeyPair(s, &ck.Mechanism{Type: v.mechanism}, ck.Template{v.public}, open)
		require.NoError(t, err)
		var value []byte
		require.NoError(t, c.GetAttributeValue(s, key, []ck.AttributeQuery{{Type: v.secret, Buffer: ck.Buffer{Len: 1024}}},
			func(_ int, r ck.AttributeResult) { value = bytes.Clone(r.Value) }))
		require.GreaterOrEqual(t, len(value), 32, "bytes of %v of a new key", v.secret)
		secrets["made by "+v.mechanism.String()] = value
	}
}

// gone waits until none of the secrets is in the daemon's memory: it overwrites
// some of what it freed a little later.
func gone(t *testing.T, d *harness.Daemon, secrets numbers, when string) {
	t.Helper()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	var found map[string]int
	for range 300 {
		if found = secrets.in(memoryOf(t, d.PID())); len(found) == 0 {
			return
		}
		<-again.C
	}
	t.Errorf("%s, the memory has %v", when, found)
}

func memoryLogin(t *testing.T, d *harness.Daemon) (*remote.Client, ck.SessionHandle) {
	t.Helper()
	c := dialDaemon(d)
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	s, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, c.Login(s, ck.CKU_USER, secret.Bytes(memoryPIN)))
	return c, s
}

func loggedIn(t *testing.T, d *harness.Daemon) (*remote.Client, ck.SessionHandle) {
	t.Helper()
	c := dialDaemon(d)
	slots, err := c.GetSlotList(true)
	require.NoError(t, err)
	s, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, c.Login(s, ck.CKU_USER, secret.Bytes(harness.PIN)))
	return c, s
}

func signWith(t *testing.T, c *remote.Client, s ck.SessionHandle, label string, m ck.MechanismType) {
	t.Helper()
	keys, err := search(c, s, ck.Template{ck.String(ck.CKA_LABEL, label)})
	require.NoError(t, err)
	require.NoError(t, c.SignInit(s, &ck.Mechanism{Type: m}, keys[0]))
	_, err = c.Sign(s, []byte("text"), remote.Out{To: make([]byte, 512)})
	require.NoError(t, err)
}
