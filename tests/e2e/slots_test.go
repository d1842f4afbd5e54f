package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// way is how an API takes a token from its holder's slots, and brings it back.
type way struct {
	name      string
	off, back func(*vendors, slotToken)
}

// slotToken is a token as each API names it.
type slotToken struct{ id, serial, user, login string }

func (s slotToken) securid() map[string]any { return map[string]any{"tokenSerialNumber": s.serial} }

func (s slotToken) assignment(attrs map[string]any) map[string]any {
	return map[string]any{"id": s.id + "." + s.user, "attrs": attrs}
}

func securidCall(method string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) {
		v.securid(http.MethodPatch, "v1/users/"+s.user+"/sidTokens/"+method, s.securid())
	}
}

func entrustState(state string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) {
		v.entrust(http.MethodPut, "tokens/"+s.id+"/changestate", map[string]any{"state": state})
	}
}

func surepassidCall(method string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) { v.surepassid(method, map[string]any{"psn": s.serial}) }
}

func dualshieldStatus(status string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) {
		v.dualshield("token/set", map[string]any{"id": s.id, "attrs": map[string]any{"status": status}})
	}
}

func assignmentSet(name, value string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) {
		v.dualshield("tokenAssignment/set", s.assignment(map[string]any{name: value}))
	}
}

func byCommand(args func(slotToken) []string) func(*vendors, slotToken) {
	return func(v *vendors, s slotToken) { vtoken(v.t, v.d, args(s)...) }
}

// ways are those of all APIs.
var ways = []way{
	{"entrust changestate", entrustState("INACTIVE"), entrustState("ACTIVE")},
	{"entrust activation", func(v *vendors, s slotToken) {
		got := v.entrust(http.MethodPost, "tokens/"+s.id+"/activation", map[string]any{})
		v.secrets["activation code"] = []byte(got["activationCode"].(string))
	}, func(v *vendors, s slotToken) {
		v.entrust(http.MethodPut, "tokens/"+s.id+"/activation", map[string]any{"registrationCode": string(v.secrets["activation code"])})
	}},
	{"securid disable", securidCall("disable"), securidCall("enable")},
	{"securid unassign", securidCall("unassign"), func(v *vendors, s slotToken) {
		securidCall("assign")(v, s)
		vtoken(v.t, v.d, "token", "activate", s.id)
	}},
	{"surepassid disable_device", surepassidCall("disable_device"), surepassidCall("enable_device")},
	{"dualshield token/set", dualshieldStatus("DISABLED"), dualshieldStatus("ACTIVE")},
	{"dualshield tokenAssignment/set", assignmentSet("status", "DISABLED"), assignmentSet("status", "ACTIVE")},
	{"dualshield assignment expires", assignmentSet("expires", "2001-01-01T00:00:00Z"), assignmentSet("expires", "2999-01-01T00:00:00Z")},
	{"dualshield token/delete with a user", func(v *vendors, s slotToken) {
		v.dualshield("token/delete", map[string]any{"id": s.id, "user": map[string]any{"id": s.user}})
	}, func(v *vendors, s slotToken) {
		csv := fmt.Sprintf("domain,loginName,manufacturerCode,productCode,serial,status,pin\n,%s,,,%s,ACTIVE,\n", s.login, s.serial)
		v.dualshield("token/batchAssignTokens", map[string]any{"attrs": map[string]any{"csv": csv}})
	}},
	{"vtoken token expire", byCommand(func(s slotToken) []string { return []string{"token", "expire", s.id, "2001-01-01T00:00:00Z"} }),
		byCommand(func(s slotToken) []string { return []string{"token", "expire", s.id, "never"} })},
	{"vtoken user disable", byCommand(func(s slotToken) []string { return []string{"user", "disable", s.login} }),
		byCommand(func(s slotToken) []string { return []string{"user", "enable", s.login} })},
}

// byClock is the one where the clock does it, later than the call.
var byClock = way{"its end comes", byCommand(func(s slotToken) []string {
	return []string{"token", "expire", s.id, time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)}
}), byCommand(func(s slotToken) []string { return []string{"token", "expire", s.id, "never"} })}

