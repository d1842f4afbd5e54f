package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

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
