package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"vtoken/daemon/audit"
	"vtoken/daemon/p11server"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The events of applications, by what they do.
const (
	eventLogin       = audit.EventLogin
	eventInitToken   = "init-token"
	eventInitPIN     = "init-pin"
	eventSetPIN      = "set-pin"
	eventGenerate    = "generate-key"
	eventCreate      = "create-key"
	eventCopy        = "copy-key"
	eventUnwrap      = "unwrap-key"
	eventDerive      = "derive-key"
	eventEncapsulate = "encapsulate-key"
	eventDecapsulate = "decapsulate-key"
	eventDestroy     = "destroy-key"
	eventWrap        = "wrap-key"
	eventRead        = "read-key"
)

// auditedClient is an application of the engine whose logins, PIN changes, and
// creations, destructions and exports of keys are recorded, before it is
// answered. Where that is impossible they are refused. What it signs, decrypts
// and finds is not recorded and costs nothing here; nor are session objects,
// which end with it, but for their export.
type auditedClient struct {
	p11server.Client
	log     *audit.Log
	process audit.Process
	token   func(ck.SlotID) (*record.Token, error)
}

// newProcess is a process as the audit log names it.
func newProcess(p record.Peer) audit.Process {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
	if err != nil {
		exe = "" // of another user, and the daemon is not root; or gone
	}
	return audit.Process{UID: p.UID, PID: p.PID, Executable: exe}
}

// beginRecord is audit.Log.Begin with the codes of PKCS#11.
func beginRecord(log *audit.Log, about audit.Record) (*audit.Entry, error) {
	e, err := log.Begin(about)
	switch {
	case errors.Is(err, audit.ErrFull):
		return nil, ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w", err)
	case err != nil:
		return nil, ck.Errorf(ck.CKR_DEVICE_ERROR, "%w", err)
	}
	return e, nil
}

// record does something and records it. do may fill in more.
func (c *auditedClient) record(event string, do func(*audit.Record) error) error {
	r := audit.Record{Event: event, Process: &c.process, Result: "fault"} // stays where do panics
	e, err := beginRecord(c.log, r)
	if err != nil {
		return err
	}
	defer func() { e.End(r) }()
	err = do(&r)
	r.Result = resultOf(err)
	return err
}

func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	return ck.CodeOf(err).Error()
}

// about says which token it is about.
func (c *auditedClient) about(r *audit.Record, slot ck.SlotID) *record.Token {
	r.Slot = uint64(slot)
	t, err := c.token(slot)
	if err != nil {
		return nil
	}
	r.Tenant, r.Token, r.Serial = string(t.Tenant), string(t.ID), t.Serial
	return t
}

// recordIn is record for something done in a session.
func (c *auditedClient) recordIn(event string, h ck.SessionHandle, do func(*audit.Record) error) error {
	return c.record(event, func(r *audit.Record) error {
		if info, err := c.Client.GetSessionInfo(h); err == nil {
			c.about(r, info.SlotID)
		}
		return do(r)
	})
}

// recordPIN is recordIn for a call that compares or sets a PIN. It tells whether
// that left the PIN locked.
func (c *auditedClient) recordPIN(event string, h ck.SessionHandle, user ck.UserType, do func() error) error {
	return c.recordIn(event, h, func(r *audit.Record) error {
		err := do()
		r.Role = roleNames[user]
		if t, gone := c.token(ck.SlotID(r.Slot)); gone == nil {
			r.Locked = user == ck.CKU_SO && t.SOPIN.Locked() || user != ck.CKU_SO && t.UserPIN.Locked()
		}
		return err
	})
}

var roleNames = map[ck.UserType]string{ck.CKU_USER: "user", ck.CKU_SO: "SO", ck.CKU_CONTEXT_SPECIFIC: "user"}

// Login records a login, right or wrong.
func (c *auditedClient) Login(h ck.SessionHandle, user ck.UserType, pin secret.Bytes) error {
	return c.recordPIN(eventLogin, h, user, func() error { return c.Client.Login(h, user, pin) })
}

// LoginUser records a login.
func (c *auditedClient) LoginUser(h ck.SessionHandle, user ck.UserType, pin secret.Bytes, name []byte) error {
	return c.recordPIN(eventLogin, h, user, func() error { return c.Client.LoginUser(h, user, pin, name) })
}

// InitToken records that a token was emptied.
func (c *auditedClient) InitToken(slot ck.SlotID, soPIN secret.Bytes, label string) error {
	return c.record(eventInitToken, func(r *audit.Record) error {
		err := c.Client.InitToken(slot, soPIN, label)
		if t := c.about(r, slot); t != nil {
			r.Locked = t.SOPIN.Locked()
		}
		r.Role = roleNames[ck.CKU_SO]
		return err
	})
}

// InitPIN records a new user PIN.
func (c *auditedClient) InitPIN(h ck.SessionHandle, newPIN secret.Bytes) error {
	return c.recordPIN(eventInitPIN, h, ck.CKU_USER, func() error { return c.Client.InitPIN(h, newPIN) })
}

