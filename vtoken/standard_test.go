package vtoken_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// standardAttribute is a row of the tables of section 4 of PKCS#11 3.2.
type standardAttribute struct {
	typ ck.AttributeType
	// def is the default that the standard names; nil where it leaves the value to the token.
	def []byte
	// given says whether a template of C_CreateObject may have the attribute.
	given bool
}

var (
	isFalse, isTrue, isEmpty, isZero = []byte{0}, []byte{1}, []byte{}, make([]byte, 8)

	// storageAttributes are those of all objects, and of all that are stored (4.2 and 4.5).
	storageAttributes = []standardAttribute{
		{ck.CKA_CLASS, nil, true}, {ck.CKA_UNIQUE_ID, nil, false},
		{ck.CKA_TOKEN, isFalse, true}, {ck.CKA_PRIVATE, nil, true}, {ck.CKA_MODIFIABLE, isTrue, true},
		{ck.CKA_LABEL, isEmpty, true}, {ck.CKA_COPYABLE, isTrue, true}, {ck.CKA_DESTROYABLE, isTrue, true},
	}
	dataAttributes = []standardAttribute{ // 4.6
		{ck.CKA_APPLICATION, isEmpty, true}, {ck.CKA_OBJECT_ID, isEmpty, true}, {ck.CKA_VALUE, isEmpty, true},
	}
	certificateAttributes = []standardAttribute{ // 4.7.2 and 4.7.3
		{ck.CKA_CERTIFICATE_TYPE, nil, true}, {ck.CKA_TRUSTED, isFalse, true}, {ck.CKA_CERTIFICATE_CATEGORY, isZero, true},
		{ck.CKA_CHECK_VALUE, nil, true}, {ck.CKA_START_DATE, isEmpty, true}, {ck.CKA_END_DATE, isEmpty, true},
		{ck.CKA_PUBLIC_KEY_INFO, nil, true}, {ck.CKA_SUBJECT, nil, true}, {ck.CKA_ID, isEmpty, true},
		{ck.CKA_ISSUER, nil, true}, {ck.CKA_SERIAL_NUMBER, nil, true}, {ck.CKA_VALUE, nil, true}, {ck.CKA_URL, isEmpty, true},
		{ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY, isEmpty, true}, {ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY, isEmpty, true},
		{ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, isZero, true},
		// CKA_NAME_HASH_ALGORITHM may be absent, which stands for SHA-1.
	}
	// keyAttributes are those of all keys (4.8). Whether a key was made by a validated
	// module is for the token to say: CKA_OBJECT_VALIDATION_FLAGS cannot be given here.
	keyAttributes = []standardAttribute{
		{ck.CKA_KEY_TYPE, nil, true}, {ck.CKA_ID, isEmpty, true}, {ck.CKA_START_DATE, isEmpty, true},
		{ck.CKA_END_DATE, isEmpty, true}, {ck.CKA_DERIVE, nil, true}, {ck.CKA_LOCAL, isFalse, false},
		{ck.CKA_KEY_GEN_MECHANISM, bytes.Repeat([]byte{255}, 8), false}, {ck.CKA_ALLOWED_MECHANISMS, isEmpty, true},
		{ck.CKA_OBJECT_VALIDATION_FLAGS, isZero, false},
	}
	publicKeyAttributes = []standardAttribute{ // 4.9
		{ck.CKA_SUBJECT, isEmpty, true}, {ck.CKA_ENCRYPT, nil, true}, {ck.CKA_VERIFY, nil, true},
		{ck.CKA_VERIFY_RECOVER, nil, true}, {ck.CKA_WRAP, nil, true}, {ck.CKA_ENCAPSULATE, nil, true},
		{ck.CKA_TRUSTED, isFalse, true}, {ck.CKA_WRAP_TEMPLATE, isEmpty, true}, {ck.CKA_ENCAPSULATE_TEMPLATE, isEmpty, true},
		{ck.CKA_PUBLIC_KEY_INFO, nil, true},
	}
	privateKeyAttributes = []standardAttribute{ // 4.10
		{ck.CKA_SUBJECT, isEmpty, true}, {ck.CKA_SENSITIVE, nil, true}, {ck.CKA_DECRYPT, nil, true}, {ck.CKA_SIGN, nil, true},
		{ck.CKA_SIGN_RECOVER, nil, true}, {ck.CKA_UNWRAP, nil, true}, {ck.CKA_DECAPSULATE, nil, true},
		{ck.CKA_EXTRACTABLE, nil, true}, {ck.CKA_ALWAYS_SENSITIVE, isFalse, false}, {ck.CKA_NEVER_EXTRACTABLE, isFalse, false},
		{ck.CKA_WRAP_WITH_TRUSTED, nil, true}, // false in the standard, see package object
		{ck.CKA_UNWRAP_TEMPLATE, isEmpty, true}, {ck.CKA_DECAPSULATE_TEMPLATE, isEmpty, true},
		{ck.CKA_ALWAYS_AUTHENTICATE, isFalse, true}, {ck.CKA_PUBLIC_KEY_INFO, nil, true}, {ck.CKA_DERIVE_TEMPLATE, isEmpty, true},
	}
	secretKeyAttributes = []standardAttribute{ // 4.11
		{ck.CKA_SENSITIVE, nil, true}, // false in the standard, see package object
		{ck.CKA_ENCRYPT, nil, true}, {ck.CKA_DECRYPT, nil, true}, {ck.CKA_SIGN, nil, true}, {ck.CKA_VERIFY, nil, true},
		{ck.CKA_WRAP, nil, true}, {ck.CKA_UNWRAP, nil, true}, {ck.CKA_EXTRACTABLE, nil, true},
		{ck.CKA_ALWAYS_SENSITIVE, isFalse, false}, {ck.CKA_NEVER_EXTRACTABLE, isFalse, false}, {ck.CKA_CHECK_VALUE, nil, true},
		{ck.CKA_WRAP_WITH_TRUSTED, nil, true}, {ck.CKA_TRUSTED, isFalse, true}, {ck.CKA_WRAP_TEMPLATE, isEmpty, true},
		{ck.CKA_UNWRAP_TEMPLATE, isEmpty, true}, {ck.CKA_DERIVE_TEMPLATE, isEmpty, true},
	}
	otpKeyAttributes = []standardAttribute{ // 6.62.3
		{ck.CKA_OTP_FORMAT, isZero, true}, {ck.CKA_OTP_LENGTH, nil, true}, {ck.CKA_OTP_USER_FRIENDLY_MODE, nil, true},
		{ck.CKA_OTP_CHALLENGE_REQUIREMENT, nil, true}, {ck.CKA_OTP_TIME_REQUIREMENT, nil, true},
		{ck.CKA_OTP_COUNTER_REQUIREMENT, nil, true}, {ck.CKA_OTP_PIN_REQUIREMENT, nil, true},
		{ck.CKA_OTP_COUNTER, nil, true}, // empty in the standard: a counter here begins at 0
		{ck.CKA_OTP_TIME, isEmpty, true}, {ck.CKA_OTP_USER_IDENTIFIER, isEmpty, true},
		{ck.CKA_OTP_SERVICE_IDENTIFIER, isEmpty, true}, {ck.CKA_OTP_SERVICE_LOGO, isEmpty, true},
		{ck.CKA_OTP_SERVICE_LOGO_TYPE, isEmpty, true}, {ck.CKA_VALUE_LEN, nil, true},
	}
)

