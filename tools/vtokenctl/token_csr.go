package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// maxCertificates is the maximal size of a certificate file, in bytes. The daemon has its
// own limit.
const maxCertificates = 1 << 20

func tokenCSRCommand(a *app) *cobra.Command {
	var out format
	var n api.NewCSR
	var names []string
	cmd := &cobra.Command{
		Use:   "csr ID --subject NAME",
		Short: "Make a key pair and the request for its certificate",
		Long: `Make a key pair for the holder of a token that is not complete yet, and print the
request for its certificate (PKCS #10) in PEM. The key's id is on standard error.

The key waits in the daemon, encrypted, for 7 days. "vtoken token put-cert" puts it on
the token with the certificate that the CA issued. At most 16 keys of a user can wait;
"vtoken user keys" lists them.`,
		Example: `  vtoken token csr 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --subject "CN=Alice,O=Example" --type ec:P-256 --san email:alice@example.com`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) (err error) {
			if n.Subject == "" {
				return usagef(cmd, "say with --subject whose certificate it is to be")
			}
			if n.Emails, n.UPNs, err = altNames(cmd, names); err != nil {
				return err
			}
			made, err := c.RequestCertificate(cmd.Context(), args[0], n)
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, made)
			}
			fmt.Fprintf(a.err, "key %s\n", made.Key.ID)
			_, err = fmt.Fprint(a.out, made.PEM)
			return err
		}),
	}
	cmd.Flags().StringVar(&n.Subject, "subject", "", "distinguished `NAME` (RFC 4514) with a CN")
	cmd.Flags().StringVar(&n.Type, "type",
		"rsa:2048", "`TYPE` of the key: rsa:2048, rsa:3072, rsa:4096, ec:P-256 or ec:P-384")
	cmd.Flags().StringArrayVar(&names, "san", nil, "alternative `NAME`, email:ADDRESS or upn:NAME (repeatable)")
	cmd.Flags().StringVar(&n.User, "user", "", "`NAME` of the holder who gets the key: login or id (else the only one)")
	complete(cmd, "type", "rsa:2048", "rsa:3072", "rsa:4096", "ec:P-256", "ec:P-384")
	out.addFlag(cmd)
	return cmd
}

// altNames sorts alternative names by their kind.
func altNames(cmd *cobra.Command, names []string) (emails, upns []string, err error) {
	for _, name := range names {
		switch kind, value, _ := strings.Cut(name, ":"); {
		case kind == "email" && value != "":
			emails = append(emails, value)
		case kind == "upn" && value != "":
			upns = append(upns, value)
		default:
			return nil, nil, usagef(cmd, "--san is email:ADDRESS or upn:NAME, not %q", name)
		}
	}
	return emails, upns, nil
}

func tokenPutCertCommand(a *app) *cobra.Command {
	var out format
	var n api.NewCertificate
	var file string
	cmd := &cobra.Command{
		Use:   "put-cert ID --cert FILE",
		Short: "Store the certificate that was issued for a key",
		Long: `Store the certificate that the CA issued for a request of "vtoken token csr" on a
token that is not complete yet, with the key that waits for it (--key), its public
key and the chain, all or nothing. Without --key the certificate is for a key that the
token has. The serial numbers of the certificates are printed, one a line, the
key's own first.

The file is PEM. The chain, if there is one, follows the certificate.`,
		Example: `  vtoken token put-cert 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 --key 0e8b2c51-93d4-4f0e-8f5b-6a1d7c2e4b90 --cert alice.crt`,
		Args:    arguments("ID"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if file == "" {
				return usagef(cmd, "say with --cert which file the certificate is in")
			}
			data, err := readBounded(file, maxCertificates)
			if err != nil {
				return fmt.Errorf("read --cert: %w", err)
			}
			n.PEM = string(data)
			done, err := c.StoreCertificate(cmd.Context(), args[0], n)
			if err != nil {
				return err
			}
			return a.showImported(out, done)
		}),
	}
	cmd.Flags().StringVar(&n.Key, "key", "", "`ID` of the key that waits for it")
	cmd.Flags().StringVar(&file, "cert", "", "`FILE` with the certificate, in PEM")
	out.addFlag(cmd)
	return cmd
}
