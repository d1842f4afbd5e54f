package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// roles are the named roles of API keys, the least first.
func roles() []string { return []string{"view", "edit", "admin", "system"} }

// newKey has the flags of apikey create.
type newKey struct {
	tenant, role, dialect string
	tlsDir, publicKeyFile string
	valid                 time.Duration
}

func apikeyCreateCommand(a *app) *cobra.Command {
	var out format
	var n newKey
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Create an API key, or the credential of a dialect",
		Long:    apikeyCreateHelp(),
		Example: apikeyCreateExamples(),
		Args:    arguments("NAME"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			request, err := n.request(cmd, args[0])
			if err != nil {
				return err
			}
			k, err := n.create(cmd, c, request)
			if err != nil {
				return err
			}
			defer k.Wipe()
			return a.showKey(out, k)
		}),
	}
	addTenantFlag(cmd, &n.tenant)
	cmd.Flags().StringVar(&n.role, "role",
		"admin", "`ROLE` of the key: view, edit, admin or system, or rights separated by commas")
	cmd.Flags().DurationVar(&n.valid, "valid", 0, "`TIME` until the key expires, such as 720h (else it does not)")
	cmd.Flags().StringVar(&n.dialect, "dialect",
		apiKeyDialect(), "`DIALECT` of the API that the key is for: "+orList(dialectNames(anyDialect)))
	cmd.Flags().StringVar(&n.tlsDir, "tls",
		"", "`DIR` to put a TLS client certificate and its key in ("+orList(dialectNames(takesClientCertificate))+")")
	cmd.Flags().StringVar(&n.publicKeyFile, "public-key-file",
		"", "`FILE` with the public key (PEM) of a client that has one ("+orList(dialectNames(takesPublicKey))+")")
	complete(cmd, "role", roles()...)
	complete(cmd, "dialect", dialectNames(anyDialect)...)
	out.addFlag(cmd)
	return cmd
}

// apikeyCreateHelp is the help of apikey create, with a sentence of each dialect that has
// something special.
func apikeyCreateHelp() string {
	help := `Create an API key for the HTTPS API of the daemon, or the credential of a client
of one of its dialects. It is printed once: the daemon keeps only a hash of it, or the
public key.

A key works in its tenant only. Its role says what it may do: "view" reads,
"edit" also creates and changes, "admin" also deletes and manages API keys,
"system" does everything in every tenant. Instead it can be some of the rights view,
add, edit, remove, manage and system, separated by commas.

A credential of a dialect works with that API and no other. With -o json it is what
that vendor's clients are configured with, under the vendor's own names.`
	for _, d := range dialects() {
		if d.Help != "" {
			help += "\n\n" + d.Help
		}
	}
	return help
}

func apikeyCreateExamples() string {
	examples := `  umask 077; vtoken apikey create onboarding > api.key
  vtoken apikey create auditor --role view --valid 720h
  vtoken apikey create sales-portal --tenant sales --role edit -o json`
	for _, d := range dialects() {
		if d.Example != "" {
			examples += "\n  " + d.Example
		}
	}
	return examples
}

// request returns the request for the API, without a certificate.
func (n newKey) request(cmd *cobra.Command, name string) (api.NewAPIKey, error) {
	if n.valid < 0 {
		return api.NewAPIKey{}, usagef(cmd, "--valid is a time from now on, such as 720h")
	}
	if able := dialectNames(takesClientCertificate); n.tlsDir != "" && !slices.Contains(able, n.dialect) {
		return api.NewAPIKey{}, usagef(cmd, "--tls is for --dialect %s", orList(able))
	}
	request := api.NewAPIKey{Name: name, Role: n.role}
	if n.dialect != apiKeyDialect() {
		request.Dialect = n.dialect
	}
	if n.valid > 0 {
		expires := time.Now().Add(n.valid).UTC()
		request.ExpiresAt = &expires
	}
	if n.publicKeyFile != "" {
		key, err := os.ReadFile(n.publicKeyFile)
		if err != nil {
			return request, fmt.Errorf("reading the public key: %w", err)
		}
		request.PublicKey = string(key)
	}
	return request, nil
}

// create creates the key, with a client certificate if one is asked for. It writes the
// certificate's files before the daemon gets it, and removes them if that fails.
func (n newKey) create(cmd *cobra.Command, c *client.Client, request api.NewAPIKey) (*api.CreatedAPIKey, error) {
	if n.tlsDir == "" {
		return c.CreateAPIKey(cmd.Context(), n.tenant, request)
	}
	certificate, remove, err := newClientCertificate(n.tlsDir, request.Name, request.ExpiresAt)
	if err != nil {
		return nil, err
	}
	request.Certificate = certificate
	k, err := c.CreateAPIKey(cmd.Context(), n.tenant, request)
	if err != nil {
		remove()
	}
	return k, err
}

// showKey prints a key that was made, or the credential of a dialect.
func (a *app) showKey(out format, k *api.CreatedAPIKey) error {
	switch {
	case out == formatJSON && len(k.Credential) > 0:
		return writeJSON(a.out, k.Credential)
	case out == formatJSON:
		return writeJSON(a.out, k)
	case len(k.Credential) > 0:
		return a.showCredential(k.Credential)
	}
	_, err := fmt.Fprintln(a.out, string(k.Key))
	return err
}

// showCredential prints the fields of a credential, one a line. A key in PEM is the last
// and has its own lines.
func (a *app) showCredential(c api.Credential) error {
	var lines, blocks []api.Field
	for _, f := range c {
		if bytes.ContainsRune(f.Value, '\n') {
			blocks = append(blocks, f)
		} else {
			lines = append(lines, f)
		}
	}
	for _, f := range slices.Concat(lines, blocks) {
		if _, err := fmt.Fprintf(a.out, "%s: %s\n", f.Name, string(f.Value)); err != nil {
			return err
		}
	}
	return nil
}
