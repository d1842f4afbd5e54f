package dualshield_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/dualshield"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// world is a server with an agent, and john's token of each serial number.
type world struct {
	*dialecttest.Server
	t      *testing.T
	known  map[string]string
	tokens map[string]string // ids by serial number
}

func newWorld(t *testing.T, serials ...string) *world {
	s := dialecttest.New(t, dualshield.New)
	w := &world{Server: s, t: t, known: known(t)(s), tokens: map[string]string{}}
	for _, serial := range serials {
		made := w.call("token/create", `{"attrs": {"product.id": "DN/SE", "serial": "`+serial+`", "user.id": "`+w.known["john"]+`", "pin": "1234"}}`, 0)
		w.tokens[serial] = made["id"].(string)
	}
	return w
}

func (w *world) call(method, body string, want int) map[string]any {
	w.t.Helper()
	return call(w.t, w.Server, w.known["access"], method, body, want)
}

// answer is the envelope of a call.
func (w *world) answer(method, body string) (out struct {
	Error   int
	Message string
}) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "https://localhost/das5/rest/"+method, strings.NewReader(body))
	require.NoError(w.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.known["access"])
	require.NoError(w.t, json.NewDecoder(w.Do(r).Body).Decode(&out))
	return out
}

// part is the id of a user's part in a token.
func (w *world) part(serial, user string) string { return w.tokens[serial] + "." + w.known[user] }

// get is attributes of a token.
func (w *world) get(serial, wanted string) map[string]any {
	w.t.Helper()
	return w.call("token/get", `{"match": [["serial", "=", "`+serial+`"]], "return": `+wanted+`}`, 0)
}

// One call sets several attributes of a token, or none of them.
func TestSetSeveral(t *testing.T) {
	w := newWorld(t, "1")
	set := func(attrs string, want int) {
		t.Helper()
		w.call("token/set", `{"id": "`+w.tokens["1"]+`", "attrs": `+attrs+`}`, want)
	}
	same := func(status, description string) {
		t.Helper()
		if got := w.get("1", `["status", "description"]`); got["status"] != status || got["description"] != description {
			t.Errorf("%v, want %s %q", got, status, description)
		}
	}
	set(`{"status": "DISABLED", "description": "Mine"}`, 0)
	same("DISABLED", "Mine")
	set(`{"status": "ACTIVE", "description": "with a \u0007 bell"}`, 4)
	same("DISABLED", "Mine")
	set(`{"status": "GONE", "description": "Another"}`, 4)
	same("DISABLED", "Mine")
	set(`{"status": "ACTIVE", "description": ""}`, 0)
	same("ACTIVE", "")
	set(`{}`, 4)
	set(`{"status": ""}`, 4)
	set(`{"status": "DECEASED", "description": "Lost"}`, 0)
	same("DECEASED", "Lost")
	set(`{"status": "ACTIVE", "description": "Found"}`, 110)
	same("DECEASED", "Lost")
}

// Deleting for a user who is not named deletes nothing, and says what is missing.
func TestDeleteForNobody(t *testing.T) {
	w := newWorld(t, "1")
	for _, user := range []string{`{}`, `null`, `"john"`, `[]`, `{"domain.name": "domain.com"}`} {
		r := w.answer("token/delete", `{"id": "`+w.tokens["1"]+`", "user": `+user+`}`)
		if r.Error != 4 || !strings.Contains(r.Message, "the user is not named") {
			t.Errorf("%s: %d %s", user, r.Error, r.Message)
		}
	}
	w.get("1", `["id"]`)
}

