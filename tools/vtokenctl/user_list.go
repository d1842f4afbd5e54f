package main

import (
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func userListCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users of a tenant",
		Example: `  vtoken user list
  vtoken user list --tenant sales -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			users, err := client.All(c.Users(cmd.Context(), tenant))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, users)
			}
			var rows [][]string
			for _, u := range users {
				rows = append(rows, []string{u.Login, u.ID, enabled(u.Enabled), osUsersOf(u), date(u.CreatedAt)})
			}
			return writeTable(a.out, []string{"LOGIN", "ID", "STATE", "OS USERS", "CREATED"}, rows)
		}),
	}
	addTenantFlag(cmd, &tenant)
	out.addFlag(cmd)
	return cmd
}

// osUsersOf is the map of a user as the table has it.
func osUsersOf(u api.User) string {
	if u.NotByName {
		return "nobody"
	}
	return strings.Join(u.OSUsers, ", ")
}

func enabled(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}
