package keystore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// maxOSUsers bounds the OS users of one user or tenant, and maxAliases the aliases of
// one user.
const (
	maxOSUsers = 256
	maxAliases = 16
)

var users = entity[record.User, userJSON]{
	name: "user", prefix: schema.PrefixUser, field: fieldUser,
	encode: func(u *record.User) userJSON {
		return userJSON{u.Login, u.Enabled, u.CreatedAt.UTC(), u.OSUsers, u.Domain, u.Aliases, u.NotByName}
	},
	decode: func(id, tenant schema.ID, j userJSON) *record.User {
		return &record.User{
			ID: record.UserID(text(id)), Tenant: record.TenantID(text(tenant)),
			Login: j.Login, Enabled: j.Enabled, CreatedAt: j.Created, OSUsers: j.OSUsers,
			Domain: j.Domain, Aliases: j.Aliases, NotByName: j.NotByName,
		}
	},
	tenant:  func(u *record.User) record.TenantID { return u.Tenant },
	created: func(u *record.User) *time.Time { return &u.CreatedAt },
	entries: func(tx *Tx, tenant, id schema.ID, u *record.User) [][]byte {
		keys := [][]byte{entry(tx.indexPrefix(schema.IndexTenantUsers, tenant[:]), nil, id)}
		for _, name := range names(u) {
			keys = append(keys, entry(tx.loginPrefix(tenant, name), nil, id))
		}
		for _, name := range u.OSUsers {
			keys = append(keys, entry(tx.indexPrefix(schema.IndexOSUser, []byte(name)), nil, id))
		}
		return keys
	},
}

// PutUser stores a user: a new one where its ID is empty, which then gets its ID, and a
// creation time where it has none. An ID that is not known is record.ErrNotFound. A login or
// alias that another user of the tenant has as either is record.ErrExists. A user stays in its
// tenant.
func (tx *Tx) PutUser(u *record.User) error {
	if err := checkUser(u); err != nil {
		return err
	}
	tenant, err := tx.tenantScope(u.Tenant)
	if err != nil {
		return err
	}
	isNew := u.ID == ""
	id, err := idOrNew("user", &u.ID)
	if err != nil {
		return err
	}
	if err := tx.checkNames(tenant.id, id, u); err != nil {
		return err
	}
	old, err := users.replaced(tx, id, u, isNew)
	if err != nil {
		return err
	}
	change := record.Change{UserID: u.ID}
	if old != nil {
		urgent, _ := urgencyOf(userLosses, old, u)
		tx.count(urgent, tenantOwner(u.Tenant))
		change.UserLost = losesProcesses(old, u)
	}
	tx.changes = append(tx.changes, change)
	return users.write(tx, tenant, id, old, u)
}

func checkUser(u *record.User) error {
	if err := checkName("login", u.Login); err != nil {
		return err
	}
	if err := checkOSUsers("user", u.OSUsers); err != nil {
		return err
	}
	if len(u.Aliases) > maxAliases {
		return fmt.Errorf("a user has at most %d aliases, not %d", maxAliases, len(u.Aliases))
	}
	for _, name := range u.Aliases {
		if err := checkName("alias", name); err != nil {
			return err
		}
	}
	return nil
}

func checkOSUsers(what string, list []string) error {
	if len(list) > maxOSUsers {
		return fmt.Errorf("a %s has at most %d OS users, not %d", what, maxOSUsers, len(list))
	}
	for _, name := range list {
		if err := checkName("OS user", name); err != nil {
			return err
		}
	}
	return nil
}

// names returns the login and the aliases of a user.
func names(u *record.User) []string { return append([]string{u.Login}, u.Aliases...) }

// checkNames checks that no other user of the tenant has one of the user's names.
func (tx *Tx) checkNames(tenant, id schema.ID, u *record.User) error {
	for _, name := range names(u) {
		other, taken, err := tx.first(tx.loginPrefix(tenant, name))
		if err != nil {
			return err
		}
		if taken && other != id {
			return fmt.Errorf("login %q: %w", name, record.ErrExists)
		}
	}
	return nil
}

func (tx *Tx) loginPrefix(tenant schema.ID, login string) []byte {
	return tx.indexPrefix(schema.IndexLogin, tenant[:], []byte(login))
}

// User reads a user.
func (tx *Tx) User(id record.UserID) (*record.User, error) {
	uid, err := parseID("user", id)
	if err != nil {
		return nil, err
	}
	return tx.user(uid)
}

func (tx *Tx) user(id schema.ID) (*record.User, error) { return users.read(tx, id) }

// UserByLogin reads the user of a tenant with that login or alias.
func (tx *Tx) UserByLogin(tenant record.TenantID, login string) (*record.User, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, err
	}
	id, ok, err := tx.first(tx.loginPrefix(tid, login))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing("user", fmt.Sprintf("%.40q", login))
	}
	u, err := tx.user(id)
	if err == nil && (!slices.Contains(names(u), login) || u.Tenant != tenant) {
		return nil, tampered("the index of logins leads to another user")
	}
	return u, err
}

// Users lists the users of a tenant by login. A tenant that does not exist has none.
func (tx *Tx) Users(tenant record.TenantID) ([]*record.User, error) {
	tid, err := parseID("tenant", tenant)
	if err != nil {
		return nil, err
	}
	list, err := tx.usersUnder(tx.indexPrefix(schema.IndexTenantUsers, tid[:]))
	slices.SortFunc(list, func(a, b *record.User) int { return cmp.Compare(a.Login, b.Login) })
	return list, err
}

func (tx *Tx) usersUnder(prefix []byte) ([]*record.User, error) { return users.list(tx, prefix) }

// DeleteUser removes a user with the pending keys. One that holds tokens is record.ErrInUse.
func (tx *Tx) DeleteUser(id record.UserID) error {
	uid, err := parseID("user", id)
	if err != nil {
		return err
	}
	if _, held, err := tx.first(tx.indexPrefix(schema.IndexHolder, uid[:])); err != nil {
		return err
	} else if held {
		return fmt.Errorf("user %s holds tokens: %w", id, record.ErrInUse)
	}
	return tx.deleteUser(uid)
}

func (tx *Tx) deleteUser(id schema.ID) error {
	if err := errors.Join(tx.deletePendingOf(id), tx.forgetUsage(id)); err != nil {
		return err
	}
	u, err := users.delete(tx, id)
	if err != nil {
		return err
	}
	tx.changes = append(tx.changes, record.Change{UserID: u.ID, UserLost: true})
	return nil
}
