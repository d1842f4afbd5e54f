package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// numbers are the private numbers of keys, by name.
type numbers map[string][]byte

// in counts the copies of each number in a memory: a part from its middle, in
// either order of bytes.
func (n numbers) in(memory []byte) map[string]int {
	found := map[string]int{}
	for name, number := range n {
		middle := number[len(number)/2-8 : len(number)/2+8]
		turned := slices.Clone(middle)
		slices.Reverse(turned)
		if c := bytes.Count(memory, middle) + bytes.Count(memory, turned); c > 0 {
			found[name] = c
		}
	}
	return found
}

// memoryOf reads all memory that a process can write and that is no file's.
func memoryOf(t *testing.T, pid int) []byte {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	var all []byte
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(rights, "rw") || strings.Contains(lines.Text(), "/") || to-from > 1<<30 {
			continue
		}
		part := make([]byte, to-from)
		if n, err := mem.ReadAt(part, int64(from)); err == nil || n > 0 {
			all = append(all, part[:n]...)
		}
	}
	return all
}

// TestMemoryBeforeUse reads the memory of the daemon: private keys are in it from
// their first use after a login on, and not before. That they are there then
// shows that the test can see them. After logout Go's heap still has them; how
// many copies is logged (docs/threat-model.md).
func TestMemoryBeforeUse(t *testing.T) {
	d := start(t)
	must(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	scalar, err := e.Bytes()
	must(t, err)
	secrets := numbers{
		"RSA d": r.D.Bytes(), "RSA p": r.Primes[0].Bytes(), "RSA q": r.Primes[1].Bytes(),
		"RSA d mod p-1": r.Precomputed.Dp.Bytes(), "EC scalar": scalar,
	}
	c, s := loggedIn(t, d)
	private := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_SIGN, true)}
	_, err = c.CreateObject(s, append(slices.Clone(private), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA), ck.String(ck.CKA_LABEL, "rsa"),
		ck.Bytes(ck.CKA_MODULUS, r.N.Bytes()), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}), ck.Bytes(ck.CKA_PRIVATE_EXPONENT, r.D.Bytes()),
		ck.Bytes(ck.CKA_PRIME_1, r.Primes[0].Bytes()), ck.Bytes(ck.CKA_PRIME_2, r.Primes[1].Bytes()),
		ck.Bytes(ck.CKA_EXPONENT_1, r.Precomputed.Dp.Bytes()), ck.Bytes(ck.CKA_EXPONENT_2, r.Precomputed.Dq.Bytes()),
		ck.Bytes(ck.CKA_COEFFICIENT, r.Precomputed.Qinv.Bytes())))
	must(t, err)
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	_, err = c.CreateObject(s, append(slices.Clone(private), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC), ck.String(ck.CKA_LABEL, "ec"),
		ck.Bytes(ck.CKA_EC_PARAMS, p256), ck.Bytes(ck.CKA_VALUE, scalar)))
	must(t, err)
	c.Close()
	must(t, d.Stop())
	must(t, d.Start())
	if found := secrets.in(memoryOf(t, d.PID())); len(found) > 0 {
		t.Errorf("before anybody has logged in, the memory has %v", found)
	}

	c, s = loggedIn(t, d)
	defer c.Close()
	if found := secrets.in(memoryOf(t, d.PID())); len(found) > 0 {
		t.Errorf("before any key was used, the memory has %v", found)
	}
	for range 20 {
		signWith(t, c, s, "rsa", ck.CKM_SHA256_RSA_PKCS)
		signWith(t, c, s, "ec", ck.CKM_ECDSA_SHA256)
	}
	if found := secrets.in(memoryOf(t, d.PID())); found["RSA p"] == 0 || found["EC scalar"] == 0 {
		t.Errorf("the test does not see keys that are in use: %v", found)
	} else {
		t.Logf("in use: %v", found)
	}
	must(t, c.Logout(s))
	t.Logf("after logout: %v", secrets.in(memoryOf(t, d.PID())))
}

func loggedIn(t *testing.T, d *harness.Daemon) (*remote.Client, ck.SessionHandle) {
	t.Helper()
	c := dialDaemon(d)
	slots, err := c.GetSlotList(true)
	must(t, err)
	s, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	must(t, err)
	must(t, c.Login(s, ck.CKU_USER, secret.Bytes(harness.PIN)))
	return c, s
}

func signWith(t *testing.T, c *remote.Client, s ck.SessionHandle, label string, m ck.MechanismType) {
	t.Helper()
	keys, err := search(c, s, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.String(ck.CKA_LABEL, label)})
	must(t, err)
	must(t, c.SignInit(s, &ck.Mechanism{Type: m}, keys[0]))
	_, err = c.Sign(s, []byte("text"), remote.Out{To: make([]byte, 512)})
	must(t, err)
}
