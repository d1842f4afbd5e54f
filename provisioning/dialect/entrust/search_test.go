package entrust_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/dialect/entrust"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The vendor's table of searches: the operators and a value of each attribute.
var searchable = map[string]struct {
	operators []string
	value     string
	assigned  bool // only the search for assigned tokens has it
}{
	"state":        {[]string{"EQUALS"}, "ACTIVE", true},
	"serialNumber": {[]string{"EQUALS", "CONTAINS", "STARTS_WITH"}, "7", false},
	"type":         {[]string{"EQUALS"}, "OATH_PHYSICAL_TOKEN", false},
	"loadDate":     {orderings, "2018-08-04T18:15:30", false},
	"lastUsedDate": {orderings, "2018-08-04T18:15:30", true},
	"groupId":      {[]string{"EQUALS"}, "", false}, // the group that there is
	"label":        {[]string{"CONTAINS"}, "x", true},
	"platform":     {nil, "x", false}, // of the model, and not searched by
}

var orderings = []string{"GREATER_THAN", "GREATER_THAN_OR_EQUAL", "LESS_THAN", "LESS_THAN_OR_EQUAL"}

var allOperators = append([]string{"EQUALS", "NOT_EQUALS", "CONTAINS", "NOT_CONTAINS", "STARTS_WITH", "ENDS_WITH", "IN", "EXISTS", "NOT_EXISTS"}, orderings...)

// TestSearchTable: every attribute with every operator, and every order, on both
// lists: what the vendor's table has is answered, and all else refused.
func TestSearchTable(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	status := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}
	for _, list := range []string{"assigned", "unassigned"} {
		for name, a := range searchable {
			value := a.value
			if name == "groupId" {
				value = k["group"]
			}
			for _, op := range allOperators {
				good := slices.Contains(a.operators, op) && (list == "assigned" || !a.assigned)
				body := fmt.Sprintf(`{"searchByAttributes": [{"name": %q, "operator": %q, "value": %q}]}`, name, op, value)
				ask(t, s, k["session"], http.MethodPost, "tokenspaged/"+list, body, status[good], nil)
			}
			for _, up := range []bool{true, false} {
				good := name == "serialNumber" || list == "assigned" && slices.Contains([]string{"state", "loadDate", "lastUsedDate"}, name)
				body := fmt.Sprintf(`{"orderByAttribute": {"name": %q, "ascending": %v}}`, name, up)
				ask(t, s, k["session"], http.MethodPost, "tokenspaged/"+list, body, status[good], nil)
			}
		}
	}
	for name, value := range map[string]string{
		"state": "UNASSIGNED", "type": "ENTRUST_PHYSICAL_TOKEN", "loadDate": "yesterday", "groupId": "none",
	} {
		body := fmt.Sprintf(`{"searchByAttributes": [{"name": %q, "operator": %q, "value": %q}]}`, name, searchable[name].operators[0], value)
		ask(t, s, k["session"], http.MethodPost, "tokenspaged/assigned", body, http.StatusBadRequest, nil)
	}
	ask(t, s, k["session"], http.MethodPost, "tokenspaged/assigned", `{"searchByAttributes": [{"name": "label", "operator": "CONTAINS"}]}`, http.StatusBadRequest, nil)
	var info struct{ ErrorCode string }
	ask(t, s, k["session"], http.MethodPost, "tokenspaged/unassigned",
		`{"searchByAttributes": [{"name": "groupId", "operator": "EQUALS", "value": "`+k["user"]+`"}]}`, http.StatusBadRequest, &info)
	if info.ErrorCode != "group_not_found" {
		t.Errorf("searching for a group that there is not: %s", info.ErrorCode)
	}
}

// TestSearchFindsWhatItShows: a search for a type or a state finds exactly the
// tokens that are answered with it, whichever API made them.
func TestSearchFindsWhatItShows(t *testing.T) {
	s := dialecttest.New(t, entrust.New)
	k := known(t)(s)
	tokensOfAllKinds(t, s)
	for _, list := range []string{"assigned", "unassigned"} {
		all := found(t, s, k, list, "")
		for name, of := range map[string]func(foundToken) string{
			"type":  func(f foundToken) string { return f.Type },
			"state": func(f foundToken) string { return f.State },
		} {
			if list == "unassigned" && name == "state" {
				continue
			}
			n := 0
			for _, value := range map[string][]string{
				"type":  {"ENTRUST_SOFT_TOKEN", "GOOGLE_AUTHENTICATOR", "OATH_PHYSICAL_TOKEN", "ENTRUST_LEGACY_TOKEN"},
				"state": {"NEW", "ACTIVE", "ACTIVATING", "INACTIVE"},
			}[name] {
				if list == "unassigned" && (value == "ENTRUST_SOFT_TOKEN" || value == "GOOGLE_AUTHENTICATOR") {
					continue
				}
				var want []foundToken
				for _, f := range all {
					if of(f) == value {
						want = append(want, f)
					}
				}
				got := found(t, s, k, list, fmt.Sprintf(`{"name": %q, "operator": "EQUALS", "value": %q}`, name, value))
				if !slices.Equal(got, want) {
					t.Errorf("%s with %s %s: %v, want %v", list, name, value, got, want)
				}
				n += len(got)
			}
			if n == 0 || name == "state" && n != len(all) {
				t.Errorf("%s: %d of %d tokens are found by their %s", list, n, len(all), name)
			}
		}
	}
}

type foundToken struct{ SerialNumber, Type, State string }

// found is what a search with one attribute, or none, finds.
func found(t testing.TB, s *dialecttest.Server, k map[string]string, list, by string) []foundToken {
	t.Helper()
	var out struct{ Results []foundToken }
	ask(t, s, k["session"], http.MethodPost, "tokenspaged/"+list, `{"searchByAttributes": [`+by+`]}`, http.StatusOK, &out)
	return out.Results
}

// tokensOfAllKinds makes tokens as this and other APIs do, some for john.
func tokensOfAllKinds(t testing.TB, s *dialecttest.Server) {
	t.Helper()
	ctx, admin := t.Context(), provisioning.System("test")
	for i, p := range []record.Product{
		{}, {Manufacturer: "DN", Model: "MT"}, {Model: "GOOGLE_AUTHENTICATOR"}, {Model: "ENTRUST_SOFT_TOKEN"},
		{Hardware: true}, {Model: "SID700", Hardware: true}, {Model: "ENTRUST_LEGACY_TOKEN", Hardware: true},
		{Model: "ENTRUST_PHYSICAL_TOKEN", Hardware: true}, {Model: "GOOGLE_AUTHENTICATOR", Hardware: true}, {Model: "OATH_PHYSICAL_TOKEN"},
	} {
		for _, a := range []record.Activation{record.ActivationNew, record.ActivationPending, record.Activated} {
			for j, user := range []string{"", "john", "john", "john"} {
				n := provisioning.NewToken{
					Tenant: s.Tenant, User: user, Unassigned: user == "", Serial: fmt.Sprintf("%d-%v-%d", i, a, j), Product: p,
					Kind: record.KindOTP, OTP: &provisioning.NewOTP{Seed: secret.Bytes(seed)}, Activation: a,
				}
				made, err := s.Core.CreateToken(ctx, admin, n)
				if err == nil && j == 2 {
					_, err = s.Core.SetEnabled(ctx, admin, provisioning.TokenRef{ID: made.ID}, false, provisioning.EnableRule{})
				}
				if err == nil && j == 3 && a == record.Activated {
					_, err = s.Core.Decease(ctx, admin, provisioning.TokenRef{ID: made.ID})
				}
				require.NoError(t, err)
			}
		}
	}
}
