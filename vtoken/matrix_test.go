package vtoken_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/policy"
)

// The matrix: a key of every kind that can be generated, against every mechanism,
// in every call that begins an operation.

// bench is a session with one of everything.
type bench struct {
	*world
	c    *vtoken.Client
	h    ck.SessionHandle
	keys []benchKey
}

type benchKey struct {
	name  string
	h     ck.ObjectHandle
	isKey bool
	class ck.ObjectClass
	typ   ck.KeyType
	uses  map[ck.AttributeType]bool
}

// generators are templates with which every mechanism that generates finds what
// it needs.
func generators() []ck.Template {
	oid := func(b ...byte) ck.Attribute {
		return ck.Bytes(ck.CKA_EC_PARAMS, append([]byte{6, byte(len(b))}, b...))
	}
	return []ck.Template{
		{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048))},
		{oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7)}, // P-256
		{oid(0x2b, 0x65, 0x70)},                      // Ed25519
		{oid(0x2b, 0x65, 0x6e)},                      // X25519
		{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))},
		{},
		{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(3))}, // of SLH-DSA a set that signs fast
	}
}

// usesOf are the uses that keys of a class have.
var usesOf = map[ck.ObjectClass][]ck.AttributeType{
	ck.CKO_PUBLIC_KEY:  {ck.CKA_VERIFY, ck.CKA_VERIFY_RECOVER, ck.CKA_ENCRYPT, ck.CKA_WRAP, ck.CKA_DERIVE, ck.CKA_ENCAPSULATE},
	ck.CKO_PRIVATE_KEY: {ck.CKA_SIGN, ck.CKA_SIGN_RECOVER, ck.CKA_DECRYPT, ck.CKA_UNWRAP, ck.CKA_DERIVE, ck.CKA_DECAPSULATE},
	ck.CKO_OTP_KEY:     {ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE},
	ck.CKO_SECRET_KEY:  {ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE},
}

func newBench(t *testing.T) *bench {
	b := &bench{world: newWorld(t)}
	b.setPolicy(policy.Policy{Name: policy.Legacy})
	b.c, b.h = b.loggedIn(rw)
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		if d.GenerateKey != nil && m != ck.CKM_PKCS5_PBKD2 {
			b.generateOne(m)
		}
		if d.GenerateKeyPair != nil {
			b.generatePair(m)
		}
	}
	o, err := b.c.CreateObject(b.h, data("x", "v"))
	require.NoError(b.t, err)
	b.keys = append(b.keys, benchKey{name: "data", h: o}, benchKey{name: "nothing", h: 1 << 40})
	return b
}

func (b *bench) generateOne(m ck.MechanismType) {
	b.t.Helper()
	for _, t := range generators() {
		if k, err := b.c.GenerateKey(b.h, ck.Mechanism{Type: m}, append(t, ck.Bool(ck.CKA_EXTRACTABLE, true))); err == nil {
			b.add(m, k)
			return
		}
	}
	b.t.Errorf("%v generates nothing; add a template to generators", m)
}

func (b *bench) generatePair(m ck.MechanismType) {
	b.t.Helper()
	made := false
	for _, t := range generators() {
		if pub, priv, err := b.c.GenerateKeyPair(b.h, ck.Mechanism{Type: m}, t, nil); err == nil {
			b.add(m, pub)
			b.add(m, priv)
			made = true
		}
	}
	require.True(b.t, made, "%v generates nothing; add a template to generators", m)
}

// add notes a key, with the uses that it has, and a copy without any.
func (b *bench) add(m ck.MechanismType, h ck.ObjectHandle) {
	b.t.Helper()
	k := benchKey{h: h, isKey: true,
		class: ck.ObjectClass(b.ulong(b.c, b.h, h, ck.CKA_CLASS)), typ: ck.KeyType(b.ulong(b.c, b.h, h, ck.CKA_KEY_TYPE))}
	k.name = fmt.Sprintf("%v, %v of %v", k.class, k.typ, m)
	k.uses = b.usesOf(k)
	none := k
	none.name, none.uses = k.name+" without uses", nil
	var off ck.Template
	for use := range k.uses {
		off = append(off, ck.Bool(use, false))
	}
	var err error
	none.h, err = b.c.CopyObject(b.h, h, off)
	require.NoError(b.t, err)
	b.keys = append(b.keys, k, none)
}

