package walktest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	p "vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// The kinds of token that the rights below tell apart, and who holds them before.
const (
	bareCard = iota
	keyedCard
	otpToken
	kindsOfToken
)

const (
	alone  = iota // user0
	shared        // user0, who got it first, and user1, whose part is suspended
	left          // nobody; user0 before
)

// held is a token that is to change hands.
type held struct {
	p.Token
	w *walk
}

// id is that of one of the users.
func (h held) id(user int) string { return h.w.users[h.w.logins[user]].id }

func (h held) login(user int) string { return h.w.logins[user] }

// handover is a request of one dialect, and which rights it takes for each kind of
// token; 0 is that the dialect does not do this with it.
type handover struct {
	dialect, name string
	before        int
	rights        [kindsOfToken]record.Rights
	ask           func(h held) (method, path string, body any)
}

const (
	edits   = record.MayEdit
	manages = record.MayEdit | record.MayManage
	removes = record.MayEdit | record.MayRemove
	deletes = record.MayRemove
)

// The rights that each way takes: this is the table of docs/api/authentication.md.
var (
	toShare    = [kindsOfToken]record.Rights{edits, manages, manages}
	toOther    = [kindsOfToken]record.Rights{edits, removes, edits} // without what is on it
	toOtherAll = [kindsOfToken]record.Rights{manages, manages, manages}
	toLast     = [kindsOfToken]record.Rights{edits, edits, edits}
	fromAll    = [kindsOfToken]record.Rights{edits, edits, edits}
	fromOwner  = [kindsOfToken]record.Rights{edits, manages, edits} // to the other holders
	fromOther  = [kindsOfToken]record.Rights{edits, edits, edits}
	toGoOn     = [kindsOfToken]record.Rights{edits, manages, manages}
	toPlace    = [kindsOfToken]record.Rights{manages, manages, 0}
	toEnd      = [kindsOfToken]record.Rights{deletes, deletes, deletes}
)

// of is a request in the path of a token of the native API.
func ofNative(method, path string, body func(h held) any) func(held) (string, string, any) {
	return func(h held) (string, string, any) {
		var b any
		if body != nil {
			b = body(h)
		}
		return method, "/v1/tokens/" + string(h.ID) + path, b
	}
}

func nativeGive(user int, flags ...string) func(held) (string, string, any) {
	return ofNative("POST", "/assign", func(h held) any {
		body := fields{"user": h.login(user)}
		for _, flag := range flags {
			body[flag] = true
		}
		return body
	})
}

func nativeTake(user int) func(held) (string, string, any) {
	return ofNative("POST", "/unassign", func(h held) any {
		if user < 0 {
			return fields{}
		}
		return fields{"user": h.login(user)}
	})
}

func entrustAsk(method, path string, body func(h held) any) func(held) (string, string, any) {
	return func(h held) (string, string, any) {
		var b any
		if body != nil {
			b = body(h)
		}
		return method, entrustBase + "tokens/" + string(h.ID) + path, b
	}
}

func entrustBySerial(user int) func(held) (string, string, any) {
	return func(h held) (string, string, any) {
		return "PUT", entrustBase + "users/" + h.id(user) + "/tokens/assign", fields{"serialNumber": h.Serial}
	}
}

func securidAsk(user int, verb string) func(held) (string, string, any) {
	return func(h held) (string, string, any) {
		return "PATCH", securidBase + "v1/users/" + h.id(user) + "/sidTokens/" + verb, fields{"tokenSerialNumber": h.Serial}
	}
}

func surepassidAsk(method string, user, force int) func(held) (string, string, any) {
	return func(h held) (string, string, any) {
		body := fields{"psn": h.Serial}
		if user >= 0 {
			body["username"] = h.login(user)
		}
		if method == "assign_device" {
			body["force"] = force
		}
		return "POST", surepassidPath, surepassidBody(h.w, method, body)
	}
}

func dualshieldAsk(method string, body func(h held) fields) func(held) (string, string, any) {
	return func(h held) (string, string, any) { return "POST", dualshieldBase + method, body(h) }
}

func dualshieldGive(user int) func(held) (string, string, any) {
	return dualshieldAsk("token/batchAssignTokens", func(h held) fields {
		return fields{"attrs": fields{"csv": fmt.Sprintf("loginName,serial\n%s,%s\n", h.login(user), h.Serial)}}
	})
}

