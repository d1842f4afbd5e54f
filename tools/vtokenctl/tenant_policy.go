package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
)

func tenantPolicyCommand(a *app) *cobra.Command {
	var bound bool
	cmd := &cobra.Command{
		Use:   "policy TENANT [POLICY]",
		Short: "Say what new tokens of a tenant are like",
		Long: `Say which algorithms new tokens of a tenant offer, as "vtoken token policy" says
it of one token, and whether they are PIN-bound, as "vtoken token create" makes
one (--pin-bound=false: no longer). Tokens that there are stay as they are.`,
		Example: `  vtoken tenant policy sales modern
  vtoken tenant policy sales --pin-bound`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("pin-bound") && len(args) == 1 {
				return nil
			}
			return arguments("TENANT", "POLICY")(cmd, args)
		},
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var changes []api.TenantChange
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
	cmd.Flags().BoolVar(&bound, "pin-bound", false, "let private keys of new tokens open with their PINs only")
	return cmd
}
