package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// seedOnceHelp ends the help of both commands.
const seedOnceHelp = `The seed leaves the daemon only once: afterwards the token is confined, until "vtoken
token release". After the token is activated (vtoken otp sync --activate), its seed never
leaves again. That of a hardware token never leaves.`

func otpURICommand(a *app) *cobra.Command {
	var e api.NewEnrolment
	var png string
	cmd := &cobra.Command{
		Use:   "uri ID",
		Short: "Print the seed of a new token as an otpauth:// URI, once",
		Long: `Print the seed of a token that is not activated yet as an otpauth:// URI, which
authenticator apps read.
` + seedOnceHelp,
		Example: `  vtoken otp uri 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --issuer "Example Ltd" --png alice.png`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			return a.enrol(cmd, c, args[0], e, png, true)
		}),
	}
	addEnrolFlags(cmd, &e)
	cmd.Flags().StringVar(&png, "png", "", "`FILE` to write the QR code to, too")
	return cmd
}

func otpQRCommand(a *app) *cobra.Command {
	var e api.NewEnrolment
	var png string
	cmd := &cobra.Command{
		Use:   "qr ID --png FILE",
		Short: "Write the seed of a new token as a QR code, once",
		Long: `Write the seed of a token that is not activated yet as a QR code for authenticator
apps, an image that only you can read.
` + seedOnceHelp,
		Example: `  vtoken otp qr 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --png alice.png`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if png == "" {
				return usagef(cmd, "say with --png which file to write")
			}
			return a.enrol(cmd, c, args[0], e, png, false)
		}),
	}
	addEnrolFlags(cmd, &e)
	cmd.Flags().StringVar(&png, "png", "", "`FILE` to write, which must not exist")
	return cmd
}

func addEnrolFlags(cmd *cobra.Command, e *api.NewEnrolment) {
	cmd.Flags().StringVar(&e.Issuer, "issuer", "", "`NAME` of the issuer (else that of the tenant)")
	cmd.Flags().StringVar(&e.Account, "account", "", "`NAME` that the app shows (else the holder's login)")
	cmd.Flags().StringVar(&e.Device, "device", "", "`NAME` of the device that gets it, which may ask again")
}

// enrol opens the file first, because the seed cannot be read twice.
func (a *app) enrol(cmd *cobra.Command, c *client.Client, id string, e api.NewEnrolment, png string, uri bool) (err error) {
	var file *os.File
	if png != "" {
		if file, err = os.OpenFile(png, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("write --png: %w", err)
		}
		defer func() {
			if closing := file.Close(); err == nil {
				err = closing
			}
			if err != nil {
				_ = os.Remove(png)
			}
		}()
	}
	got, err := c.EnrolOTP(cmd.Context(), id, e)
	if err != nil {
		return err
	}
	defer got.URI.Wipe()
	defer clear(got.PNG)
	if file != nil {
		if _, err := file.Write(got.PNG); err != nil {
			return fmt.Errorf("write --png: %w", err)
		}
	}
	if !uri {
		return nil
	}
	_, err = fmt.Fprintf(a.out, "%s\n", []byte(got.URI))
	return err
}

func otpSyncCommand(a *app) *cobra.Command {
	var codes api.Codes
	var file string
	cmd := &cobra.Command{
		Use:   "sync ID",
		Short: "Synchronise a token by two consecutive one-time passwords",
		Long: `Find the counter or the clock drift of a token by two consecutive one-time passwords: up
to 1000 passwords ahead, or 120 time steps either way. With --activate, also end the
activation of the token.

The two are read from --codes-file, one a line, or asked for.`,
		Example: `  vtoken otp sync 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --codes-file alice.codes --activate`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) (err error) {
			if codes.First, codes.Next, err = a.twoCodes(cmd, file); err != nil {
				return err
			}
			defer codes.First.Wipe()
			defer codes.Next.Wipe()
			_, err = c.SyncOTP(cmd.Context(), args[0], codes)
			return err
		}),
	}
	cmd.Flags().BoolVar(&codes.Activate, "activate", false, "also end the activation of the token")
	cmd.Flags().StringVar(&file, "codes-file",
		"", "`FILE` with the two passwords (- is standard input; else they are asked for)")
	return cmd
}

// twoCodes reads two one-time passwords from a file or asks for them.
func (a *app) twoCodes(cmd *cobra.Command, file string) (first, next api.Secret, err error) {
	if file == "" {
		if first, err = a.secretFrom(cmd, "--codes-file", "", "one-time password", a.prompt); err != nil {
			return nil, nil, err
		}
		next, err = a.prompt(cmd.Context(), "next one-time password")
		return first, next, err
	}
	both, err := a.readSecret(cmd, "--codes-file", file)
	if err != nil {
		return nil, nil, err
	}
	defer both.Wipe()
	words := bytes.Fields(both)
	if len(words) != 2 {
		return nil, nil, fmt.Errorf("read --codes-file: %s has %d one-time passwords in it; it takes two", file, len(words))
	}
	return bytes.Clone(words[0]), bytes.Clone(words[1]), nil
}
