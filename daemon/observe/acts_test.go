package observe

import (
	"crypto/ed25519"
	"encoding/asn1"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/audit"
	"vtoken/daemon/metrics"
	"vtoken/daemon/p11server"
	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

var update = flag.Bool("update", false, "write testdata/acts.golden again")

const (
	userUID        = 1001
	userPIN, soPIN = "hidden 1", "hidden 2"
	readWrite      = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION
	noSession      = ck.SessionHandle(9999)
	noObject       = ck.ObjectHandle(9999)
)

// acts is an application of a real engine, and the audit log of what it does.
type acts struct {
	*require.Assertions
	store *enginetest.Store
	slot  ck.SlotID
	c     p11server.Client
	h     ck.SessionHandle
	log   *audit.Log
	dir   string
	seen  uint64
	out   strings.Builder
	// objects that steps have made, for later steps
	objects map[string]ck.ObjectHandle
	wrapped []byte
	cipher  []byte
	counts  *metrics.Set
	gone    int
}

func newActs(t *testing.T) *acts {
	t.Helper()
	a := &acts{Assertions: require.New(t), store: enginetest.New(), dir: t.TempDir(), seen: 1, counts: metrics.New("test"), objects: map[string]ck.ObjectHandle{}}
	var err error
	a.log, err = audit.Open(audit.Options{
		Dir: a.dir, Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		Anchor: func(audit.Head) error { return nil }, Failed: func(err error) { t.Error(err) },
	})
	a.NoError(err)
	t.Cleanup(func() { _ = a.log.Close() })
	a.store.MapUser(userUID, "user")
	tok, err := a.store.AddToken("user", "card", userPIN, soPIN)
	a.NoError(err)
	a.NoError(a.store.ChangeToken(tok.ID, func(t *record.Token) {
		t.Tenant, t.UserPIN.Policy.MaxTries = "tenant", 3
	}))
	a.slot = tok.Slot
	e, err := vtoken.New(a.store, vtoken.Options{Listen: Applications{
		Log: a.log, Calls: a.counts.Calls, Logins: a.counts.Logins,
		Come: func(record.Peer) func() { return func() { a.gone++ } },
	}.Listen})
	a.NoError(err)
	a.c = e.Connect(record.Peer{UID: userUID, PID: int32(os.Getpid())})
	t.Cleanup(a.c.Close)
	return a
}

// lines are the new lines of the log, without what differs from run to run.
func (a *acts) lines() (list []string) {
	lines, last, err := audit.Lines(a.dir, a.seen, 1000)
	a.NoError(err)
	a.seen = last
	for _, line := range lines {
		a.NotContains(string(line), "hidden")
		var r audit.Record
		a.NoError(json.Unmarshal(line, &r))
		a.NotNil(r.Process, "%s", line)
		a.Equal(uint32(userUID), r.Process.UID)
		a.Equal(int32(os.Getpid()), r.Process.PID)
		exe, err := os.Executable()
		a.NoError(err)
		a.Equal(exe, r.Process.Executable)
		text, err := json.Marshal(struct {
			audit.Record
			Seq     bool `json:"seq,omitempty"`
			Time    bool `json:"time,omitempty"`
			Prev    bool `json:"prev,omitempty"`
			Process bool `json:"process,omitempty"`
		}{Record: r})
		a.NoError(err)
		list = append(list, string(text))
	}
	return list
}

// step is one call. Its name begins with that of the function.
type step struct {
	name string
	do   func(a *acts) error
}

func template(class ck.ObjectClass, attrs ...ck.Attribute) ck.Template {
	return append(ck.Template{ck.Ulong(ck.CKA_CLASS, class)}, attrs...)
}

var (
	onTheToken = ck.Bool(ck.CKA_TOKEN, true)
	ofSession  = ck.Bool(ck.CKA_TOKEN, false)
	readable   = []ck.Attribute{ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true), ck.Bool(ck.CKA_WRAP_WITH_TRUSTED, false)}
	wrapping   = []ck.Attribute{ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true)}
	id         = ck.Bytes(ck.CKA_ID, []byte{0xab, 0x01})
	aesGen     = ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}
	ecGen      = ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}
	kemGen     = ck.Mechanism{Type: ck.CKM_ML_KEM_KEY_PAIR_GEN}
	kem        = ck.Mechanism{Type: ck.CKM_ML_KEM}
	ecdsa      = ck.Mechanism{Type: ck.CKM_ECDSA}
	kwp        = ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}
	room       = ck.Buffer{Len: 4096}
	length     = ck.Buffer{Null: true}
	aesLen     = ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))
)

