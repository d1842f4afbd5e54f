package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func otpCommand(a *app) *cobra.Command {
	return group("otp", "Make and verify tokens for one-time passwords",
		otpAddCommand(a),
		otpURICommand(a),
		otpQRCommand(a),
		otpVerifyCommand(a),
		otpSyncCommand(a),
		otpResetCommand(a),
	)
}

// otpAddition has the flags of "otp add".
type otpAddition struct {
	out      format
	tenant   string
	request  api.NewToken
	otp      api.NewOTP
	seedFile string
}

func otpAddCommand(a *app) *cobra.Command {
	var n otpAddition
	cmd := &cobra.Command{
		Use:   "add --user NAME",
		Short: "Create a token for one-time passwords",
		Long: `Create a token for one-time passwords: by counter (HOTP, RFC 4226), or by time with
--period (TOTP, RFC 6238). Only its id is printed.

Without --seed-file the token gets a random seed and waits for its holder's app:
print the seed with "vtoken otp uri" or "vtoken otp qr", then end the activation with
two passwords of the app (vtoken otp sync --activate). With --seed-file the holder has
a device with that seed already: the token is a hardware token, whose seed is never
printed, and is activated unless --inactive is given.

The holder can also make passwords through PKCS#11 (CKM_HOTP) with the token itself. That
uses a counter of its own, not the one for verification.`,
		Example: `  vtoken otp add --user alice --period 30
  vtoken otp add --user alice --serial 000123 --seed-file alice.seed --digits 8`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error { return a.addOTP(cmd, c, n) }),
	}
	cmd.Flags().StringVar(&n.request.User, "user", "", "`NAME` of the user who holds the token: login or id")
	cmd.Flags().BoolVar(&n.request.Unassigned, "unassigned",
		false, "create a token without a holder (see vtoken token assign)")
	cmd.Flags().StringVar(&n.request.Serial, "serial", "", "`NUMBER` of the token (else one is made)")
	cmd.Flags().StringVar(&n.request.Label, "label", "", "`TEXT` that names the token (else the serial number)")
	addTenantFlag(cmd, &n.tenant)
	cmd.Flags().StringVar(&n.seedFile, "seed-file", "", "`FILE` with the seed in hexadecimal (- is standard input)")
	cmd.Flags().StringVar(&n.otp.Hash, "hash", "SHA1", "SHA1, SHA256 or SHA512")
	cmd.Flags().IntVar(&n.otp.Digits, "digits", 6, "length of a password, 6 or 8")
	cmd.Flags().IntVar(&n.otp.Period, "period", 0, "time step in `SECONDS`, 30 or 60 (0 is by counter)")
	cmd.Flags().Uint64Var(&n.otp.Counter, "counter", 0, "first counter")
	cmd.Flags().IntVar(&n.otp.Window, "window", 0, "how far a password may be off (0 is 10 ahead by counter, 1 step either way by time)")
	cmd.Flags().BoolVar(&n.request.Inactive, "inactive", false, "leave the activation for later, even with a seed")
	complete(cmd, "hash", "SHA1", "SHA256", "SHA512")
	n.out.addFlag(cmd)
	return cmd
}

func (a *app) addOTP(cmd *cobra.Command, c *client.Client, n otpAddition) (err error) {
	if (n.request.User == "") != n.request.Unassigned {
		return usagef(cmd, "say with --user who holds the token, or that nobody does with --unassigned")
	}
	n.request.OTP = &n.otp
	if n.seedFile == "" {
		n.request.Inactive = true
	} else {
		n.request.Product = &api.Product{Hardware: true}
		if n.otp.SeedHex, err = a.readSecret(cmd, "--seed-file", n.seedFile); err != nil {
			return err
		}
	}
	defer n.otp.SeedHex.Wipe()
	t, err := c.CreateToken(cmd.Context(), n.tenant, n.request)
	if err != nil {
		return err
	}
	if n.out == formatJSON {
		return writeJSON(a.out, t)
	}
	_, err = fmt.Fprintln(a.out, t.ID)
	return err
}

func otpVerifyCommand(a *app) *cobra.Command {
	var user, file string
	cmd := &cobra.Command{
		Use:   "verify ID",
		Short: "Verify a one-time password",
		Long: `Verify a one-time password of a token. The exit code is 0 if it is right, and 1 if it is
not. Each password is accepted once. Ten wrong ones in a row lock the token's passwords
until "vtoken otp reset".

The password is read from --code-file, or asked for.`,
		Example: `  vtoken otp verify 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --code-file alice.code`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			code, err := a.secretFrom(cmd, "--code-file", file, "one-time password", a.prompt)
			if err != nil {
				return err
			}
			defer code.Wipe()
			_, err = c.VerifyOTP(cmd.Context(), args[0], api.Code{Code: code, User: user})
			return err
		}),
	}
	cmd.Flags().StringVar(&user, "user", "", "`NAME` of the holder who must own it (else any)")
	cmd.Flags().StringVar(&file, "code-file", "", "`FILE` with the password (- is standard input; else it is asked for)")
	return cmd
}

func otpResetCommand(a *app) *cobra.Command {
	var counter uint64
	cmd := &cobra.Command{
		Use:   "reset ID",
		Short: "Unlock the one-time passwords of a token, or set its counter",
		Long: `Unlock the one-time passwords of a token after too many wrong ones, and forget the drift
of its clock. Unlocking takes the right to manage, and works three times in 24 hours.
--counter sets the next counter to be accepted, even a used one, for a device that was
reset.`,
		Example: `  vtoken otp reset 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10
  vtoken otp reset 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --counter 0`,
		Args: arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var to *uint64
			if cmd.Flags().Changed("counter") {
				to = &counter
			}
			_, err := c.ResetOTP(cmd.Context(), args[0], to)
			return err
		}),
	}
	cmd.Flags().Uint64Var(&counter, "counter", 0, "next counter to accept")
	return cmd
}
