package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// mixed is a token that one API makes, and others read, change and delete.
type mixed struct {
	*vendors
	idprimeBase, alice, bob string
	maker                   string
	id, serial, kind        string // of the token; its kind is card, soft or hardware
	made                    int
}

// situation is what each API says of a token: Entrust, SecurID, DualShield, IDPrime and
// SurePassID. Cards may be complete.
type situation [5]string

var situations = map[string]situation{
	"unassigned":       {"UNASSIGNED", "Unassigned/Enabled", "ACTIVE/none", "none", "0/0"},
	"new":              {"NEW", "Activation Pending/Enabled", "ACTIVE/INACTIVE", "Open|Complete", "1/0"},
	"pending":          {"ACTIVATING", "Activation Pending/Enabled", "ACTIVE/INACTIVE", "Open|Complete", "1/0"},
	"active":           {"ACTIVE", "Activated/Enabled", "ACTIVE/ACTIVE", "Open|Complete", "1/0"},
	"disabled":         {"INACTIVE", "Activated/Disabled", "DISABLED/ACTIVE", "Disabled", "1/1"},
	"pending disabled": {"INACTIVE", "Activation Pending/Disabled", "DISABLED/INACTIVE", "Disabled", "1/1"},
	"locked":           {"ACTIVE", "Activated/Enabled", "ACTIVE/LOCKED", "Open|Complete", "1/0"},
	"deceased":         {"INACTIVE", "Activated/Disabled", "DECEASED/ACTIVE", "Disabled", "1/1"},
	"gone":             {"token_not_found", "404", "102", "none", "9021"},
}

// answered is the answer to a request by one of the APIs, and the code that it was refused
// with: the status of HTTP, or what the body has instead.
func (m *mixed) answered(api, method, path string, body map[string]any) (refusal string, answer any) {
	m.t.Helper()
	kind, code := "application/json", ""
	switch api {
	case "idprime":
		path = m.idprimeBase + path
	case "entrust":
		path = "/api/web/v1/" + path
	case "securid":
		path = "/AdminInterface/restapi/" + path
	case "dualshield":
		method, path, code = http.MethodPost, "/das5/rest/"+path, "error"
	case "surepassid":
		all := map[string]any{"type": path}
		for name, value := range m.account {
			all[name] = value
		}
		for name, value := range body {
			all[name] = value
		}
		method, path, code, body = http.MethodPost, "/AuthServer/REST/U2F/U2FServer.aspx", "errorCode", all
	}
	text := []byte(nil)
	if pin, ok := body["the whole body"]; ok {
		text = fmt.Appendf(nil, "%q", pin)
	} else if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(m.t, err)
	}
	status, got := m.ask(method, path, kind, m.auth[api], string(text))
	_ = json.Unmarshal(got, &answer) // a text, or nothing, is no object
	if status >= http.StatusMultipleChoices {
		return fmt.Sprint(status), answer
	}
	if code != "" {
		object, ok := answer.(map[string]any)
		require.True(m.t, ok, "%s: %s", path, got)
		if n := fmt.Sprint(object[code]); n != "0" {
			return n, answer
		}
	}
	return "", answer
}

// do is a call that succeeds.
func (m *mixed) do(api, method, path string, body map[string]any) any {
	m.t.Helper()
	refusal, answer := m.answered(api, method, path, body)
	require.Empty(m.t, refusal, "%s %s %s: %v", api, method, path, answer)
	return answer
}

// refused is a call that is refused with a status or a code.
func (m *mixed) refused(want, api, method, path string, body map[string]any) {
	m.t.Helper()
	refusal, answer := m.answered(api, method, path, body)
	require.Equal(m.t, want, refusal, "%s %s %s: %v", api, method, path, answer)
}

// of is a member of an object in an answer, empty where there is none.
func of(answer any, path ...string) any {
	for _, name := range path {
		switch a := answer.(type) {
		case map[string]any:
			answer = a[name]
		case []any:
			if len(a) == 0 {
				return nil
			}
			answer = a[0].(map[string]any)[name]
		default:
			return nil
		}
	}
	return answer
}

