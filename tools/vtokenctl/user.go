package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func userCommand(a *app) *cobra.Command {
	return group("user", "Create, list, map and disable users",
		userCreateCommand(a),
		userListCommand(a),
		userMapCommand(a),
		userChangeCommand(a),
		userDeleteCommand(a),
		userKeysCommand(a),
		userDeleteKeyCommand(a),
		userEnableCommand(a, true),
		userEnableCommand(a, false),
	)
}

func userCreateCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	var osUsers []string
	cmd := &cobra.Command{
		Use:   "create LOGIN",
		Short: "Create a user",
		Long: `Create a user, who can then hold tokens. Its id is printed.

In the tenant "default", the operating system user of the same name sees the tokens of a
user. Set another one with --os-user, or later with "vtoken user map". Administrators of
the machine may do both, and those of the tenant as far as "vtoken tenant policy
--os-users" allows; other users that they create are mapped to nobody.`,
		Example: `  vtoken user create alice
  vtoken user create alice --tenant sales --os-user alice --os-user '#1001'
  vtoken user create bob -o json`,
		Args: arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			u, err := c.CreateUser(cmd.Context(), tenant, api.NewUser{Login: args[0], OSUsers: osUsers})
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, u)
			}
			_, err = fmt.Fprintln(a.out, u.ID)
			return err
		}),
	}
	addTenantFlag(cmd, &tenant)
	cmd.Flags().StringArrayVar(&osUsers, "os-user",
		nil, "operating system user, a `NAME` or '#UID', who sees the user's tokens (repeatable)")
	out.addFlag(cmd)
	return cmd
}

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

// osUsersOf returns the map of a user for the table.
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

func userMapCommand(a *app) *cobra.Command {
	var tenant string
	var osUsers []string
	var none bool
	cmd := &cobra.Command{
		Use:   "map LOGIN",
		Short: "Set the operating system users who see a user's tokens",
		Long: `Set the operating system users whose processes see the tokens of a user, in place of the
current ones. The daemon identifies a process by its peer credentials from the kernel,
and not by what the process says.

--default restores the initial map: in the tenant "default" the operating system user of
the same name, in other tenants nobody.

An operating system user who is mapped to several users sees the tokens of all of them,
and creates new ones for the first: the one of the same name, else the oldest.

An administrator of the machine may map anybody; a tenant's own administrators those that
"vtoken tenant policy --os-users" names and that belong to no other tenant.`,
		Example: `  vtoken user map alice --os-user alice --os-user www-data
  vtoken user map alice --os-user '#1001'
  vtoken user map alice --default`,
		Args: arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if none == (len(osUsers) > 0) {
				return usagef(cmd, "give either --os-user or --default")
			}
			list := append([]string{}, osUsers...)
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], api.UserChange{OSUsers: &list})
			return err
		}),
	}
	cmd.Flags().StringArrayVar(&osUsers, "os-user", nil, "operating system user, a `NAME` or '#UID' (repeatable)")
	cmd.Flags().BoolVar(&none, "default", false, "restore the default")
	addTenantFlag(cmd, &tenant)
	return cmd
}

func userChangeCommand(a *app) *cobra.Command {
	var tenant, domain string
	var aliases []string
	cmd := &cobra.Command{
		Use:   "change LOGIN",
		Short: "Set the domain and the aliases of a user",
		Long: `Set the domain of a user, as some provisioning systems call it, and the aliases of the
user, in place of the current ones.`,
		Example: `  vtoken user change alice --domain example.com --alias alice@example.com`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var change api.UserChange
			if cmd.Flags().Changed("domain") {
				change.Domain = &domain
			}
			if cmd.Flags().Changed("alias") {
				list := append([]string{}, aliases...)
				if len(list) == 1 && list[0] == "" {
					list = []string{}
				}
				change.Aliases = &list
			}
			if change == (api.UserChange{}) {
				return usagef(cmd, "say with --domain or --alias what to change")
			}
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], change)
			return err
		}),
	}
	cmd.Flags().StringVar(&domain, "domain", "", "`NAME` of the domain; empty is none")
	cmd.Flags().StringArrayVar(&aliases, "alias", nil, "another `NAME` of the user (repeatable); one empty name is none")
	addTenantFlag(cmd, &tenant)
	return cmd
}

func userDeleteCommand(a *app) *cobra.Command {
	var tenant string
	var d destructive
	cmd := &cobra.Command{
		Use:     "delete LOGIN",
		Short:   "Delete a user who holds no tokens",
		Example: `  vtoken user create eve && vtoken user delete eve --yes`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, "delete the user "+args[0]); !ok {
				return err
			}
			return c.DeleteUser(cmd.Context(), tenant, args[0])
		}),
	}
	addTenantFlag(cmd, &tenant)
	d.addFlags(cmd)
	return cmd
}

func userKeysCommand(a *app) *cobra.Command {
	var out format
	var tenant string
	cmd := &cobra.Command{
		Use:   "keys LOGIN",
		Short: "List the keys of a user that wait for certificates",
		Long: `List the keys of "vtoken token csr" that wait for their certificates, and those that got
them recently.`,
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

// userEnableCommand is "user enable", or "user disable".
func userEnableCommand(a *app, on bool) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "disable LOGIN",
		Short: "Hide a user's tokens from applications",
		Long: `Hide all tokens of a user from applications, until "vtoken user enable". The tokens and
their contents do not change.`,
		Example: `  vtoken user disable alice`,
		Args:    arguments("LOGIN"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeUser(cmd.Context(), tenant, args[0], api.UserChange{Enabled: &on})
			return err
		}),
	}
	if on {
		cmd.Use, cmd.Short = "enable LOGIN", "Show a user's tokens to applications again"
		cmd.Long, cmd.Example = "", `  vtoken user enable alice`
	}
	addTenantFlag(cmd, &tenant)
	return cmd
}
