package provisioning_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// keyed are the kinds of token that the table below tells apart.
type keyed int

const (
	bare   keyed = iota // a card without keys
	loaded              // a card with a key
	seeded              // a token for one-time passwords
)

func (k keyed) String() string { return []string{"bare card", "card with keys", "OTP token"}[k] }

// Who holds the token before the operation.
const (
	alone  = "alice"
	shared = "alice and bob"
	left   = "nobody, alice before"
)

// handover is an operation, and what it takes of each kind of token.
type handover struct {
	name   string
	held   string
	rights [3]record.Rights // by keyed; 0 is that there is no such operation
	do     func(h *hands, c provisioning.Caller) error
}

// hands is a token that may change hands.
type hands struct {
	*world
	ref    provisioning.TokenRef
	serial string
	csr    provisioning.CSR // for a key of bob's that waits
}

const (
	mayEdit   = record.MayEdit
	mayManage = record.MayEdit | record.MayManage
	mayRemove = record.MayEdit | record.MayRemove
)

func assigning(a provisioning.Assign) func(*hands, provisioning.Caller) error {
	return func(h *hands, c provisioning.Caller) error {
		_, err := h.core.Assign(h.t.Context(), c, h.ref, a)
		return err
	}
}

func byRow(user string, share bool) func(*hands, provisioning.Caller) error {
	return func(h *hands, c provisioning.Caller) error {
		_, err := h.core.AssignTokens(h.t.Context(), c, h.tenant, []provisioning.AssignRow{{Line: 1, Serial: h.serial, User: user}}, provisioning.BatchOptions{Share: share})
		return err
	}
}

func unassigning(user string) func(*hands, provisioning.Caller) error {
	return func(h *hands, c provisioning.Caller) error {
		_, err := h.core.Unassign(h.t.Context(), c, h.ref, user)
		return err
	}
}

func holding(user string, change provisioning.HolderChange) func(*hands, provisioning.Caller) error {
	return func(h *hands, c provisioning.Caller) error {
		_, err := h.core.SetHolder(h.t.Context(), c, h.ref, user, change)
		return err
	}
}

func placing(h *hands, c provisioning.Caller) error {
	_, err := h.core.StoreCertificate(h.t.Context(), c, h.ref, h.csr.Key.ID, dialecttest.Certify(h.t, string(requestPEM(h.csr))))
	return err
}

var (
	on, off  = false, true // a part is suspended
	nextYear = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	sooner   = time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	never    = time.Time{}
	many     = 100
	three    = 3
	once     = 1
)