// views are what each API says of the token, and the names that they have for it.
func (m *mixed) views() (s situation, names []string) {
	m.t.Helper()
	serial := map[string]any{"tokenSerialNumber": m.serial}
	_, entrust := m.answered("entrust", http.MethodGet, "tokens/"+m.id, nil)
	_, securid := m.answered("securid", http.MethodPost, "v1/sidTokens/lookup", serial)
	unknown, dualshield := m.answered("dualshield", "", "token/get", map[string]any{
		"match": [][]string{{"serial", "=", m.serial}}, "return": []any{"status", "description", map[string]any{"tokenAssignments": []string{"status"}}},
	})
	_, idprime := m.answered("idprime", http.MethodGet, "/Users/alice/Tokens", nil)
	nobody, surepassid := m.answered("surepassid", "", "find_device", map[string]any{"psn": m.serial})

	or := func(a, b any) string {
		if a == nil {
			a = b
		}
		return fmt.Sprint(a)
	}
	s[0] = or(of(entrust, "state"), of(entrust, "errorCode"))
	if s[1] = fmt.Sprint(of(securid, "status")); of(securid, "tokenState") != nil {
		s[1] = fmt.Sprintf("%v/%v", of(securid, "tokenState"), of(securid, "tokenStatus"))
	}
	if s[2] = unknown; unknown == "" {
		s[2] = fmt.Sprintf("%v/%s", of(dualshield, "result", "status"), or(of(dualshield, "result", "tokenAssignments", "status"), "none"))
	}
	var listed any
	list, ok := idprime.([]any)
	require.True(m.t, ok, "%v", idprime)
	for _, one := range list {
		if of(one, "tokenId") == m.id {
			listed = one
		}
	}
	s[3] = or(of(listed, "status"), "none")
	if s[4] = nobody; nobody == "" {
		s[4] = fmt.Sprintf("%v/%v", of(surepassid, "assigned"), of(surepassid, "deviceStatus"))
	}
	for _, name := range []any{of(entrust, "label"), of(securid, "name"), of(dualshield, "result", "description"), of(listed, "label")} {
		if text, _ := name.(string); text != "" && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	return s, names
}

// sees: all APIs tell the token as they should, and its name, where one is said.
func (m *mixed) sees(what string, name ...string) {
	m.t.Helper()
	want, ok := situations[what]
	require.True(m.t, ok, what)
	got, names := m.views()
	for i := range want {
		require.Contains(m.t, strings.Split(want[i], "|"), got[i], "%s should be %v, and is %v", what, want, got)
	}
	if len(name) > 0 {
		require.Equal(m.t, name, names)
	}
}

// create makes a token for alice by an API. SecurID makes none: it assigns one that was
// imported.
func (m *mixed) create(maker string) {
	m.t.Helper()
	m.made++
	m.maker = maker
	text := func(answer any, path ...string) string {
		m.t.Helper()
		s, ok := of(answer, path...).(string)
		require.True(m.t, ok, "%v: %v", path, answer)
		return s
	}
	switch maker {
	case "idprime":
		m.kind, m.id = "card", m.do("idprime", http.MethodPost, "/Users/alice/Tokens", nil).(string)
		var token struct{ Serial string }
		require.NoError(m.t, json.Unmarshal([]byte(vtoken(m.t, m.d, "token", "show", m.id, "-o", "json")), &token))
		m.serial = token.Serial
		m.sees("new")
	case "entrust":
		got := m.do("entrust", http.MethodPost, "users/"+m.alice+"/tokens/ENTRUST_SOFT_TOKEN", map[string]any{})
		m.kind, m.id, m.serial = "soft", text(got, "id"), text(got, "serialNumber")
		m.sees("pending")
	case "surepassid":
		got := m.do("surepassid", "", "add_oath_device", map[string]any{"username": "alice", "deviceType": 0, "OtpType": 1, "OtpLength": 6})
		m.kind, m.id, m.serial = "soft", text(got, "deviceId"), text(got, "psn")
		m.sees("new")
	case "dualshield":
		got := m.do("dualshield", "", "token/create", map[string]any{
			"attrs": map[string]any{"product.id": "DN/MT", "user": map[string]any{"loginName": "alice"}}, "return": []string{"serial"},
		})
		m.kind, m.id, m.serial = "soft", text(got, "result", "id"), text(got, "result", "serial")
		m.sees("new")
	case "securid", "import":
		m.kind, m.serial = "hardware", fmt.Sprintf("00%d", m.made)
		got := m.do("dualshield", "", "token/import", map[string]any{"return": []string{"id"}, "attrs": map[string]any{"data": "<data><header><manufacturerCode>DN</manufacturerCode>" +
			"<productCode>SE</productCode><encode>HEX</encode><encrypt>NONE</encrypt><digits>6</digits></header><tokens><token><serial>" + m.serial +
			"</serial><seed>3132333435363738393031323334353637383930</seed></token></tokens></data>"}})
		m.id = text(got, "result", "rows", "id")
		m.sees("unassigned")
		if maker == "securid" {
			m.do("securid", http.MethodPatch, "v1/users/"+m.alice+"/sidTokens/assign", map[string]any{"tokenSerialNumber": m.serial})
			m.sees("pending")
		} else {
			m.assignByFile("DN,SE", "ACTIVE")
			m.sees("active")
		}
	}
}

// assignByFile has DualShield give the token to alice.
func (m *mixed) assignByFile(product, status string) {
	m.t.Helper()
	csv := "domain,loginName,manufacturerCode,productCode,serial,status,pin\n,alice," + product + "," + m.serial + "," + status + ",\n"
	m.do("dualshield", "", "token/batchAssignTokens", map[string]any{"attrs": map[string]any{"csv": csv}})
}

// changes do with the token all that an API can, and delete it.
var changes = map[string]func(*mixed){
	"idprime": (*mixed).changeIDPrime, "entrust": (*mixed).changeEntrust, "securid": (*mixed).changeSecurID,
	"surepassid": (*mixed).changeSurePassID, "dualshield": (*mixed).changeDualShield,
}

func (m *mixed) changeIDPrime() {
	own := "/Users/alice/Tokens/" + m.id
	it := map[string]any{"tokenSerialNumber": m.serial}
	m.do("idprime", http.MethodPut, own+"/Label/by%20idprime", nil)
	m.do("idprime", http.MethodPost, own+"/Role/User/ResetPin", map[string]any{"the whole body": "12345678"})
	m.do("idprime", http.MethodPut, own+"/Complete", nil)
	m.sees("active", "by idprime")
	m.refused("409", "idprime", http.MethodPut, own+"/Label/other", nil)
	m.refused("409", "entrust", http.MethodPut, "tokens/"+m.id+"/assigned", map[string]any{"label": "other"})
	m.refused("409", "securid", http.MethodPatch, "v1/users/"+m.alice+"/sidTokens/updateName", map[string]any{"tokenSerialNumber": m.serial, "updatedName": "other"})
	m.refused("409", "securid", http.MethodPatch, "v2/users/"+m.alice+"/sidTokens/clearPin", it)
	m.refused("111", "dualshield", "", "token/set", map[string]any{"id": m.id, "attrs": map[string]any{"description": "other"}})
	m.sees("active", "by idprime")
	m.do("idprime", http.MethodDelete, own, nil)
}

func (m *mixed) changeEntrust() {
	own := "tokens/" + m.id
	named := map[string]any{"label": "by entrust"}
	assign := func() {
		m.do("entrust", http.MethodPut, "users/"+m.alice+"/tokens/assign", map[string]any{"serialNumber": m.serial})
	}
	m.do("entrust", http.MethodPut, own+"/assigned", named)
	if m.kind == "hardware" {
		m.refused("400", "entrust", http.MethodPost, own+"/activation", map[string]any{})
		m.do("entrust", http.MethodPut, own+"/unassign", nil)
		assign()
		m.do("entrust", http.MethodPut, own+"/assigned", named)
	} else {
		got := m.do("entrust", http.MethodPost, own+"/activation", map[string]any{})
		m.sees("pending", "by entrust")
		m.do("entrust", http.MethodPut, own+"/activation", map[string]any{"registrationCode": of(got, "activationCode")})
	}
	m.sees("active", "by entrust")
	off := map[string]any{"state": "INACTIVE"}
	m.do("entrust", http.MethodPut, own+"/changestate", off)
	m.sees("disabled", "by entrust")
	m.refused("409", "entrust", http.MethodPut, own+"/changestate", off)
	m.do("entrust", http.MethodPut, own+"/changestate", map[string]any{"state": "ACTIVE"})
	if m.kind == "hardware" {
		m.do("entrust", http.MethodPut, own+"/unassign", nil)
		m.sees("unassigned")
		assign()
		m.sees("active")
		m.refused("409", "entrust", http.MethodPut, own+"/assign", map[string]any{"userId": "bob"})
	} else {
		m.refused("400", "entrust", http.MethodPut, own+"/unassign", nil)
	}
	if m.kind != "card" {
		m.do("entrust", http.MethodPut, own+"/reset", map[string]any{})
	}
	m.sees("active")
	m.do("entrust", http.MethodDelete, own, nil)
}

// disabledByOther is how a token that an API made is seen when another one disabled it.
func (m *mixed) disabledByOther() string {
	if m.maker == "import" {
		return "disabled"
	}
	return "pending disabled"
}

func (m *mixed) changeSecurID() {
	own, it := "v1/users/"+m.alice+"/sidTokens", map[string]any{"tokenSerialNumber": m.serial}
	m.do("securid", http.MethodPatch, own+"/disable", it)
	m.sees(m.disabledByOther())
	m.do("securid", http.MethodPatch, own+"/disable", it)
	m.do("securid", http.MethodPatch, own+"/enable", it)
	m.do("securid", http.MethodPatch, own+"/updateName", map[string]any{"tokenSerialNumber": m.serial, "updatedName": "by securid"})
	m.do("securid", http.MethodPatch, "v2/users/"+m.alice+"/sidTokens/clearPin", it)
	m.refused("404", "securid", http.MethodPatch, "v1/users/"+m.bob+"/sidTokens/disable", it)
	m.do("securid", http.MethodPatch, own+"/unassign", it)
	m.sees("unassigned")
	m.refused("409", "securid", http.MethodPatch, own+"/disable", it)
	m.do("securid", http.MethodPatch, own+"/assign", map[string]any{"tokenSerialNumber": m.serial, "tokenName": "again"})
	m.sees("pending", "again")
	m.refused("409", "securid", http.MethodPatch, "v1/users/"+m.bob+"/sidTokens/assign", it)
	m.do("securid", http.MethodDelete, "v1/sidTokens/delete", it)
}

func (m *mixed) changeSurePassID() {
	it := map[string]any{"psn": m.serial}
	m.do("surepassid", "", "disable_device", it)
	m.sees(m.disabledByOther())
	m.do("surepassid", "", "disable_device", it)
	m.do("surepassid", "", "enable_device", it)
	m.do("surepassid", "", "unassign_device", it)
	m.sees("unassigned")
	m.do("surepassid", "", "assign_device", map[string]any{"psn": m.serial, "username": "alice"})
	m.refused("9019", "surepassid", "", "assign_device", map[string]any{"psn": m.serial, "username": "bob"})
	switch m.kind {
	case "card":
		m.sees("active")
	case "soft":
		m.sees("new")
	case "hardware":
		m.do("surepassid", "", "active_oath_device", map[string]any{"psn": m.serial, "otp1": 755224, "otp2": 287082})
		m.sees("active")
	}
	m.do("surepassid", "", "delete_device", it)
}

func (m *mixed) changeDualShield() {
	part := m.id + "." + m.alice
	m.do("dualshield", "", "token/set", map[string]any{"id": m.id, "attrs": map[string]any{"description": "by dualshield"}})
	got := m.do("dualshield", "", "tokenAssignment/sendActivationCode", map[string]any{"id": part, "channel": "SMS"})
	m.sees("pending", "by dualshield")
	m.do("dualshield", "", "tokenAssignment/activate", map[string]any{"id": part, "code": of(got, "result", "activationCode")})
	m.sees("active", "by dualshield")
	m.do("dualshield", "", "token/set", map[string]any{"id": m.id, "attrs": map[string]any{"status": "DISABLED"}})
	m.sees("disabled", "by dualshield")
	m.do("dualshield", "", "token/set", map[string]any{"id": m.id, "attrs": map[string]any{"status": "ACTIVE"}})
	m.do("dualshield", "", "tokenAssignment/set", map[string]any{"id": part, "attrs": map[string]any{"pin": "987654"}})
	fromAlice := map[string]any{"id": m.id, "user": map[string]any{"loginName": "alice"}}
	m.do("dualshield", "", "token/delete", fromAlice)
	m.sees("unassigned")
	m.refused("110", "dualshield", "", "token/delete", fromAlice)
	m.assignByFile(",", "ACTIVE")
	m.sees("active", "by dualshield")
	m.do("dualshield", "", "token/delete", map[string]any{"id": m.id})
}

// TestMixedAPIs: a token of each API is read, changed and deleted by each other that has words
// for it.
func TestMixedAPIs(t *testing.T) {
	t.Parallel()
	d, v := withVendors(t)
	tenant, err := d.Tenant()
	require.NoError(t, err)
	require.NoError(t, d.NewUser("alice"))
	require.NoError(t, d.NewUser("bob"))
	m := &mixed{vendors: v, idprimeBase: "/IDPrimeVirtual/Provisioning/V2.0/Tenants/" + url.PathEscape(tenant), alice: v.user("alice"), bob: v.user("bob")}

	// The wait between wrong PINs grows, so one PIN is tried meanwhile until it is locked.
	vtoken(t, d, "user", "map", "alice", "--os-user", me(t))
	m.create("import")
	locked, lockedSerial := m.id, m.serial
	m.do("dualshield", "", "tokenAssignment/set", map[string]any{"id": locked + "." + m.alice, "attrs": map[string]any{"pin": "987654"}})
	tried := make(chan error, 1)
	go func() {
		for i := 0; i < 10; {
			out, err := tool(d, append(login(lockedSerial, fmt.Sprint("wrong", i)), "-O")...)
			switch said := fmt.Sprint(out, err); {
			case strings.Contains(said, "CKR_BUFFER_TOO_SMALL"): // a slot came between its two questions for the list
			case err == nil || !strings.Contains(said, "CKR_PIN_"):
				tried <- fmt.Errorf("the wrong PIN %d: %w: %s", i, err, out)
				return
			default:
				i++
			}
		}
		tried <- nil
	}()

	for _, maker := range []string{"idprime", "entrust", "surepassid", "securid", "dualshield", "import"} {
		for changer, change := range changes {
			t.Run("made by "+maker+", changed by "+changer, func(t *testing.T) {
				m.t = t
				m.create(maker)
				change(m)
				m.sees("gone")
			})
		}
	}
	m.t = t

	// What ends stays known, and nothing about it changes any more but its deletion.
	m.create("entrust")
	vtoken(t, d, "token", "activate", m.id)
	status := func(s string) map[string]any {
		return map[string]any{"id": m.id, "attrs": map[string]any{"status": s}}
	}
	m.do("dualshield", "", "token/set", status("DECEASED"))
	m.sees("deceased")
	m.refused("409", "entrust", http.MethodPut, "tokens/"+m.id+"/changestate", map[string]any{"state": "ACTIVE"})
	m.refused("409", "securid", http.MethodPatch, "v1/users/"+m.alice+"/sidTokens/enable", map[string]any{"tokenSerialNumber": m.serial})
	m.refused("9019", "surepassid", "", "enable_device", map[string]any{"psn": m.serial})
	m.refused("110", "dualshield", "", "token/set", status("ACTIVE"))
	m.refused("409", "idprime", http.MethodPost, "/Users/alice/Tokens/"+m.id+"/Role/User/ResetPin", map[string]any{"the whole body": harness.PIN})
	m.do("idprime", http.MethodDelete, "/Users/alice/Tokens/"+m.id, nil)
	m.sees("gone")

	// The PIN is locked by now. It is unlocked.
	require.NoError(t, <-tried)
	m.id, m.serial = locked, lockedSerial
	m.sees("locked")
	m.do("entrust", http.MethodPut, "tokens/"+m.id+"/unlock", map[string]any{"unlockChallenge": "1234"})
	m.sees("active")
	vtoken(t, d, "check")
}
