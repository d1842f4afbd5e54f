package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func apikeyListCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys of a tenant",
		Long:  `List the API keys of a tenant. The keys themselves are not shown: nobody has them but those they were made for.`,
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
					dialect = idprime
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