// TestTokensLeaveAndComeBack: what an API takes from a holder is gone from the slots
// of an application that works with it at once: the application is told of it, its
// session and what it had begun end, and what comes back is as it was.
func TestTokensLeaveAndComeBack(t *testing.T) {
	d, v := withVendors(t)
	id, err := d.NewTokenFor(me(t), "Card", harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	_, err = tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "key")...)
	require.NoError(t, err)
	var shown struct{ Serial string }
	require.NoError(t, json.Unmarshal([]byte(vtoken(t, d, "token", "show", id, "-o", "json")), &shown))
	card := slotToken{id, shown.Serial, v.user(me(t)), me(t)}

	t.Setenv("VTOKEN_P11_SOCKET", d.P11Socket)
	p := pkcs11.New(d.Module())
	require.NotNil(t, p, "%s cannot be loaded", d.Module())
	require.NoError(t, p.Initialize())
	defer p.Destroy()
	defer p.Finalize()
	a := holder{t: t, p: p}
	slots, err := p.GetSlotList(true)
	require.NoError(t, err)
	a.slot = a.find(slots)
	h := a.login()
	before := a.objects(h)
	require.NoError(t, p.CloseSession(h))
	for _, w := range append(ways, byClock) {
		t.Run(w.name, func(t *testing.T) {
			a.t, v.t = t, t
			h := a.begin()
			a.change(false, func() {
				w.off(v, card)
				if w.name != byClock.name && a.there() {
					t.Error("the card is still there after the call")
				}
			})
			a.ended(h)
			a.change(true, func() { w.back(v, card) })
			h = a.login()
			if after := a.objects(h); !slices.Equal(before, after) {
				t.Errorf("the objects are\n%v\nand were\n%v", after, before)
			}
			a.sign(h)
			require.NoError(t, p.CloseSession(h))
		})
	}
}

// holder is an application that uses a token through PKCS#11.
type holder struct {
	t    *testing.T
	p    *pkcs11.Ctx
	slot uint
}

// find is the slot of the card.
func (a *holder) find(slots []uint) uint {
	a.t.Helper()
	for _, s := range slots {
		if info, err := a.p.GetTokenInfo(s); err == nil && info.Label == "Card" {
			return s
		}
	}
	require.FailNow(a.t, "no slot has the card", "%v", slots)
	return 0
}

func (a *holder) login() pkcs11.SessionHandle {
	a.t.Helper()
	h, err := a.p.OpenSession(a.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(a.t, err)
	require.NoError(a.t, a.p.Login(h, pkcs11.CKU_USER, harness.PIN))
	return h
}

// begin logs in and begins a signature of several parts.
func (a *holder) begin() pkcs11.SessionHandle {
	a.t.Helper()
	h := a.login()
	require.NoError(a.t, a.p.SignInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA_SHA256, nil)}, a.key(h)))
	require.NoError(a.t, a.p.SignUpdate(h, []byte("first part")))
	return h
}

func (a *holder) key(h pkcs11.SessionHandle) pkcs11.ObjectHandle {
	a.t.Helper()
	require.NoError(a.t, a.p.FindObjectsInit(h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}))
	keys, _, err := a.p.FindObjects(h, 2)
	require.NoError(a.t, err)
	require.NoError(a.t, a.p.FindObjectsFinal(h))
	require.Len(a.t, keys, 1, "private keys")
	return keys[0]
}

func (a *holder) sign(h pkcs11.SessionHandle) {
	a.t.Helper()
	require.NoError(a.t, a.p.SignInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA_SHA256, nil)}, a.key(h)))
	_, err := a.p.Sign(h, []byte("text"))
	require.NoError(a.t, err)
}

// objects are the objects of the token, each as one text.
func (a *holder) objects(h pkcs11.SessionHandle) (list []string) {
	a.t.Helper()
	require.NoError(a.t, a.p.FindObjectsInit(h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true)}))
	all, _, err := a.p.FindObjects(h, 100)
	require.NoError(a.t, err)
	require.NoError(a.t, a.p.FindObjectsFinal(h))
	for _, o := range all {
		got, err := a.p.GetAttributeValue(h, o, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, nil), pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil), pkcs11.NewAttribute(uint(ck.CKA_UNIQUE_ID), nil)})
		require.NoError(a.t, err)
		list = append(list, fmt.Sprintf("%x %s %s", got[0].Value, got[1].Value, got[2].Value))
	}
	slices.Sort(list)
	return list
}

// change waits, while the card is changed, for the event of its slot after which the
// card is there or not. Other slots may change with it, and other things about it.
func (a *holder) change(there bool, how func()) {
	a.t.Helper()
	event := a.p.WaitForSlotEvent(0)
	how()
	for {
		if got := <-event; got.SlotID == a.slot && a.there() == there {
			return
		}
		event = a.p.WaitForSlotEvent(0)
	}
}

func (a *holder) there() bool {
	a.t.Helper()
	slots, err := a.p.GetSlotList(true)
	require.NoError(a.t, err)
	return slices.Contains(slots, a.slot)
}

// ended expects the session to be over, with what was begun in it.
func (a *holder) ended(h pkcs11.SessionHandle) {
	a.t.Helper()
	_, err := a.p.SignFinal(h)
	var code pkcs11.Error
	if !errors.As(err, &code) || !slices.Contains([]pkcs11.Error{pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT}, code) {
		a.t.Errorf("the signature ends with %v", err)
	}
	_, err = a.p.GetSessionInfo(h)
	require.Error(a.t, err, "the session is still there")
}
