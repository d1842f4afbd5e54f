package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func apikeyRevokeCommand(a *app) *cobra.Command {
	var d destructive
	var tenant string
	cmd := &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Make an API key worthless, at once",
		Example: `  vtoken apikey revoke onboarding --yes`,
		Args:    arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, fmt.Sprintf("revoke the API key %q for good", args[0])); !ok {
				return err
			}
			return c.RevokeAPIKey(cmd.Context(), tenant, args[0])
		}),
	}
	d.addFlags(cmd)
	addTenantFlag(cmd, &tenant)
	return cmd
}