func curve() ck.Attribute {
	der, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	if err != nil {
		panic(err)
	}
	return ck.Bytes(ck.CKA_EC_PARAMS, der)
}

func secretKey(attrs ...ck.Attribute) ck.Template {
	return template(ck.CKO_SECRET_KEY, append([]ck.Attribute{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}, attrs...)...)
}

func value() ck.Attribute { return ck.Bytes(ck.CKA_VALUE, []byte("hidden value 32 bytes long......")) }

func (a *acts) keep(name string, h ck.ObjectHandle, err error) error {
	if err == nil {
		a.objects[name] = h
	}
	return err
}

func (a *acts) login(user ck.UserType, p string) error {
	return a.c.Login(a.h, user, secret.Bytes(p))
}

func (a *acts) open() error {
	h, err := a.c.OpenSession(a.slot, readWrite)
	a.h = h
	return err
}

func (a *acts) read(o ck.ObjectHandle, buf ck.Buffer, types ...ck.AttributeType) error {
	var q []ck.AttributeQuery
	for _, t := range types {
		q = append(q, ck.AttributeQuery{Type: t, Buffer: buf})
	}
	_, err := a.c.GetAttributeValue(a.h, o, q)
	return err
}

func gcm() *ck.WrapParams {
	return &ck.WrapParams{
		MessageParams: ck.MessageParams{Mechanism: ck.CKM_AES_GCM, Generator: ck.CKG_GENERATE_RANDOM, TagBits: 128, Nonce: make([]byte, 12), Tag: make([]byte, 16)},
	}
}