// usesOf is which uses the key has.
func (b *bench) usesOf(k benchKey) map[ck.AttributeType]bool {
	uses := map[ck.AttributeType]bool{}
	for _, use := range usesOf[k.class] {
		r, err := b.c.GetAttributeValue(b.h, k.h, []ck.AttributeQuery{{Type: use, Buffer: big1K}})
		if err == nil && r[0].Value[0] == 1 {
			uses[use] = true
		}
	}
	return uses
}

// begins is a call that begins an operation with a key.
type begins struct {
	flag ck.Flags
	use  ck.AttributeType
	call func(m ck.Mechanism, key ck.ObjectHandle) error
	// as is the name that the call has for a code
	as map[ck.Error]ck.Error
}

func (b *bench) calls() map[string]begins {
	c, h := b.c, b.h
	with := func(f initFunc) func(ck.Mechanism, ck.ObjectHandle) error {
		return func(m ck.Mechanism, k ck.ObjectHandle) error { return f(h, m, k) }
	}
	target := b.hmacKey(c, h)
	secretKey := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}
	return map[string]begins{
		"EncryptInit": {ck.CKF_ENCRYPT, ck.CKA_ENCRYPT, with(c.EncryptInit), nil},
		"DecryptInit": {ck.CKF_DECRYPT, ck.CKA_DECRYPT, with(c.DecryptInit), nil},
		"SignInit":    {ck.CKF_SIGN, ck.CKA_SIGN, with(c.SignInit), nil},
		"VerifyInit":  {ck.CKF_VERIFY, ck.CKA_VERIFY, with(c.VerifyInit), nil},

		"SignRecoverInit":   {ck.CKF_SIGN_RECOVER, ck.CKA_SIGN_RECOVER, with(c.SignRecoverInit), nil},
		"VerifyRecoverInit": {ck.CKF_VERIFY_RECOVER, ck.CKA_VERIFY_RECOVER, with(c.VerifyRecoverInit), nil},

		"MessageSignInit":    {ck.CKF_MESSAGE_SIGN, ck.CKA_SIGN, with(c.MessageSignInit), nil},
		"MessageVerifyInit":  {ck.CKF_MESSAGE_VERIFY, ck.CKA_VERIFY, with(c.MessageVerifyInit), nil},
		"MessageEncryptInit": {ck.CKF_MESSAGE_ENCRYPT, ck.CKA_ENCRYPT, with(c.MessageEncryptInit), nil},
		"MessageDecryptInit": {ck.CKF_MESSAGE_DECRYPT, ck.CKA_DECRYPT, with(c.MessageDecryptInit), nil},

		"EncapsulateKey": {ck.CKF_ENCAPSULATE, ck.CKA_ENCAPSULATE,
			func(m ck.Mechanism, k ck.ObjectHandle) error {
				_, _, err := c.EncapsulateKey(h, m, k, readableSecret, query)
				return err
			}, nil},
		"DecapsulateKey": {ck.CKF_DECAPSULATE, ck.CKA_DECAPSULATE,
			func(m ck.Mechanism, k ck.ObjectHandle) error {
				_, err := c.DecapsulateKey(h, m, k, readableSecret, make([]byte, 24))
				return err
			}, nil},
		"WrapKeyAuthenticated": {ck.CKF_WRAP, ck.CKA_WRAP,
			func(m ck.Mechanism, k ck.ObjectHandle) error {
				return errorOf(c.WrapKeyAuthenticated(h, sealParams(m.Type), k, target, big1K))
			},
			map[ck.Error]ck.Error{
				ck.CKR_KEY_HANDLE_INVALID:    ck.CKR_WRAPPING_KEY_HANDLE_INVALID,
				ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
			}},
		"WrapKey": {ck.CKF_WRAP, ck.CKA_WRAP,
			func(m ck.Mechanism, k ck.ObjectHandle) error { return errorOf(c.WrapKey(h, m, k, target, big1K)) },
			map[ck.Error]ck.Error{
				ck.CKR_KEY_HANDLE_INVALID:    ck.CKR_WRAPPING_KEY_HANDLE_INVALID,
				ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
			}},
		"UnwrapKey": {ck.CKF_UNWRAP, ck.CKA_UNWRAP,
			func(m ck.Mechanism, k ck.ObjectHandle) error {
				_, err := c.UnwrapKey(h, m, k, make([]byte, 24), secretKey)
				return err
			},
			map[ck.Error]ck.Error{
				ck.CKR_KEY_HANDLE_INVALID:    ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID,
				ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
			}},
		"DeriveKey": {ck.CKF_DERIVE, ck.CKA_DERIVE,
			func(m ck.Mechanism, k ck.ObjectHandle) error { _, err := c.DeriveKey(h, m, k, secretKey); return err }, nil},
	}
}

