package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
)

// roles are the roles of API keys, the least first.
func roles() []string { return []string{"view", "edit", "admin", "system"} }

func apikeyCreateCommand(a *app) *cobra.Command {
	var out format
	var tenant, role, dialect string
	var valid time.Duration
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an API key",
		Long: `Create an API key for the HTTPS API of the daemon. The key is printed, this one
time: the daemon keeps only a hash of it.

A key works in its tenant only. Its role says what it may do: "view" reads,
"edit" also creates and changes, "admin" also deletes and manages API keys,
"system" does everything in every tenant.`,
		Example: `  umask 077; vtoken apikey create onboarding > api.key
  vtoken apikey create auditor --role view --valid 720h
  vtoken apikey create sales-portal --tenant sales --role edit -o json`,
		Args: arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if dialect != "idprime" {
				return usagef(cmd, "there are no API keys of dialect %q; the one here is idprime", dialect)
			}
			if valid < 0 {
				return usagef(cmd, "--valid is a time from now on, such as 720h")
			}
			request := api.NewAPIKey{Name: args[0], Role: role}
			if valid > 0 {
				expires := time.Now().Add(valid).UTC()
				request.ExpiresAt = &expires
			}
			k, err := c.CreateAPIKey(cmd.Context(), tenant, request)
			if err != nil {
				return err
			}
			defer k.Key.Wipe()
			if out == formatJSON {
				return writeJSON(a.out, k)
			}
			_, err = fmt.Fprintln(a.out, string(k.Key))
			return err
		}),
	}
	addTenantFlag(cmd, &tenant)
	cmd.Flags().StringVar(&role, "role", "admin", "`ROLE` of the key: view, edit, admin or system")
	cmd.Flags().DurationVar(&valid, "valid", 0, "`TIME` until the key expires, such as 720h (else it does not)")
	cmd.Flags().StringVar(&dialect, "dialect", "idprime", "`DIALECT` of the API that the key is for")
	complete(cmd, "role", roles()...)
	complete(cmd, "dialect", "idprime")
	out.addFlag(cmd)
	return cmd
}
