package main

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"vtoken/daemon/audit"
	"vtoken/daemon/p11server"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// application is an engine's client that does as the test says. Its object 1 is
// a private key on the token, 2 one of the session, 3 a certificate.
type application struct {
	p11server.Client
	err   error
	calls int
}

var objects = map[ck.ObjectHandle]map[ck.AttributeType][]byte{
	1: {ck.CKA_CLASS: ck.Ulong(0, ck.CKO_PRIVATE_KEY).Value, ck.CKA_TOKEN: {1}, ck.CKA_ID: {0xab}, ck.CKA_LABEL: []byte("label"),
		ck.CKA_KEY_TYPE: ck.Ulong(0, ck.CKK_RSA).Value, ck.CKA_PRIVATE_EXPONENT: []byte("hidden number")},
	2: {ck.CKA_CLASS: ck.Ulong(0, ck.CKO_SECRET_KEY).Value, ck.CKA_TOKEN: {0}, ck.CKA_VALUE: []byte("hidden value")},
	3: {ck.CKA_CLASS: ck.Ulong(0, ck.CKO_CERTIFICATE).Value, ck.CKA_TOKEN: {1}, ck.CKA_VALUE: []byte("certificate")},
}

func (a *application) did() error { a.calls++; return a.err }

func (a *application) GetSessionInfo(ck.SessionHandle) (ck.SessionInfo, error) {
	return ck.SessionInfo{SlotID: 7, State: ck.CKS_RW_USER_FUNCTIONS}, nil
}

func (a *application) GetAttributeValue(_ ck.SessionHandle, o ck.ObjectHandle, q []ck.AttributeQuery) (list []ck.AttributeResult, err error) {
	for _, one := range q {
		r := ck.AttributeResult{Type: one.Type, Value: objects[o][one.Type]}
		if one.Null {
			r.Value = nil
		}
		list = append(list, r)
	}
	return list, nil
}

func (a *application) Login(ck.SessionHandle, ck.UserType, secret.Bytes) error { return a.did() }
func (a *application) LoginUser(ck.SessionHandle, ck.UserType, secret.Bytes, []byte) error {
	return a.did()
}
func (a *application) InitToken(ck.SlotID, secret.Bytes, string) error           { return a.did() }
func (a *application) InitPIN(ck.SessionHandle, secret.Bytes) error              { return a.did() }
func (a *application) SetPIN(ck.SessionHandle, secret.Bytes, secret.Bytes) error { return a.did() }
func (a *application) DestroyObject(ck.SessionHandle, ck.ObjectHandle) error     { return a.did() }
func (a *application) GenerateKey(ck.SessionHandle, ck.Mechanism, ck.Template) (ck.ObjectHandle, error) {
	return 1, a.did()
}
func (a *application) GenerateKeyPair(ck.SessionHandle, ck.Mechanism, ck.Template, ck.Template) (ck.ObjectHandle, ck.ObjectHandle, error) {
	return 3, 1, a.did()
}
func (a *application) CreateObject(ck.SessionHandle, ck.Template) (ck.ObjectHandle, error) {
	return 1, a.did()
}
func (a *application) CopyObject(ck.SessionHandle, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 1, a.did()
}
func (a *application) UnwrapKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, []byte, ck.Template) (ck.ObjectHandle, error) {
	return 1, a.did()
}
func (a *application) DeriveKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template) (ck.ObjectHandle, error) {
	return 1, a.did()
}
func (a *application) WrapKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("wrapped")}, a.did()
}
func (a *application) WrapKeyAuthenticated(ck.SessionHandle, *ck.WrapParams, ck.ObjectHandle, ck.ObjectHandle, ck.Buffer) (ck.Output, error) {
	return ck.Output{Data: []byte("wrapped")}, a.did()
}

func (a *application) EncapsulateKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, ck.Buffer) (ck.Output, ck.ObjectHandle, error) {
	return ck.Output{}, 1, a.did()
}
func (a *application) DecapsulateKey(ck.SessionHandle, ck.Mechanism, ck.ObjectHandle, ck.Template, []byte) (ck.ObjectHandle, error) {
	return 1, a.did()
}

// step is one call and the event that it leaves, "" for none.
type step struct {
	name, event string
	do          func(p11server.Client) error
}