// later are the codes of a call whose key and mechanism go together.
var later = map[string][]ck.Error{
	"":        {ck.CKR_OK, ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_KEY_SIZE_RANGE, ck.CKR_KEY_TYPE_INCONSISTENT},
	"WrapKey": {ck.CKR_KEY_UNEXTRACTABLE, ck.CKR_MECHANISM_PARAM_INVALID},

	"WrapKeyAuthenticated": {ck.CKR_KEY_UNEXTRACTABLE, ck.CKR_MECHANISM_PARAM_INVALID},
	"DecapsulateKey":       {ck.CKR_WRAPPED_KEY_LEN_RANGE},
	"UnwrapKey":            {ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKR_WRAPPED_KEY_INVALID},
	"DeriveKey":            {ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_TEMPLATE_INCOMPLETE, ck.CKR_KEY_TYPE_INCONSISTENT},
}

// expected is the code where key and mechanism do not go together.
func (f begins) expected(d *mech.Descriptor, k benchKey) ck.Error {
	code := ck.CKR_OK
	switch {
	case !d.Info().Flags.Has(f.flag):
		return ck.CKR_MECHANISM_INVALID
	case !k.isKey:
		code = ck.CKR_KEY_HANDLE_INVALID
	case !slices.Contains(d.KeyTypes, k.typ):
		code = ck.CKR_KEY_TYPE_INCONSISTENT
	case !k.uses[f.use]:
		return ck.CKR_KEY_FUNCTION_NOT_PERMITTED
	}
	if as, ok := f.as[code]; ok {
		return as
	}
	return code
}

func TestEveryKeyWithEveryMechanism(t *testing.T) {
	b := newBench(t)
	calls, pairs := b.calls(), 0
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		for _, k := range b.keys {
			for name, f := range calls {
				err := f.call(ck.Mechanism{Type: m}, k.h)
				pairs++
				code, expected := ck.CodeOf(err), f.expected(d, k)
				if expected == ck.CKR_OK && !slices.Contains(codesOf(name), code) || expected != ck.CKR_OK && code != expected {
					t.Errorf("%s of %v with %s: %v, want %v", name, m, k.name, err, expected)
				}
				require.NoError(b.t, b.c.SessionCancel(b.h, everyOperation))
			}
		}
	}
	t.Logf("%d mechanisms, %d keys, %d calls", len(mech.List()), len(b.keys), pairs)
}

func codesOf(name string) []ck.Error {
	if codes, ok := later[name]; ok {
		return codes
	}
	return later[""]
}

// parameters are parameters of which every mechanism finds one of its own.
func parameters(m ck.MechanismType) []ck.Parameter {
	list := []ck.Parameter{
		nil, ck.RawParameter(make([]byte, 16)), ck.RawParameter(make([]byte, 8)), ck.MACGeneralParams(8),
		ck.GCMParams{IV: make([]byte, 12), TagBits: 128}, ck.AESCtrParams{CounterBits: 128},
		ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, Source: ck.CKZ_DATA_SPECIFIED},
		ck.CCMParams{DataLen: 32, Nonce: make([]byte, 12), MACLen: 16},
		ck.ChaCha20Poly1305Params{Nonce: make([]byte, 12)},
		ck.EdDSAParams{}, ck.SignContext{},
	}
	for _, hash := range []struct {
		m   ck.MechanismType
		mgf uint64
	}{
		// SHA-256 first: the data that is signed has 32 bytes
		{ck.CKM_SHA256, ck.CKG_MGF1_SHA256}, {ck.CKM_SHA_1, ck.CKG_MGF1_SHA1}, {ck.CKM_SHA224, ck.CKG_MGF1_SHA224},
		{ck.CKM_SHA384, ck.CKG_MGF1_SHA384}, {ck.CKM_SHA512, ck.CKG_MGF1_SHA512},
		{ck.CKM_SHA3_224, ck.CKG_MGF1_SHA3_224}, {ck.CKM_SHA3_256, ck.CKG_MGF1_SHA3_256},
		{ck.CKM_SHA3_384, ck.CKG_MGF1_SHA3_384}, {ck.CKM_SHA3_512, ck.CKG_MGF1_SHA3_512},
	} {
		list = append(list, ck.RSAPkcsPssParams{HashAlg: hash.m, MGF: hash.mgf, SLen: 16})
	}
	return list
}

