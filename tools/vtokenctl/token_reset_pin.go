package main

import (
	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

func tokenResetPINCommand(a *app) *cobra.Command {
	var files pinFiles
	cmd := &cobra.Command{
		Use:   "reset-pin ID",
		Short: "Set the PINs of a token anew",
		Long: `Set the user PIN, the SO PIN or both of a token that is not complete yet. What is
on the token stays. Without a file, a new user PIN is asked for.

A complete token's PIN is its user's own; "vtoken token unlock" helps where it
was typed wrongly too often.`,
		Example: `  vtoken token reset-pin 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --user-pin-file alice.pin
  vtoken token reset-pin 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --so-pin-file so.pin`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			user, so, err := files.read(a, cmd)
			if err == nil && user == nil && so == nil {
				user, err = a.secretFrom(cmd, "--user-pin-file or --so-pin-file", "", "user PIN", a.promptNew)
			}
			if err != nil {
				return err
			}
			defer user.Wipe()
			defer so.Wipe()
			if user != nil {
				err = c.ResetPIN(cmd.Context(), args[0], "user", user)
			}
			if so != nil && err == nil {
				err = c.ResetPIN(cmd.Context(), args[0], "so", so)
			}
			return err
		}),
	}
	files.addFlags(cmd)
	return cmd
}
