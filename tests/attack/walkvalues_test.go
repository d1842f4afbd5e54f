package attack

import (
	"fmt"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// roles say what the values of a request mean, one letter for each value of its signature.
// Calls without a row begin with a session, and have objects for numbers.
//
//	s slot      f flags of a session   h session    o object     u user type   p PIN
//	d data      b buffer               m mechanism  t template   q query       n count
//	l label     y byte                 c flags      w flags of C_WaitForSlotEvent
//	M mechanism type                   g generator  x small number  r earlier sessions
var roles = map[p11rpc.CallID]string{
	p11rpc.CallGetSlotList: "yn", p11rpc.CallGetSlotInfo: "s", p11rpc.CallGetTokenInfo: "s",
	p11rpc.CallGetMechanismList: "sn", p11rpc.CallGetMechanismInfo: "sM",
	p11rpc.CallInitToken: "spl", p11rpc.CallInitToken2: "spl",
	p11rpc.CallOpenSession: "sf", p11rpc.CallCloseAllSessions: "s",
	p11rpc.CallLogin: "hup", p11rpc.CallLoginUser: "hupd", p11rpc.CallInitPIN: "hp", p11rpc.CallSetPIN: "hpp",
	p11rpc.CallSessionCancel: "hc", p11rpc.CallWaitForSlotEvent: "w",
	p11rpc.CallEncryptMessageNext: "hddbc", p11rpc.CallDecryptMessageNext: "hddbc",
	p11rpc.CallEncryptMessage2: message, p11rpc.CallEncryptMessageBegin2: message, p11rpc.CallEncryptMessageNext2: message,
	p11rpc.CallDecryptMessage2: message, p11rpc.CallDecryptMessageBegin2: message, p11rpc.CallDecryptMessageNext2: message,
	p11rpc.CallWrapKeyAuthenticated: "hMgxxxddoodb",
	p11rpc.CallResume:               "r",
}

const message = "hMgxxxddddbc"

// roleOf is the roles of a call's values.
func roleOf(call p11rpc.CallID) string {
	if r, ok := roles[call]; ok {
		return r
	}
	var r []byte
	for sig := call.Describe().Request; sig != ""; sig = sig[1:] {
		letter := sig[0]
		if letter == 'a' || letter == 'f' {
			sig = sig[1:]
			letter = map[string]byte{"ay": 'd', "aA": 't', "fy": 'b', "fu": 'n', "fA": 'q'}[string([]byte{letter, sig[0]})]
		}
		switch letter {
		case 'u':
			letter = 'o'
			if len(r) == 0 && call.FirstIsSession() {
				letter = 'h'
			}
		case 'M':
			letter = 'm'
		}
		r = append(r, letter)
	}
	return string(r)
}

// follow are the calls that make sense after one that succeeded, in the same session.
var follow = map[p11rpc.CallID][]p11rpc.CallID{
	p11rpc.CallOpenSession:     {p11rpc.CallLogin, p11rpc.CallGenerateKey, p11rpc.CallGenerateKeyPair, p11rpc.CallFindObjectsInit},
	p11rpc.CallLogin:           {p11rpc.CallGenerateKey, p11rpc.CallGenerateKeyPair, p11rpc.CallFindObjectsInit, p11rpc.CallInitPIN},
	p11rpc.CallFindObjectsInit: {p11rpc.CallFindObjects, p11rpc.CallFindObjectsFinal},
	p11rpc.CallEncryptInit:     {p11rpc.CallEncrypt, p11rpc.CallEncryptUpdate, p11rpc.CallEncryptFinal, p11rpc.CallGetOperationState},
	p11rpc.CallDecryptInit:     {p11rpc.CallDecrypt, p11rpc.CallDecryptUpdate, p11rpc.CallDecryptFinal},
	p11rpc.CallDigestInit:      {p11rpc.CallDigest, p11rpc.CallDigestUpdate, p11rpc.CallDigestKey, p11rpc.CallDigestFinal, p11rpc.CallGetOperationState},
	p11rpc.CallDigestUpdate:    {p11rpc.CallDigestFinal, p11rpc.CallDigestEncryptUpdate},
	p11rpc.CallSignInit:        {p11rpc.CallSign, p11rpc.CallSignUpdate, p11rpc.CallSignFinal},
	p11rpc.CallSignUpdate:      {p11rpc.CallSignFinal, p11rpc.CallSignEncryptUpdate},
	p11rpc.CallVerifyInit:      {p11rpc.CallVerify, p11rpc.CallVerifyUpdate, p11rpc.CallVerifyFinal},

	p11rpc.CallSignRecoverInit:    {p11rpc.CallSignRecover},
	p11rpc.CallVerifyRecoverInit:  {p11rpc.CallVerifyRecover},
	p11rpc.CallMessageSignInit:    {p11rpc.CallSignMessage, p11rpc.CallSignMessageBegin, p11rpc.CallMessageSignFinal},
	p11rpc.CallSignMessageBegin:   {p11rpc.CallSignMessageNext},
	p11rpc.CallMessageVerifyInit:  {p11rpc.CallVerifyMessage, p11rpc.CallVerifyMessageBegin, p11rpc.CallMessageVerifyFinal},
	p11rpc.CallVerifyMessageBegin: {p11rpc.CallVerifyMessageNext},

	p11rpc.CallMessageEncryptInit:   {p11rpc.CallEncryptMessage2, p11rpc.CallEncryptMessageBegin2, p11rpc.CallMessageEncryptFinal},
	p11rpc.CallEncryptMessageBegin2: {p11rpc.CallEncryptMessageNext2},
	p11rpc.CallMessageDecryptInit:   {p11rpc.CallDecryptMessage2, p11rpc.CallDecryptMessageBegin2, p11rpc.CallMessageDecryptFinal},
	p11rpc.CallDecryptMessageBegin2: {p11rpc.CallDecryptMessageNext2},
}

// kind is what sort of key an object is, as far as the walk remembers.
type kind int

const (
	anything kind = iota
	aesKey
	genericKey
	ecPublic
	ecPrivate
	rsaPublic
	rsaPrivate
)

// choice is a mechanism and the kind of key that it works with.
type choice struct {
	m   *ck.Mechanism
	key kind
}

var iv = make([]byte, 16)

// mechanisms are what calls of a group are made with.
var mechanisms = map[p11rpc.CallID][]choice{
	p11rpc.CallGenerateKey: {
		{&ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, aesKey}, {&ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, genericKey},
	},
	p11rpc.CallGenerateKeyPair: {
		{&ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ecPrivate}, {&ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ecPrivate},
		{&ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ecPrivate}, {&ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, rsaPrivate},
	},
	p11rpc.CallDigestInit: {
		{&ck.Mechanism{Type: ck.CKM_SHA256}, anything}, {&ck.Mechanism{Type: ck.CKM_SHA512}, anything}, {&ck.Mechanism{Type: ck.CKM_SHA3_256}, anything},
	},
	p11rpc.CallEncryptInit: ciphers(rsaPublic), p11rpc.CallDecryptInit: ciphers(rsaPrivate),
	p11rpc.CallSignInit: signatures(ecPrivate, rsaPrivate), p11rpc.CallVerifyInit: signatures(ecPublic, rsaPublic),
	p11rpc.CallMessageSignInit: signatures(ecPrivate, rsaPrivate), p11rpc.CallMessageVerifyInit: signatures(ecPublic, rsaPublic),
	p11rpc.CallSignRecoverInit:    {{&ck.Mechanism{Type: ck.CKM_RSA_PKCS}, rsaPrivate}},
	p11rpc.CallVerifyRecoverInit:  {{&ck.Mechanism{Type: ck.CKM_RSA_PKCS}, rsaPublic}},
	p11rpc.CallMessageEncryptInit: {{&ck.Mechanism{Type: ck.CKM_AES_GCM}, aesKey}, {&ck.Mechanism{Type: ck.CKM_AES_CCM}, aesKey}},
	p11rpc.CallMessageDecryptInit: {{&ck.Mechanism{Type: ck.CKM_AES_GCM}, aesKey}, {&ck.Mechanism{Type: ck.CKM_AES_CCM}, aesKey}},
	p11rpc.CallWrapKey:            wrappings(rsaPublic), p11rpc.CallUnwrapKey: wrappings(rsaPrivate),
	p11rpc.CallDeriveKey: walkDerivations(), p11rpc.CallDeriveKey2: walkDerivations(),
}

func ciphers(rsa kind) []choice {
	return []choice{
		{&ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Parameter: ck.RawParameter(iv)}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(iv)}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 128}}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: iv[:12], IVBits: 96, TagBits: 128}}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: uint64(ck.CKG_MGF1_SHA256)}}, rsa},
		{&ck.Mechanism{Type: ck.CKM_RSA_PKCS}, rsa},
	}
}