func steps() []step {
	return []step{
		{"InitToken: no such slot", func(a *acts) error { return a.c.InitToken(9999, secret.Bytes(soPIN), "new") }},
		{"InitToken: wrong PIN", func(a *acts) error { return a.c.InitToken(a.slot, secret.Bytes("hidden"), "new") }},
		{"InitToken: bad label", func(a *acts) error { return a.c.InitToken(a.slot, secret.Bytes(soPIN), "\xff") }},
		{"InitToken", func(a *acts) error { return a.c.InitToken(a.slot, secret.Bytes(soPIN), "new") }},
		{"OpenSession", (*acts).open},
		{"InitToken: with a session", func(a *acts) error { return a.c.InitToken(a.slot, secret.Bytes(soPIN), "new") }},
		{"Login: no session", func(a *acts) error { return a.c.Login(noSession, ck.CKU_USER, secret.Bytes(userPIN)) }},
		{"Login: no user PIN yet", func(a *acts) error { return a.login(ck.CKU_USER, userPIN) }},
		{"Login: unknown user", func(a *acts) error { return a.login(77, userPIN) }},
		{"Login: SO, wrong PIN", func(a *acts) error { return a.login(ck.CKU_SO, "hidden") }},
		{"Login: SO, the same wrong PIN", func(a *acts) error { return a.login(ck.CKU_SO, "hidden") }},
		{"InitPIN: not the SO", func(a *acts) error { return a.c.InitPIN(a.h, secret.Bytes(userPIN)) }},
		{"Login: SO", func(a *acts) error { return a.login(ck.CKU_SO, soPIN) }},
		{"Login: SO is in", func(a *acts) error { return a.login(ck.CKU_SO, soPIN) }},
		{"InitPIN: too short", func(a *acts) error { return a.c.InitPIN(a.h, secret.Bytes("1")) }},
		{"InitPIN: no session", func(a *acts) error { return a.c.InitPIN(noSession, secret.Bytes(userPIN)) }},
		{"InitPIN", func(a *acts) error { return a.c.InitPIN(a.h, secret.Bytes(userPIN)) }},
		{"SetPIN: SO", func(a *acts) error { return a.c.SetPIN(a.h, secret.Bytes(soPIN), secret.Bytes("hidden 3")) }},
		{"Logout", func(a *acts) error { return a.c.Logout(a.h) }},
		{"SetPIN: user, wrong PIN", func(a *acts) error { return a.c.SetPIN(a.h, secret.Bytes("hidden"), secret.Bytes("hidden 4")) }},
		{"SetPIN: user", func(a *acts) error { return a.c.SetPIN(a.h, secret.Bytes(userPIN), secret.Bytes("hidden 4")) }},
		{"SetPIN: no session", func(a *acts) error { return a.c.SetPIN(noSession, secret.Bytes(userPIN), secret.Bytes("hidden 4")) }},
		{"LoginUser: with a name", func(a *acts) error {
			return a.c.LoginUser(a.h, ck.CKU_USER, secret.Bytes("hidden 4"), []byte("name"))
		}},
		{"GenerateKey: nobody is logged in", func(a *acts) error {
			_, err := a.c.GenerateKey(a.h, aesGen, ck.Template{onTheToken, aesLen})
			return err
		}},
		{"LoginUser", func(a *acts) error { return a.c.LoginUser(a.h, ck.CKU_USER, secret.Bytes("hidden 4"), nil) }},

		{"GenerateKey", func(a *acts) error {
			h, err := a.c.GenerateKey(a.h, aesGen, append(ck.Template{onTheToken, aesLen, id}, wrapping...))
			return a.keep("wrapping", h, err)
		}},
		{"GenerateKey: of the session", func(a *acts) error {
			h, err := a.c.GenerateKey(a.h, aesGen, append(ck.Template{aesLen}, readable...))
			return a.keep("session", h, err)
		}},
		{"GenerateKey: extractable", func(a *acts) error {
			h, err := a.c.GenerateKey(a.h, aesGen, append(ck.Template{onTheToken, aesLen, id}, readable...))
			return a.keep("extractable", h, err)
		}},
		{"GenerateKey: wrong mechanism", func(a *acts) error {
			_, err := a.c.GenerateKey(a.h, ecGen, ck.Template{onTheToken})
			return err
		}},
		{"GenerateKey: no session", func(a *acts) error {
			_, err := a.c.GenerateKey(noSession, aesGen, ck.Template{onTheToken, aesLen})
			return err
		}},
		{"GenerateKeyPair", func(a *acts) error {
			_, h, err := a.c.GenerateKeyPair(a.h, ecGen, ck.Template{onTheToken, curve()}, ck.Template{onTheToken, id, ck.Bool(ck.CKA_DERIVE, true), ck.Bool(ck.CKA_SIGN, true)})
			return a.keep("private", h, err)
		}},
		{"GenerateKeyPair: of the session", func(a *acts) error {
			pub, priv, err := a.c.GenerateKeyPair(a.h, kemGen, ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_ML_KEM_768)}, ck.Template{})
			a.objects["kem"] = pub
			return a.keep("kem private", priv, err)
		}},
		{"GenerateKeyPair: the public key on the token", func(a *acts) error {
			h, _, err := a.c.GenerateKeyPair(a.h, ecGen, ck.Template{onTheToken, curve()}, ck.Template{ck.Bool(ck.CKA_DERIVE, true)})
			return a.keep("public", h, err)
		}},
		{"GenerateKeyPair: no curve", func(a *acts) error {
			_, _, err := a.c.GenerateKeyPair(a.h, ecGen, ck.Template{onTheToken}, ck.Template{onTheToken})
			return err
		}},

		{"CreateObject: key", func(a *acts) error {
			h, err := a.c.CreateObject(a.h, append(secretKey(onTheToken, id, value()), readable...))
			return a.keep("created", h, err)
		}},
		{"CreateObject: key of the session", func(a *acts) error {
			h, err := a.c.CreateObject(a.h, append(secretKey(value()), readable...))
			return a.keep("created of session", h, err)
		}},
		{"CreateObject: key without a value", func(a *acts) error {
			_, err := a.c.CreateObject(a.h, secretKey(onTheToken))
			return err
		}},
		{"CreateObject: no session", func(a *acts) error {
			_, err := a.c.CreateObject(noSession, secretKey(onTheToken, value()))
			return err
		}},
		{"CreateObject: data", func(a *acts) error {
			h, err := a.c.CreateObject(a.h, template(ck.CKO_DATA, onTheToken, ck.String(ck.CKA_VALUE, "data")))
			return a.keep("data", h, err)
		}},
		{"CopyObject", func(a *acts) error {
			h, err := a.c.CopyObject(a.h, a.objects["created"], nil)
			return a.keep("copy", h, err)
		}},
		{"CopyObject: to the session", func(a *acts) error {
			_, err := a.c.CopyObject(a.h, a.objects["created"], ck.Template{ofSession})
			return err
		}},
		{"CopyObject: to the token", func(a *acts) error {
			_, err := a.c.CopyObject(a.h, a.objects["created of session"], ck.Template{onTheToken, ck.Bytes(ck.CKA_ID, []byte{7})})
			return err
		}},
		{"CopyObject: refused", func(a *acts) error {
			_, err := a.c.CopyObject(a.h, a.objects["created"], ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)})
			return err
		}},
		{"CopyObject: data", func(a *acts) error {
			_, err := a.c.CopyObject(a.h, a.objects["data"], nil)
			return err
		}},
		{"CopyObject: no such object", func(a *acts) error {
			_, err := a.c.CopyObject(a.h, noObject, ck.Template{onTheToken})
			return err
		}},

		{"WrapKey: length", func(a *acts) error {
			_, err := a.c.WrapKey(a.h, kwp, a.objects["wrapping"], a.objects["extractable"], length)
			return err
		}},
		{"WrapKey", func(a *acts) error {
			out, err := a.c.WrapKey(a.h, kwp, a.objects["wrapping"], a.objects["extractable"], room)
			if err == nil {
				a.wrapped = out.Data
			}
			return err
		}},
		{"WrapKey: short buffer", func(a *acts) error {
			_, err := a.c.WrapKey(a.h, kwp, a.objects["wrapping"], a.objects["extractable"], ck.Buffer{Len: 1})
			return err
		}},
		{"WrapKey: not extractable", func(a *acts) error {
			_, err := a.c.WrapKey(a.h, kwp, a.objects["wrapping"], a.objects["private"], room)
			return err
		}},
		{"WrapKey: no such key", func(a *acts) error {
			_, err := a.c.WrapKey(a.h, kwp, a.objects["wrapping"], noObject, room)
			return err
		}},
		{"WrapKey: no session", func(a *acts) error {
			_, err := a.c.WrapKey(noSession, kwp, a.objects["wrapping"], noObject, room)
			return err
		}},
		{"WrapKeyAuthenticated: length", func(a *acts) error {
			_, err := a.c.WrapKeyAuthenticated(a.h, gcm(), a.objects["wrapping"], a.objects["extractable"], length)
			return err
		}},
		{"WrapKeyAuthenticated", func(a *acts) error {
			_, err := a.c.WrapKeyAuthenticated(a.h, gcm(), a.objects["wrapping"], a.objects["extractable"], room)
			return err
		}},
		{"WrapKeyAuthenticated: not extractable", func(a *acts) error {
			_, err := a.c.WrapKeyAuthenticated(a.h, gcm(), a.objects["wrapping"], a.objects["private"], room)
			return err
		}},
		{"UnwrapKey", func(a *acts) error {
			_, err := a.c.UnwrapKey(a.h, kwp, a.objects["wrapping"], a.wrapped, secretKey(onTheToken, id))
			return err
		}},
		{"UnwrapKey: to the session", func(a *acts) error {
			_, err := a.c.UnwrapKey(a.h, kwp, a.objects["wrapping"], a.wrapped, secretKey())
			return err
		}},
		{"UnwrapKey: garbage", func(a *acts) error {
			_, err := a.c.UnwrapKey(a.h, kwp, a.objects["wrapping"], []byte("hidden garbage..."), secretKey(onTheToken))
			return err
		}},
		{"DeriveKey", func(a *acts) error {
			m := ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: a.point()}}
			_, err := a.c.DeriveKey(a.h, m, a.objects["private"], secretKey(onTheToken, aesLen))
			return err
		}},
		{"DeriveKey: to the session", func(a *acts) error {
			m := ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE, Parameter: ck.ECDH1DeriveParams{KDF: ck.CKD_NULL, PublicData: a.point()}}
			_, err := a.c.DeriveKey(a.h, m, a.objects["private"], secretKey(aesLen))
			return err
		}},
		{"DeriveKey: no such key", func(a *acts) error {
			_, err := a.c.DeriveKey(a.h, ck.Mechanism{Type: ck.CKM_ECDH1_DERIVE}, noObject, secretKey(onTheToken, aesLen))
			return err
		}},
		{"EncapsulateKey: length", func(a *acts) error {
			_, _, err := a.c.EncapsulateKey(a.h, kem, a.objects["kem"], secretKey(onTheToken), length)
			return err
		}},
		{"EncapsulateKey", func(a *acts) error {
			out, _, err := a.c.EncapsulateKey(a.h, kem, a.objects["kem"], secretKey(onTheToken), room)
			if err == nil {
				a.cipher = out.Data
			}
			return err
		}},
		{"EncapsulateKey: short buffer", func(a *acts) error {
			_, _, err := a.c.EncapsulateKey(a.h, kem, a.objects["kem"], secretKey(onTheToken), ck.Buffer{Len: 1})
			return err
		}},
		{"EncapsulateKey: to the session", func(a *acts) error {
			_, _, err := a.c.EncapsulateKey(a.h, kem, a.objects["kem"], secretKey(), room)
			return err
		}},
		{"DecapsulateKey", func(a *acts) error {
			_, err := a.c.DecapsulateKey(a.h, kem, a.objects["kem private"], secretKey(onTheToken), a.cipher)
			return err
		}},
		{"DecapsulateKey: short ciphertext", func(a *acts) error {
			_, err := a.c.DecapsulateKey(a.h, kem, a.objects["kem private"], secretKey(onTheToken), a.cipher[1:])
			return err
		}},

		{"GetAttributeValue: value", func(a *acts) error { return a.read(a.objects["created"], room, ck.CKA_LABEL, ck.CKA_VALUE) }},
		{"GetAttributeValue: value of a key of the session", func(a *acts) error { return a.read(a.objects["session"], room, ck.CKA_VALUE) }},
		{"GetAttributeValue: length of a value", func(a *acts) error { return a.read(a.objects["created"], length, ck.CKA_VALUE) }},
		{"GetAttributeValue: short buffer", func(a *acts) error { return a.read(a.objects["created"], ck.Buffer{Len: 1}, ck.CKA_VALUE) }},
		{"GetAttributeValue: label", func(a *acts) error { return a.read(a.objects["created"], room, ck.CKA_LABEL) }},
		{"GetAttributeValue: value of a private key", func(a *acts) error { return a.read(a.objects["private"], room, ck.CKA_ID, ck.CKA_VALUE) }},
		{"GetAttributeValue: what a key has not", func(a *acts) error { return a.read(a.objects["created"], room, ck.CKA_PRIME_1) }},
		{"GetAttributeValue: value of data", func(a *acts) error { return a.read(a.objects["data"], room, ck.CKA_VALUE) }},
		{"GetAttributeValue: no such object", func(a *acts) error { return a.read(noObject, room, ck.CKA_VALUE) }},
		{"GetAttributeValue: no session", func(a *acts) error {
			_, err := a.c.GetAttributeValue(noSession, noObject, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: room}})
			return err
		}},

		{"SignInit", func(a *acts) error { return a.c.SignInit(a.h, ecdsa, a.objects["private"]) }},
		{"Sign", func(a *acts) error {
			_, err := a.c.Sign(a.h, make([]byte, 32), room)
			return err
		}},

		{"DestroyObject: key", func(a *acts) error { return a.c.DestroyObject(a.h, a.objects["created"]) }},
		{"DestroyObject: key of the session", func(a *acts) error { return a.c.DestroyObject(a.h, a.objects["session"]) }},
		{"DestroyObject: public key", func(a *acts) error { return a.c.DestroyObject(a.h, a.objects["public"]) }},
		{"DestroyObject: data", func(a *acts) error { return a.c.DestroyObject(a.h, a.objects["data"]) }},
		{"DestroyObject: no such object", func(a *acts) error { return a.c.DestroyObject(a.h, noObject) }},
		{"DestroyObject: read-only session", func(a *acts) error {
			h, err := a.c.OpenSession(a.slot, ck.CKF_SERIAL_SESSION)
			a.NoError(err)
			return a.c.DestroyObject(h, a.objects["copy"])
		}},
		{"DestroyObject: the disk is full", func(a *acts) error {
			a.store.BeforeCommit = func() error { return ck.Errorf(ck.CKR_DEVICE_MEMORY, "hidden reason") }
			defer func() { a.store.BeforeCommit = nil }()
			return a.c.DestroyObject(a.h, a.objects["copy"])
		}},
		{"Logout: user", func(a *acts) error { return a.c.Logout(a.h) }},
		{"Login: first wrong PIN", func(a *acts) error { return a.login(ck.CKU_USER, "hidden a") }},
		{"Login: second wrong PIN", func(a *acts) error { return a.login(ck.CKU_USER, "hidden b") }},
		{"Login: third wrong PIN", func(a *acts) error { return a.login(ck.CKU_USER, "hidden c") }},
		{"Login: locked", func(a *acts) error { return a.login(ck.CKU_USER, "hidden 4") }},
		{"Login: for an operation", func(a *acts) error { return a.login(ck.CKU_CONTEXT_SPECIFIC, "hidden 4") }},
	}
}

