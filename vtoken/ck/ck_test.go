package ck

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"CKM_AES_GCM":       CKM_AES_GCM.String(),
		"CKA_LABEL":         CKA_LABEL.String(),
		"CKO_PRIVATE_KEY":   CKO_PRIVATE_KEY.String(),
		"CKK_EC":            CKK_EC.String(),
		"CKR_PIN_INCORRECT": CKR_PIN_INCORRECT.Error(),
		"CKM_0x80001234":    MechanismType(0x80001234).String(),
	} {
		require.Equal(t, want, got)
	}
}

// TestValues holds some constants against the text of the standard, so that a
// wrong list is noticed.
func TestValues(t *testing.T) {
	for name, pair := range map[string][2]uint64{
		"CKA_ALLOWED_MECHANISMS": {uint64(CKA_ALLOWED_MECHANISMS), 0x40000600},
		"CKM_ECDSA_SHA256":       {uint64(CKM_ECDSA_SHA256), 0x1044},
		"CKR_BUFFER_TOO_SMALL":   {uint64(CKR_BUFFER_TOO_SMALL), 0x150},
		"CKF_RW_SESSION":         {uint64(CKF_RW_SESSION), 2},
		"CKK_AES":                {uint64(CKK_AES), 0x1f},
	} {
		require.Equal(t, pair[1], pair[0], "%v", name)
	}
}

func TestCodeOf(t *testing.T) {
	wrapped := fmt.Errorf("signing: %w", Errorf(CKR_KEY_HANDLE_INVALID, "no key has handle %d", 7))
	for err, want := range map[error]Error{
		nil:                     CKR_OK,
		CKR_PIN_LOCKED:          CKR_PIN_LOCKED,
		wrapped:                 CKR_KEY_HANDLE_INVALID,
		errors.New("a bad day"): CKR_GENERAL_ERROR,
	} {
		require.Equal(t, want, CodeOf(err))
	}
	cause := errors.New("disk full")
	require.ErrorIs(t, Errorf(CKR_DEVICE_MEMORY, "storing: %w", cause), cause, "Errorf loses the cause")
}

// Kinds of attributes that have no default and that no code makes; see tests/arch for the
// others.
func TestKindsOfForeignValues(t *testing.T) {
	require.Equal(t, KindUlong, KindOf(CKA_NAME_HASH_ALGORITHM))
	require.Equal(t, KindDate, KindOf(CKA_START_DATE))
	require.Equal(t, KindDate, KindOf(CKA_END_DATE))
	for typ, name := range attributeNames {
		require.Equal(t, strings.HasSuffix(name, "_TEMPLATE"), KindOf(typ) == KindTemplate, name)
	}
}

func TestCanonicalValues(t *testing.T) {
	if v, ok := Ulong(CKA_CLASS, CKO_CERTIFICATE).Ulong(); !ok || v != uint64(CKO_CERTIFICATE) {
		t.Errorf("Ulong: %v %v", v, ok)
	}
	if v, ok := Bool(CKA_TOKEN, true).Bool(); !ok || !v {
		t.Errorf("Bool: %v %v", v, ok)
	}
	if _, ok := Bytes(CKA_CLASS, []byte{1, 2, 3, 4}).Ulong(); ok {
		t.Error("a CK_ULONG of 4 bytes was read")
	}
	list, ok := Mechanisms(CKA_ALLOWED_MECHANISMS, CKM_ECDSA, CKM_RSA_PKCS).MechanismList()
	require.True(t, ok, "Mechanisms: %v %v", list, ok)
	require.Equal(t, []MechanismType{CKM_ECDSA, CKM_RSA_PKCS}, list)
	if _, ok := Bytes(CKA_ALLOWED_MECHANISMS, make([]byte, 9)).MechanismList(); ok {
		t.Error("9 bytes were read as mechanisms")
	}
}

