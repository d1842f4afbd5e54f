package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
)

func tenantPolicyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "policy TENANT POLICY",
		Short: "Say which algorithms new tokens of a tenant offer",
		Long: `Say which algorithms new tokens of a tenant offer, as "vtoken token policy" says
it of one token. Tokens that there are keep their policy.`,
		Example: `  vtoken tenant policy sales modern`,
		Args:    arguments("TENANT", "POLICY"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeTenant(cmd.Context(), args[0], api.TenantChange{Policy: &args[1]})
			return err
		}),
	}
}
