package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func apikeyCommand(a *app) *cobra.Command {
	return group("apikey", "Create, list and revoke API keys",
		apikeyCreateCommand(a),
		apikeyListCommand(a),
		apikeyRevokeCommand(a),
	)
}

func apikeyListCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys of a tenant",
		Long: `List the API keys of a tenant. The keys themselves are not shown: the daemon does not
have them.`,
		Example: `  vtoken apikey list
  vtoken apikey list --tenant sales -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			keys, err := client.All(c.APIKeys(cmd.Context(), tenant))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, keys)
			}
			var rows [][]string
			for _, k := range keys {
				expires := "never"
				if k.ExpiresAt != nil {
					expires = date(*k.ExpiresAt)
				}
				dialect := k.Dialect
				if dialect == "" {
					dialect = apiKeyDialect()
				}
				rows = append(rows, []string{k.Name, k.Role, dialect, date(k.CreatedAt), expires})
			}
			return writeTable(a.out, []string{"NAME", "ROLE", "DIALECT", "CREATED", "EXPIRES"}, rows)
		}),
	}
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

func apikeyRevokeCommand(a *app) *cobra.Command {
	var d destructive
	var tenant string
	cmd := &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Revoke an API key immediately",
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