func steps() []step {
	onToken := ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)}
	ofSession := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)}
	aes := ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}
	query := func(t ck.AttributeType, null bool) []ck.AttributeQuery {
		return []ck.AttributeQuery{{Type: t, Buffer: ck.Buffer{Null: null, Len: 100}}}
	}
	handle := func(_ ck.ObjectHandle, err error) error { return err }
	read := func(o ck.ObjectHandle, t ck.AttributeType, null bool) func(p11server.Client) error {
		return func(c p11server.Client) error { _, err := c.GetAttributeValue(1, o, query(t, null)); return err }
	}
	return []step{
		{"login", eventLogin, func(c p11server.Client) error { return c.Login(1, ck.CKU_USER, secret.Bytes("hidden pin")) }},
		{"login with name", eventLogin, func(c p11server.Client) error { return c.LoginUser(1, ck.CKU_SO, secret.Bytes("hidden pin"), nil) }},
		{"init token", eventInitToken, func(c p11server.Client) error { return c.InitToken(7, secret.Bytes("hidden pin"), "label") }},
		{"init PIN", eventInitPIN, func(c p11server.Client) error { return c.InitPIN(1, secret.Bytes("hidden pin")) }},
		{"set PIN", eventSetPIN, func(c p11server.Client) error {
			return c.SetPIN(1, secret.Bytes("hidden pin"), secret.Bytes("hidden new"))
		}},
		{"generate", eventGenerate, func(c p11server.Client) error { return handle(c.GenerateKey(1, aes, onToken)) }},
		{"generate for the session", "", func(c p11server.Client) error { return handle(c.GenerateKey(1, aes, ofSession)) }},
		{"generate pair", eventGenerate, func(c p11server.Client) error { _, _, err := c.GenerateKeyPair(1, aes, ofSession, onToken); return err }},
		{"create", eventCreate, func(c p11server.Client) error { return handle(c.CreateObject(1, onToken)) }},
		{"create data", "", func(c p11server.Client) error {
			return handle(c.CreateObject(1, ck.Template{ck.Bool(ck.CKA_TOKEN, true), ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)}))
		}},
		{"copy", eventCopy, func(c p11server.Client) error { return handle(c.CopyObject(1, 1, nil)) }},
		{"copy to the session", "", func(c p11server.Client) error {
			return handle(c.CopyObject(1, 1, ck.Template{ck.Bool(ck.CKA_TOKEN, false)}))
		}},
		{"copy to the token", eventCopy, func(c p11server.Client) error { return handle(c.CopyObject(1, 2, onToken)) }},
		{"unwrap", eventUnwrap, func(c p11server.Client) error { return handle(c.UnwrapKey(1, aes, 2, nil, onToken)) }},
		{"derive", eventDerive, func(c p11server.Client) error { return handle(c.DeriveKey(1, aes, 2, onToken)) }},
		{"derive for the session", "", func(c p11server.Client) error { return handle(c.DeriveKey(1, aes, 2, ofSession)) }},
		{"encapsulate", eventEncapsulate, func(c p11server.Client) error {
			_, _, err := c.EncapsulateKey(1, aes, 3, onToken, ck.Buffer{Len: 100})
			return err
		}},
		{"length of encapsulated", "", func(c p11server.Client) error {
			_, _, err := c.EncapsulateKey(1, aes, 3, onToken, ck.Buffer{Null: true})
			return err
		}},
		{"decapsulate", eventDecapsulate, func(c p11server.Client) error { return handle(c.DecapsulateKey(1, aes, 1, onToken, nil)) }},
		{"destroy", eventDestroy, func(c p11server.Client) error { return c.DestroyObject(1, 1) }},
		{"destroy in the session", "", func(c p11server.Client) error { return c.DestroyObject(1, 2) }},
		{"destroy a certificate", "", func(c p11server.Client) error { return c.DestroyObject(1, 3) }},
		{"wrap", eventWrap, func(c p11server.Client) error { _, err := c.WrapKey(1, aes, 2, 1, ck.Buffer{Len: 100}); return err }},
		{"length of wrapped", "", func(c p11server.Client) error { _, err := c.WrapKey(1, aes, 2, 1, ck.Buffer{Null: true}); return err }},
		{"wrap with data", eventWrap, func(c p11server.Client) error {
			_, err := c.WrapKeyAuthenticated(1, new(ck.WrapParams), 2, 1, ck.Buffer{Len: 100})
			return err
		}},
		{"length of wrapped with data", "", func(c p11server.Client) error {
			_, err := c.WrapKeyAuthenticated(1, new(ck.WrapParams), 2, 1, ck.Buffer{Null: true})
			return err
		}},
		{"read", eventRead, read(1, ck.CKA_PRIVATE_EXPONENT, false)},
		{"read in the session", eventRead, read(2, ck.CKA_VALUE, false)},
		{"length to read", "", read(1, ck.CKA_PRIVATE_EXPONENT, true)},
		{"read what is not there", "", read(1, ck.CKA_PRIME_1, false)},
		{"read a certificate", "", read(3, ck.CKA_VALUE, false)},
		{"read a label", "", read(1, ck.CKA_LABEL, false)},
	}
}