// point is the public key of the other side, of which DeriveKey makes a key.
func (a *acts) point() []byte {
	results, err := a.c.GetAttributeValue(a.h, a.objects["public"], []ck.AttributeQuery{{Type: ck.CKA_EC_POINT, Buffer: room}})
	a.NoError(err)
	return results[0].Value
}

// run does the steps up to the one with the name, or all, and returns the lines that each
// has left.
func (a *acts) run(until string) map[string][]string {
	lines := map[string][]string{}
	for _, s := range steps() {
		if s.name == until {
			break
		}
		err := s.do(a)
		lines[s.name] = a.lines()
		fmt.Fprintf(&a.out, "%s: %s\n", s.name, result(vtoken.Event{Err: err}))
		for _, line := range lines[s.name] {
			fmt.Fprintf(&a.out, "    %s\n", line)
		}
	}
	return lines
}

// TestWhatIsRecorded goes through every call that is recorded, when it succeeds and when it
// fails, and compares the lines of the audit log with testdata/acts.golden.
func TestWhatIsRecorded(t *testing.T) {
	a := newActs(t)
	a.run("")
	golden := filepath.Join("testdata", "acts.golden")
	if *update {
		a.NoError(os.WriteFile(golden, []byte(a.out.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	a.NoError(err)
	a.Equal(string(want), a.out.String())
}

// TestNothingUnrecorded: with a log that cannot be written, nothing that has to be recorded
// is done, and everything else is.
func TestNothingUnrecorded(t *testing.T) {
	const first = "DestroyObject: key"
	a := newActs(t)
	lines := a.run(first)
	a.NoError(a.log.Close())
	commits, compared := 0, a.store.Hashes()
	a.store.BeforeCommit = func() error { commits++; return nil }
	refused := 0
	for _, s := range steps() {
		switch {
		case s.name == first:
			a.NotZero(refused)
			return
		case len(lines[s.name]) > 0:
			refused++
			a.Equal(ck.CKR_DEVICE_ERROR, ck.CodeOf(s.do(a)), s.name)
			a.Zero(commits, s.name)
			a.Equal(compared, a.store.Hashes(), s.name)
		case strings.HasPrefix(s.name, "Logout"), strings.HasPrefix(s.name, "OpenSession"):
		default:
			err := s.do(a)
			beginsOnly := strings.HasPrefix(s.name, "GetAttributeValue") && err != nil // it might have given something out
			a.True(beginsOnly || ck.CodeOf(err) != ck.CKR_DEVICE_ERROR, "%s: %v", s.name, err)
			commits = 0
		}
	}
}

// TestFault: a panic leaves a line, too.
func TestFault(t *testing.T) {
	a := newActs(t)
	a.store.BeforeCommit = func() error { panic("fault") }
	a.Panics(func() { _ = a.c.InitToken(a.slot, secret.Bytes(soPIN), "new") })
	lines := a.lines()
	a.Len(lines, 1)
	a.Contains(lines[0], `"event":"init-token","result":"fault"`)
}

// TestCounts: signatures are counted, but not questions for their length; and so are locked
// PINs and the ends of applications.
func TestCounts(t *testing.T) {
	a := newActs(t)
	a.NoError(a.open())
	a.NoError(a.login(ck.CKU_USER, userPIN))
	_, key, err := a.c.GenerateKeyPair(a.h, ecGen, ck.Template{curve()}, ck.Template{ck.Bool(ck.CKA_SIGN, true)})
	a.NoError(err)
	counts := func(metric string, n int) {
		t.Helper()
		var text strings.Builder
		a.NoError(a.counts.Write(&text))
		a.Contains(text.String(), fmt.Sprintf("\n%s %d\n", metric, n))
	}
	begin := func() { a.NoError(a.c.SignInit(a.h, ecdsa, key)) }
	begin()
	digest := make([]byte, 32)
	_, err = a.c.Sign(a.h, digest, length)
	a.NoError(err)
	counts("vtoken_signatures_total", 0)
	_, err = a.c.Sign(a.h, digest, room)
	a.NoError(err)
	counts("vtoken_signatures_total", 1)
	begin()
	a.NoError(a.c.SignUpdate(a.h, digest))
	_, err = a.c.SignFinal(a.h, length)
	a.NoError(err)
	counts("vtoken_signatures_total", 1)
	_, err = a.c.SignFinal(a.h, room)
	a.NoError(err)
	counts("vtoken_signatures_total", 2)
	a.NoError(a.c.MessageSignInit(a.h, ecdsa, key))
	_, err = a.c.SignMessage(a.h, nil, digest, room)
	a.NoError(err)
	counts("vtoken_signatures_total", 3)
	a.NoError(a.c.SignMessageBegin(a.h, nil))
	_, err = a.c.SignMessageNext(a.h, nil, digest[:16], false, room)
	a.NoError(err)
	counts("vtoken_signatures_total", 3)
	_, err = a.c.SignMessageNext(a.h, nil, digest[16:], true, room)
	a.NoError(err)
	counts("vtoken_signatures_total", 4)

	a.NoError(a.c.Logout(a.h))
	for _, wrong := range []string{"hidden a", "hidden b", "hidden c"} {
		a.Error(a.login(ck.CKU_USER, wrong))
	}
	counts(`vtoken_pin_locks_total{role="user"}`, 1)
	a.c.Close()
	a.c.Close()
	a.Equal(1, a.gone)
}

// notRecorded are the functions that leave no line, and why.
var notRecorded = map[string]string{
	"what is asked": `GetInfo GetSlotList GetSlotInfo GetTokenInfo GetMechanismList GetMechanismInfo WaitForSlotEvent
		GetSessionInfo GetObjectSize FindObjectsInit FindObjects FindObjectsFinal GenerateRandom SeedRandom`,
	"sessions end with the application": `OpenSession CloseSession CloseAllSessions SessionCancel GetOperationState SetOperationState Logout`,
	"changes no key's value":            `SetAttributeValue`,
	"makes objects of the session only": `RestoreObject`,
	"what is done with keys is too much for a log": `EncryptInit Encrypt EncryptUpdate EncryptFinal DecryptInit Decrypt DecryptUpdate DecryptFinal
		DigestInit Digest DigestUpdate DigestKey DigestFinal
		SignInit Sign SignUpdate SignFinal VerifyInit Verify VerifyUpdate VerifyFinal
		SignRecoverInit SignRecover VerifyRecoverInit VerifyRecover
		DigestEncryptUpdate DecryptDigestUpdate SignEncryptUpdate DecryptVerifyUpdate
		MessageSignInit SignMessage SignMessageBegin SignMessageNext MessageSignFinal
		MessageVerifyInit VerifyMessage VerifyMessageBegin VerifyMessageNext MessageVerifyFinal
		MessageEncryptInit EncryptMessage EncryptMessageBegin EncryptMessageNext MessageEncryptFinal
		MessageDecryptInit DecryptMessage DecryptMessageBegin DecryptMessageNext MessageDecryptFinal`,
	"no functions of PKCS#11": `OnSlow Cancel Close EndAfterError`,
}

// TestEveryFunction: each function that the server of the wire calls has a line in the steps
// above, or a reason why not.
func TestEveryFunction(t *testing.T) {
	recorded := map[string]bool{}
	for name, lines := range newActs(t).run("") {
		function, _, _ := strings.Cut(name, ":")
		recorded[function] = recorded[function] || len(lines) > 0
	}
	reasons := map[string]string{}
	for reason, names := range notRecorded {
		for _, name := range strings.Fields(names) {
			reasons[name] = reason
		}
	}
	client := reflect.TypeFor[p11server.Client]()
	for i := range client.NumMethod() {
		name := client.Method(i).Name
		require.NotEqual(t, recorded[name], reasons[name] != "", "%s is recorded, or is listed as not recorded", name)
		delete(reasons, name)
	}
	require.Empty(t, reasons, "these are no functions")
}
