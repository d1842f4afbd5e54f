package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// maxPFX is the maximal size of a PFX file, in bytes. The daemon has its own limit; this
// one keeps other files from being sent by mistake.
const maxPFX = 4 << 20

func tokenImportCommand(a *app) *cobra.Command {
	var out format
	var file, passwordFile string
	cmd := &cobra.Command{
		Use:   "import ID --pfx FILE",
		Short: "Import the key and certificates of a PFX file",
		Long: `Import a PFX file (PKCS #12) into a token that is not complete yet: the private
key, its public key, its certificate and those of the chain, all or nothing. The
serial numbers of the certificates are printed, one a line, the key's own first.

The password is read from --pfx-password-file, or asked for.`,
		Example: `  vtoken token import 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --pfx alice.pfx --pfx-password-file alice.password`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			pfx, password, err := a.readPFX(cmd, file, passwordFile)
			if err != nil {
				return err
			}
			defer password.Wipe()
			done, err := c.ImportPFX(cmd.Context(), args[0], pfx, password)
			if err != nil {
				return err
			}
			return a.showImported(out, done)
		}),
	}
	cmd.Flags().StringVar(&file, "pfx", "", "PFX `FILE` to import")
	cmd.Flags().StringVar(&passwordFile, "pfx-password-file",
		"", "`FILE` with its password (- is standard input; else it is asked for)")
	out.addFlag(cmd)
	return cmd
}

// showImported prints what was stored, and warnings to standard error.
func (a *app) showImported(out format, done *api.Imported) error {
	for _, w := range done.Warnings {
		fmt.Fprintf(a.err, "vtoken: note: %s\n", printable(w))
	}
	if out == formatJSON {
		return writeJSON(a.out, done)
	}
	for _, serial := range done.SerialNumbers {
		fmt.Fprintln(a.out, serial)
	}
	return nil
}

func (a *app) readPFX(cmd *cobra.Command, file, passwordFile string) (pfx []byte, password api.Secret, err error) {
	if file == "" {
		return nil, nil, usagef(cmd, "say with --pfx which file to import")
	}
	if pfx, err = readBounded(file, maxPFX); err != nil {
		return nil, nil, fmt.Errorf("read --pfx: %w", err)
	}
	password, err = a.secretFrom(cmd, "--pfx-password-file", passwordFile, "password of "+file, a.prompt)
	return pfx, password, err
}

func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d MiB; is it the right file?", file, most>>20)
	}
	return data, nil
}
