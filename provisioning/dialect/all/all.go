package all

import (
	"fmt"
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

// dialects is the list. A new dialect is one line here.
var dialects = []struct {
	name string
	make dialect.New
}{
	{idprime.Name, idprime.New},
	{entrust.Name, entrust.New},
	{surepassid.Name, surepassid.New},
	{securid.Name, securid.New},
	{dualshield.Name, dualshield.New},
}

// Names are the names of all dialects, in the order of the list.
func Names() []string {
	names := make([]string, len(dialects))
	for i, d := range dialects {
		names[i] = d.name
	}
	return names
}

// New makes the dialects of these names.
func New(names []string, core *provisioning.Service, kit *httpkit.Kit) ([]dialect.Dialect, error) {
	var made []dialect.Dialect
next:
	for _, name := range names {
		for _, d := range dialects {
			if d.name == name {
				made = append(made, d.make(core, kit.For(name)))
				continue next
			}
		}
		return nil, fmt.Errorf("there is no dialect %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return made, nil
}
