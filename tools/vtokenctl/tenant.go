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
		Long: `Create a tenant: an organisation's part of the store, with its own users, tokens, API
keys and encryption key. Its id is printed.`,
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
	var resume string
	var osUsers []string
	var objects, perUser uint64
	flags := []string{"pin-bound", "resume", "os-users", "no-os-users", "max-objects", "max-objects-per-user"}
	cmd := &cobra.Command{
		Use:   "policy TENANT [POLICY]",
		Short: "Set the policies and quotas of a tenant",
		Long: `Set the algorithms that new tokens of a tenant offer, as "vtoken token policy" does for
one token, and whether they are PIN-bound, as with "vtoken token create"
(--pin-bound=false ends that). Existing tokens do not change.

--resume off has logins with the tenant's tokens end with the daemon, as if it had been
started with --resume planned: after a crash, applications log in again. It applies to
existing tokens, too.

--os-users sets the operating system users that the tenant's own administrators may map
to its users, in place of the current ones: names and '#UID's separated by commas, or
'*' for all but root. In the tenant "default", users that they create are then mapped
by name, if that name is among these. They cannot map one that another tenant has.
Existing maps stay. Only an administrator of the machine may set this.

The quotas apply to all tokens of the tenant: how many objects one token may hold, and
how many all tokens of one owner may. There are 8 KiB for each object, and at least 16
MiB. When a quota is exhausted, applications get CKR_DEVICE_MEMORY. Existing objects
stay, even above the quota. 0 is the default.`,
		Example: `  vtoken tenant policy sales modern
  vtoken tenant policy sales --pin-bound
  vtoken tenant policy sales --resume off
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
			if cmd.Flags().Changed("resume") {
				if resume != "on" && resume != "off" {
					return usagef(cmd, "--resume is on or off, not %q", resume)
				}
				on := resume == "on"
				changes = append(changes, api.TenantChange{Resume: &on})
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
	cmd.Flags().StringSliceVar(&osUsers, "os-users",
		nil, "operating system users, `NAME`s and '#UID's, that the tenant's administrators may map")
	cmd.Flags().BoolVar(&none, "no-os-users", false, "let the tenant's administrators map nobody, which is the default")
	cmd.Flags().BoolVar(&bound, "pin-bound", false, "make new tokens PIN-bound: only their PINs open their private keys")
	cmd.Flags().StringVar(&resume, "resume", "on", "on or off: `WHETHER` logins outlive a crash of the daemon")
	cmd.Flags().Uint64Var(&objects, "max-objects", 0, "maximal number of objects on a token (0 is 10000)")
	cmd.Flags().Uint64Var(&perUser, "max-objects-per-user", 0, "maximal number of objects on all tokens of an owner (0 is 20000)")
	return cmd
}

func tenantDeleteCommand(a *app) *cobra.Command {
	var d destructive
	var withTokens bool
	cmd := &cobra.Command{
		Use:   "delete TENANT",
		Short: "Delete a tenant for good",
		Long: `Delete a tenant, by name or id, with its users and API keys. A tenant with tokens is
refused unless --with-tokens is given; then their keys are deleted too, and cannot be
recovered. The tenant "default" cannot be deleted.`,
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
	cmd.Flags().BoolVar(&withTokens, "with-tokens", false, "also delete its tokens, with all their keys")
	return cmd
}

// tenantContents says what is deleted with a tenant.
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
