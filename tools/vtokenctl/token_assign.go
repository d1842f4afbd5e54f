package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenAssignCommand(a *app) *cobra.Command {
	var to api.Assign
	var d destructive
	cmd := &cobra.Command{
		Use:   "assign ID --user NAME",
		Short: "Give a token to a user",
		Long: `Give a token that nobody holds to a user. With --share the user gets a token that
others hold as well, with --take the others lose it.

A card that comes to somebody else than its last holder is emptied first: its keys
and PINs were that person's. With --keep they stay, which only an administrator
may say. A token for one-time passwords keeps its seed and loses its PIN.

Where there are keys, sharing a token takes the right to manage, and giving it away
emptied the right to remove.`,
		Example: `  vtoken token assign 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --user bob --share
  vtoken token assign 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --user bob --take --yes`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if to.User == "" {
				return usagef(cmd, "say with --user who gets the token")
			}
			if to.Take {
				if ok, err := a.confirm(cmd, d, "take the token "+args[0]+" from its holders"); !ok {
					return err
				}
			}
			_, err := c.Assign(cmd.Context(), args[0], to)
			return err
		}),
	}
	cmd.Flags().StringVar(&to.User, "user", "", "`NAME` of the user: login, alias or id")
	cmd.Flags().BoolVar(&to.Share, "share", false, "one more holder of a token that is held")
	cmd.Flags().BoolVar(&to.Take, "take", false, "take it from those who hold it")
	cmd.Flags().BoolVar(&to.KeepKeys, "keep", false, "leave keys and PINs on a card that changes hands")
	cmd.Flags().BoolVar(&to.Inactive, "inactive", false, "leave its activation for later")
	d.addFlags(cmd)
	return cmd
}

func tokenUnassignCommand(a *app) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "unassign ID",
		Short: "Take a token from its holders",
		Long: `Take a token from a user, or from all who hold it. What is on it stays as it is,
and nobody can use it, until "vtoken token assign".`,
		Example: `  vtoken token unassign 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.Unassign(cmd.Context(), args[0], user)
			return err
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "only from the user of this `NAME`: login, alias or id")
	return cmd
}
