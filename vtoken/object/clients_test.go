package object_test

import (
	"crypto/elliptic"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// The templates that programs in wide use send are taken as they are.
func TestTemplatesOfClients(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	rsaMade, rsaPubMade := privateTemplate(t, testRSA()), publicTemplate(t, &testRSA().PublicKey)
	ecMade, ecPubMade := privateTemplate(t, ec), publicTemplate(t, &ec.PublicKey)
	der := certificate(t)
	kt := func(k ck.KeyType) ck.Attribute { return ck.Ulong(ck.CKA_KEY_TYPE, k) }
	class := func(c ck.ObjectClass) ck.Attribute { return ck.Ulong(ck.CKA_CLASS, c) }
	id, label := ck.Bytes(ck.CKA_ID, []byte{1}), ck.String(ck.CKA_LABEL, "key")
	length := ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))
	aesMade := ck.Template{class(ck.CKO_SECRET_KEY), kt(ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}
	secretMade := ck.Template{class(ck.CKO_SECRET_KEY), kt(ck.CKK_GENERIC_SECRET), ck.Bytes(ck.CKA_VALUE, make([]byte, 32))}
	for _, c := range []struct {
		name   string
		origin object.Origin
		made   ck.Template
		t      ck.Template
	}{
		{"pkcs11-tool --keypairgen rsa, public", object.Generate, rsaPubMade, ck.Template{class(ck.CKO_PUBLIC_KEY), on(ck.CKA_TOKEN),
			ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}), on(ck.CKA_VERIFY), on(ck.CKA_ENCRYPT),
			kt(ck.CKK_RSA), label, id, off(ck.CKA_PRIVATE)}},
		{"pkcs11-tool --keypairgen rsa, private", object.Generate, rsaMade, ck.Template{class(ck.CKO_PRIVATE_KEY), on(ck.CKA_TOKEN),
			on(ck.CKA_PRIVATE), on(ck.CKA_SENSITIVE), on(ck.CKA_SIGN), on(ck.CKA_DECRYPT), kt(ck.CKK_RSA), label, id}},
		{"pkcs11-tool --keypairgen rsa --usage-wrap, private", object.Generate, rsaMade, ck.Template{class(ck.CKO_PRIVATE_KEY), on(ck.CKA_TOKEN),
			on(ck.CKA_PRIVATE), on(ck.CKA_SENSITIVE), on(ck.CKA_DECRYPT), on(ck.CKA_UNWRAP), kt(ck.CKK_RSA)}},
		{"pkcs11-tool --keypairgen EC, public", object.Generate, ecPubMade, ck.Template{class(ck.CKO_PUBLIC_KEY), on(ck.CKA_TOKEN),
			on(ck.CKA_VERIFY), on(ck.CKA_DERIVE), ecPubMade[2], kt(ck.CKK_EC), label, off(ck.CKA_PRIVATE)}},
		{"pkcs11-tool --keypairgen EC, private", object.Generate, ecMade, ck.Template{class(ck.CKO_PRIVATE_KEY), on(ck.CKA_TOKEN), on(ck.CKA_PRIVATE),
			on(ck.CKA_SENSITIVE), on(ck.CKA_SIGN), on(ck.CKA_DERIVE), kt(ck.CKK_EC), label}},
		{"pkcs11-tool --keygen AES", object.Generate, aesMade, ck.Template{class(ck.CKO_SECRET_KEY), on(ck.CKA_TOKEN), kt(ck.CKK_AES),
			off(ck.CKA_SENSITIVE), off(ck.CKA_EXTRACTABLE), off(ck.CKA_PRIVATE), on(ck.CKA_ENCRYPT), on(ck.CKA_DECRYPT), off(ck.CKA_DERIVE), length, label}},
		{"pkcs11-tool --keygen AES --usage-wrap", object.Generate, aesMade, ck.Template{class(ck.CKO_SECRET_KEY), on(ck.CKA_TOKEN), kt(ck.CKK_AES),
			on(ck.CKA_WRAP), on(ck.CKA_UNWRAP), off(ck.CKA_DERIVE), length}},
		{"pkcs11-tool --test, session key", object.Create, nil, ck.Template{class(ck.CKO_SECRET_KEY), kt(ck.CKK_AES), label, on(ck.CKA_ENCRYPT),
			on(ck.CKA_DECRYPT), aesMade[2], length}},
		{"pkcs11-tool --derive", object.Derive, secretMade, ck.Template{off(ck.CKA_TOKEN), class(ck.CKO_SECRET_KEY), kt(ck.CKK_GENERIC_SECRET),
			off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE), on(ck.CKA_ENCRYPT), on(ck.CKA_DECRYPT), on(ck.CKA_WRAP), on(ck.CKA_UNWRAP),
			ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))}},
		{"pkcs11-tool --write-object, EC private", object.Create, nil, append(ecMade[:4:4], on(ck.CKA_TOKEN), on(ck.CKA_PRIVATE),
			on(ck.CKA_SENSITIVE), label, id, on(ck.CKA_SIGN), on(ck.CKA_DERIVE))},
		{"pkcs11-tool --write-object, RSA private", object.Create, nil, append(rsaMade[:len(rsaMade):len(rsaMade)], on(ck.CKA_TOKEN),
			on(ck.CKA_PRIVATE), on(ck.CKA_SENSITIVE), label, id)},
		{"pkcs11-tool --write-object, certificate", object.Create, nil, append(object.CertificateTemplate(der), on(ck.CKA_TOKEN), off(ck.CKA_PRIVATE), label, id)},
		{"pkcs11-tool --write-object, data", object.Create, nil, data(on(ck.CKA_TOKEN), ck.Bytes(ck.CKA_VALUE, []byte("x")), on(ck.CKA_PRIVATE),
			ck.String(ck.CKA_APPLICATION, "app"), label)},
		{"pkcs11-provider, ECDH", object.Derive, secretMade, ck.Template{class(ck.CKO_SECRET_KEY), kt(ck.CKK_GENERIC_SECRET), off(ck.CKA_SENSITIVE),
			on(ck.CKA_EXTRACTABLE), ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))}},
		{"keytool, private key", object.Generate, rsaMade, ck.Template{class(ck.CKO_PRIVATE_KEY), off(ck.CKA_TOKEN)}},
		{"a tool that says the modulus bits", object.Create, nil, append(rsaPubMade[:4:4], ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)))},
	} {
		if _, err := object.Build(object.Source{Origin: c.origin, Made: c.made}, c.t); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What the OpenSSL provider does to use a token key fast: a copy in the session
// (openssl-projects/pkcs11-provider#55). It loosens nothing.
func TestCopyToSession(t *testing.T) {
	o := build(t, privateTemplate(t, testRSA()), on(ck.CKA_TOKEN))
	c, err := o.Copy(ck.Template{off(ck.CKA_TOKEN)}, false)
	require.NoError(t, err)
	require.False(t, c.Token(), "the copy is %v", c.Attrs)
	require.True(t, c.Sensitive(), "the copy is %v", c.Attrs)
	require.False(t, c.Extractable(), "the copy is %v", c.Attrs)
	require.True(t, c.Private(), "the copy is %v", c.Attrs)
}
