package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func tokenCommand(a *app) *cobra.Command {
	return group("token", "Create, fill, show and delete tokens",
		tokenCreateCommand(a),
		tokenListCommand(a),
		tokenSearchCommand(a),
		tokenShowCommand(a),
		tokenLintCommand(a),
		tokenImportCommand(a),
		tokenCSRCommand(a),
		tokenPutCertCommand(a),
		tokenLabelCommand(a),
		tokenResetPINCommand(a),
		tokenUnlockCommand(a),
		tokenCompleteCommand(a),
		tokenEnableCommand(a, true),
		tokenEnableCommand(a, false),
		tokenAssignCommand(a),
		tokenUnassignCommand(a),
		tokenActivationCodeCommand(a),
		tokenActivateCommand(a),
		tokenExpireCommand(a),
		tokenConfineCommand(a, true),
		tokenConfineCommand(a, false),
		tokenGroupsCommand(a),
		tokenPolicyCommand(a),
		tokenDeceaseCommand(a),
		tokenDeleteCommand(a),
	)
}

// tokenState returns the state of a token in a few words.
func tokenState(t *api.Token) string {
	activated := t.Activation == "activated"
	switch {
	case t.Deceased:
		return "deceased"
	case len(t.Holders) == 0:
		return "unassigned"
	case t.ExpiresAt != nil && !time.Now().Before(*t.ExpiresAt):
		return "expired"
	case !activated && !t.Enabled:
		return "open, disabled"
	case t.Activation == "pending":
		return "activation pending"
	case !activated:
		return "open"
	case !t.Enabled:
		return "disabled"
	case t.UserPIN.Locked:
		return "PIN locked"
	}
	return "ready"
}

// pinState returns the state of a PIN in a few words.
func pinState(p api.PINStatus) string {
	switch {
	case !p.Set:
		return fmt.Sprintf("not set (%d to %d characters)", p.MinLength, p.MaxLength)
	case p.Locked:
		return "locked after too many wrong tries"
	}
	state := "set, any number of tries"
	if p.TriesLeft >= 0 {
		state = "set, " + triesLeft(p.TriesLeft)
	}
	if p.MustChange {
		state += ", has to be changed"
	}
	return state
}

func triesLeft(n int) string {
	if n == 1 {
		return "1 try left"
	}
	return fmt.Sprintf("%d tries left", n)
}

func tokenLabelCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "label ID TEXT",
		Short: "Set the label of a token",
		Long: `Set the label of a token that is not complete yet. PKCS#11 applications show its
first 32 bytes. Applications that are configured with the old label must be changed;
those with the URI of "vtoken token show" are not affected.`,
		Example: `  vtoken token label 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 "Alice, signing"`,
		Args:    arguments("ID", "TEXT"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Label: &args[1]})
			return err
		}),
	}
}

func tokenUnlockCommand(a *app) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "unlock ID",
		Short: "Restore the tries of a PIN",
		Long: `Restore all tries of a PIN, on complete tokens too. The PIN and the contents of the token
do not change. This takes the right to manage, and works three times in 24 hours for
each PIN; after that, set another PIN (vtoken token reset-pin).`,
		Example: `  vtoken token unlock 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.Unlock(cmd.Context(), args[0], role)
			return err
		}),
	}
	cmd.Flags().StringVar(&role, "role", "user", "`ROLE` of the PIN: user or so")
	complete(cmd, "role", "user", "so")
	return cmd
}

func tokenCompleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "complete ID",
		Short: "End the provisioning of a token",
		Long: `End the provisioning of a token: its user's applications see it from now on, and
administrators can no longer change its keys, certificates, PINs and label. This cannot
be undone.`,
		Example: `  vtoken token complete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.CompleteToken(cmd.Context(), args[0])
			return err
		}),
	}
}

// tokenEnableCommand is "token enable", or "token disable".
func tokenEnableCommand(a *app, on bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disable ID",
		Short: "Hide a token from applications",
		Long: `Hide a token from applications, until "vtoken token enable". Its contents do not
change.`,
		Example: `  vtoken token disable 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Enabled: &on})
			return err
		}),
	}
	if on {
		cmd.Use, cmd.Short = "enable ID", "Show a token to applications again"
		cmd.Long, cmd.Example = "", `  vtoken token enable 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10`
	}
	return cmd
}

func tokenPolicyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "policy ID POLICY",
		Short: "Set the algorithms that a token offers",
		Long: `Set the algorithms that a token offers: "modern" (the default; it verifies SHA-1
signatures but does not make them; no MD5, DES and 3DES), "legacy" (everything, for
software that cannot be changed yet), or names of PKCS#11 mechanisms separated by
commas. An empty POLICY is the tenant's. It applies at once, to complete tokens too.`,
		Example: `  vtoken token policy 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 legacy
  vtoken token policy 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 CKM_ECDSA,CKM_ECDSA_SHA256`,
		Args: arguments("ID", "POLICY"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			_, err := c.ChangeToken(cmd.Context(), args[0], api.TokenChange{Policy: &args[1]})
			return err
		}),
	}
}

func tokenDeleteCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a token for good",
		Long: `Delete a token with all its keys and certificates. They cannot be recovered. To take a
token out of use for a while, disable it.`,
		Example: `  vtoken token delete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --dry-run
  vtoken token delete 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --yes`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.Token(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			objects, err := client.All(c.Objects(cmd.Context(), t.ID))
			if err != nil {
				return err
			}
			what := fmt.Sprintf("delete the token %q of %s with %s for good", t.Label, t.User, count(len(objects), "object"))
			if ok, err := a.confirm(cmd, d, what); !ok {
				return err
			}
			return c.DeleteToken(cmd.Context(), t.ID)
		}),
	}
	d.addFlags(cmd)
	return cmd
}
