package provisioning

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"vtoken/vtoken/record"
)

// CreateUser makes an enabled user. It is mapped to operating system users as
// [Service.MapUser] does, if any are given; that takes the role for both. A
// login that is taken is a Conflict.
func (s *Service) CreateUser(ctx context.Context, c Caller, tenant record.TenantID, login string, osUsers ...string) (record.User, error) {
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
		if err := checkOSUsers(osUsers); err != nil {
			return record.User{}, err
		}
	}
	var user record.User
	err := s.update(ctx, func(tx Tx) error {
		if _, err := tenantOf(tx, tenant); err != nil {
			return err
		}
		u := newUser(tenant, login)
		u.OSUsers = append([]string(nil), osUsers...)
		if err := tx.PutUser(u); err != nil {
			return taken(err, "there is a user %q already; choose another login", clip(login))
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

// User is the user of that login, or else of that id.
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

// MapUser sets the operating system users that act as the user: names, or uids
// as "#1000". An empty list goes back to the default, which in the default
// tenant is the OS user of the same name as the login.
func (s *Service) MapUser(ctx context.Context, c Caller, tenant record.TenantID, name string, osUsers []string) (record.User, error) {
	if err := checkOSUsers(osUsers); err != nil {
		return record.User{}, err
	}
	return s.changeUser(ctx, c, OpUserMap, tenant, name, func(u *record.User) {
		u.OSUsers = append([]string(nil), osUsers...)
	})
}

// SetUserEnabled switches a user on or off. The tokens of a user who is off are
// not shown to applications. It is no error if the user is so already.
func (s *Service) SetUserEnabled(ctx context.Context, c Caller, tenant record.TenantID, name string, on bool) (record.User, error) {
	op := OpUserDisable
	if on {
		op = OpUserEnable
	}
	return s.changeUser(ctx, c, op, tenant, name, func(u *record.User) { u.Enabled = on })
}

// UserChange is a change of a user; nil leaves a field as it is.
type UserChange struct {
	Domain  *string
	Aliases *[]string
}

// maxAliases bounds the aliases of one user.
const maxAliases = 16

// ChangeUser changes what a user is found by. An alias that another user has as
// login or alias is a Conflict.
func (s *Service) ChangeUser(ctx context.Context, c Caller, tenant record.TenantID, name string, change UserChange) (record.User, error) {
	if err := change.check(); err != nil {
		return record.User{}, err
	}
	u, err := s.changeUser(ctx, c, OpUserChange, tenant, name, func(u *record.User) {
		set(&u.Domain, change.Domain)
		if change.Aliases != nil {
			u.Aliases = append([]string(nil), *change.Aliases...)
		}
	})
	return u, taken(err, "another user has one of these aliases already; choose others")
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

// DeleteUser removes a user. One who holds tokens is WrongState: unassign or
// delete them first.
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
			return Errorf(WrongState, "user %q holds tokens; unassign or delete them first", clip(u.Login))
		} else if err != nil {
			return err
		}
		return nil
	})
}

// deleteBlanks deletes the tokens of a user that no administrator sees.
func deleteBlanks(tx Tx, user record.UserID) error {
	all, err := tx.TokensOf(user)
	if err != nil {
		return err
	}
	for _, t := range all {
		if !blank(t) {
			continue
		}
		if err := tx.DeleteToken(t.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) changeUser(ctx context.Context, c Caller, op Operation, tenant record.TenantID, name string, change func(*record.User)) (record.User, error) {
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
		change(&changed)
		stored := changed
		return tx.PutUser(&stored)
	})
	return changed, err
}

func newUser(tenant record.TenantID, login string) *record.User {
	return &record.User{Tenant: tenant, Login: login, Enabled: true}
}

// userOf reads the user of that login or alias, or else of that id, in a tenant that
// exists.
func userOf(tx ReadTx, tenant record.TenantID, name string) (*record.User, error) {
	if _, err := tenantOf(tx, tenant); err != nil {
		return nil, err
	}
	u, err := tx.UserByLogin(tenant, name)
	if there, err := exists(err); there || err != nil {
		return u, err
	}
	if u, err = tx.User(record.UserID(strings.ToLower(name))); err == nil && u.Tenant == tenant {
		return u, nil
	}
	if _, err := exists(err); err != nil {
		return nil, err
	}
	return nil, Errorf(UserNotFound, "there is no user %q in this tenant; list them with `vtoken user list`", clip(name))
}

// maxOSUsers bounds the map of one user.
const maxOSUsers = 64

func checkOSUsers(list []string) error {
	if len(list) > maxOSUsers {
		return Errorf(BadInput, "%d operating system users for one user are too many; give at most %d", len(list), maxOSUsers)
	}
	for _, name := range list {
		if err := checkName("operating system user", name); err != nil {
			return err
		}
		if uid, ok := strings.CutPrefix(name, "#"); ok {
			if _, err := strconv.ParseUint(uid, 10, 32); err != nil {
				return Errorf(BadInput, "%q is no uid; write a uid as #1000, or give a name", clip(name))
			}
		}
	}
	return nil
}

// clip shortens what a caller sent, for error messages.
func clip(s string) string {
	const most = 64
	for n := range s {
		if n > most {
			return s[:n] + "…"
		}
	}
	return s
}
