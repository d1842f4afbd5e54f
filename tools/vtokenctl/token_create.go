package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// pinFiles are the flags with files of PINs.
type pinFiles struct{ user, so string }

func (p *pinFiles) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.user, "user-pin-file", "", "`FILE` with the user PIN (- is standard input)")
	cmd.Flags().StringVar(&p.so, "so-pin-file", "", "`FILE` with the SO PIN (- is standard input)")
}

// read reads the PINs that the flags name.
func (p *pinFiles) read(a *app, cmd *cobra.Command) (user, so api.Secret, err error) {
	if p.user != "" {
		if user, err = a.readSecret(cmd, "--user-pin-file", p.user); err != nil {
			return nil, nil, err
		}
	}
	if p.so != "" {
		if so, err = a.readSecret(cmd, "--so-pin-file", p.so); err != nil {
			user.Wipe()
			return nil, nil, err
		}
	}
	return user, so, nil
}

// tokenCreation has the flags of "token create".
type tokenCreation struct {
	out     format
	tenant  string
	request api.NewToken
	pins    pinFiles
	module  string
	quiet   bool
}

func tokenCreateCommand(a *app) *cobra.Command {
	var n tokenCreation
	cmd := &cobra.Command{
		Use:   "create --user NAME",
		Short: "Create a token for a user",
		Long: `Create a token for a user. Only its id is printed on standard output; standard error says
what to do next.

Applications do not see the token until it is complete: import keys with "vtoken
token import", then call "vtoken token complete". With --complete it is complete from
the start: an empty card that its user fills with pkcs11-tool and the like.

There is no default PIN. Without --user-pin-file the token has none, and needs one
(vtoken token reset-pin) before it can be completed. PINs are read from files or standard
input; one newline at the end is ignored.

Only the PINs of a PIN-bound token (--pin-bound) open its private keys: without the user
PIN or the SO PIN, not even the administrator of this machine can use them or set
another PIN. If both PINs are lost, so are the keys. A token cannot become PIN-bound
later. "vtoken tenant policy" makes all new tokens of a tenant PIN-bound.`,
		Example: `  vtoken token create --user alice --label "Alice's card" --user-pin-file alice.pin
  vtoken token create --user alice --label empty --user-pin-file alice.pin --so-pin-file so.pin --complete
  vtoken token create --user alice --user-pin-file alice.pin --so-pin-file so.pin --pin-bound`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error { return a.createToken(cmd, c, n) }),
	}
	cmd.Flags().StringVar(&n.request.User, "user", "", "`NAME` of the user who holds the token: login or id")
	cmd.Flags().BoolVar(&n.request.Unassigned, "unassigned",
		false, "create a token without a holder (see vtoken token assign)")
	cmd.Flags().StringVar(&n.request.Serial, "serial", "", "`NUMBER` of the token (else one is made)")
	cmd.Flags().StringVar(&n.request.Label, "label", "", "`TEXT` that applications show (else the serial number)")
	addTenantFlag(cmd, &n.tenant)
	n.pins.addFlags(cmd)
	cmd.Flags().BoolVar(&n.request.Complete, "complete", false, "create a complete token")
	cmd.Flags().BoolVar(&n.request.PINBound, "pin-bound", false, "make it PIN-bound: only its PINs open its private keys")
	cmd.Flags().StringVar(&n.module, "module", "", "`PATH` of vtoken-pkcs11.so for the next steps (else where it is found)")
	cmd.Flags().BoolVarP(&n.quiet, "quiet", "q", false, "do not print the next steps")
	n.out.addFlag(cmd)
	return cmd
}

func (a *app) createToken(cmd *cobra.Command, c *client.Client, n tokenCreation) (err error) {
	if (n.request.User == "") != n.request.Unassigned {
		return usagef(cmd, "say with --user who holds the token, or that nobody does with --unassigned")
	}
	if n.request.UserPIN, n.request.SOPIN, err = n.pins.read(a, cmd); err != nil {
		return err
	}
	defer n.request.UserPIN.Wipe()
	defer n.request.SOPIN.Wipe()
	t, err := c.CreateToken(cmd.Context(), n.tenant, n.request)
	if err != nil {
		return err
	}
	if n.out == formatJSON {
		return writeJSON(a.out, t)
	}
	if _, err := fmt.Fprintln(a.out, t.ID); err != nil || n.quiet {
		return err
	}
	return a.tellNext(cmd, c, t, n.module)
}

// tellNext prints the next steps with a new token to standard error.
func (a *app) tellNext(cmd *cobra.Command, c *client.Client, t *api.Token, module string) error {
	status, err := c.Status(cmd.Context())
	if err != nil {
		return nil // the token is made, and its id is told: that is what counts
	}
	if t.User == "" {
		_, err := fmt.Fprintf(a.err, "\n# Assign the token to a user.\nvtoken token assign %s --user NAME\n", t.ID)
		return err
	}
	if !t.Complete {
		fmt.Fprintf(a.err, "\n# Fill the token, then complete it. Applications see it from then on.\n")
		if !t.UserPIN.Set {
			fmt.Fprintf(a.err, "vtoken token reset-pin %s\n", t.ID)
		}
		fmt.Fprintf(a.err, "vtoken token import %s --pfx FILE\nvtoken token complete %s\n", t.ID, t.ID)
	}
	return a.writePaste(a.err, paste{token: t, module: findModule(module), socket: status.P11Socket})
}
