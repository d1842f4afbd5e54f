package dualshield

import (
	"context"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// user finds the user that attributes below prefix name: by id, or by login and domain.
// named is false if they name none.
func (d *Dialect) user(
	ctx context.Context, c provisioning.Caller, a attrs, prefix string,
) (u record.User, named bool, err error) {
	at := func(names ...string) string {
		for i := range names {
			names[i] = prefix + names[i]
		}
		text, e := a.text(names...)
		if e != nil && err == nil {
			err = e
		}
		return text
	}
	// The vendor's example has "loginNam".
	id, login, domain := at("id"), at("loginname", "loginnam"), at("domain.name", "domain.id", "domain")
	if err != nil || id == "" && login == "" {
		return u, false, err
	}
	name := login
	if id != "" {
		name = id
	}
	u, err = d.core.User(ctx, c, c.Tenant, name)
	if err == nil && (id != "" && string(u.ID) != strings.ToLower(id) || login != "" && u.Login != login && !slices.Contains(u.Aliases, login) ||
		domain != "" && !strings.EqualFold(domain, u.Domain)) {
		err = provisioning.Errorf(provisioning.UserNotFound, "user not found")
	}
	return u, true, err
}

// userNames are the names of attributes that name a user below a prefix.
func userNames(prefix string) []string {
	names := []string{"id", "loginname", "loginnam", "domain.name", "domain.id", "domain"}
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}

// token returns the reference to the token that attributes below prefix name: by id or
// serial number.
func (d *Dialect) token(c provisioning.Caller, a attrs, prefix string) (provisioning.TokenRef, error) {
	ref := provisioning.TokenRef{Tenant: c.Tenant}
	id, err := a.text(prefix + "id")
	if err != nil {
		return ref, err
	}
	if ref.Serial, err = a.text(prefix + "serial"); err != nil {
		return ref, err
	}
	if id == "" && ref.Serial == "" {
		return ref, provisioning.Errorf(provisioning.BadInput, "the token is not named; give %sid or %sserial",
			prefix, prefix)
	}
	if id != "" {
		if ref.ID, err = provisioning.ParseID[record.TokenID]("token", id); err != nil {
			return ref, provisioning.Errorf(provisioning.TokenNotFound, "token not found")
		}
	}
	return ref, nil
}

// assignment parses the id of an assignment: the ids of the token and of the user,
// separated by a dot.
func assignment(c provisioning.Caller, id string) (provisioning.TokenRef, string, error) {
	token, user, ok := strings.Cut(id, ".")
	tid, err := provisioning.ParseID[record.TokenID]("token", token)
	uid, err2 := provisioning.ParseID[record.UserID]("user", user)
	if !ok || err != nil || err2 != nil {
		return provisioning.TokenRef{}, "", provisioning.Errorf(provisioning.TokenNotFound, "token assignment not found")
	}
	return provisioning.TokenRef{Tenant: c.Tenant, User: string(uid), ID: tid}, string(uid), nil
}

func assignmentID(t record.TokenID, u record.UserID) string { return string(t) + "." + string(u) }
