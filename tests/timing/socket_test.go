package timing

import (
	"crypto/aes"
	"errors"
	"os"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// overSocket is the library as an application loads it, with a daemon behind it: the
// time of C_DecryptInit and C_Decrypt, the question for the length included.
func overSocket(t *testing.T, crypto string) []subject {
	t.Helper()
	p, session := startToken(t, crypto)
	pair, err := testKey()
	require.NoError(t, err)
	private, err := p.CreateObject(session, []*pkcs11.Attribute{
		attr(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY)), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_RSA)), attr(ck.CKA_DECRYPT, true),
		attr(ck.CKA_MODULUS, pair.N.Bytes()), attr(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		attr(ck.CKA_PRIVATE_EXPONENT, pair.D.Bytes()), attr(ck.CKA_PRIME_1, pair.Primes[0].Bytes()),
		attr(ck.CKA_PRIME_2, pair.Primes[1].Bytes()), attr(ck.CKA_EXPONENT_1, pair.Precomputed.Dp.Bytes()),
		attr(ck.CKA_EXPONENT_2, pair.Precomputed.Dq.Bytes()), attr(ck.CKA_COEFFICIENT, pair.Precomputed.Qinv.Bytes()),
	})
	require.NoError(t, err)
	secret, err := p.CreateObject(session, []*pkcs11.Attribute{
		attr(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_AES)), attr(ck.CKA_DECRYPT, true),
		attr(ck.CKA_VALUE, cbcKey),
	})
	require.NoError(t, err)
	b, err := aes.NewCipher(cbcKey)
	require.NoError(t, err)
	by := func(key pkcs11.ObjectHandle, m ck.MechanismType, parameter func() any) func([]byte) ([]byte, error) {
		return func(in []byte) ([]byte, error) {
			err := p.DecryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(uint(m), parameter())}, key)
			if err != nil {
				return nil, code(err)
			}
			out, err := p.Decrypt(session, in)
			return out, code(err)
		}
	}
	oaep := func() any {
		return pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, pkcs11.CKZ_DATA_SPECIFIED, nil)
	}
	m := maker{PublicKey: &pair.PublicKey}
	where := ", over the socket, " + crypto
	return []subject{
		{"RSA PKCS #1 v1.5" + where, pkcs1Classes(m), by(private, ck.CKM_RSA_PKCS, func() any { return nil }), checkPKCS1},
		{"RSA OAEP" + where, oaepClasses(m), by(private, ck.CKM_RSA_PKCS_OAEP, oaep), checkExact},
		{"AES-CBC-PAD" + where, cbcClasses(b), by(secret, ck.CKM_AES_CBC_PAD, func() any { return cbcIV }), checkExact},
	}
}

// startToken starts a daemon with a token, and logs in to that through the library.
func startToken(t *testing.T, crypto string) (*pkcs11.Ctx, pkcs11.SessionHandle) {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	dir, err := harness.TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	d := harness.NewDaemon(bin, dir)
	require.NoError(t, d.Start("--crypto", crypto))
	t.Cleanup(func() { require.NoError(t, d.Stop()) })
	require.NoError(t, d.NewToken("timing", harness.PIN, harness.SOPIN))
	t.Setenv("VTOKEN_P11_SOCKET", d.P11Socket)
	p := pkcs11.New(d.Module())
	require.NotNil(t, p, "%s cannot be loaded", d.Module())
	require.NoError(t, p.Initialize())
	t.Cleanup(func() { require.NoError(t, p.Finalize()) })
	slots, err := p.GetSlotList(true)
	require.NoError(t, err)
	session, err := p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, p.Login(session, pkcs11.CKU_USER, harness.PIN))
	return p, session
}

func attr(typ ck.AttributeType, value any) *pkcs11.Attribute {
	return pkcs11.NewAttribute(uint(typ), value)
}

// code is an error as the engine has it.
func code(err error) error {
	if e := pkcs11.Error(0); errors.As(err, &e) {
		return ck.Error(e)
	}
	return err
}
