package mech_test

import (
	"crypto/elliptic"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

var update = flag.Bool("update", false, "write testdata/answers.golden again")

const answersFile = "testdata/answers.golden"

// answers are what a mechanism says, by the code.
type answers map[ck.Error][]string

func (a answers) add(err error, to string) { a[ck.CodeOf(err)] = append(a[ck.CodeOf(err)], to) }

// write leaves out the answer that most get.
func (a answers) write(b *strings.Builder, what string, usual ck.Error) {
	delete(a, usual)
	for _, code := range slices.Sorted(maps.Keys(a)) {
		fmt.Fprintf(b, "\t%s, %v: %s\n", what, code, strings.Join(slices.Compact(a[code]), "; "))
	}
}

// What the mechanisms are, and what they answer to keys, parameters and templates of all kinds,
// stays what it is: a check that is lost shows here.
func TestAnswers(t *testing.T) {
	var b strings.Builder
	keys := keysOfAllKinds(t)
	for _, m := range mech.List() {
		d := lookup(t, m)
		info := d.Info()
		fmt.Fprintf(&b, "%v: key types %v, sizes %d to %d, flags 0x%x\n", m, d.KeyTypes, info.MinKeySize,
			info.MaxKeySize, info.Flags)
		fmt.Fprintf(&b, "\tslow %t, stateful %t, one message %t, derives data %t\n", d.SlowToMake, d.Stateful,
			d.OneMessage, d.DerivesData)
		writeStarts(&b, d, keys)
		writeMade(t, &b, d, keys)
	}
	if *update {
		require.NoError(t, os.WriteFile(answersFile, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(answersFile)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}

func keyName(k *mech.Key) string {
	name := fmt.Sprintf("%v %v", k.Class, k.Type)
	switch {
	case k.EC != nil:
		name += " " + k.EC.Curve().Name
	case k.ECPublic != nil:
		name += " " + k.ECPublic.Params().Name
	}
	return name
}

// parameterName is the type of a parameter and its place among those of its type.
func parameterName(all []ck.Parameter, i int) string {
	n := 0
	for _, p := range all[:i] {
		if fmt.Sprintf("%T", p) == fmt.Sprintf("%T", all[i]) {
			n++
		}
	}
	return fmt.Sprintf("%s %d", strings.TrimPrefix(fmt.Sprintf("%T", all[i]), "ck."), n)
}

// writeStarts writes which parameters each key starts an operation with.
func writeStarts(b *strings.Builder, d *mech.Descriptor, keys []*mech.Key) {
	parameters := parametersOfAllKinds()
	for _, operation := range []struct {
		name  string
		has   bool
		start func(k *mech.Key, p ck.Parameter) error
	}{
		{"sign", d.Sign != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Sign(k, p)
			return err
		}},
		{"verify", d.Verify != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Verify(k, p)
			return err
		}},
		{"sign with recovery", d.SignRecover != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.SignRecover(k, p)
			return err
		}},
		{"recover", d.VerifyRecover != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.VerifyRecover(k, p)
			return err
		}},
		{"encrypt", d.Encrypt != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Encrypt(k, p)
			return err
		}},
		{"decrypt", d.Decrypt != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Decrypt(k, p)
			return err
		}},
		{"wrap", d.Wrap != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Wrap(k, p, make([]byte, 16))
			return err
		}},
		{"unwrap", d.Unwrap != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.Unwrap(k, p, make([]byte, 24))
			return err
		}},
		{"length of ciphertext", d.CiphertextLen != nil, func(k *mech.Key, p ck.Parameter) error {
			_, err := d.CiphertextLen(k, p)
			return err
		}},
	} {
		if !operation.has {
			continue
		}
		all := make(answers)
		for _, k := range keys {
			for i, p := range parameters {
				all.add(operation.start(k, p), keyName(k)+" with "+parameterName(parameters, i))
			}
		}
		delete(all, ck.CKR_KEY_TYPE_INCONSISTENT)
		all.write(b, operation.name, ck.CKR_MECHANISM_PARAM_INVALID)
	}
}

// maker makes a key or a secret in one step.
type maker struct {
	name     string
	make     func(k *mech.Key, p ck.Parameter, t ck.Template) error
	key      *mech.Key
	p        ck.Parameter
	template ck.Template
}

