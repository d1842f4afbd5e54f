package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func kekCommand(a *app) *cobra.Command {
	g := group("kek", "List, add and remove the keys that open the store",
		kekListCommand(a),
		kekAddCommand(a),
		kekRemoveCommand(a),
		kekRotateCommand(a),
	)
	g.Long = `A key-encryption key (KEK) opens the store when the daemon starts. There can be
any number of them, and each one is enough: a TPM or an HSM for every day, and a
passphrase, locked away, for the day when that is lost.

The URI says what a KEK is:

  tpm2:device=/dev/tpmrm0?pcrs=7+11                    the TPM of the machine
  pkcs11:token=T;object=O?module-path=M&pin-source=P   a key in an HSM
  passphrase:file=FILE                                 a passphrase
  file:FILE                                            a key file

Relative paths start in the data folder of the daemon.`
	return g
}

func kekListCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the KEKs, and try whether each opens the store",
		Long: `List the KEKs, and try whether each opens the store now. A recovery passphrase
whose file is locked away does not, as intended.`,
		Example: `  vtoken kek list
  vtoken kek list -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := client.All(c.KEKs(cmd.Context()))
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, list)
			}
			rotation, err := c.Rotation(cmd.Context())
			if err != nil {
				return err
			}
			return a.showKEKs(list, *rotation)
		}),
	}
	out.addFlag(cmd)
	return cmd
}

func (a *app) showKEKs(list []api.KEK, rotation api.Rotation) error {
	var rows [][]string
	for _, k := range list {
		rows = append(rows, []string{k.ID, k.Kind, kekState(k), date(k.CreatedAt), k.URI})
	}
	if err := writeTable(a.out, []string{"ID", "KIND", "STATE", "CREATED", "URI"}, rows); err != nil {
		return err
	}
	for _, k := range list {
		if len(k.OtherCounters) > 0 {
			fmt.Fprintf(a.out, "%s has counters that this store does not use: %s.\n", printable(k.URI), printable(strings.Join(k.OtherCounters, ", ")))
			fmt.Fprintln(a.out, "Other stores on this machine may; where there are none, remove them with tpm2_nvundefine.")
		}
		if !k.Ready {
			fmt.Fprintf(a.out, "%s: %s\n", printable(k.URI), printable(k.Problem))
		}
	}
	if !slices.ContainsFunc(list, func(k api.KEK) bool { return k.Recovery }) {
		fmt.Fprintln(a.out, "There is no recovery passphrase: when these KEKs are lost, so is every key.")
		fmt.Fprintln(a.out, "Add one, and lock its file away: vtoken kek add --generate passphrase:file=FILE")
	}
	if left := rotation.Left; left > 0 {
		fmt.Fprintf(a.out, "A rotation of the root key is under way: %s left.\n", count(left, "key"))
	}
	if left := rotation.Tenants; left > 0 {
		fmt.Fprintf(a.out, "Records are being sealed under new keys: %s left.\n", count(left, "tenant"))
	}
	return nil
}

func kekState(k api.KEK) string {
	switch {
	case k.Ready:
		return "ready"
	case k.Recovery:
		return "away"
	}
	return "fails"
}

func kekAddCommand(a *app) *cobra.Command {
	var out format
	var generate bool
	cmd := &cobra.Command{
		Use:   "add URI",
		Short: "Add a KEK: another way to open the store",
		Long: `Add a KEK, while clients continue. From then on it opens the store, as the other KEKs
do. It is tried before it is added.

To add a recovery passphrase, have one generated, or write it to a file that only the
daemon's user may read. Then print the file, or move it to a place that survives a fire
in the machine room.

The daemon does not rely on the store alone when it starts: a KEK that loads a module,
connects, or reads a file outside of the data folder must also be in the daemon's
configuration. The command prints the line. To open a store with a recovery passphrase,
start the daemon with --kek passphrase:file=FILE.`,
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
			_, err = fmt.Fprintf(a.err, "The daemon uses it at its next start only where its configuration names it:\n%s\n",
				printable(k.Configure))
			return err
		}),
	}
	cmd.Flags().BoolVar(&generate, "generate",
		false, "first generate the key in the HSM, which it cannot leave (AES, or RSA with type=private in the URI), or the file of a passphrase")
	out.addFlag(cmd)
	return cmd
}

func kekRemoveCommand(a *app) *cobra.Command {
	var d destructive
	cmd := &cobra.Command{
		Use:   "remove ID|URI",
		Short: "Remove a KEK, so that it no longer opens the store",
		Long: `Remove a KEK from the store. The key itself stays in the TPM, the HSM or its file, and
still opens older copies and backups of the store, so destroy it there; for the KEK of a
new store, that is the key file in the data folder. What the KEK could unwrap is
overwritten in the store file. The last KEK, and the last one that opens the store now,
cannot be removed.`,
		Example: `  vtoken kek remove file:kek.key --yes`,
		Args:    arguments("ID|URI"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			list, err := client.All(c.KEKs(cmd.Context()))
			if err != nil {
				return err
			}
			i := slices.IndexFunc(list, func(k api.KEK) bool { return k.ID == args[0] || k.URI == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no KEK %s; see: vtoken kek list", args[0])
			}
			if ok, err := a.confirm(cmd, d, fmt.Sprintf("remove the KEK %s", list[i].URI)); !ok {
				return err
			}
			if err := c.RemoveKEK(cmd.Context(), list[i].ID); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.err, "It still opens older copies and backups of the store: destroy it, and make a new backup.")
			return err
		}),
	}
	d.addFlags(cmd)
	return cmd
}

func kekRotateCommand(a *app) *cobra.Command {
	var out format
	var keys api.NewKeys
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the root key of the store, or the keys below it",
		Long: `Replace the root key of the store, and wrap the new one for every KEK, while clients
continue. All KEKs must be available, including the file of a recovery passphrase. The
keys of tenants are wrapped again in the background, even across restarts of the daemon;
"vtoken kek list" shows how many are left. PINs, API keys and the keys on tokens do not
change.

Do this after removing a KEK that somebody else may have.

Somebody who has read the memory of the daemon has keys of tenants and tokens as well, and
the root key does not replace those. --all replaces the keys of all tenants and tokens
besides the root key, and --tenant those of one tenant. Everything under them is sealed
again in the background.`,
		Example: `  vtoken kek rotate
  vtoken kek rotate --all
  vtoken kek rotate --tenant sales`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if keys.All && keys.Tenant != "" {
				return usagef(cmd, "give --all or --tenant, and not both")
			}
			r, err := c.Rotate(cmd.Context(), keys)
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, r)
			}
			said := "The root key is new; the keys of tenants follow in the background."
			if keys.All || keys.Tenant != "" {
				said = "The keys are new; what is under the old ones follows in the background."
			}
			_, err = fmt.Fprintln(a.out, said)
			return err
		}),
	}
	cmd.Flags().BoolVar(&keys.All, "all", false, "replace the keys of all tenants and tokens as well")
	cmd.Flags().StringVar(&keys.Tenant, "tenant", "", "replace the keys of this `TENANT` and of its tokens, and not the root key")
	out.addFlag(cmd)
	return cmd
}