func dualshieldTake(user int) func(held) (string, string, any) {
	return dualshieldAsk("token/delete", func(h held) fields {
		return fields{"id": string(h.ID), "user": fields{"loginName": h.login(user)}}
	})
}

// handovers are the requests by which a token changes hands or ends, in every dialect.
var handovers = []handover{
	{"native", "share", alone, toShare, nativeGive(2, "share")},
	{"native", "take", alone, toOther, nativeGive(2, "take")},
	{"native", "take and keep", alone, toOtherAll, nativeGive(2, "take", "keepKeys")},
	{"native", "assign", left, toOther, nativeGive(2)},
	{"native", "assign and keep", left, toOtherAll, nativeGive(2, "keepKeys")},
	{"native", "assign to the last holder", left, toLast, nativeGive(0)},
	{"native", "unassign all", shared, fromAll, nativeTake(-1)},
	{"native", "unassign the owner", shared, fromOwner, nativeTake(0)},
	{"native", "unassign the other", shared, fromOther, nativeTake(1)},
	{"native", "let the other go on", shared, toGoOn, func(h held) (string, string, any) {
		return "PATCH", "/v1/tokens/" + string(h.ID) + "/holders/" + h.login(1), fields{"suspended": false}
	}},
	{"native", "end", alone, toEnd, ofNative("PATCH", "", func(held) any { return fields{"deceased": true} })},
	{"native", "delete", alone, toEnd, ofNative("DELETE", "", nil)},

	{"idprime", "a key that waits", shared, toPlace, func(h held) (string, string, any) {
		path := fmt.Sprintf("%s/%s/Keys/%s/Certificate", h.w.idprime("V2.0", h.w.users[h.login(1)]), h.ID, h.w.pending(h.id(1)))
		return "PUT", path, form{"signedCertificate", h.w.keys.certificate, nil}
	}},
	{"idprime", "delete", alone, toEnd, func(h held) (string, string, any) {
		return "DELETE", h.w.idprime("V2.0", h.w.users[h.login(0)]) + "/" + string(h.ID), nil
	}},

	{"entrust", "assign", left, toOther, entrustAsk("PUT", "/assign", func(h held) any { return fields{"userId": h.login(2)} })},
	{"entrust", "assign by serial number", left, toOther, entrustBySerial(2)},
	{"entrust", "assign to the last holder", left, toLast, entrustBySerial(0)},
	{"entrust", "unassign", shared, fromAll, entrustAsk("PUT", "/unassign", nil)},
	{"entrust", "delete", alone, toEnd, entrustAsk("DELETE", "", nil)},

	{"securid", "assign", left, toOther, securidAsk(2, "assign")},
	{"securid", "assign to the last holder", left, toLast, securidAsk(0, "assign")},
	{"securid", "unassign", alone, fromAll, securidAsk(0, "unassign")},
	{"securid", "unassign the owner", shared, fromOwner, securidAsk(0, "unassign")},
	{"securid", "unassign the other", shared, fromOther, securidAsk(1, "unassign")},
	{"securid", "delete", alone, toEnd, func(h held) (string, string, any) {
		return "DELETE", securidBase + "v1/sidTokens/delete", fields{"tokenSerialNumber": h.Serial}
	}},

	{"surepassid", "take", alone, toOther, surepassidAsk("assign_device", 2, 1)},
	{"surepassid", "assign", left, toOther, surepassidAsk("assign_device", 2, 0)},
	{"surepassid", "assign to the last holder", left, toLast, surepassidAsk("assign_device", 0, 0)},
	{"surepassid", "unassign all", shared, fromAll, surepassidAsk("unassign_device", -1, 0)},
	{"surepassid", "unassign the owner", shared, fromOwner, surepassidAsk("unassign_device", 0, 0)},
	{"surepassid", "unassign the other", shared, fromOther, surepassidAsk("unassign_device", 1, 0)},
	{"surepassid", "delete", alone, toEnd, surepassidAsk("delete_device", -1, 0)},

	{"dualshield", "share", alone, toShare, dualshieldGive(2)},
	{"dualshield", "assign", left, toOther, dualshieldGive(2)},
	{"dualshield", "assign to the last holder", left, toLast, dualshieldGive(0)},
	{"dualshield", "unassign", alone, fromAll, dualshieldTake(0)},
	{"dualshield", "unassign the owner", shared, fromOwner, dualshieldTake(0)},
	{"dualshield", "unassign the other", shared, fromOther, dualshieldTake(1)},
	{"dualshield", "let the other go on", shared, toGoOn, dualshieldAsk("tokenAssignment/set", func(h held) fields {
		return fields{"id": string(h.ID) + "." + h.id(1), "attrs": fields{"status": "ACTIVE"}}
	})},
	{"dualshield", "end", alone, toEnd, dualshieldAsk("token/set", func(h held) fields {
		return fields{"id": string(h.ID), "attrs": fields{"status": "DECEASED"}}
	})},
	{"dualshield", "delete", alone, toEnd, dualshieldAsk("token/delete", func(h held) fields { return fields{"id": string(h.ID)} })},
}

