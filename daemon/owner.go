package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// makeOwner creates the first user of a new store: the one that the daemon runs as, who then
// finds a slot to initialize. It does nothing if the default tenant is gone or has users.
func makeOwner(ctx context.Context, core *provisioning.Service) error {
	name := userName(uint32(os.Getuid()))
	system := provisioning.System(name)
	tenant, err := core.TenantNamed(ctx, system, record.DefaultTenant)
	if provisioning.KindOf(err) == provisioning.TenantNotFound && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	users, err := core.Users(ctx, system, tenant.ID)
	if err != nil || len(users) > 0 {
		return err
	}
	var mapped []string
	if strings.HasPrefix(name, "#") { // a uid without a name
		mapped = []string{name}
	}
	if _, err := core.CreateUser(ctx, system, tenant.ID, name, mapped...); err != nil {
		return fmt.Errorf("making the first user, %s: %w", name, err)
	}
	return nil
}
