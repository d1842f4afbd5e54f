package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRole(t *testing.T) {
	for text, want := range map[string]struct {
		role   Role
		rights Rights
	}{
		"view":                        {RoleView, MayView},
		"edit":                        {RoleEdit, MayView | MayAdd | MayEdit},
		"admin":                       {RoleAdmin, MayView | MayAdd | MayEdit | MayRemove | MayManage},
		"system":                      {RoleSystem, everything},
		"add":                         {"add", MayAdd},
		"+edit":                       {"+edit", MayEdit},
		"+system":                     {"+system", MaySystem},
		"+view":                       {RoleView, MayView},
		"add,view":                    {"view+add", MayView | MayAdd},
		"remove+view+remove":          {"view+remove", MayView | MayRemove},
		"view,add,edit":               {RoleEdit, MayView | MayAdd | MayEdit},
		"edit+add+view+remove+manage": {RoleAdmin, MayView | MayAdd | MayEdit | MayRemove | MayManage},
		"view+system":                 {"view+system", MayView | MaySystem},
		"":                            {}, "+": {}, "root": {}, "View": {}, "view+": {}, "view++add": {}, "admin+view": {}, "view add": {},
	} {
		role, ok := ParseRole(text)
		if role != want.role || ok != (want.rights != 0) || role.Rights() != want.rights {
			t.Errorf("%q is %q (%v) with %v, want %q with %v", text, role, ok, role.Rights().Names(), want.role, want.rights.Names())
		}
	}
}

// TestRolesOfRights writes and reads every set.
func TestRolesOfRights(t *testing.T) {
	seen := map[Role]bool{}
	for r := Rights(1); r <= everything; r++ {
		role := r.Role()
		if role.Rights() != r || seen[role] {
			t.Errorf("%v is written %q, which is %v", r.Names(), role, role.Rights().Names())
		}
		seen[role] = true
	}
	require.EqualValues(t, "", Rights(0).Role(), "no rights are some role")
	require.EqualValues(t, 0, Role("").Rights(), "no rights are some role")
}