// FuzzDecodeTemplate checks that what decodes encodes to the same bytes.
func FuzzDecodeTemplate(f *testing.F) {
	seeds := []Template{
		{},
		{Ulong(CKA_CLASS, CKO_SECRET_KEY), String(CKA_LABEL, "x"), Bool(CKA_EXTRACTABLE, false)},
		{Bytes(CKA_WRAP_TEMPLATE, EncodeTemplate(Template{Bool(CKA_TOKEN, true)}))},
	}
	for _, s := range seeds {
		f.Add(EncodeTemplate(s))
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, v []byte) {
		template, err := DecodeTemplate(v)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(template), MaxNested)
		require.Equal(t, string(v), string(EncodeTemplate(template)))
		for _, a := range template {
			require.NotEqual(t, KindTemplate, KindOf(a.Type), "%v is nested twice", a.Type)
		}
	})
}

func TestNestedTemplateIsBounded(t *testing.T) {
	long := make(Template, MaxNested+1)
	if _, err := DecodeTemplate(EncodeTemplate(long)); CodeOf(err) != CKR_ATTRIBUTE_VALUE_INVALID {
		t.Errorf("%d attributes: %v", len(long), err)
	}
	deep := Template{Bytes(CKA_UNWRAP_TEMPLATE, nil)}
	if _, err := DecodeTemplate(EncodeTemplate(deep)); CodeOf(err) != CKR_ATTRIBUTE_VALUE_INVALID {
		t.Errorf("a template in a template: %v", err)
	}
}

// Constants that the list of the standard's header does not hold.
func TestOurValues(t *testing.T) {
	require.Equal(t, []uint64{0, 1, 2, 3, 4, 5, 6, 7}, []uint64{
		CK_OTP_VALUE, CK_OTP_PIN, CK_OTP_CHALLENGE, CK_OTP_TIME, CK_OTP_COUNTER, CK_OTP_FLAGS, CK_OTP_OUTPUT_LENGTH,
		CK_OTP_OUTPUT_FORMAT,
	})
	require.Equal(t, []uint64{0, 1, 2, 3}, []uint64{
		CK_OTP_FORMAT_DECIMAL, CK_OTP_FORMAT_HEXADECIMAL, CK_OTP_FORMAT_ALPHANUMERIC, CK_OTP_FORMAT_BINARY,
	})
	require.Equal(t, []uint64{0, 1, 2}, []uint64{CK_OTP_PARAM_IGNORED, CK_OTP_PARAM_OPTIONAL, CK_OTP_PARAM_MANDATORY})
	require.Equal(t, []uint64{1, 2, 3, 4}, []uint64{
		SP800108IterationVariable, SP800108Counter, SP800108DKMLength, SP800108ByteArray,
	})
	require.Equal(t, []uint64{1, 2}, []uint64{SP800108SumOfKeys, SP800108SumOfSegments})
	require.Equal(t, 256, MaxNested, "peers of other versions have the same limit")
	require.Equal(t, AttributeType(0x80000000|0x76540002), CKA_VTOKEN_OTP_HASH)
	require.Equal(t, "CKA_VTOKEN_OTP_HASH", CKA_VTOKEN_OTP_HASH.String())
	require.Equal(t, "CKA_0x80000001", (CKA_VENDOR_DEFINED | 1).String())
	require.EqualValues(t, 0, InvalidHandle)
	require.EqualValues(t, 0, EffectivelyInfinite)
	require.Equal(t, uint64(math.MaxUint64), UnavailableInformation)
	for typ, want := range map[uint64]bool{
		CK_OTP_FLAGS: true, CK_OTP_OUTPUT_LENGTH: true, CK_OTP_OUTPUT_FORMAT: true, CK_OTP_COUNTER: false, CK_OTP_TIME: false,
	} {
		require.Equal(t, want, OTPUlong(typ), "%d", typ)
	}
}

// A mechanism is found by its name or its number in hexadecimal, as it is printed.
func TestMechanismNamed(t *testing.T) {
	for name, want := range map[string]MechanismType{
		"CKM_AES_GCM": CKM_AES_GCM, "CKM_0x80001234": 0x80001234, "CKM_0xffffffff": 0xffffffff,
	} {
		got, ok := MechanismNamed(name)
		require.True(t, ok, name)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"", "AES_GCM", "CKM_0x", "CKM_0x1ffffffff", "CKM_0xx", "0x1", "CKA_LABEL"} {
		_, ok := MechanismNamed(name)
		require.False(t, ok, name)
	}
}

