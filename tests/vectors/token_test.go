package vectors

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// token is a session with a token, whose user is logged in.
type token struct {
	d    *harness.Daemon
	p    *pkcs11.Ctx
	h    pkcs11.SessionHandle
	name string                // of the file that is played
	made []pkcs11.ObjectHandle // by the vector that is played

	keys  map[string]keys // of all families, for uses of mechanisms
	point []byte          // CKA_EC_POINT of the pair of "EC"

	offered ck.Flags // the uses of the mechanism that is played
}

// newToken starts a daemon with one token, and loads the library, which finds the
// daemon by what way makes of its socket.
func newToken(t *testing.T, way func(t *testing.T, socket string) string) *token {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	dir, err := harness.TempDir()
	require.NoError(t, err)
	d := harness.NewDaemon(bin, dir)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, d.Start())
	t.Cleanup(func() { require.NoError(t, d.Stop()) })
	require.NoError(t, d.NewToken("vectors", harness.PIN, harness.SOPIN))
	t.Setenv("VTOKEN_P11_SOCKET", way(t, d.P11Socket))
	k := &token{d: d, p: pkcs11.New(d.Module())}
	require.NotNil(t, k.p, "%s cannot be loaded", d.Module())
	require.NoError(t, k.p.Initialize())
	t.Cleanup(func() { require.NoError(t, k.p.Finalize()) })
	slots, err := k.p.GetSlotList(true)
	require.NoError(t, err)
	k.h, err = k.p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, k.p.Login(k.h, pkcs11.CKU_USER, harness.PIN))
	return k
}

// note remembers an object, for sweep.
func (k *token) note(h pkcs11.ObjectHandle, err error) (pkcs11.ObjectHandle, error) {
	if err == nil {
		k.made = append(k.made, h)
	}
	return h, err
}

// sweep destroys what the vector made.
func (k *token) sweep() error {
	var errs []error
	for _, h := range k.made {
		errs = append(errs, k.p.DestroyObject(k.h, h))
	}
	k.made = k.made[:0]
	return errors.Join(errs...)
}

// object makes a session object.
func (k *token) object(class ck.ObjectClass, typ ck.KeyType, more ...*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	t := append([]*pkcs11.Attribute{attr(ck.CKA_CLASS, uint(class)), attr(ck.CKA_KEY_TYPE, uint(typ))}, more...)
	return k.note(k.p.CreateObject(k.h, t))
}

// secret makes a secret key with the uses that are named.
func (k *token) secret(typ ck.KeyType, value []byte, uses ...ck.AttributeType) (pkcs11.ObjectHandle, error) {
	t := []*pkcs11.Attribute{attr(ck.CKA_VALUE, value)}
	for _, use := range uses {
		t = append(t, attr(use, true))
	}
	return k.object(ck.CKO_SECRET_KEY, typ, t...)
}

func attr(typ ck.AttributeType, value any) *pkcs11.Attribute {
	if o, ok := value.(octets); ok {
		value = []byte(o)
	}
	return pkcs11.NewAttribute(uint(typ), value)
}

func mechanism(m ck.MechanismType, parameter any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(uint(m), parameter)}
}

// structure is a parameter of C: words, and pointers to bytes that stay where they
// are until free.
type structure struct {
	pinner runtime.Pinner
	bytes  []byte
}

func (s *structure) word(n uint64) { s.bytes = binary.NativeEndian.AppendUint64(s.bytes, n) }

func (s *structure) pointer(b []byte) {
	if len(b) == 0 {
		s.word(0)
		return
	}
	s.word(s.address(b))
}

// address is where bytes stay until free.
func (s *structure) address(b []byte) uint64 {
	s.pinner.Pin(&b[0])
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

func (s *structure) free() { s.pinner.Unpin() }

// with makes a call with a parameter that is a structure.
func (s *structure) with(m ck.MechanismType, call func([]*pkcs11.Mechanism) error) error {
	defer s.free()
	return call(mechanism(m, s.bytes))
}