// One call sets several attributes of a part, with its token's PIN, or none of
// them.
func TestSetSeveralOfAPart(t *testing.T) {
	w := newWorld(t, "1")
	set := func(attrs string, want int) {
		t.Helper()
		w.call("tokenAssignment/set", `{"id": "`+w.part("1", "john")+`", "attrs": `+attrs+`}`, want)
	}
	hasPIN := func(text string) bool {
		return w.Store.HasPIN(record.TokenID(w.tokens["1"]), pin.User, secret.Bytes(text))
	}
	state := func() string {
		got := w.call("tokenAssignment/get", `{"match": [["id", "=", "`+w.part("1", "john")+`"]], "return": ["status", "mustChangePin", "priority", "lastUpdated"]}`, 0)
		return fmt.Sprintf("%v %v %v", got["status"], got["mustChangePin"], got["priority"])
	}
	set(`{"pin": "987654", "mustChangePin": true, "status": "DISABLED", "priority": 7}`, 0)
	if got := state(); got != "DISABLED true 7" || !hasPIN("987654") {
		t.Errorf("set all: %s", got)
	}
	for attrs, want := range map[string]int{
		`{"pin": "12", "status": "ACTIVE"}`: 4, `{"pin": "123456", "priority": -1}`: 4, `{"priority": 1, "mustChangePin": "yes"}`: 4,
		`{"priority": 1, "pinNeverExpires": false}`: 8, `{"pin": "123456", "color": "red"}`: 4,
	} {
		set(attrs, want)
	}
	if got := state(); got != "DISABLED true 7" || !hasPIN("987654") {
		t.Errorf("what was refused changed something: %s", got)
	}
	set(`{"status": "ACTIVE", "mustChangePin": false, "pinNeverExpires": true}`, 0)
	w.Store.Tries(record.TokenID(w.tokens["1"]), pin.User, 10)
	if got := state(); got != "LOCKED false 7" {
		t.Errorf("locked: %s", got)
	}
	set(`{"status": "ACTIVE"}`, 0)
	if got := state(); got != "ACTIVE false 7" || !hasPIN("987654") {
		t.Errorf("unlocked: %s", got)
	}
	set(`{"pin": "", "mustChangePin": true}`, 110)
	set(`{"pin": "", "priority": 2}`, 0)
	if got := state(); got != "ACTIVE false 2" || hasPIN("987654") {
		t.Errorf("cleared: %s", got)
	}
}

// Assignments are matched by what they are, put in order, and paged.
func TestSearchParts(t *testing.T) {
	w := newWorld(t, "1", "2", "3")
	for serial, attrs := range map[string]string{
		"1": `{"priority": 10, "expires": "2099-01-01T00:00:00Z"}`, "2": `{"priority": 2, "status": "DISABLED"}`, "3": `{"priority": 30, "expires": "2098-01-01T00:00:00Z"}`,
	} {
		w.call("tokenAssignment/set", `{"id": "`+w.part(serial, "john")+`", "attrs": `+attrs+`}`, 0)
	}
	for query, want := range map[string]string{
		`"sort": "priority"`:                                       "2 1 3 of 3",
		`"sort": ["priority"], "order": "desc"`:                    "3 1 2 of 3",
		`"order": "desc"`:                                          "3 2 1 of 3",
		`"sort": "expires"`:                                        "2 3 1 of 3",
		`"sort": "token.serial", "max": 1, "offset": 1`:            "2 of 3",
		`"match": [["priority", ">", 2]]`:                          "1 3 of 2",
		`"match": [["priority", "<", "10"], ["isOwner","=",true]]`: "2 of 1",
		`"match": [["isOwner", "=", false]]`:                       " of 0",
		`"match": [["status", "=", "DISABLED"]]`:                   "2 of 1",
		`"match": [["expires", "<", "2098-06-01"]]`:                "3 of 1",
		`"match": [["dateCreated", ">", "2018-08-04T18:15:30"]]`:   "1 2 3 of 3",
		`"match": {"token.serial": "3", "usageLimit": 0}`:          "3 of 1",
	} {
		got := w.call("tokenAssignment/search", `{"return": ["token.serial"], `+query+`}`, 0)
		var serials []string
		for _, row := range got["rows"].([]any) {
			serials = append(serials, row.(map[string]any)["token.serial"].(string))
		}
		if text := fmt.Sprintf("%s of %v", strings.Join(serials, " "), got["total"]); text != want {
			t.Errorf("%s: %s, want %s", query, text, want)
		}
	}
	for _, name := range []string{
		"id", "status", "isOwner", "mustChangePin", "lastChangePin", "dateCreated", "starts", "usageLimit", "lastUpdated", "token.id", "user.id",
		"user.loginName", "USER.DOMAIN.NAME",
	} {
		got := w.call("tokenAssignment/search", `{"return": ["`+name+`"], "sort": "`+name+`"}`, 0)
		if got["total"] != 3.0 {
			t.Errorf("sorted by %s: %v", name, got)
		}
	}
	var ids []string
	for _, row := range w.call("tokenAssignment/search", `{"return": ["token.id"], "sort": "token.id"}`, 0)["rows"].([]any) {
		ids = append(ids, row.(map[string]any)["token.id"].(string))
	}
	if !slices.IsSorted(ids) {
		t.Errorf("sorted by token.id: %v", ids)
	}
	for _, bad := range []string{
		`"sort": "color"`, `"sort": ""`, `"match": [["priority", "like", "1%"]]`, `"match": [["priority", "=", "x"]]`, `"match": [["expires", "<", "soon"]]`,
		`"match": [["isOwner", "=", "maybe"]]`, `"match": [["status", "<", "ACTIVE"]]`, `"match": [["color", "=", "red"]]`,
	} {
		w.call("tokenAssignment/search", `{`+bad+`}`, 4)
	}
}

