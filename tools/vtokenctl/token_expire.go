package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenExpireCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "expire ID TIME",
		Short: "Set when a token ends",
		Long: `Set when a token ends. From then on applications do not see it. TIME is as in
2027-01-31T12:00:00Z, or "never".`,
		Example: `  vtoken token expire 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 2099-01-31T12:00:00Z
  vtoken token expire 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 never`,
		Args: arguments("ID", "TIME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			end := args[1]
			if end == "never" {
				end = ""
			}
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{ExpiresAt: &end})
			return err
		}),
	}
}

// tokenConfineCommand is "token confine", or "token release".
func tokenConfineCommand(a *app, confined bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "release ID",
		Short:   "Let a soft token be downloaded again",
		Example: `  vtoken token release 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Confined: &confined})
			return err
		}),
	}
	if confined {
		cmd.Use, cmd.Short = "confine ID", "Let a soft token be downloaded no more"
		cmd.Example = `  vtoken token confine 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`
	}
	return cmd
}

func tokenDeceaseCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "decease ID",
		Short: "End a token for good and keep its record",
		Long: `End a token for good. What is on it is destroyed; that there was such a token stays
to be read, until "vtoken token delete".`,
		Example: `  vtoken token decease 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --yes`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if ok, err := a.confirm(cmd, d, "destroy what is on the token "+args[0]); !ok {
				return err
			}
			yes := true
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Deceased: &yes})
			return err
		}),
	}
	d.addFlags(cmd)
	return cmd
}

func tokenGroupsCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "groups ID [GROUP-ID]...",
		Short: "Put a token that nobody holds aside for groups",
		Long: `Set the groups that a token without a holder is put aside for, by the ids of
"vtoken group list". Without any it is for everybody.`,
		Example: `  vtoken token groups $(vtoken token create --unassigned)`,
		Args:    cobra.MinimumNArgs(1),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			groups := append([]string{}, args[1:]...)
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Groups: &groups})
			return err
		}),
	}
}