// Attributes and templates answer what they hold, and print no value.
func TestAttributes(t *testing.T) {
	label := String(CKA_LABEL, "secret")
	require.Equal(t, "CKA_LABEL(6 bytes)", label.String())
	require.True(t, label.Equal(String(CKA_LABEL, "secret")))
	require.False(t, label.Equal(String(CKA_ID, "secret")))
	require.False(t, label.Equal(String(CKA_LABEL, "secreT")))
	require.True(t, Bytes(CKA_ID, nil).Equal(Bytes(CKA_ID, []byte{})))
	for value, want := range map[string][2]bool{
		"": {false, false}, "\x00": {false, true}, "\x01": {true, true}, "\x02": {true, true}, "\x01\x01": {false, false},
	} {
		v, ok := String(CKA_TOKEN, value).Bool()
		require.Equal(t, want, [2]bool{v, ok}, "%q", value)
	}
	require.Equal(t, []byte{0}, Bool(CKA_TOKEN, false).Value)
	v, ok := Bytes(CKA_CLASS, make([]byte, 9)).Ulong()
	require.Zero(t, v)
	require.False(t, ok)
	template := Template{Bool(CKA_TOKEN, true), label}
	a, ok := template.Find(CKA_LABEL)
	require.True(t, ok)
	require.Equal(t, label, a)
	a, ok = template.Find(CKA_ID)
	require.False(t, ok)
	require.Zero(t, a)
	list, ok := Bytes(CKA_ALLOWED_MECHANISMS, nil).MechanismList()
	require.True(t, ok)
	require.Empty(t, list)
	require.True(t, Flags(7).Has(5))
	require.False(t, Flags(4).Has(5))
	require.Equal(t, "3.2", Version{Major: 3, Minor: 2}.String())
}

// What is cut off, at each of its bytes, is no template, but for where one attribute ends.
func TestCutOffTemplate(t *testing.T) {
	whole := EncodeTemplate(Template{String(CKA_LABEL, "abc"), Bytes(CKA_ID, nil)})
	require.Len(t, whole, 12+3+12)
	for n := range whole {
		template, err := DecodeTemplate(whole[:n])
		switch n {
		case 0:
			require.NoError(t, err)
			require.Empty(t, template)
		case 15:
			require.NoError(t, err)
			require.Equal(t, Template{String(CKA_LABEL, "abc")}, template)
		default:
			require.Equal(t, CKR_ATTRIBUTE_VALUE_INVALID, CodeOf(err), "%d bytes", n)
		}
	}
	most := make(Template, MaxNested)
	template, err := DecodeTemplate(EncodeTemplate(most))
	require.NoError(t, err)
	require.Len(t, template, MaxNested)
}

// The parameter of a wrapping is one of an encryption with the tag at the end.
func TestPlainParameters(t *testing.T) {
	w := &WrapParams{MessageParams: MessageParams{DataLen: 5, TagBits: 96, Nonce: []byte("a nonce")}, AAD: []byte("aad")}
	require.Nil(t, w.Plain())
	w.Mechanism = CKM_AES_GCM
	require.Equal(t, GCMParams{IV: w.Nonce, IVBits: 56, AAD: w.AAD, TagBits: 96}, w.Plain())
	w.Mechanism = CKM_AES_CCM
	require.Equal(t, CCMParams{DataLen: 5, Nonce: w.Nonce, AAD: w.AAD, MACLen: 12}, w.Plain())
}

// Each kind of parameter has a value, a name, and a form in C memory.
func TestKindsOfParameters(t *testing.T) {
	flat := map[ParameterKind]bool{ParamBytes: true, ParamPSS: true, ParamAESCtr: true, ParamMACGeneral: true}
	for k := range NumParameterKinds {
		require.Equal(t, k <= ParamNone, k.Zero() == nil, "%v", k)
		require.Equal(t, flat[k], k.IsFlat(), "%v", k)
	}
	for typ, want := range map[MechanismType]string{
		CKM_RSA_PKCS: "none", CKM_AES_CBC: "ck.RawParameter", CKM_AES_GCM: "ck.GCMParams", 0xabcdef: "unknown",
	} {
		require.Equal(t, want, ParameterKindOf(typ).String())
	}
}