// makersOf are the steps of a mechanism, each with a key, a parameter and a template that are good.
func makersOf(t *testing.T, d *mech.Descriptor) (list []maker) {
	t.Helper()
	length := ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))
	if d.GenerateKey != nil {
		var p ck.Parameter
		if d.Type == ck.CKM_PKCS5_PBKD2 {
			p = ck.PBKD2Params{
				SaltSource: ck.CKZ_SALT_SPECIFIED, Salt: []byte("salt"), Iterations: 1,
				PRF: ck.CKP_PKCS5_PBKD2_HMAC_SHA256, Password: []byte("password"),
			}
		}
		list = append(list, maker{"generate", func(_ *mech.Key, p ck.Parameter, t ck.Template) error {
			_, err := d.GenerateKey(p, t, noPause)
			return err
		}, nil, p, ck.Template{length}})
	}
	if d.GenerateKeyPair != nil && d.Type != ck.CKM_RSA_PKCS_KEY_PAIR_GEN { // which takes long
		pair := ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(2))}
		for _, c := range object.Curves() {
			if slices.Contains(d.KeyTypes, c.KeyType) {
				pair = ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, c.OID)}
			}
		}
		list = append(list, maker{"generate a pair", func(_ *mech.Key, p ck.Parameter, t ck.Template) error {
			_, _, err := d.GenerateKeyPair(p, t, nil, noPause)
			return err
		}, nil, nil, pair})
	}
	if d.Derive != nil {
		key, p := deriving(t, d)
		list = append(list, maker{"derive", func(k *mech.Key, p ck.Parameter, t ck.Template) error {
			_, err := d.Derive(k, p, t)
			return err
		}, key, p, ck.Template{length}})
	}
	if d.Encapsulate != nil {
		priv, pub := pairOf(t, fromSeed(t, setNamed(t, "ML-KEM-512"), random(64)))
		n, err := d.CiphertextLen(pub, nil)
		require.NoError(t, err)
		list = append(list, maker{"encapsulate", func(k *mech.Key, p ck.Parameter, t ck.Template) error {
			_, _, err := d.Encapsulate(k, p, t)
			return err
		}, pub, nil, nil}, maker{"decapsulate", func(k *mech.Key, p ck.Parameter, t ck.Template) error {
			_, err := d.Decapsulate(k, p, make([]byte, n), t)
			return err
		}, priv, nil, nil})
		for _, wrong := range []int{0, n - 1, n + 1} {
			_, err := d.Decapsulate(priv, nil, make([]byte, wrong), nil)
			wantCode(t, err, ck.CKR_WRAPPED_KEY_LEN_RANGE)
		}
	}
	return list
}

// deriving is a key and a parameter that the mechanism derives with.
func deriving(t *testing.T, d *mech.Descriptor) (*mech.Key, ck.Parameter) {
	t.Helper()
	switch d.Type {
	case ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE:
		key, peer := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
		point, err := object.EncodePoint(&peer.PublicKey)
		require.NoError(t, err)
		return privateKey(t, key), ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: point}
	case ck.CKM_SP800_108_COUNTER_KDF:
		return secretKey(t, ck.CKK_GENERIC_SECRET, random(16)), ck.SP800108Params{
			PRF: ck.CKM_SHA256_HMAC, Data: []ck.PRFData{{Type: ck.SP800108IterationVariable, WidthBits: 8}},
		}
	}
	return secretKey(t, ck.CKK_GENERIC_SECRET, random(16)), ck.HKDFParams{
		Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL),
	}
}