// forbidden is how each dialect says that a role does not suffice. A file of DualShield
// is refused with its rows, as a whole (4).
var forbidden = map[string][]int{
	"native": {403}, "idprime": {401}, "entrust": {403}, "securid": {403}, "surepassid": {9033}, "dualshield": {3, 4},
}

// hold makes a token of a kind that is held so.
func (w *walk) hold(kind, before int) held {
	w.t.Helper()
	ctx, system := w.t.Context(), p.System("test")
	n := p.NewToken{Tenant: w.tenant, User: w.logins[0], Activation: record.Activated, Product: record.Product{Hardware: true}}
	if kind == otpToken {
		n.Kind, n.OTP = record.KindOTP, &p.NewOTP{}
	}
	t, err := w.core.CreateToken(ctx, system, n)
	require.NoError(w.t, err)
	ref := p.TokenRef{ID: t.ID}
	if kind == keyedCard {
		_, err := w.core.ImportPFX(ctx, system, ref, w.keys.pfx, secret.Bytes(password))
		require.NoError(w.t, err)
	}
	switch before {
	case left:
		_, err = w.core.Unassign(ctx, system, ref, "")
	case shared:
		if _, err = w.core.Assign(ctx, system, ref, p.Assign{User: w.logins[1], Share: true}); err == nil {
			off := true
			_, err = w.core.SetHolder(ctx, system, ref, w.logins[1], p.HolderChange{Suspended: &off})
		}
	}
	require.NoError(w.t, err)
	t, err = w.core.Token(ctx, system, ref)
	require.NoError(w.t, err)
	return held{t, w}
}

// TestHandovers asks every dialect, with credentials of several roles, for everything
// by which tokens with and without keys change hands or end. It is done with the rights
// of the table; without, it is refused and changes nothing.
func TestHandovers(t *testing.T) {
	asked := map[string]bool{}
	for _, name := range []string{"view", "view+edit", "edit", "view+manage", "view+remove", "view+edit+manage", "view+edit+remove", "admin"} {
		role, ok := record.ParseRole(name)
		require.True(t, ok, name)
		t.Run(name, func(t *testing.T) {
			w := newWalkAs(t, rand.New(rand.NewPCG(1, 2)), role)
			for _, o := range handovers {
				asked[o.dialect] = true
				d := w.dialects[slices.IndexFunc(w.dialects, func(d *spoken) bool { return d.name == o.dialect })]
				for kind, need := range o.rights {
					if need == 0 {
						continue
					}
					h := w.hold(kind, o.before)
					objects := len(w.store.ObjectsOf(h.ID))
					method, path, body := o.ask(h)
					status, answer := w.ask(d.authorization, method, path, body)
					ok, what := d.answered(status, answer) == d.code(done), fmt.Sprintf("%s: %s of %s: %d %s", o.dialect, o.name, []string{"a card", "a card with keys", "an OTP token"}[kind], status, answer)
					require.Equal(t, role.Rights().Has(need), ok, what)
					if ok {
						continue
					}
					require.Contains(t, forbidden[o.dialect], d.answered(status, answer), what)
					now, err := w.core.Token(t.Context(), p.System("test"), p.TokenRef{ID: h.ID})
					require.NoError(t, err, what)
					require.Equal(t, h.Version, now.Version, what)
					require.Len(t, w.store.ObjectsOf(h.ID), objects, what)
				}
			}
		})
	}
	for _, d := range dialects {
		require.True(t, d.make == nil || asked[d.name], "nobody asked %s", d.name)
	}
}
