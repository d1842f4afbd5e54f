package main

import "github.com/spf13/cobra"

func tenantCommand(a *app) *cobra.Command {
	return group("tenant", "Create, list, change and delete tenants",
		tenantCreateCommand(a),
		tenantListCommand(a),
		tenantPolicyCommand(a),
		tenantDeleteCommand(a),
	)
}

// addTenantFlag adds --tenant to a command.
func addTenantFlag(cmd *cobra.Command, tenant *string) {
	cmd.Flags().StringVar(tenant, "tenant", "", "`TENANT` by name or id (else that of the API key, else default)")
}
