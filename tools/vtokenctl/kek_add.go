package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func kekAddCommand(a *app) *cobra.Command {
	var out format
	var generate bool
	cmd := &cobra.Command{
		Use:   "add URI",
		Short: "Add a KEK: another way to open the store",
		Long: `Add a KEK, while clients go on. It opens the store from then on, as well as those
that are there. It is tried before it is taken.

For a recovery passphrase, have it made, or write it into a file that only the
daemon's user may read, add it, print the file or move it to a place that a fire in
the machine room does not reach.

What stands in the store alone is not obeyed at a start: a KEK that loads a module,
connects, or reads a file outside of the data folder also has to be in the daemon's
configuration. The command prints the line. To open a store with it, start the daemon with
--kek passphrase:file=FILE.`,
		Example: `  vtoken kek add 'tpm2:device=/dev/tpmrm0?pcrs=7'
  vtoken kek add --generate passphrase:file=/run/vtoken/recovery.words
  vtoken kek add --generate 'pkcs11:token=hsm;object=vtoken?module-path=/usr/lib/hsm.so&pin-source=file:/etc/vtoken/hsm.pin'`,
		Args: arguments("URI"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			k, err := c.AddKEK(cmd.Context(), api.NewKEK{URI: args[0], Generate: generate})
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, k)
			}
			if _, err := fmt.Fprintln(a.out, k.ID); err != nil || k.Configure == "" {
				return err
			}
			_, err = fmt.Fprintf(a.err, "The daemon uses it at its next start only where its configuration names it:\n%s\n", printable(k.Configure))
			return err
		}),
	}
	cmd.Flags().BoolVar(&generate, "generate", false, "make the key in the HSM first, which cannot leave it (AES; with type=private in the URI RSA), or the file of a passphrase")
	out.addFlag(cmd)
	return cmd
}
