package main

import (
	"slices"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tenantPolicyCommand(a *app) *cobra.Command {
	var bound, none bool
	var osUsers []string
	var objects, perUser uint64
	flags := []string{"pin-bound", "os-users", "no-os-users", "max-objects", "max-objects-per-user"}
	cmd := &cobra.Command{
		Use:   "policy TENANT [POLICY]",
		Short: "Say what new tokens of a tenant are like, and how much tokens hold",
		Long: `Say which algorithms new tokens of a tenant offer, as "vtoken token policy" says
it of one token, and whether they are PIN-bound, as "vtoken token create" makes
one (--pin-bound=false: no longer). Tokens that there are stay as they are.

With --os-users say which operating system users the tenant's own administrators may
map to its users, in place of those said before: names and '#UID's with commas
between them, or '*' for all but root. In the tenant "default" the users that they
create are then mapped by name, if that name is among them. One that another tenant
has is refused to them all the same. What is mapped already stays. Only an
administrator of the machine says this.

The quotas are for all tokens of the tenant: how many objects one holds, and how
many all tokens hold that one user owns. There are 8 KiB for each object, and 16
MiB at least. Where it is used up, applications get CKR_DEVICE_MEMORY. What is
there stays, also where it is more. 0 is the default.`,
		Example: `  vtoken tenant policy sales modern
  vtoken tenant policy sales --pin-bound
  vtoken tenant policy sales --os-users alice,bob,'#1001'
  vtoken tenant policy default --os-users '*'
  vtoken tenant policy sales --max-objects 50000 --max-objects-per-user 100000`,
		Args: func(cmd *cobra.Command, args []string) error {
			if slices.ContainsFunc(flags, cmd.Flags().Changed) && len(args) == 1 {
				return nil
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
			if cmd.Flags().Changed("max-objects") {
				changes = append(changes, api.TenantChange{MaxObjects: &objects})
			}
			if cmd.Flags().Changed("max-objects-per-user") {
				changes = append(changes, api.TenantChange{MaxObjectsPerUser: &perUser})
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
	cmd.Flags().Uint64Var(&objects, "max-objects", 0, "let a token hold so many objects (10000 by default)")
	cmd.Flags().Uint64Var(&perUser, "max-objects-per-user", 0, "let all tokens that a user owns hold so many (20000 by default)")
	return cmd
}