func signatures(ec, rsa kind) []choice {
	return []choice{
		{&ck.Mechanism{Type: ck.CKM_ECDSA}, ec}, {&ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, ec},
		{&ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, genericKey}, {&ck.Mechanism{Type: ck.CKM_AES_CMAC}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, rsa},
		{&ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS_PSS, Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: uint64(ck.CKG_MGF1_SHA256), SLen: 32}}, rsa},
	}
}

func wrappings(rsa kind) []choice {
	return []choice{
		{&ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, aesKey}, {&ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}, aesKey},
		{&ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Parameter: ck.RSAPkcsOaepParams{HashAlg: ck.CKM_SHA256, MGF: uint64(ck.CKG_MGF1_SHA256)}}, rsa},
	}
}

func walkDerivations() []choice {
	return []choice{
		{&ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: iv}}, ecPrivate},
		{&ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}}, genericKey},
	}
}

// p256 is the OID of the curve P-256, as CKA_EC_PARAMS has it.
var p256 = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}

// pin is a PIN for a call: a right one most of the time, and always the same wrong one
// otherwise, which counts as one try. A new PIN is the old one again.
func (w *walker) pin(call p11rpc.CallID, nth int) []byte {
	right := harness.PIN
	if w.so {
		right = harness.SOPIN
	}
	switch {
	case call == p11rpc.CallInitPIN:
		return []byte(harness.PIN)
	case call == p11rpc.CallInitToken, call == p11rpc.CallInitToken2:
		return []byte(harness.SOPIN)
	case call == p11rpc.CallSetPIN && nth > 0:
		return []byte(right)
	case w.rng.IntN(50) == 0:
		return []byte("wrong-" + harness.PIN)
	}
	return []byte(right)
}