// templatesOfAllKinds has good and bad ones.
func templatesOfAllKinds() map[string]ck.Template {
	length := func(n uint64) ck.Attribute { return ck.Ulong(ck.CKA_VALUE_LEN, n) }
	kind := func(k ck.KeyType) ck.Attribute { return ck.Ulong(ck.CKA_KEY_TYPE, k) }
	all := map[string]ck.Template{
		"nothing":               nil,
		"class of 4 bytes":      {ck.Bytes(ck.CKA_CLASS, make([]byte, 4)), length(16)},
		"key type of 4 bytes":   {ck.Bytes(ck.CKA_KEY_TYPE, make([]byte, 4)), length(16)},
		"length of 4 bytes":     {ck.Bytes(ck.CKA_VALUE_LEN, make([]byte, 4))},
		"secret key":            {ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), length(16)},
		"data":                  {ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), length(16)},
		"generic":               {kind(ck.CKK_GENERIC_SECRET)},
		"AES without length":    {kind(ck.CKK_AES)},
		"ChaCha20 by its kind":  {kind(ck.CKK_CHACHA20)},
		"DES by its kind":       {kind(ck.CKK_DES)},
		"set of 4 bytes":        {ck.Bytes(ck.CKA_PARAMETER_SET, make([]byte, 4))},
		"unknown set":           {ck.Ulong(ck.CKA_PARAMETER_SET, uint64(99))},
		"unknown curve":         {ck.Bytes(ck.CKA_EC_PARAMS, []byte{6, 1, 1})},
		"curve that is no DER":  {ck.Bytes(ck.CKA_EC_PARAMS, []byte{1})},
		"hash of an OTP":        {ck.String(ck.CKA_VTOKEN_OTP_HASH, "SHA512")},
		"bad hash of an OTP":    {ck.String(ck.CKA_VTOKEN_OTP_HASH, "MD5")},
		"empty hash of an OTP":  {ck.String(ck.CKA_VTOKEN_OTP_HASH, "")},
		"bits of 4 bytes":       {ck.Bytes(ck.CKA_MODULUS_BITS, make([]byte, 4))},
		"bits of no whole byte": {ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2047))},
	}
	for _, n := range []uint64{
		0, 1, 15, 16, 17, 24, 31, 32, 33, 64, 65, object.MaxSecretLen, object.MaxSecretLen + 1, 255 * 32, 255*32 + 1, 1 << 40,
	} {
		all[fmt.Sprintf("length %d", n)] = ck.Template{length(n)}
	}
	for _, c := range object.Curves() {
		all["curve "+c.Name] = ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, c.OID)}
	}
	return all
}

// writeMade writes what answers the mechanism gives where one of its key, parameter and template
// is another.
func writeMade(t *testing.T, b *strings.Builder, d *mech.Descriptor, keys []*mech.Key) {
	t.Helper()
	for _, m := range makersOf(t, d) {
		require.NoError(t, m.make(m.key, m.p, m.template), "%v: %s", d.Type, m.name)
		toKeys, toParameters, toTemplates := make(answers), make(answers), make(answers)
		if m.key != nil {
			for _, k := range keys {
				toKeys.add(m.make(k, m.p, m.template), keyName(k))
			}
			toKeys.write(b, m.name+" by key", ck.CKR_KEY_TYPE_INCONSISTENT)
		}
		parameters := append(parametersOfAllKinds(), derivationParameters(m.p)...)
		for i, p := range parameters {
			toParameters.add(m.make(m.key, p, m.template), parameterName(parameters, i))
		}
		toParameters.write(b, m.name+" by parameter", ck.CKR_MECHANISM_PARAM_INVALID)
		for name, template := range templatesOfAllKinds() {
			toTemplates.add(m.make(m.key, m.p, template), name)
		}
		for _, names := range toTemplates {
			slices.Sort(names)
		}
		toTemplates.write(b, m.name+" by template", ck.CKR_OK)
	}
}

