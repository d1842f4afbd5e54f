package main

import (
	"context"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenResetPINCommand(a *app) *cobra.Command {
	var fresh, current pinFiles
	cmd := &cobra.Command{
		Use:   "reset-pin ID",
		Short: "Set the PINs of a token",
		Long: `Set the user PIN, the SO PIN or both of a token that is not complete yet. The contents of
the token stay. Without a file, a new user PIN is asked for.

With the current SO PIN (--current-so-pin-file) this works for every token, as it does
for applications (C_InitPIN). A PIN-bound token with a PIN needs one of its PINs, unless
you have just set the first one: only its PINs open its keys. A wrong one counts as a
try.

Otherwise only its user can set the PIN of a complete token; "vtoken token unlock" helps
after too many wrong tries.`,
		Example: `  vtoken token reset-pin 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --user-pin-file alice.pin
  vtoken token reset-pin 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --so-pin-file so.pin
  vtoken token reset-pin 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --user-pin-file alice.pin --current-so-pin-file so.pin`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if current.user != "" && current.so != "" {
				return usagef(cmd,
					"one PIN that the token has is enough: give --current-so-pin-file or --current-user-pin-file")
			}
			user, so, err := fresh.read(a, cmd)
			if err == nil && user == nil && so == nil {
				user, err = a.secretFrom(cmd, "--user-pin-file or --so-pin-file", "", "user PIN", a.promptNew)
			}
			if err != nil {
				return err
			}
			defer user.Wipe()
			defer so.Wipe()
			with, err := current.current(a, cmd)
			if err != nil {
				return err
			}
			defer with.pin.Wipe()
			return resetPINs(cmd.Context(), c, args[0], []rolePIN{{"user", user}, {"so", so}}, with)
		}),
	}
	fresh.addFlags(cmd)
	cmd.Flags().StringVar(&current.so, "current-so-pin-file", "", "`FILE` with the current SO PIN (- is standard input)")
	cmd.Flags().StringVar(&current.user, "current-user-pin-file",
		"", "`FILE` with the current user PIN (- is standard input)")
	return cmd
}

// rolePIN is a PIN of a role, user or so; nil is none.
type rolePIN struct {
	role string
	pin  api.Secret
}

// current reads the current PIN of a token.
func (p *pinFiles) current(a *app, cmd *cobra.Command) (with rolePIN, err error) {
	switch {
	case p.user != "":
		with.role = "user"
		with.pin, err = a.readSecret(cmd, "--current-user-pin-file", p.user)
	case p.so != "":
		with.role = "so"
		with.pin, err = a.readSecret(cmd, "--current-so-pin-file", p.so)
	}
	return with, err
}

// resetPINs sets the given PINs, with a current PIN if one is given. The PIN of that role
// is set last. Without a current PIN, if both are set and the token is PIN-bound, the
// first new PIN authorizes the second.
func resetPINs(ctx context.Context, c *client.Client, id string, fresh []rolePIN, with rolePIN) error {
	if fresh[0].role == with.role {
		fresh[0], fresh[1] = fresh[1], fresh[0]
	}
	for i, n := range fresh {
		if n.pin == nil {
			continue
		}
		if i == 1 && fresh[0].pin != nil && with.pin == nil {
			t, err := c.Token(ctx, id)
			if err != nil {
				return err
			}
			if t.PINBound {
				with = fresh[0]
			}
		}
		if err := resetPIN(ctx, c, id, n, with); err != nil {
			return err
		}
	}
	return nil
}

func resetPIN(ctx context.Context, c *client.Client, id string, n, with rolePIN) error {
	if with.pin == nil {
		return c.ResetPIN(ctx, id, n.role, n.pin)
	}
	return c.ChangePIN(ctx, id, n.role, n.pin, with.role, with.pin)
}