// SetPIN records the change of a PIN: the SO's in a session of the SO.
func (c *auditedClient) SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error {
	user := ck.UserType(ck.CKU_USER)
	if info, err := c.Client.GetSessionInfo(h); err == nil && info.State == ck.CKS_RW_SO_FUNCTIONS {
		user = ck.CKU_SO
	}
	return c.recordPIN(eventSetPIN, h, user, func() error { return c.Client.SetPIN(h, oldPIN, newPIN) })
}

// isKey are the classes of objects that are keys to keep an eye on.
var isKey = map[ck.ObjectClass]bool{ck.CKO_PRIVATE_KEY: true, ck.CKO_SECRET_KEY: true, ck.CKO_OTP_KEY: true}

// described is what is recorded of an object, and what decides whether it is.
type described struct {
	audit.Object
	class ck.ObjectClass
	token bool
}

// describe asks for the attributes of an object.
func (c *auditedClient) describe(h ck.SessionHandle, o ck.ObjectHandle) described {
	types := [...]ck.AttributeType{ck.CKA_CLASS, ck.CKA_TOKEN, ck.CKA_KEY_TYPE, ck.CKA_ID}
	queries := make([]ck.AttributeQuery, len(types))
	for i, t := range types {
		queries[i] = ck.AttributeQuery{Type: t, Buffer: ck.Buffer{Len: 4096}}
	}
	results, _ := c.Client.GetAttributeValue(h, o, queries) // what an object has not is empty
	var d described
	for _, r := range results {
		a := ck.Attribute{Type: r.Type, Value: r.Value}
		n, isNumber := a.Ulong()
		switch {
		case r.Type == ck.CKA_CLASS && isNumber:
			d.class = ck.ObjectClass(n)
			d.Class = d.class.String()
		case r.Type == ck.CKA_KEY_TYPE && isNumber:
			d.Type = ck.KeyType(n).String()
		case r.Type == ck.CKA_TOKEN:
			d.token, _ = a.Bool()
		case r.Type == ck.CKA_ID:
			d.ID = hex.EncodeToString(r.Value)
		}
	}
	return d
}

// made records a key that do makes, if the template asks for one on the token.
func (c *auditedClient) made(event string, h ck.SessionHandle, m ck.Mechanism, t ck.Template, do func() (ck.ObjectHandle, error)) (o ck.ObjectHandle, err error) {
	if !onToken(t, false) {
		return do()
	}
	err = c.recordIn(event, h, func(r *audit.Record) (err error) {
		if o, err = do(); err == nil {
			d := c.describe(h, o)
			r.Object = &d.Object
		}
		if event != eventCreate && event != eventCopy {
			r.Detail = m.Type.String()
		}
		return err
	})
	return o, err
}

// onToken reports whether a template asks for a token object.
func onToken(t ck.Template, unset bool) bool {
	a, ok := t.Find(ck.CKA_TOKEN)
	if !ok {
		return unset
	}
	yes, _ := a.Bool()
	return yes
}

// GenerateKey records a new key.
func (c *auditedClient) GenerateKey(h ck.SessionHandle, m ck.Mechanism, t ck.Template) (ck.ObjectHandle, error) {
	return c.made(eventGenerate, h, m, t, func() (ck.ObjectHandle, error) { return c.Client.GenerateKey(h, m, t) })
}

// GenerateKeyPair records a new private key.
func (c *auditedClient) GenerateKeyPair(h ck.SessionHandle, m ck.Mechanism, pub, priv ck.Template) (public, private ck.ObjectHandle, err error) {
	private, err = c.made(eventGenerate, h, m, priv, func() (ck.ObjectHandle, error) {
		public, private, err = c.Client.GenerateKeyPair(h, m, pub, priv)
		return private, err
	})
	return public, private, err
}

// CreateObject records a key that was brought along.
func (c *auditedClient) CreateObject(h ck.SessionHandle, t ck.Template) (ck.ObjectHandle, error) {
	do := func() (ck.ObjectHandle, error) { return c.Client.CreateObject(h, t) }
	class, _ := t.Find(ck.CKA_CLASS)
	if n, ok := class.Ulong(); !ok || !isKey[ck.ObjectClass(n)] {
		return do()
	}
	return c.made(eventCreate, h, ck.Mechanism{}, t, do)
}

// CopyObject records a key that is there twice now.
func (c *auditedClient) CopyObject(h ck.SessionHandle, o ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	do := func() (ck.ObjectHandle, error) { return c.Client.CopyObject(h, o, t) }
	if d := c.describe(h, o); !isKey[d.class] || !onToken(t, d.token) {
		return do()
	}
	return c.made(eventCopy, h, ck.Mechanism{}, ck.Template{ck.Bool(ck.CKA_TOKEN, true)}, do)
}

// UnwrapKey records a key that came in wrapped.
func (c *auditedClient) UnwrapKey(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle, wrapped []byte, t ck.Template) (ck.ObjectHandle, error) {
	return c.made(eventUnwrap, h, m, t, func() (ck.ObjectHandle, error) { return c.Client.UnwrapKey(h, m, key, wrapped, t) })
}

