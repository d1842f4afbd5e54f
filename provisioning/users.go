package provisioning

import (
	"context"
	"errors"
	"strings"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// CreateUser creates an enabled user. Given operating system users, it maps them as
// [Service.MapUser] does, which takes the rights for both. Without any, a user of the
// default tenant is mapped by name, if the caller may map the operating system user of
// that name, and otherwise to nobody. A login that is taken is a Conflict.
func (s *Service) CreateUser(
	ctx context.Context, c Caller, tenant record.TenantID, login string, osUsers ...string,
) (record.User, error) {
	if err := c.authorize(OpUserCreate, tenant); err != nil {
		return record.User{}, err
	}
	if err := checkName("login", login); err != nil {
		return record.User{}, err
	}
	if len(osUsers) > 0 {
		if err := c.authorize(OpUserMap, tenant); err != nil {
			return record.User{}, err
		}
	}
	mapped, err := s.mapping(ctx, c, tenant, login, osUsers)
	if err != nil {
		return record.User{}, err
	}
	var user record.User
	err = s.update(ctx, func(tx Tx) error {
		u := newUser(tenant, login)
		if err := mapped.to(tx, c, u); err != nil {
			return err
		}
		if err := tx.PutUser(u); err != nil {
			return orConflict(err, "there is a user %q already; choose another login", text.Clip(login))
		}
		user = *u
		return nil
	})
	return user, err
}

// Users lists the users of a tenant, by login.
func (s *Service) Users(ctx context.Context, c Caller, tenant record.TenantID) ([]record.User, error) {
	if err := c.authorize(OpUserList, tenant); err != nil {
		return nil, err
	}
	list := []record.User{}
	err := s.view(ctx, func(tx ReadTx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		all, err := tx.Users(tenant)
		for _, u := range all {
			list = append(list, *u)
		}
		return err
	})
	return list, err
}

// User returns the user with that login, alias or id.
func (s *Service) User(ctx context.Context, c Caller, tenant record.TenantID, name string) (record.User, error) {
	if err := c.authorize(OpUserGet, tenant); err != nil {
		return record.User{}, err
	}
	var u *record.User
	err := s.view(ctx, func(tx ReadTx) (err error) {
		u, err = userOf(tx, tenant, name)
		return err
	})
	if err != nil {
		return record.User{}, err
	}
	return *u, nil
}

// MapUser sets the operating system users that act as the user: names, or uids as
// "#1000". The caller must be allowed to map those that are new to the user: any with the
// right for OpUserMapAny, otherwise those that the tenant's policy names and no other
// tenant has (Forbidden). Other users of the same operating system users do not change.
//
// An empty list restores the default: in the default tenant, the operating system user
// with the name of the login, if the caller may map that one. A list replaces it.
func (s *Service) MapUser(
	ctx context.Context, c Caller, tenant record.TenantID, name string, osUsers []string,
) (record.User, error) {
	if err := c.authorize(OpUserMap, tenant); err != nil {
		return record.User{}, err
	}
	login, err := s.loginOf(ctx, tenant, name)
	if err != nil {
		return record.User{}, err
	}
	mapped, err := s.mapping(ctx, c, tenant, login, osUsers)
	if err != nil {
		return record.User{}, err
	}
	return s.changeUser(ctx, c, OpUserMap, tenant, name, func(tx Tx, u *record.User) error { return mapped.to(tx, c, u) })
}

// loginOf returns the login of a user who is named by login, alias or id.
func (s *Service) loginOf(ctx context.Context, tenant record.TenantID, name string) (login string, err error) {
	err = s.view(ctx, func(tx ReadTx) error {
		u, err := userOf(tx, tenant, name)
		if err == nil {
			login = u.Login
		}
		return err
	})
	return login, err
}

// SetUserEnabled enables or disables a user. Applications do not see the tokens of a
// disabled user. A user who is in that state already is no error.
func (s *Service) SetUserEnabled(
	ctx context.Context, c Caller, tenant record.TenantID, name string, on bool,
) (record.User, error) {
	op := OpUserDisable
	if on {
		op = OpUserEnable
	}
	return s.changeUser(ctx, c, op, tenant, name, func(_ Tx, u *record.User) error {
		u.Enabled = on
		return nil
	})
}

// UserChange is a change of a user; nil leaves a field unchanged.
type UserChange struct {
	Domain  *string
	Aliases *[]string
}

// maxAliases bounds the aliases of one user.
const maxAliases = 16

// ChangeUser changes the names of a user. An alias that is the login or alias of another
// user is a Conflict.
func (s *Service) ChangeUser(
	ctx context.Context, c Caller, tenant record.TenantID, name string, change UserChange,
) (record.User, error) {
	if err := change.check(); err != nil {
		return record.User{}, err
	}
	u, err := s.changeUser(ctx, c, OpUserChange, tenant, name, func(_ Tx, u *record.User) error {
		set(&u.Domain, change.Domain)
		if change.Aliases != nil {
			u.Aliases = append([]string(nil), *change.Aliases...)
		}
		return nil
	})
	return u, orConflict(err, "another user has one of these aliases already; choose others")
}

func (u UserChange) check() error {
	if u.Domain != nil && *u.Domain != "" {
		if err := checkName("domain", *u.Domain); err != nil {
			return err
		}
	}
	if u.Aliases == nil {
		return nil
	}
	if len(*u.Aliases) > maxAliases {
		return Errorf(BadInput, "%d aliases for one user are too many; give at most %d", len(*u.Aliases), maxAliases)
	}
	for _, alias := range *u.Aliases {
		if err := checkName("alias", alias); err != nil {
			return err
		}
	}
	return nil
}

// DeleteUser deletes a user. One who holds tokens is WrongState: unassign or delete them
// first.
func (s *Service) DeleteUser(ctx context.Context, c Caller, tenant record.TenantID, name string) error {
	if err := c.authorize(OpUserDelete, tenant); err != nil {
		return err
	}
	return s.update(ctx, func(tx Tx) error {
		u, err := userOf(tx, tenant, name)
		if err != nil {
			return err
		}
		if err := deleteBlanks(tx, u.ID); err != nil {
			return err
		}
		if err := tx.DeleteUser(u.ID); errors.Is(err, record.ErrInUse) {
			return Errorf(WrongState, "user %q holds tokens; unassign or delete them first", text.Clip(u.Login))
		} else if err != nil {
			return err
		}
		return nil
	})
}

// deleteBlanks deletes the blank tokens of a user, which administrators do not see.
func deleteBlanks(tx Tx, user record.UserID) error {
	all, err := tx.TokensOf(user)
	if err != nil {
		return err
	}
	for _, t := range all {
		if !isBlank(t) {
			continue
		}
		if err := tx.DeleteToken(t.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) changeUser(
	ctx context.Context, c Caller, op Operation, tenant record.TenantID, name string, change func(Tx, *record.User) error,
) (record.User, error) {
	var changed record.User
	if err := c.authorize(op, tenant); err != nil {
		return changed, err
	}
	err := s.update(ctx, func(tx Tx) error {
		u, err := userOf(tx, tenant, name)
		if err != nil {
			return err
		}
		changed = *u
		if err := change(tx, &changed); err != nil {
			return err
		}
		stored := changed
		return tx.PutUser(&stored)
	})
	return changed, err
}

func newUser(tenant record.TenantID, login string) *record.User {
	return &record.User{Tenant: tenant, Login: login, Enabled: true}
}

// userOf reads the user with that login, alias or id, in a tenant that exists.
func userOf(tx ReadTx, tenant record.TenantID, name string) (*record.User, error) {
	if _, err := tenantOf(tx, tenant); err != nil {
		return nil, err
	}
	u, err := tx.UserByLogin(tenant, name)
	if found, err := exists(err); found || err != nil {
		return u, err
	}
	if u, err = tx.User(record.UserID(strings.ToLower(name))); err == nil && u.Tenant == tenant {
		return u, nil
	}
	if _, err := exists(err); err != nil {
		return nil, err
	}
	return nil, Errorf(UserNotFound, "there is no user %q in this tenant; list them with `vtoken user list`",
		text.Clip(name))
}
