package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func userKeysCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:   "keys LOGIN",
		Short: "List the keys of a user that wait for certificates",
		Long: `List the keys of "vtoken token csr" that wait for their certificates, and those that
got them lately.`,
		Example: `  vtoken user keys alice`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			keys, err := client.All(c.PendingKeys(cmd.Context(), tenant, args[0]))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, keys)
			}
			var rows [][]string
			for _, k := range keys {
				rows = append(rows, []string{k.ID, date(k.CreatedAt), date(k.ExpiresAt), k.Token})
			}
			return writeTable(a.out, []string{"ID", "CREATED", "KEPT UNTIL", "ON TOKEN"}, rows)
		}),
	}
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

func userDeleteKeyCommand(a *app) *cobra.Command {
	var tenant string
	var d destructive
	cmd := &cobra.Command{
		Use:     "delete-key LOGIN ID",
		Short:   "Delete a key that waits for its certificate",
		Example: `  vtoken user delete-key alice 0e8b2c51-93d4-4f0e-8f5b-6a1d7c2e4b90 --yes`,
		Args:    arguments("LOGIN", "ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, "delete the key "+args[1]+" of "+args[0]); !ok {
				return err
			}
			return c.DeletePendingKey(cmd.Context(), tenant, args[0], args[1])
		}),
	}
	addTenantFlag(cmd, &tenant)
	d.addFlags(cmd)
	return cmd
}
