package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tenantListCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tenants",
		Example: `  vtoken tenant list
  vtoken tenant list -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			tenants, err := client.All(c.Tenants(cmd.Context()))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, tenants)
			}
			var rows [][]string
			for _, t := range tenants {
				rows = append(rows, []string{t.Name, t.ID, date(t.CreatedAt)})
			}
			return writeTable(a.out, []string{"NAME", "ID", "CREATED"}, rows)
		}),
	}
	out.addFlag(cmd)
	return cmd
}
