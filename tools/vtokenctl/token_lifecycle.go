package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenAssignCommand(a *app) *cobra.Command {
	var to api.Assign
	var d destructive
	cmd := &cobra.Command{
		Use:   "assign ID --user NAME",
		Short: "Assign a token to a user",
		Long: `Assign a token that nobody holds to a user. With --share the user holds it together with
others; with --take the others lose it.

A card that goes to another user than its last holder is emptied first: its keys and
PINs belonged to that person. --keep keeps them, and is for administrators only. A token
for one-time passwords keeps its seed and loses its PIN.

If the token has keys, sharing it takes the right to manage, and emptying it the right
to remove.`,
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
	cmd.Flags().BoolVar(&to.Share, "share", false, "add the user to the holders of a token")
	cmd.Flags().BoolVar(&to.Take, "take", false, "take the token from its holders")
	cmd.Flags().BoolVar(&to.KeepKeys, "keep", false, "keep the keys and PINs of a card that changes hands")
	cmd.Flags().BoolVar(&to.Inactive, "inactive", false, "leave its activation for later")
	d.addFlags(cmd)
	return cmd
}

func tokenUnassignCommand(a *app) *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "unassign ID",
		Short: "Take a token from its holders",
		Long: `Take a token from a user, or from all its holders. Its contents stay, and nobody can use
them until "vtoken token assign".`,
		Example: `  vtoken token unassign 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.Unassign(cmd.Context(), args[0], user)
			return err
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "`NAME` of the one user to take it from: login, alias or id")
	return cmd
}

func tokenActivateCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "activate ID",
		Short: "End the activation of a token",
		Long: `End the activation of a token, so that its holder's applications see it: with the code
of "vtoken token activation-code", or without one if you know that the holder has the
token.`,
		Example: `  vtoken token activate 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var code api.Secret
			if file != "" {
				var err error
				if code, err = a.readSecret(cmd, "--code-file", file); err != nil {
					return err
				}
				defer code.Wipe()
			}
			_, err := c.FinishActivation(cmd.Context(), args[0], code)
			return err
		}),
	}
	cmd.Flags().StringVar(&file, "code-file", "", "`FILE` with the activation code (- is standard input)")
	return cmd
}

func tokenActivationCodeCommand(a *app) *cobra.Command {
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "activation-code ID",
		Short: "Begin the activation of a token",
		Long: `Begin the activation of a token, or restart it, and print the code that ends it. The code
is shown once. Until the activation has ended, applications do not see the token. Five
wrong codes cancel it.`,
		Example: `  vtoken token activation-code 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --lasts 24h`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			begun, err := c.StartActivation(cmd.Context(), args[0], int(lasts/time.Second))
			if err != nil {
				return err
			}
			defer begun.Code.Wipe()
			_, err = fmt.Fprintf(a.out, "%s\n", []byte(begun.Code))
			return err
		}),
	}
	cmd.Flags().DurationVar(&lasts, "lasts", 5*time.Minute, "lifetime of the code, from 1m to 720h")
	return cmd
}

func tokenExpireCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "expire ID TIME",
		Short: "Set when a token expires",
		Long: `Set when a token expires. Applications do not see an expired token. TIME is such as
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
		Short:   "Open the download of a soft token",
		Example: `  vtoken token release 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Confined: &confined})
			return err
		}),
	}
	if confined {
		cmd.Use, cmd.Short = "confine ID", "Close the download of a soft token"
		cmd.Example = `  vtoken token confine 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`
	}
	return cmd
}

func tokenDeceaseCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "decease ID",
		Short: "End a token for good and keep its record",
		Long: `End a token for good. Its contents are destroyed; its record stays until "vtoken token
delete".`,
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
		Short: "Reserve a token without a holder for groups",
		Long: `Set the groups that a token without a holder is reserved for, by the ids of "vtoken
group list". Without any it is available to everybody.`,
		Example: `  vtoken token groups $(vtoken token create --unassigned)`,
		Args:    cobra.MinimumNArgs(1),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			groups := append([]string{}, args[1:]...)
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Groups: &groups})
			return err
		}),
	}
}
