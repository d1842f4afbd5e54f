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

func tokenActivateCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "activate ID",
		Short: "End the activation of a token",
		Long: `End the activation of a token, so that its holder's applications see it: with the
code of "vtoken token activation-code", or without one on your word that the token
is in its holder's hands.`,
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
		Long: `Begin the activation of a token, or begin it anew, and print the code that ends it.
It is shown this once. Until the activation has ended, applications do not see the
token. Five wrong codes end it as well.`,
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
	cmd.Flags().DurationVar(&lasts, "lasts", 5*time.Minute, "how long the code lasts, from 1m to 720h")
	return cmd
}

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