// data is bytes of a length that matters somewhere.
// resumed are sessions that the application claims to have had with an earlier daemon, or
// zeros.
func (w *walker) resumed(e *p11rpc.Encoder) {
	if w.rng.IntN(4) == 0 {
		p11rpc.Ulongs(e, make([]uint64, 3*w.rng.IntN(3)))
		return
	}
	list := make([]p11rpc.ResumedSession, w.rng.IntN(4))
	for i := range list {
		list[i] = p11rpc.ResumedSession{
			Handle: uint64(w.session(0)), Slot: uint64(w.rng.IntN(12)), Flags: uint64(w.rng.IntN(8)),
		}
	}
	e.ResumedSessions(list)
}

func (w *walker) data() []byte {
	lengths := []int{0, 1, 15, 16, 17, 32, 48, 64, 100, 256, 300, 4096}
	n := lengths[w.rng.IntN(len(lengths))]
	if w.rng.IntN(500) == 0 {
		n = 1 << 20
	}
	if n == 0 && w.rng.IntN(2) == 0 {
		return nil
	}
	if len(w.outputs) > 0 && w.rng.IntN(4) == 0 {
		return w.outputs[w.rng.IntN(len(w.outputs))]
	}
	v := make([]byte, n)
	for i := range min(n, 64) {
		v[i] = byte(w.rng.Uint32())
	}
	return v
}

func (w *walker) buffer() ck.Buffer {
	switch w.rng.IntN(8) {
	case 0:
		return ck.Buffer{Null: true}
	case 1:
		return ck.Buffer{Len: uint64(w.rng.IntN(40))}
	}
	return ck.Buffer{Len: 2 << 20}
}

