package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func userCreateCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	var osUsers []string
	cmd := &cobra.Command{
		Use:   "create LOGIN",
		Short: "Create a user",
		Long: `Create a user, who can then hold tokens. Its id is printed.

In the tenant "default" the tokens of a user are seen by the operating system
user of the same name. Another one is set with --os-user, here or later with
"vtoken user map". Both are for administrators of the machine, and for those of the
tenant as far as "vtoken tenant policy --os-users" lets them; a user that they make
otherwise is mapped to nobody.`,
		Example: `  vtoken user create alice
  vtoken user create alice --tenant sales --os-user alice --os-user '#1001'
  vtoken user create bob -o json`,
		Args: arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			u, err := c.CreateUser(cmd.Context(), tenant, api.NewUser{Login: args[0], OSUsers: osUsers})
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, u)
			}
			_, err = fmt.Fprintln(a.out, u.ID)
			return err
		}),
	}
	addTenantFlag(cmd, &tenant)
	cmd.Flags().StringArrayVar(&osUsers, "os-user", nil, "operating system user, a `NAME` or '#UID', who sees the user's tokens (repeatable)")
	out.addFlag(cmd)
	return cmd
}
