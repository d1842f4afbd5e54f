package provisioning

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
)

// osUser is an operating system user, in all known spellings: the name and "#uid".
type osUser []string

// osUsers returns the operating system users of these names. It asks the system, which
// may take a while, so it is not called in a transaction.
func (s *Service) osUsers(names ...string) []osUser {
	list := make([]osUser, len(names))
	for i, name := range names {
		list[i] = osUser{name}
		for _, spelling := range s.opt.OSUser(name) {
			if !slices.Contains(list[i], spelling) {
				list[i] = append(list[i], spelling)
			}
		}
	}
	return list
}

// root reports whether the user is the superuser.
func (u osUser) root() bool { return slices.Contains(u, "root") || slices.Contains(u, "#0") }

// isNamedBy reports whether a tenant's policy names the user.
func (u osUser) isNamedBy(policy []string) bool {
	if slices.Contains(policy, record.AnyOSUser) && !u.root() {
		return true
	}
	return slices.ContainsFunc(u, func(spelling string) bool { return slices.Contains(policy, spelling) })
}

// mayMap checks that a caller may map operating system users to users of a tenant: any
// with the right for OpUserMapAny, otherwise those that the tenant's policy names and
// that no other tenant has.
func (c Caller) mayMap(tx ReadTx, tenant *record.Tenant, list ...osUser) error {
	if c.mayDo(OpUserMapAny) == nil {
		return nil
	}
	for _, u := range list {
		if !u.isNamedBy(tenant.OSUsers) {
			return Errorf(Forbidden, "the policy of tenant %q does not name the operating system user %q, and only an administrator of the machine maps it then, or adds it with `vtoken tenant policy --os-users`",
				text.Clip(tenant.Name), text.Clip(u[0]))
		}
		found, err := tx.UsersMapped(u...)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(other *record.User) bool { return other.Tenant != tenant.ID }) {
			return Errorf(Forbidden,
				"the operating system user %q belongs to another tenant; only an administrator of the machine maps it to users of two",
				text.Clip(u[0]))
		}
	}
	return nil
}

// naming has the operating system users that logins name, for callers who may not map
// any.
type naming map[string]osUser

// naming asks the system for the operating system users of these logins where they
// matter: for callers who may not map any, in the default tenant, if its policy names
// some.
func (s *Service) naming(ctx context.Context, c Caller, tenant record.TenantID, logins ...string) (naming, error) {
	if c.mayDo(OpUserMapAny) == nil {
		return nil, nil
	}
	var policy []string
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := tx.Tenant(tenant)
		if found, err := exists(err); err != nil || !found || t.Name != record.DefaultTenant {
			return err
		}
		policy = t.OSUsers
		return nil
	})
	if err != nil || len(policy) == 0 {
		return nil, err
	}
	names := make(naming, len(logins))
	for _, login := range logins {
		if _, known := names[login]; !known {
			names[login] = s.osUsers(login)[0]
		}
	}
	return names, nil
}

// isMappedByName reports whether a user who is new, or whose OSUsers become empty, is mapped by
// name. Only the default tenant maps by name: there the login must name an operating
// system user that the caller may map.
func (c Caller) isMappedByName(tx ReadTx, u *record.User, names naming) error {
	tenant, err := tenantOf(tx, u.Tenant)
	if err != nil || tenant.Name != record.DefaultTenant {
		return err
	}
	named, known := names[u.Login]
	if !known {
		named = osUser{u.Login}
	}
	err = c.mayMap(tx, tenant, named)
	if err != nil && KindOf(err) != Forbidden {
		return err
	}
	u.NotByName = err != nil
	return nil
}

// mapping is the map of a user: a list, or by name where it is empty.
type mapping struct {
	list  []string // as it is stored
	users []osUser // the same
	names naming
}

// mapping checks a list and asks the system for its users, for a user with that login.
func (s *Service) mapping(
	ctx context.Context, c Caller, tenant record.TenantID, login string, list []string,
) (m mapping, err error) {
	if m.list, err = checkMap(list); err != nil {
		return m, err
	}
	if len(m.list) == 0 {
		m.names, err = s.naming(ctx, c, tenant, login)
		return m, err
	}
	m.users = s.osUsers(m.list...)
	return m, nil
}

// to sets the map of a user. The caller must be allowed to map the entries that are new
// to the user.
func (m mapping) to(tx ReadTx, c Caller, u *record.User) error {
	tenant, err := tenantOf(tx, u.Tenant)
	if err != nil {
		return err
	}
	if len(m.list) == 0 {
		if unchanged := u.ID != "" && len(u.OSUsers) == 0 && !u.NotByName; unchanged {
			return nil
		}
		u.OSUsers = nil
		return c.isMappedByName(tx, u, m.names)
	}
	for i, name := range m.list {
		if slices.Contains(u.OSUsers, name) {
			continue
		}
		if err := c.mayMap(tx, tenant, m.users[i]); err != nil {
			return err
		}
	}
	u.OSUsers, u.NotByName = slices.Clone(m.list), false
	return nil
}

// maxOSUsers bounds the map of one user, and maxPolicyUsers the operating system users
// that the policy of a tenant names.
const (
	maxOSUsers     = 64
	maxPolicyUsers = 256
)

// checkOSUsers refuses entries that cannot name an operating system user. It returns the
// list with every uid in its shortest form.
func checkOSUsers(list []string, most int) ([]string, error) {
	if len(list) > most {
		return nil, Errorf(BadInput, "%d operating system users are too many; give at most %d", len(list), most)
	}
	out := make([]string, 0, len(list))
	for _, name := range list {
		if err := checkName("operating system user", name); err != nil {
			return nil, err
		}
		if uid, ok := strings.CutPrefix(name, "#"); ok {
			n, err := strconv.ParseUint(uid, 10, 32)
			if err != nil {
				return nil, Errorf(BadInput, "%q is no uid; write a uid as #1000, or give a name", text.Clip(name))
			}
			name = "#" + strconv.FormatUint(n, 10)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// checkMap is checkOSUsers for the map of a user.
func checkMap(list []string) ([]string, error) {
	if slices.Contains(list, record.AnyOSUser) {
		return nil, Errorf(BadInput, "%q is not an operating system user; name those who act as the user", record.AnyOSUser)
	}
	return checkOSUsers(list, maxOSUsers)
}

// SetTenantOSUsers sets the operating system users that the tenant's own administrators
// may map to its users: names, uids as "#1000", or [record.AnyOSUser] for all but root.
// Existing maps stay.
func (s *Service) SetTenantOSUsers(ctx context.Context, c Caller, id record.TenantID, list []string) (Tenant, error) {
	if err := c.authorize(OpTenantOSUsers, id); err != nil {
		return Tenant{}, err
	}
	list, err := checkOSUsers(list, maxPolicyUsers)
	if err != nil {
		return Tenant{}, err
	}
	return s.changeTenant(ctx, c, id, func(t *record.Tenant) { t.OSUsers = list })
}