// DeriveKey records a key that was made of another.
func (c *auditedClient) DeriveKey(h ck.SessionHandle, m ck.Mechanism, key ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	return c.made(eventDerive, h, m, t, func() (ck.ObjectHandle, error) { return c.Client.DeriveKey(h, m, key, t) })
}

// EncapsulateKey records a key that was agreed on with the holder of another.
func (c *auditedClient) EncapsulateKey(h ck.SessionHandle, m ck.Mechanism, public ck.ObjectHandle, t ck.Template, buf ck.Buffer) (out ck.Output, key ck.ObjectHandle, err error) {
	if buf.Null { // no key is made
		return c.Client.EncapsulateKey(h, m, public, t, buf)
	}
	key, err = c.made(eventEncapsulate, h, m, t, func() (ck.ObjectHandle, error) {
		out, key, err = c.Client.EncapsulateKey(h, m, public, t, buf)
		return key, err
	})
	return out, key, err
}

// DecapsulateKey records a key that was agreed on with another.
func (c *auditedClient) DecapsulateKey(h ck.SessionHandle, m ck.Mechanism, private ck.ObjectHandle, t ck.Template, ciphertext []byte) (ck.ObjectHandle, error) {
	return c.made(eventDecapsulate, h, m, t, func() (ck.ObjectHandle, error) { return c.Client.DecapsulateKey(h, m, private, t, ciphertext) })
}

// DestroyObject records the end of a key.
func (c *auditedClient) DestroyObject(h ck.SessionHandle, o ck.ObjectHandle) error {
	d := c.describe(h, o)
	if !isKey[d.class] || !d.token {
		return c.Client.DestroyObject(h, o)
	}
	return c.recordIn(eventDestroy, h, func(r *audit.Record) error {
		r.Object = &d.Object
		return c.Client.DestroyObject(h, o)
	})
}

// WrapKey records that a key left the token wrapped. A call that only asks for
// the length lets nothing out.
func (c *auditedClient) WrapKey(h ck.SessionHandle, m ck.Mechanism, wrapping, key ck.ObjectHandle, buf ck.Buffer) (out ck.Output, err error) {
	if buf.Null {
		return c.Client.WrapKey(h, m, wrapping, key, buf)
	}
	err = c.recordIn(eventWrap, h, func(r *audit.Record) (err error) {
		d := c.describe(h, key)
		r.Object, r.Detail = &d.Object, m.Type.String()
		out, err = c.Client.WrapKey(h, m, wrapping, key, buf)
		return err
	})
	return out, err
}

// WrapKeyAuthenticated records what WrapKey does.
func (c *auditedClient) WrapKeyAuthenticated(h ck.SessionHandle, p *ck.WrapParams, wrapping, key ck.ObjectHandle, buf ck.Buffer) (out ck.Output, err error) {
	if buf.Null {
		return c.Client.WrapKeyAuthenticated(h, p, wrapping, key, buf)
	}
	err = c.recordIn(eventWrap, h, func(r *audit.Record) (err error) {
		d := c.describe(h, key)
		r.Object, r.Detail = &d.Object, p.Mechanism.String()
		out, err = c.Client.WrapKeyAuthenticated(h, p, wrapping, key, buf)
		return err
	})
	return out, err
}

// GetAttributeValue records that a key was read in the clear. A refusal lets
// nothing out and is not recorded.
func (c *auditedClient) GetAttributeValue(h ck.SessionHandle, o ck.ObjectHandle, q []ck.AttributeQuery) ([]ck.AttributeResult, error) {
	if !asksForSecrets(q) {
		return c.Client.GetAttributeValue(h, o, q)
	}
	d := c.describe(h, o)
	if !isKey[d.class] {
		return c.Client.GetAttributeValue(h, o, q)
	}
	e, err := beginRecord(c.log, audit.Record{Event: eventRead, Process: &c.process})
	if err != nil {
		return nil, err
	}
	defer e.Cancel()
	results, err := c.Client.GetAttributeValue(h, o, q)
	for _, r := range results {
		if len(r.Value) == 0 || !object.IsSecret(d.class, r.Type) {
			continue
		}
		rec := audit.Record{Event: eventRead, Result: "ok", Process: &c.process, Object: &d.Object, Detail: r.Type.String()}
		if info, err := c.Client.GetSessionInfo(h); err == nil {
			c.about(&rec, info.SlotID)
		}
		e.End(rec)
		break
	}
	return results, err
}

// asksForSecrets reports whether a query is for the value of an attribute that
// is secret in keys.
func asksForSecrets(q []ck.AttributeQuery) bool {
	for _, a := range q {
		if !a.Null && (object.IsSecret(ck.CKO_PRIVATE_KEY, a.Type) || object.IsSecret(ck.CKO_SECRET_KEY, a.Type)) {
			return true
		}
	}
	return false
}
