package ck

import (
	"errors"
	"fmt"
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
