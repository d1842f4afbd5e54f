package directory

import (
	"strings"
	"time"
	"unique"

	"vtoken/vtoken/record"
)

// Field is a property of a token that a search can name.
type Field int

// The fields. Times are compared as instants, numbers as numbers, the rest as
// text.
const (
	Serial       Field = iota
	ID                 // of the token
	Label              // case matters not
	Kind               // "card" or "otp"
	Manufacturer       // of the product
	Model
	Repository
	Hardware   // "true" or "false"
	Activation // "new", "pending" or "activated"
	Enabled    // "true" or "false"
	Deceased   // "true" or "false"
	Complete   // "true" or "false"
	Held       // "true" or "false": whether somebody holds it
	State      // one of the states below
	Holder     // the id of a holder; a token may have several
	Group      // the id of a group; a token may have several
	Created
	LastUsed // missing where it never was
	Expires  // missing where it does not
	Slot
	numberOfFields // keep last
)

// The values of State: the state of a token in one word.
const (
	StateUnassigned = "unassigned" // nobody holds it
	StateNew        = "new"
	StatePending    = "pending"
	StateActive     = "active"
	StateInactive   = "inactive" // held and switched off
	StateDeceased   = "deceased"
)

// entry is what the directory keeps of a token.
type entry struct {
	id      record.TokenID
	tenant  record.TenantID
	slot    uint64
	version uint64
	// The values, in the form in which they are compared: of the fields with one, and
	// of the two that may have several.
	values          [numberOfFields]string
	holders, groups []string
	// users are the holders whose use lastUsed was.
	users    []record.UserID
	lastUsed time.Time
}

// of returns the values of a field.
func (e *entry) of(f Field) []string {
	switch f {
	case Holder:
		return e.holders
	case Group:
		return e.groups
	case Created, LastUsed, Expires:
		if e.values[f] == "" {
			return nil
		}
	}
	return e.values[f : f+1 : f+1]
}

// timeForm is an instant in UTC whose texts are in the order of the instants.
const timeForm = "2006-01-02T15:04:05.000000000Z"

func newEntry(t *record.Token) *entry {
	e := &entry{id: t.ID, tenant: t.Tenant, slot: uint64(t.Slot), version: t.Version, users: usersOf(t), lastUsed: t.LastUsedAt}
	set := func(f Field, value string) { e.values[f] = value }
	set(Serial, t.Serial)
	set(ID, string(t.ID))
	set(Label, strings.ToLower(t.Label))
	set(Kind, map[record.Kind]string{record.KindCard: "card", record.KindOTP: "otp"}[t.Kind])
	set(Manufacturer, t.Product.Manufacturer)
	set(Model, t.Product.Model)
	set(Repository, t.Product.Repository)
	set(Hardware, boolText(t.Product.Hardware))
	set(Activation, map[record.Activation]string{
		record.ActivationNew: "new", record.ActivationPending: "pending", record.Activated: "activated",
	}[t.Activation])
	set(Enabled, boolText(t.Enabled))
	set(Deceased, boolText(t.Deceased))
	set(Complete, boolText(t.Complete))
	set(Held, boolText(len(t.Holders) > 0))
	set(State, stateOf(t))
	for _, a := range t.Holders {
		e.holders = append(e.holders, string(a.User))
	}
	for _, g := range t.Groups {
		e.groups = append(e.groups, string(g))
	}
	e.values[Created] = timeValue(t.CreatedAt)
	e.values[LastUsed] = timeValue(t.LastUsedAt)
	e.values[Expires] = timeValue(t.ExpiresAt)
	set(Slot, number(e.slot))
	return e
}

func stateOf(t *record.Token) string {
	switch {
	case t.Deceased:
		return StateDeceased
	case len(t.Holders) == 0:
		return StateUnassigned
	case !t.Enabled:
		return StateInactive
	case t.Activation == record.Activated:
		return StateActive
	case t.Activation == record.ActivationPending:
		return StatePending
	}
	return StateNew
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// timeValue is empty for no time.
func timeValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeForm)
}

// share makes an entry share strings that many tokens have. Each record that is read has
// its own copies.
func (e *entry) share() {
	e.tenant = record.TenantID(text(string(e.tenant)))
	for _, f := range []Field{Manufacturer, Model, Repository, Created} {
		e.values[f] = text(e.values[f])
	}
	for _, list := range [][]string{e.holders, e.groups} {
		for i := range list {
			list[i] = text(list[i])
		}
	}
	e.id = record.TokenID(e.values[ID])
}

func text(s string) string { return unique.Make(s).Value() }