// derivationParameters are variants of a good parameter, each with one fault or at a limit.
func derivationParameters(p ck.Parameter) (list []ck.Parameter) {
	switch good := p.(type) {
	case ck.PBKD2Params:
		for _, change := range []func(*ck.PBKD2Params){
			func(*ck.PBKD2Params) {}, func(p *ck.PBKD2Params) { p.SaltSource = 2 }, func(p *ck.PBKD2Params) { p.Iterations = 0 },
			func(p *ck.PBKD2Params) { p.Iterations = 10_000_001 }, func(p *ck.PBKD2Params) { p.Salt = make([]byte, 4096) },
			func(p *ck.PBKD2Params) { p.Salt = make([]byte, 4097) }, func(p *ck.PBKD2Params) { p.PRFData = []byte{1} },
			func(p *ck.PBKD2Params) { p.PRF = 0 }, func(p *ck.PBKD2Params) { p.PRF = 99 }, func(p *ck.PBKD2Params) { p.Password = nil },
		} {
			v := good
			change(&v)
			list = append(list, v)
		}
	case ck.HKDFParams:
		for _, change := range []func(*ck.HKDFParams){
			func(*ck.HKDFParams) {}, func(p *ck.HKDFParams) { p.Extract = false }, func(p *ck.HKDFParams) { p.Expand = false },
			func(p *ck.HKDFParams) { p.Extract, p.Expand = false, false }, func(p *ck.HKDFParams) { p.PRF = ck.CKM_MD5 },
			func(p *ck.HKDFParams) { p.Salt = []byte{1} }, func(p *ck.HKDFParams) { p.SaltType = uint64(ck.CKF_HKDF_SALT_DATA) },
			func(p *ck.HKDFParams) { p.SaltType, p.Salt = uint64(ck.CKF_HKDF_SALT_DATA), []byte{1} },
			func(p *ck.HKDFParams) { p.SaltType = uint64(ck.CKF_HKDF_SALT_KEY) }, func(p *ck.HKDFParams) { p.SaltType = 0 },
			func(p *ck.HKDFParams) {
				p.Extract, p.SaltType = false,
					0
			}, func(p *ck.HKDFParams) { p.Info = make([]byte, 64<<10) },
			func(p *ck.HKDFParams) { p.Info = make([]byte, 64<<10+1) },
		} {
			v := good
			change(&v)
			list = append(list, v)
		}
	case ck.ECDH1DeriveParams:
		for _, change := range []func(*ck.ECDH1DeriveParams){
			func(*ck.ECDH1DeriveParams) {}, func(p *ck.ECDH1DeriveParams) { p.SharedData = []byte{1} },
			func(p *ck.ECDH1DeriveParams) { p.KDF = 99 }, func(p *ck.ECDH1DeriveParams) {
				p.KDF,
					p.SharedData = ck.CKD_SHA256_KDF, []byte{1}
			},
			func(p *ck.ECDH1DeriveParams) { p.KDF, p.SharedData = ck.CKD_SHA256_KDF, make([]byte, 64<<10) },
			func(p *ck.ECDH1DeriveParams) { p.KDF, p.SharedData = ck.CKD_SHA256_KDF, make([]byte, 64<<10+1) },
			func(p *ck.ECDH1DeriveParams) { p.KDF = 0 }, func(p *ck.ECDH1DeriveParams) { p.KDF = ck.CKD_SHA3_512_KDF_SP800 },
			func(p *ck.ECDH1DeriveParams) { p.PublicData = nil }, func(p *ck.ECDH1DeriveParams) { p.PublicData = p.PublicData[1:] },
		} {
			v := good
			change(&v)
			list = append(list, v)
		}
	case ck.SP800108Params:
		counter := good.Data[0]
		length := ck.PRFData{Type: ck.SP800108DKMLength, Method: ck.SP800108SumOfKeys, WidthBits: 32}
		part := func(p ck.PRFData, width uint64) ck.PRFData { p.WidthBits = width; return p }
		bytes := func(n int) ck.PRFData { return ck.PRFData{Type: ck.SP800108ByteArray, Value: make([]byte, n)} }
		segments := length
		segments.Method = ck.SP800108SumOfSegments
		unknown := length
		unknown.Method = 9
		for _, data := range [][]ck.PRFData{
			{counter}, nil, {counter, counter}, {length}, {counter, length}, {counter, length, length}, {counter, segments},
			{counter, unknown}, {counter,
				{Type: 99}}, {part(counter, 0)}, {part(counter, 7)}, {part(counter, 16)}, {part(counter, 32)},
			{part(counter, 40)}, {counter, part(length, 0)}, {counter, part(length, 8)}, {counter, part(length, 12)},
			{counter, part(length, 64)}, {counter, part(length, 72)}, {counter, bytes(0)}, {counter, bytes(64<<10 - 16)},
			{counter, bytes(64<<10 - 15)},
		} {
			list = append(list, ck.SP800108Params{PRF: good.PRF, Data: data})
		}
		for _, prf := range []ck.MechanismType{ck.CKM_AES_CMAC, ck.CKM_MD5_HMAC, ck.CKM_SHA_1_HMAC, ck.CKM_SHA256, 0} {
			list = append(list, ck.SP800108Params{PRF: prf, Data: good.Data})
		}
	}
	return list
}