// begin begins an operation with whichever parameter fits.
func begin(m ck.MechanismType, start func(ck.Mechanism) error) bool {
	return slices.ContainsFunc(parameters(m), func(p ck.Parameter) bool {
		return start(ck.Mechanism{Type: m, Parameter: p}) == nil
	})
}

// Every signature, encryption and digest, asked for with no buffer, with a short
// one and with an exact one.
func TestEveryOutput(t *testing.T) {
	b := newBench(t)
	c, h, tried := b.c, b.h, map[ck.Flags]int{}
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		for _, kind := range []struct {
			flag ck.Flags
			init initFunc
			run  func(ck.SessionHandle, []byte, ck.Buffer) (ck.Output, error)
		}{
			{ck.CKF_SIGN, c.SignInit, c.Sign}, {ck.CKF_ENCRYPT, c.EncryptInit, c.Encrypt},
			{ck.CKF_DIGEST, func(h ck.SessionHandle, m ck.Mechanism, _ ck.ObjectHandle) error { return c.DigestInit(h, m) }, c.Digest},
			{ck.CKF_SIGN_RECOVER, c.SignRecoverInit, c.SignRecover},
		} {
			if !d.Info().Flags.Has(kind.flag) {
				continue
			}
			if !slices.ContainsFunc(b.keys, func(k benchKey) bool {
				return begin(m, func(m ck.Mechanism) error { return kind.init(h, m, k.h) })
			}) {
				if kind.flag != ck.CKF_SIGN_RECOVER { // no key is made for it unasked
					t.Errorf("%v: nothing begins 0x%x; add a parameter", m, kind.flag)
				}
				continue
			}
			tried[kind.flag]++
			b.outputs(m, func(buf ck.Buffer) (ck.Output, error) { return kind.run(h, inputOf(d), buf) })
			require.NoError(b.t, c.SessionCancel(h, everyOperation))
		}
	}
	t.Logf("signed with %d mechanisms, encrypted with %d, digested with %d",
		tried[ck.CKF_SIGN], tried[ck.CKF_ENCRYPT], tried[ck.CKF_DIGEST])
}

// inputOf is data that the mechanism takes; one-time passwords are of no data.
func inputOf(d *mech.Descriptor) []byte {
	if d.Stateful {
		return nil
	}
	return make([]byte, 32)
}

func (b *bench) outputs(m ck.MechanismType, run func(ck.Buffer) (ck.Output, error)) {
	b.t.Helper()
	asked, err := run(query)
	if err != nil || asked.Data != nil || asked.Len == 0 {
		b.t.Errorf("%v: asked for the length: %+v, %v", m, asked, err)
		return
	}
	for _, n := range []uint64{0, asked.Len - 1} {
		out, err := run(ck.Buffer{Len: n})
		if ck.CodeOf(err) != ck.CKR_BUFFER_TOO_SMALL || out.Data != nil || out.Len != asked.Len {
			b.t.Errorf("%v: %d bytes of %d: %+v, %v", m, n, asked.Len, out, err)
		}
	}
	out, err := run(ck.Buffer{Len: asked.Len})
	if err != nil || uint64(len(out.Data)) != asked.Len || out.Len != asked.Len {
		b.t.Errorf("%v: %d of %d bytes, %v", m, len(out.Data), asked.Len, err)
	}
	if _, err := run(query); ck.CodeOf(err) != ck.CKR_OPERATION_NOT_INITIALIZED {
		b.t.Errorf("%v: afterwards %v", m, err)
	}
}