// newAudited is an audited application, its log, and how to read that.
func newAudited(t *testing.T) (*auditedClient, *application, func() []audit.Record) {
	t.Helper()
	dir := t.TempDir()
	log, err := audit.Open(audit.Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)),
		Anchor: func(audit.Head) error { return nil }, Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	tok := &record.Token{ID: "token", Tenant: "tenant", Label: "Card", UserPIN: pin.State{Policy: pin.Policy{MaxTries: 1}, Failed: 1}}
	app := &application{}
	c := &auditedClient{Client: app, log: log, process: audit.Process{UID: 1, PID: 2, Executable: "/bin/app"},
		token: func(s ck.SlotID) (*record.Token, error) { return tok, nil }}
	seen := uint64(1)
	return c, app, func() (list []audit.Record) {
		lines, last, err := audit.Lines(dir, seen, 1000)
		if err != nil {
			t.Fatal(err)
		}
		seen = last
		for _, line := range lines {
			if strings.Contains(string(line), "hidden") {
				t.Errorf("a line tells a secret: %s", line)
			}
			var r audit.Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
		return list
	}
}

// TestWhatIsRecorded goes through every call, when it succeeds and when it fails.
func TestWhatIsRecorded(t *testing.T) {
	for _, s := range steps() {
		c, app, lines := newAudited(t)
		for _, err := range []error{nil, ck.Errorf(ck.CKR_PIN_INCORRECT, "hidden reason")} {
			app.err = err
			got := s.do(c)
			if !strings.HasPrefix(s.name, "read") && !strings.HasPrefix(s.name, "length to") && !errors.Is(got, err) {
				t.Errorf("%s: %v, want %v", s.name, got, err)
			}
			list := lines()
			if s.event == "" {
				if len(list) > 0 {
					t.Errorf("%s is recorded as %+v", s.name, list)
				}
				continue
			}
			want := fmt.Sprint(s.event, " ", resultOf(got))
			if len(list) != 1 || fmt.Sprint(list[0].Event, " ", list[0].Result) != want {
				t.Errorf("%s: %+v, want %s", s.name, list, want)
				continue
			}
			r := list[0]
			if r.Token != "token" || r.Tenant != "tenant" || r.Slot != 7 || r.Process == nil || r.Process.Executable != "/bin/app" {
				t.Errorf("%s does not say who and what: %+v", s.name, r)
			}
			if s.event == eventLogin && r.Role == "user" && !r.Locked {
				t.Errorf("%s does not say that the PIN is locked", s.name)
			}
			if s.event == eventDestroy && (r.Object == nil || r.Object.ID != "ab" || r.Object.Class != "CKO_PRIVATE_KEY") {
				t.Errorf("%s does not name the key: %+v", s.name, r.Object)
			}
		}
	}
}

// TestNothingUnrecorded: with a log that cannot be written, nothing that has to
// be recorded reaches the engine, and everything else does.
func TestNothingUnrecorded(t *testing.T) {
	c, app, _ := newAudited(t)
	if err := c.log.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps() {
		app.calls = 0
		err := s.do(c)
		if s.event != "" && (ck.CodeOf(err) != ck.CKR_DEVICE_ERROR || app.calls > 0) {
			t.Errorf("%s: %v, and the engine was called %d times", s.name, err, app.calls)
		}
		if s.event == "" && err != nil && s.name != "read what is not there" {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}