// standardAttributes are the attributes that every object of the class has.
func standardAttributes(class ck.ObjectClass) []standardAttribute {
	of := map[ck.ObjectClass][][]standardAttribute{
		ck.CKO_DATA:        {storageAttributes, dataAttributes},
		ck.CKO_CERTIFICATE: {storageAttributes, certificateAttributes},
		ck.CKO_PUBLIC_KEY:  {storageAttributes, keyAttributes, publicKeyAttributes},
		ck.CKO_PRIVATE_KEY: {storageAttributes, keyAttributes, privateKeyAttributes},
		ck.CKO_SECRET_KEY:  {storageAttributes, keyAttributes, secretKeyAttributes},
		ck.CKO_OTP_KEY:     {storageAttributes, keyAttributes, secretKeyAttributes, otpKeyAttributes},
	}
	return slices.Concat(of[class]...)
}

// sample is the shortest template of an object of the kind.
func sample(t *testing.T, k object.Kind) ck.Template {
	t.Helper()
	class := ck.Ulong(ck.CKA_CLASS, k.Class)
	switch k.Class {
	case ck.CKO_DATA:
		return ck.Template{class}
	case ck.CKO_CERTIFICATE:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "sample"}, NotAfter: time.Unix(1e9, 0)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		require.NoError(t, err)
		return object.CertificateTemplate(der)
	case ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		n := map[ck.KeyType]int{ck.CKK_DES: 8, ck.CKK_DES2: 16, ck.CKK_DES3: 24}[ck.KeyType(k.Type)]
		if n == 0 {
			n = 32
		}
		return ck.Template{class, ck.Ulong(ck.CKA_KEY_TYPE, k.Type), ck.Bytes(ck.CKA_VALUE, bytes.Repeat([]byte{7}, n))}
	}
	private := samplePrivate(t, ck.KeyType(k.Type))
	if k.Class == ck.CKO_PRIVATE_KEY {
		return private
	}
	o, err := object.Build(object.Source{}, private)
	require.NoError(t, err)
	public, err := o.PublicKey()
	require.NoError(t, err)
	template, err := object.PublicTemplate(public)
	require.NoError(t, err)
	return template
}