// handovers is the table: what each way in which keys change hands, or end, takes.
var handovers = []handover{
	{"share", alone, [3]record.Rights{mayEdit, mayManage, mayManage}, assigning(provisioning.Assign{User: "carol", Share: true})},
	{"share by a file", alone, [3]record.Rights{mayEdit, mayManage, mayManage}, byRow("carol", true)},
	{"take", alone, [3]record.Rights{mayEdit, mayRemove, mayEdit}, assigning(provisioning.Assign{User: "carol", Take: true})},
	{"take from two", shared, [3]record.Rights{mayEdit, mayRemove, mayEdit}, assigning(provisioning.Assign{User: "carol", Take: true})},
	{"take and keep", alone, [3]record.Rights{mayManage, mayManage, mayManage}, assigning(provisioning.Assign{User: "carol", Take: true, KeepKeys: true})},
	{"give to another", left, [3]record.Rights{mayEdit, mayRemove, mayEdit}, assigning(provisioning.Assign{User: "carol"})},
	{"give to another by a file", left, [3]record.Rights{mayEdit, mayRemove, mayEdit}, byRow("carol", false)},
	{"give to another and keep", left, [3]record.Rights{mayManage, mayManage, mayManage}, assigning(provisioning.Assign{User: "carol", KeepKeys: true})},
	{"give back", left, [3]record.Rights{mayEdit, mayEdit, mayEdit}, assigning(provisioning.Assign{User: "alice"})},
	{"give back by a file", left, [3]record.Rights{mayEdit, mayEdit, mayEdit}, byRow("alice", false)},
	{"unassign", alone, [3]record.Rights{mayEdit, mayEdit, mayEdit}, unassigning("")},
	{"unassign all", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, unassigning("")},
	{"unassign the owner", shared, [3]record.Rights{mayEdit, mayManage, mayEdit}, unassigning("alice")},
	{"unassign the other", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, unassigning("bob")},
	{"suspend the other", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, holding("bob", provisioning.HolderChange{Suspended: &off})},
	{"let the other go on", shared, [3]record.Rights{mayEdit, mayManage, mayManage}, holding("bob", provisioning.HolderChange{Suspended: &on})},
	{"let the owner go on", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, holding("alice", provisioning.HolderChange{Suspended: &on})},
	{"longer", shared, [3]record.Rights{mayEdit, mayManage, mayManage}, holding("bob", provisioning.HolderChange{Expires: &nextYear})},
	{"for ever", shared, [3]record.Rights{mayEdit, mayManage, mayManage}, holding("bob", provisioning.HolderChange{Expires: &never})},
	{"from now on", shared, [3]record.Rights{mayEdit, mayManage, mayManage}, holding("bob", provisioning.HolderChange{Starts: &never})},
	{"not for so long", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, holding("bob", provisioning.HolderChange{Expires: &sooner})},
	{"more often", shared, [3]record.Rights{mayEdit, mayManage, mayManage}, holding("bob", provisioning.HolderChange{UsageLimit: &many})},
	{"not so often", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, holding("bob", provisioning.HolderChange{UsageLimit: &once})},
	{"order", shared, [3]record.Rights{mayEdit, mayEdit, mayEdit}, holding("bob", provisioning.HolderChange{Priority: &three})},
	{"a key that waits, where others hold the card", shared, [3]record.Rights{mayManage, mayManage, 0}, placing},
	{"end", alone, [3]record.Rights{record.MayRemove, record.MayRemove, record.MayRemove}, func(h *hands, c provisioning.Caller) error {
		_, err := h.core.Decease(h.t.Context(), c, h.ref)
		return err
	}},
	{"delete", alone, [3]record.Rights{record.MayRemove, record.MayRemove, record.MayRemove}, func(h *hands, c provisioning.Caller) error {
		return h.core.DeleteToken(h.t.Context(), c, h.ref)
	}},
	{"delete who has keys that wait", left, [3]record.Rights{record.MayRemove, 0, 0}, func(h *hands, c provisioning.Caller) error {
		return h.core.DeleteUser(h.t.Context(), c, h.tenant, "bob")
	}},
	{"delete a key that waits", left, [3]record.Rights{record.MayRemove, 0, 0}, func(h *hands, c provisioning.Caller) error {
		return h.core.DeletePendingKey(h.t.Context(), c, h.tenant, "bob", h.csr.Key.ID)
	}},
	{"put aside for a group", left, [3]record.Rights{mayEdit, mayEdit, mayEdit}, func(h *hands, c provisioning.Caller) error {
		_, err := h.core.SetGroups(h.t.Context(), c, h.ref, []record.GroupID{h.group})
		return err
	}},
}

