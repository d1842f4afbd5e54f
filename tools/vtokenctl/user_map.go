package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func userMapCommand(a *app) *cobra.Command {
	var tenant string
	var osUsers []string
	var none bool
	cmd := &cobra.Command{
		Use:   "map LOGIN",
		Short: "Set the operating system users who see a user's tokens",
		Long: `Set the operating system users whose processes see the tokens of a user, in
place of those set before. The kernel tells the daemon who a process is; nothing
that the process says counts.

With --default the map is as at first: in the tenant "default" the operating
system user of the same name, in other tenants nobody.

An operating system user who is mapped to several users sees the tokens of all of
them, and makes new ones for the first: the one of the same name, else the oldest.

An administrator of the machine maps anybody. Those of a tenant map who is named in
"vtoken tenant policy --os-users" and belongs to no other tenant.`,
		Example: `  vtoken user map alice --os-user alice --os-user www-data
  vtoken user map alice --os-user '#1001'
  vtoken user map alice --default`,
		Args: arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if none == (len(osUsers) > 0) {
				return usagef(cmd, "give either --os-user or --default")
			}
			list := append([]string{}, osUsers...)
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], api.UserChange{OSUsers: &list})
			return err
		}),
	}
	cmd.Flags().StringArrayVar(&osUsers, "os-user", nil, "operating system user, a `NAME` or '#UID' (repeatable)")
	cmd.Flags().BoolVar(&none, "default", false, "go back to the default")
	addTenantFlag(cmd, &tenant)
	return cmd
}
