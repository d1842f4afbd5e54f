package record

import (
	"slices"
	"strings"
)

// Rights is a set of what a credential may do. The zero value may do nothing.
type Rights uint8

// The rights. Each stands alone: who may change a thing may not for that read it.
const (
	MayView   Rights = 1 << iota // read
	MayAdd                       // create, and begin and end activations
	MayEdit                      // change
	MayRemove                    // delete
	MayManage                    // manage API keys, policies and mappings
	MaySystem                    // in every tenant; tenants themselves and the store
)

// everything is all rights there are.
const everything = MayView | MayAdd | MayEdit | MayRemove | MayManage | MaySystem

// rightNames are the names of the rights, in the order of their bits.
var rightNames = [...]string{"view", "add", "edit", "remove", "manage", "system"}

// namedRights are the rights of the named roles.
var namedRights = map[Role]Rights{
	RoleView:   MayView,
	RoleEdit:   MayView | MayAdd | MayEdit,
	RoleAdmin:  MayView | MayAdd | MayEdit | MayRemove | MayManage,
	RoleSystem: everything,
}

// Has reports whether all of the rights in need are in r.
func (r Rights) Has(need Rights) bool { return r&need == need }

// Names are the names of the rights in r, in a fixed order.
func (r Rights) Names() []string {
	var names []string
	for i, name := range rightNames {
		if r.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// Role is how r is stored and told: the named role with just these rights, else
// their names with + between. A set of one right whose name is that of a role
// has the + before it, because the role may more. No rights are the empty role.
func (r Rights) Role() Role {
	for role, rights := range namedRights {
		if rights == r {
			return role
		}
	}
	role := Role(strings.Join(r.Names(), "+"))
	if _, ambiguous := namedRights[role]; ambiguous {
		return "+" + role
	}
	return role
}

// Rights are what the role may do: none where the role is unknown.
func (role Role) Rights() Rights {
	if rights, named := namedRights[role]; named {
		return rights
	}
	var set Rights
	for name := range strings.SplitSeq(strings.TrimPrefix(string(role), "+"), "+") {
		i := slices.Index(rightNames[:], name)
		if i < 0 {
			return 0
		}
		set |= 1 << i
	}
	return set
}

// ParseRole reads a role as people write it: the name of a role, or names of
// rights with commas or + between. It is told as [Rights.Role] has it; ok is
// false where there is no such role.
func ParseRole(s string) (role Role, ok bool) {
	set := Role(strings.ReplaceAll(s, ",", "+")).Rights()
	return set.Role(), set != 0
}
