package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

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

func tenantCreateCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a tenant",
		Long: `Create a tenant: an organisation's part of the store, with users, tokens and
API keys of its own, under a key of its own. Its id is printed.`,
		Example: `  vtoken tenant create sales
  vtoken tenant create research -o json`,
		Args: arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.CreateTenant(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, t)
			}
			_, err = fmt.Fprintln(a.out, t.ID)
			return err
		}),
	}
	out.addFlag(cmd)
	return cmd
}

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

func tenantPolicyCommand(a *app) *cobra.Command {
	var bound, none bool
	var osUsers []string
	var objects, perUser uint64
	flags := []string{"pin-bound", "os-users", "no-os-users", "max-objects", "max-objects-per-user"}
	cmd := &cobra.Command{
		Use:   "policy TENANT [POLICY]",
		Short: "Say what new tokens of a tenant are like, and how much tokens hold",
		Long: `Say which algorithms new tokens of a tenant offer, as "vtoken token policy" says
it of one token, and whether they are PIN-bound, as "vtoken token create" makes
one (--pin-bound=false: no longer). Tokens that there are stay as they are.

With --os-users say which operating system users the tenant's own administrators may
map to its users, in place of those said before: names and '#UID's with commas
between them, or '*' for all but root. In the tenant "default" the users that they
create are then mapped by name, if that name is among them. One that another tenant
has is refused to them all the same. What is mapped already stays. Only an
administrator of the machine says this.

The quotas are for all tokens of the tenant: how many objects one holds, and how
many all tokens hold that one user owns. There are 8 KiB for each object, and 16
MiB at least. Where it is used up, applications get CKR_DEVICE_MEMORY. What is
there stays, also where it is more. 0 is the default.`,
		Example: `  vtoken tenant policy sales modern
  vtoken tenant policy sales --pin-bound
  vtoken tenant policy sales --os-users alice,bob,'#1001'
  vtoken tenant policy default --os-users '*'
  vtoken tenant policy sales --max-objects 50000 --max-objects-per-user 100000`,
		Args: func(cmd *cobra.Command, args []string) error {
			if slices.ContainsFunc(flags, cmd.Flags().Changed) && len(args) == 1 {
				return nil
			}
			return arguments("TENANT", "POLICY")(cmd, args)
		},
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var changes []api.TenantChange
			if none && len(osUsers) > 0 {
				return usagef(cmd, "give either --os-users or --no-os-users")
			}
			if none || len(osUsers) > 0 {
				list := append([]string{}, osUsers...)
				changes = append(changes, api.TenantChange{OSUsers: &list})
			}
			if cmd.Flags().Changed("pin-bound") {
				changes = append(changes, api.TenantChange{PINBound: &bound})
			}
			if cmd.Flags().Changed("max-objects") {
				changes = append(changes, api.TenantChange{MaxObjects: &objects})
			}
			if cmd.Flags().Changed("max-objects-per-user") {
				changes = append(changes, api.TenantChange{MaxObjectsPerUser: &perUser})
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
	cmd.Flags().StringSliceVar(&osUsers, "os-users", nil, "operating system users, `NAME`s and '#UID's, that the tenant's administrators may map")
	cmd.Flags().BoolVar(&none, "no-os-users", false, "let the tenant's administrators map nobody, as at first")
	cmd.Flags().BoolVar(&bound, "pin-bound", false, "let private keys of new tokens open with their PINs only")
	cmd.Flags().Uint64Var(&objects, "max-objects", 0, "let a token hold so many objects (10000 by default)")
	cmd.Flags().Uint64Var(&perUser, "max-objects-per-user", 0, "let all tokens that a user owns hold so many (20000 by default)")
	return cmd
}

func tenantDeleteCommand(a *app) *cobra.Command {
	var d destructive
	var withTokens bool
	cmd := &cobra.Command{
		Use:   "delete TENANT",
		Short: "Delete a tenant for good",
		Long: `Delete a tenant, given by name or id, with its users and API keys. A tenant
that has tokens is refused unless --with-tokens is given; then their keys are
gone too, and nothing brings them back. The tenant "default" stays.`,
		Example: `  vtoken tenant delete sales --dry-run
  vtoken tenant delete sales --with-tokens --yes`,
		Args: arguments("TENANT"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			what, err := tenantContents(cmd, c, args[0])
			if err != nil {
				return err
			}
			if ok, err := a.confirm(cmd, d, what); !ok {
				return err
			}
			return c.DeleteTenant(cmd.Context(), args[0], withTokens)
		}),
	}
	d.addFlags(cmd)
	cmd.Flags().BoolVar(&withTokens, "with-tokens", false, "delete its tokens too, with all keys on them")
	return cmd
}

// tenantContents says what goes with a tenant.
func tenantContents(cmd *cobra.Command, c *client.Client, tenant string) (string, error) {
	users, err := client.All(c.Users(cmd.Context(), tenant))
	if err != nil {
		return "", err
	}
	tokens, err := client.All(c.Tokens(cmd.Context(), tenant, client.TokenFilter{}))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("delete the tenant %q with %s and %s for good", tenant, count(len(users), "user"), count(len(tokens), "token")), nil
}
