package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
)

func tenantPolicyCommand(a *app) *cobra.Command {
	var bound, none bool
	var osUsers []string
	cmd := &cobra.Command{
		Use:   "policy TENANT [POLICY]",
		Short: "Say what new tokens of a tenant are like",
		Long: `Say which algorithms new tokens of a tenant offer, as "vtoken token policy" says
it of one token, and whether they are PIN-bound, as "vtoken token create" makes
one (--pin-bound=false: no longer). Tokens that there are stay as they are.

With --os-users say which operating system users the tenant's own administrators may
map to its users, in place of those said before: names and '#UID's with commas
between them, or '*' for all but root. In the tenant "default" the users that they
create are then mapped by name, if that name is among them. One that another tenant
has is refused to them all the same. What is mapped already stays. Only an
administrator of the machine says this.`,
		Example: `  vtoken tenant policy sales modern
  vtoken tenant policy sales --pin-bound
  vtoken tenant policy sales --os-users alice,bob,'#1001'
  vtoken tenant policy default --os-users '*'`,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, flag := range []string{"pin-bound", "os-users", "no-os-users"} {
				if cmd.Flags().Changed(flag) && len(args) == 1 {
					return nil
				}
			}
			return arguments("TENANT", "POLICY")(cmd, args)
		},
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var changes []api.TenantChange
			if none && len(osUsers) > 0 {
				return usagef(cmd, "give either --os-users or --no-os-users")
			}
			if none || len(osUsers) > 0 {
				list := append([]string{}, osUsers...)
				changes = append(changes, api.TenantChange{OSUsers: &list})
			}
			if cmd.Flags().Changed("pin-bound") {
				changes = append(changes, api.TenantChange{PINBound: &bound})
			}
			if len(args) > 1 {
				changes = append(changes, api.TenantChange{Policy: &args[1]})
			}
			for _, change := range changes {
				if _, err := c.ChangeTenant(cmd.Context(), args[0], change); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringSliceVar(&osUsers, "os-users", nil, "operating system users, `NAME`s and '#UID's, that the tenant's administrators may map")
	cmd.Flags().BoolVar(&none, "no-os-users", false, "let the tenant's administrators map nobody, as at first")
	cmd.Flags().BoolVar(&bound, "pin-bound", false, "let private keys of new tokens open with their PINs only")
	return cmd
}