// newHands makes a token of a kind that is held so.
func newHands(t *testing.T, kind keyed, held string) *hands {
	t.Helper()
	h := &hands{world: newWorld(t)}
	ctx := t.Context()
	for _, login := range []string{"bob", "carol"} {
		_, err := h.core.CreateUser(ctx, h.admin, h.tenant, login)
		require.NoError(t, err)
	}
	group, err := h.core.CreateGroup(ctx, h.admin, h.tenant, "some")
	require.NoError(t, err)
	h.group = group.ID
	if kind == seeded {
		made, err := h.core.CreateToken(ctx, h.admin, provisioning.NewToken{
			Tenant: h.tenant, User: "alice", Kind: record.KindOTP, OTP: &provisioning.NewOTP{Seed: rfcSeed}, Activation: record.Activated,
		})
		require.NoError(t, err)
		h.ref.ID = made.ID
	} else {
		h.ref.ID = h.world.ref.ID
	}
	h.ref.Tenant = h.tenant
	if kind == loaded {
		_, err := h.core.ImportPFX(ctx, h.admin, h.ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
		require.NoError(t, err)
	}
	csr, err := h.core.GenerateCSR(ctx, h.admin, h.tenant, "bob", provisioning.NewCSR{Curve: "P-256", Subject: "CN=bob"})
	require.NoError(t, err)
	h.csr = csr
	h.serial = h.get(h.ref).Serial
	switch held {
	case left:
		_, err = h.core.Unassign(ctx, h.admin, h.ref, "")
	case shared:
		if _, err = h.core.Assign(ctx, h.admin, h.ref, provisioning.Assign{User: "bob", Share: true}); err == nil {
			end, start := h.now.Add(2*time.Hour), h.now.Add(time.Hour)
			_, err = h.core.SetHolder(ctx, h.admin, h.ref, "bob", provisioning.HolderChange{Suspended: &off, Expires: &end, Starts: &start, UsageLimit: &three})
		}
	}
	require.NoError(t, err)
	return h
}

// TestHandovers tries every way in which keys change hands or end, of every kind of
// token, with every role: it works with the rights of the table, and otherwise it is
// refused and changes nothing.
func TestHandovers(t *testing.T) {
	roles := provisioning.Roles()
	for _, name := range []string{"+edit", "edit+manage", "edit+remove", "+remove", "+manage"} {
		role, ok := record.ParseRole(name)
		require.True(t, ok, name)
		roles = append(roles, role)
	}
	for _, o := range handovers {
		for kind, need := range o.rights {
			if need == 0 {
				continue
			}
			for _, role := range roles {
				t.Run(fmt.Sprintf("%s/%v/%s", o.name, keyed(kind), role), func(t *testing.T) {
					h := newHands(t, keyed(kind), o.held)
					before, objects := h.store.Commits(), len(h.store.ObjectsOf(h.ref.ID))
					err := o.do(h, provisioning.Caller{Name: "x", Tenant: h.tenant, Role: role})
					if role.Rights().Has(need) {
						require.NoError(t, err)
						return
					}
					require.Error(t, err)
					require.Contains(t, []provisioning.Kind{provisioning.Forbidden, provisioning.BadInput}, provisioning.KindOf(err)) // of a file: its rows
					require.Equal(t, before, h.store.Commits())
					require.Len(t, h.store.ObjectsOf(h.ref.ID), objects)
				})
			}
		}
	}
}

// TestNoBackDoor plays the trick: a card with keys is shared, its owner is taken away,
// and the second holder has keys and PINs.
func TestNoBackDoor(t *testing.T) {
	w := newWorld(t)
	ref, ctx := w.loaded(), t.Context()
	_, err := w.core.CreateUser(ctx, w.admin, w.tenant, "mallory")
	require.NoError(t, err)
	edit := provisioning.Caller{Name: "x", Tenant: w.tenant, Role: record.RoleEdit}
	_, err = w.core.Assign(ctx, edit, ref, provisioning.Assign{User: "mallory", Share: true})
	wantKind(t, err, provisioning.Forbidden)
	_, err = w.core.Unassign(ctx, edit, ref, "alice")
	require.NoError(t, err)
	_, err = w.core.Assign(ctx, edit, ref, provisioning.Assign{User: "mallory"})
	wantKind(t, err, provisioning.Forbidden)
	// A user of the same login is another user.
	require.NoError(t, w.core.DeleteUser(ctx, w.admin, w.tenant, "alice"))
	_, err = w.core.CreateUser(ctx, edit, w.tenant, "alice")
	require.NoError(t, err)
	_, err = w.core.Assign(ctx, edit, ref, provisioning.Assign{User: "alice"})
	wantKind(t, err, provisioning.Forbidden)
	got, err := w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "alice"})
	require.NoError(t, err)
	require.Empty(t, w.store.ObjectsOf(ref.ID))
	require.False(t, got.UserPIN.Set)
}