func samplePrivate(t *testing.T, typ ck.KeyType) ck.Template {
	t.Helper()
	var key any
	var err error
	switch typ {
	case ck.CKK_RSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case ck.CKK_ML_KEM, ck.CKK_ML_DSA, ck.CKK_SLH_DSA:
		number := map[ck.KeyType]uint64{
			ck.CKK_ML_KEM: ck.CKP_ML_KEM_512, ck.CKK_ML_DSA: ck.CKP_ML_DSA_44, ck.CKK_SLH_DSA: ck.CKP_SLH_DSA_SHA2_128F,
		}[typ]
		var set object.ParameterSet
		set, err = object.ParameterSetOf(typ, number)
		require.NoError(t, err)
		key = set.Generate()
	default:
		i := slices.IndexFunc(object.Curves(), func(c object.Curve) bool { return c.KeyType == typ })
		key, err = object.Curves()[i].Generate()
	}
	require.NoError(t, err)
	template, err := object.PrivateTemplate(key)
	require.NoError(t, err)
	return template
}

// Every object has the common attributes of its class with the standard's defaults, may be found
// by each of them, and may be made with each that a template may have.
func TestAttributesOfTheStandard(t *testing.T) {
	for i, newWorld := range worlds {
		for _, k := range object.Kinds() {
			t.Run(fmt.Sprintf("%s/%v_%d", worldNames[i], k.Class, k.Type), func(t *testing.T) {
				w := newWorld(t)
				c, h := w.loggedIn(rw)
				w.checkStandard(c, h, sample(t, k), standardAttributes(k.Class))
			})
		}
	}
}

func (w *world) checkStandard(c *vtoken.Client, h ck.SessionHandle, shortest ck.Template, standard []standardAttribute) {
	require.NotEmpty(w.t, standard)
	made := w.created(c, h, shortest)
	stored := w.created(c, h, shortest, onToken)
	queries := make([]ck.AttributeQuery, len(standard))
	for i, a := range standard {
		queries[i] = ck.AttributeQuery{Type: a.typ, Buffer: ck.Buffer{Len: 8 << 10}}
	}
	results, err := c.GetAttributeValue(h, made, queries)
	for i, a := range standard {
		require.NotEqual(w.t, ck.UnavailableInformation, results[i].Len, "%v is not there", a.typ)
		if a.def != nil {
			require.Equal(w.t, a.def, results[i].Value, "%v", a.typ)
		}
		switch ck.KindOf(a.typ) {
		case ck.KindBool:
			require.Len(w.t, results[i].Value, 1, "%v", a.typ)
		case ck.KindUlong:
			require.Len(w.t, results[i].Value, 8, "%v", a.typ)
		}
	}
	require.NoError(w.t, err)
	again, err := c.GetAttributeValue(h, stored, queries)
	require.NoError(w.t, err)
	for i, a := range standard {
		if a.typ != ck.CKA_TOKEN && a.typ != ck.CKA_UNIQUE_ID {
			require.Equal(w.t, results[i], again[i], "of a token object")
		}
	}
	for i, a := range standard {
		value := ck.Bytes(a.typ, results[i].Value)
		require.Contains(w.t, findAll(w.t, c, h, ck.Template{value}), made, "searched for by %v", a.typ)
		require.Contains(w.t, findAll(w.t, c, h, ck.Template{value, ck.Bool(ck.CKA_TOKEN, false)}), made, "searched for by %v", a.typ)

		o, err := c.CreateObject(h, with(shortest, value))
		if !a.given {
			require.Equal(w.t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(err), "made with %v", a.typ)
			continue
		}
		require.NoError(w.t, err, "made with %v", a.typ)
		back, err := c.GetAttributeValue(h, o, queries[i:i+1])
		require.NoError(w.t, err)
		require.Equal(w.t, results[i], back[0], "of what was made with %v", a.typ)
	}
}