// More tokens than one page of the core's have assignments, and all are found.
func TestSearchManyParts(t *testing.T) {
	w := newWorld(t)
	const many = provisioning.MaxPage + 7
	rows := make([]provisioning.ImportRow, many)
	for i := range rows {
		rows[i] = provisioning.ImportRow{Serial: fmt.Sprintf("%05d", i), User: "john.smith", OTP: provisioning.NewOTP{Seed: secret.Bytes("12345678901234567890")}}
	}
	_, err := w.Core.ImportTokens(t.Context(), provisioning.System("test"), w.Tenant, rows, provisioning.BatchOptions{})
	require.NoError(t, err)
	got := w.call("tokenAssignment/search", `{"max": 2, "offset": 1005, "return": ["token.serial"]}`, 0)
	want := []any{map[string]any{"token.serial": "01005"}, map[string]any{"token.serial": "01006"}}
	if got["total"] != float64(many) || !reflect.DeepEqual(got["rows"], want) {
		t.Errorf("%v of %v", got["rows"], got["total"])
	}
}

// An object is returned as one, or some of it, and its attributes by dotted names.
func TestReturnObjects(t *testing.T) {
	w := newWorld(t, "1")
	for wanted, want := range map[string]string{
		`["product"]`:                                       `{"product": {"id": "DN/SE", "manufacturerCode": "DN", "productCode": "SE"}}`,
		`[{"product": ["productCode"]}]`:                    `{"product": {"productCode": "SE"}}`,
		`[{"Product": "*"}, "product.id"]`:                  `{"Product": {"id": "DN/SE", "manufacturerCode": "DN", "productCode": "SE"}, "product.id": "DN/SE"}`,
		`["repository"]`:                                    `{"repository": {"id": ""}}`,
		`[{"tokenAssignments": [{"user": ["loginName"]}]}]`: "",
	} {
		if want == "" {
			w.call("token/get", `{"match": [["serial", "=", "1"]], "return": `+wanted+`}`, 4)
			continue
		}
		var expected map[string]any
		require.NoError(t, json.Unmarshal([]byte(want), &expected))
		if got := w.get("1", wanted); !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: %v", wanted, got)
		}
	}
	got := w.call("tokenAssignment/get", `{"match": {"token.serial": "1"}, "return": ["token", {"user": ["loginName"]}, "activationCode"]}`, 0)
	if want := map[string]any{
		"token": map[string]any{"id": w.tokens["1"], "serial": "1"}, "user": map[string]any{"loginName": "john.smith"}, "activationCode": nil,
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

// A seed file of another product than the call names is refused, by its id and by
// its codes.
func TestImportOfAnotherProduct(t *testing.T) {
	w := newWorld(t)
	const file = `<data><header><manufacturerCode>DN</manufacturerCode><productCode>SE</productCode><encode>HEX</encode><encrypt>NONE</encrypt><digits>6</digits></header>` +
		`<tokens><token><serial>7</serial><seed>3132333435363738393031323334353637383930</seed></token></tokens></data>`
	for product, want := range map[string]int{
		`"product.id": "DN/ST"`: 4, `"product": {"manufacturerCode": "DN", "productCode": "ST"}`: 4, `"product": {"manufacturerCode": "GG"}`: 4,
	} {
		w.call("token/import", `{"attrs": {`+product+`, "data": "`+file+`"}}`, want)
	}
	w.call("token/import", `{"attrs": {"product": {"manufacturerCode": "DN", "productCode": "SE"}, "data": "`+file+`"}}`, 0)
}
