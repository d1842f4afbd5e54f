package all

import (
	"fmt"
	"slices"
	"strings"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/dialect/dualshield"
	"vtoken/provisioning/dialect/entrust"
	"vtoken/provisioning/dialect/idprime"
	"vtoken/provisioning/dialect/securid"
	"vtoken/provisioning/dialect/surepassid"
	"vtoken/provisioning/httpkit"
)

// Descriptions is the list of all dialects. A new dialect is one line here.
func Descriptions() []dialect.Description {
	return []dialect.Description{
		idprime.Describe(),
		entrust.Describe(),
		surepassid.Describe(),
		securid.Describe(),
		dualshield.Describe(),
	}
}

// Names are the names of all dialects, in the order of the list.
func Names() []string {
	var names []string
	for _, d := range Descriptions() {
		names = append(names, d.Name)
	}
	return names
}

// New makes the dialects of these names.
func New(names []string, core *provisioning.Service, kit *httpkit.Kit) ([]dialect.Dialect, error) {
	all := Descriptions()
	var made []dialect.Dialect
	for _, name := range names {
		i := slices.IndexFunc(all, func(d dialect.Description) bool { return d.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no dialect %q; there are %s", name, strings.Join(Names(), ", "))
		}
		made = append(made, all[i].New(core, kit.ForDialect(name)))
	}
	return made, nil
}