// mark is the label of everything that this connection makes in a slot.
func (w *walker) mark(slot ck.SlotID) ck.Attribute {
	return ck.String(ck.CKA_LABEL, fmt.Sprintf("%d/%d/%s", w.uid, slot, w.name))
}

func (w *walker) flag(t ck.AttributeType) ck.Attribute { return ck.Bool(t, w.rng.IntN(2) == 0) }

// common are attributes of anything that is made.
func (w *walker) common(slot ck.SlotID) ck.Template {
	t := ck.Template{w.mark(slot), ck.Bool(ck.CKA_TOKEN, w.rng.IntN(10) == 0), w.flag(ck.CKA_PRIVATE)}
	if w.rng.IntN(2) == 0 {
		t = append(t, ck.Bytes(ck.CKA_ID, []byte{byte(w.rng.IntN(4))}))
	}
	return t
}

// template is a template for the nth one of a call.
func (w *walker) template(call p11rpc.CallID, nth int, slot ck.SlotID, made kind) ck.Template {
	t := w.common(slot)
	switch call {
	case p11rpc.CallFindObjectsInit:
		return w.search(slot)
	case p11rpc.CallSetAttributeValue:
		return ck.Template{w.mark(slot), ck.Bytes(ck.CKA_ID, []byte{byte(w.rng.IntN(4))})}
	case p11rpc.CallCopyObject:
		return t
	case p11rpc.CallCreateObject:
		return append(t, w.brought()...)
	case p11rpc.CallGenerateKeyPair:
		if nth == 0 {
			t = append(t, ck.Bool(ck.CKA_VERIFY, true))
			if made == rsaPrivate {
				return append(t, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2048)), ck.Bool(ck.CKA_ENCRYPT, true), w.flag(ck.CKA_WRAP))
			}
			return append(t, ck.Bytes(ck.CKA_EC_PARAMS, p256))
		}
		t = append(t, ck.Bool(ck.CKA_SIGN, true), w.flag(ck.CKA_DERIVE), w.flag(ck.CKA_EXTRACTABLE))
		if made == rsaPrivate {
			t = append(t, ck.Bool(ck.CKA_DECRYPT, true))
		}
		return t
	}
	if call != p11rpc.CallGenerateKey {
		t = append(t, ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES))
	}
	t = append(t, w.flag(ck.CKA_SENSITIVE), w.flag(ck.CKA_EXTRACTABLE), ck.Bool(ck.CKA_SIGN, true), ck.Bool(ck.CKA_VERIFY, true),
		w.flag(ck.CKA_WRAP), w.flag(ck.CKA_UNWRAP), ck.Bool(ck.CKA_ENCRYPT, true), ck.Bool(ck.CKA_DECRYPT, true), w.flag(ck.CKA_DERIVE))
	if call != p11rpc.CallUnwrapKey {
		t = append(t, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16+16*w.rng.IntN(2))))
	}
	return t
}

// brought is an object whose value the walker brings.
func (w *walker) brought() ck.Template {
	value := make([]byte, 16)
	switch w.rng.IntN(3) {
	case 0:
		return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bytes(ck.CKA_VALUE, w.data())}
	case 1:
		return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, value),
			ck.Bool(ck.CKA_ENCRYPT, true), ck.Bool(ck.CKA_DECRYPT, true)}
	}
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), ck.Bytes(ck.CKA_VALUE, value),
		ck.Bool(ck.CKA_SIGN, true), ck.Bool(ck.CKA_DERIVE, true)}
}

// search is what to look for: also for what others made.
func (w *walker) search(slot ck.SlotID) ck.Template {
	switch w.rng.IntN(6) {
	case 0:
		return nil
	case 1:
		return ck.Template{w.mark(slot)}
	case 2:
		return ck.Template{ck.Bytes(ck.CKA_ID, []byte{byte(w.rng.IntN(4))})}
	case 3:
		return ck.Template{ck.Bool(ck.CKA_TOKEN, true)}
	case 4:
		return ck.Template{ck.String(ck.CKA_LABEL, fmt.Sprintf("%d/%d/%s", alice+w.rng.IntN(4), slot, w.name))}
	}
	return ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY)}
}
