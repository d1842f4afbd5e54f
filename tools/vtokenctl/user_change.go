package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func userChangeCommand(a *app) *cobra.Command {
	var tenant, domain string
	var aliases []string
	cmd := &cobra.Command{
		Use:   "change LOGIN",
		Short: "Set the domain and the aliases of a user",
		Long: `Set the domain of a user, as some provisioning systems name it, and the aliases
that the user is found by, in place of those set before.`,
		Example: `  vtoken user change alice --domain example.com --alias alice@example.com`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var change api.UserChange
			if cmd.Flags().Changed("domain") {
				change.Domain = &domain
			}
			if cmd.Flags().Changed("alias") {
				list := append([]string{}, aliases...)
				if len(list) == 1 && list[0] == "" {
					list = []string{}
				}
				change.Aliases = &list
			}
			if change == (api.UserChange{}) {
				return usagef(cmd, "say with --domain or --alias what to change")
			}
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], change)
			return err
		}),
	}
	cmd.Flags().StringVar(&domain, "domain", "", "`NAME` of the domain; empty is none")
	cmd.Flags().StringArrayVar(&aliases, "alias", nil, "another `NAME` of the user (repeatable); one empty name is none")
	addTenantFlag(cmd, &tenant)
	return cmd
}

func userDeleteCommand(a *app) *cobra.Command {
	var tenant string
	var d destructive
	cmd := &cobra.Command{
		Use:     "delete LOGIN",
		Short:   "Delete a user who holds no tokens",
		Example: `  vtoken user create eve && vtoken user delete eve --yes`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, "delete the user "+args[0]); !ok {
				return err
			}
			return c.DeleteUser(cmd.Context(), tenant, args[0])
		}),
	}
	addTenantFlag(cmd, &tenant)
	d.addFlags(cmd)
	return cmd
}
