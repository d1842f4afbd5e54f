package p11rpc

import "vtoken/vtoken/ck"

// Extended is version 2 with more: the calls that p11-kit has not
// ([CallEncapsulateKey] and those after it), and parameters of mechanisms that
// p11-kit passes on as bytes of the host's memory, pointers included, travel
// field by field. A client of ours offers it; a server of p11-kit answers with the newest version
// of its own, which is below, and nothing more is said of it. The number leaves
// p11-kit room for versions to come.
const Extended = 0xf0 | MaxVersion

// Versions are the versions that this package speaks.
func Versions() []byte { return []byte{0, 1, 2, Extended} }

// maxParts bounds the parts of a parameter that is a list.
const maxParts = 64

// fields goes through the fields of a structure, to write them or to read them.
type fields interface {
	flag(*bool)
	number(*uint64)
	bytes(*[]byte)
	// list is the number of elements: n where they are written.
	list(n int) int
}

// layout writes and reads one structure.
type layout struct {
	write func(f fields, p ck.Parameter) bool
	read  func(f fields) ck.Parameter
}

func layoutOf[T ck.Parameter](all func(f fields, p *T)) layout {
	return layout{
		write: func(f fields, p ck.Parameter) bool {
			v, ok := p.(T)
			if ok {
				all(f, &v)
			}
			return ok
		},
		read: func(f fields) ck.Parameter {
			var v T
			all(f, &v)
			return v
		},
	}
}

// number is a field of a type of its own.
func number[T ~uint64](f fields, v *T) {
	n := uint64(*v)
	f.number(&n)
	*v = T(n)
}

// extended are the parameters that only [Extended] carries.
var extended = func() map[ck.MechanismType]layout {
	all := make(map[ck.MechanismType]layout)
	for _, row := range []struct {
		layout
		types []ck.MechanismType
	}{
		{layoutOf(ecdhFields), []ck.MechanismType{ck.CKM_ECDH1_COFACTOR_DERIVE}},
		{layoutOf(eddsaFields), []ck.MechanismType{ck.CKM_EDDSA}},
		{layoutOf(ccmFields), []ck.MechanismType{ck.CKM_AES_CCM}},
		{layoutOf(chachaFields), []ck.MechanismType{ck.CKM_CHACHA20_POLY1305}},
		{layoutOf(hkdfFields), []ck.MechanismType{ck.CKM_HKDF_DERIVE, ck.CKM_HKDF_DATA}},
		{layoutOf(pbkd2Fields), []ck.MechanismType{ck.CKM_PKCS5_PBKD2}},
		{layoutOf(sp800108Fields), []ck.MechanismType{ck.CKM_SP800_108_COUNTER_KDF}},
		{layoutOf(otpFields), []ck.MechanismType{ck.CKM_HOTP}},
		{layoutOf(signContextFields), []ck.MechanismType{ck.CKM_ML_DSA, ck.CKM_SLH_DSA,
			ck.CKM_HASH_SLH_DSA_SHA224, ck.CKM_HASH_SLH_DSA_SHA256, ck.CKM_HASH_SLH_DSA_SHA384, ck.CKM_HASH_SLH_DSA_SHA512,
			ck.CKM_HASH_SLH_DSA_SHA3_224, ck.CKM_HASH_SLH_DSA_SHA3_256, ck.CKM_HASH_SLH_DSA_SHA3_384,
			ck.CKM_HASH_SLH_DSA_SHA3_512, ck.CKM_HASH_SLH_DSA_SHAKE128, ck.CKM_HASH_SLH_DSA_SHAKE256}},
	} {
		for _, t := range row.types {
			all[t] = row.layout
		}
	}
	return all
}()

func ecdhFields(f fields, p *ck.ECDH1DeriveParams) {
	number(f, &p.KDF)
	f.bytes(&p.SharedData)
	f.bytes(&p.PublicData)
}

func eddsaFields(f fields, p *ck.EdDSAParams) {
	f.flag(&p.PhFlag)
	f.bytes(&p.Context)
}

func ccmFields(f fields, p *ck.CCMParams) {
	f.number(&p.DataLen)
	f.bytes(&p.Nonce)
	f.bytes(&p.AAD)
	f.number(&p.MACLen)
}

func chachaFields(f fields, p *ck.ChaCha20Poly1305Params) {
	f.bytes(&p.Nonce)
	f.bytes(&p.AAD)
}

func hkdfFields(f fields, p *ck.HKDFParams) {
	f.flag(&p.Extract)
	f.flag(&p.Expand)
	number(f, &p.PRF)
	f.number(&p.SaltType)
	f.bytes(&p.Salt)
	number(f, &p.SaltKey)
	f.bytes(&p.Info)
}

func pbkd2Fields(f fields, p *ck.PBKD2Params) {
	f.number(&p.SaltSource)
	f.bytes(&p.Salt)
	f.number(&p.Iterations)
	f.number(&p.PRF)
	f.bytes(&p.PRFData)
	f.bytes(&p.Password)
}

func sp800108Fields(f fields, p *ck.SP800108Params) {
	number(f, &p.PRF)
	n := f.list(len(p.Data))
	if p.Data == nil && n > 0 {
		p.Data = make([]ck.PRFData, n)
	}
	for i := range p.Data {
		part := &p.Data[i]
		f.number(&part.Type)
		f.bytes(&part.Value)
		f.flag(&part.LittleEndian)
		f.number(&part.WidthBits)
		f.number(&part.Method)
	}
}

func otpFields(f fields, p *ck.OTPParams) {
	n := f.list(len(*p))
	if *p == nil {
		*p = make(ck.OTPParams, n)
	}
	for i := range *p {
		f.number(&(*p)[i].Type)
		f.bytes(&(*p)[i].Value)
	}
}

func signContextFields(f fields, p *ck.SignContext) {
	f.number(&p.Hedge)
	f.bytes(&p.Context)
}

// writing puts fields into a frame.
type writing struct{ e *Encoder }

func (w writing) flag(v *bool) {
	w.e.buf = append(w.e.buf, ck.Bool(0, *v).Value...)
}
func (w writing) number(v *uint64) { w.e.uint64(*v) }
func (w writing) bytes(v *[]byte)  { w.e.array(*v) }

func (w writing) list(n int) int {
	if n > maxParts {
		w.e.fail(ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "%v with a parameter of %d parts; %d are the most", w.e.call, n, maxParts))
	}
	w.e.uint32(uint32(n))
	return n
}

// reading takes fields from a frame.
type reading struct{ d *Decoder }

func (r reading) flag(v *bool)     { *v = r.d.byte() != 0 }
func (r reading) number(v *uint64) { *v = r.d.uint64() }
func (r reading) bytes(v *[]byte)  { *v = r.d.array() }

func (r reading) list(int) int {
	n := r.d.uint32()
	if n > maxParts {
		r.d.fail("%v with a parameter of %d parts; %d are the most", r.d.call, n, maxParts)
		return 0
	}
	return int(n)
}
