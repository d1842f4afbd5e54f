package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func importCommand(a *app) *cobra.Command {
	commands := []*cobra.Command{
		importFileCommand(a, "csv", "Import seeds from a CSV", `a CSV with a header. Its columns, in any order:
serial, one of seed (hexadecimal), seedBase32 and seedBase64, and optionally
manufacturerCode, productCode, hash, digits, period, counter, window, description,
loginName, domain, pin, expires (such as 2030-12-31T00:00:00Z).`, `  vtoken import csv tokens.csv --dry-run
  vtoken import csv tokens.csv`),
		importFileCommand(a, "pskc", "Import seeds from a PSKC file (RFC 6030)", `a PSKC file (RFC 6030), plain or encrypted with a
password (--password-file) or a shared key (--key-file), or for a certificate
(--private-key-file).`, `  vtoken import pskc tokens.pskc`),
	}
	for _, d := range dialects() {
		for _, i := range d.Imports {
			commands = append(commands, importFileCommand(a, i.Format, i.Title, i.Help, "  "+i.Example))
		}
	}
	return group("import", "Import files of seeds and of assignments", commands...)
}

// fileImport has the flags of an import.
type fileImport struct {
	out                                   format
	tenant                                string
	request                               api.Import
	passwordFile, keyFile, privateKeyFile string
}

// allOrNothing ends the help of each import.
const allOrNothing = `

All rows are imported or none. If rows are refused, each is listed with its line and the
reason, nothing is changed, and the exit code is 1. Each PIN takes some 20 ms of a
processor.`

func importFileCommand(a *app, name, short, what, example string) *cobra.Command {
	var n fileImport
	n.request.Format = name
	cmd := &cobra.Command{
		Use:     name + " FILE",
		Short:   short,
		Long:    "Import " + what + allOrNothing,
		Example: example,
		Args:    arguments("FILE"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			return a.importFile(cmd, c, n, args[0])
		}),
	}
	addTenantFlag(cmd, &n.tenant)
	cmd.Flags().BoolVar(&n.request.DryRun, "dry-run", false, "only print what would be refused")
	cmd.Flags().BoolVar(&n.request.Inactive, "inactive", false, "leave the activation of tokens that get a holder for later")
	switch name {
	case "assignments":
		n.request.Format = "assign"
		cmd.Flags().BoolVar(&n.request.Share, "share", false, "add users to the holders of tokens that are held")
	case "pskc":
		cmd.Flags().StringVar(&n.privateKeyFile, "private-key-file",
			"", "`FILE` with the RSA key (PEM, without a password) of the certificate that the file is encrypted for")
		cmd.Flags().StringVar(&n.keyFile, "key-file", "", "`FILE` with the key of an encrypted file, in hexadecimal")
	}
	if name == "pskc" || name == "xml" {
		cmd.Flags().StringVar(&n.passwordFile, "password-file",
			"", "`FILE` with the password of an encrypted file (- is standard input)")
	} else {
		cmd.Flags().StringVar(&n.request.Charset, "charset",
			"", "character set of the file, such as iso-8859-1 (else utf-8)")
		cmd.Flags().BoolVar(&n.request.CreateUsers, "create-users", false, "create users that do not exist")
	}
	n.out.addFlag(cmd)
	return cmd
}

func (a *app) importFile(cmd *cobra.Command, c *client.Client, n fileImport, file string) (err error) {
	if n.request.File, err = readBounded(file, api.MaxImport); err != nil {
		return fmt.Errorf("read the file to import: %w", err)
	}
	defer clear(n.request.File)
	if n.passwordFile != "" {
		if n.request.Password, err = a.readSecret(cmd, "--password-file", n.passwordFile); err != nil {
			return err
		}
		defer n.request.Password.Wipe()
	}
	if n.keyFile != "" {
		if n.request.Key, err = a.readHex(cmd, "--key-file", n.keyFile); err != nil {
			return err
		}
		defer n.request.Key.Wipe()
	}
	if n.privateKeyFile != "" {
		if n.request.PrivateKey, err = a.readSecret(cmd, "--private-key-file", n.privateKeyFile); err != nil {
			return err
		}
		defer n.request.PrivateKey.Wipe()
	}
	bar := a.newBar()
	report, err := c.Import(cmd.Context(), n.tenant, n.request, bar.show)
	bar.clear()
	if err != nil {
		return err
	}
	return a.tellImport(report, n, file)
}

func (a *app) readHex(cmd *cobra.Command, flag, file string) (api.Secret, error) {
	text, err := a.readSecret(cmd, flag, file)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	key := make(api.Secret, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(key, text); err != nil {
		return nil, fmt.Errorf("read %s: %s is no even number of hexadecimal digits", flag, file)
	}
	return key, nil
}

// tellImport prints the ids of the new tokens, or why rows are refused.
func (a *app) tellImport(report *api.ImportReport, n fileImport, file string) error {
	if n.out == formatJSON {
		if err := writeJSON(a.out, report); err != nil {
			return err
		}
	}
	if refused := len(report.Refused); refused > 0 {
		for _, r := range report.Refused {
			where := fmt.Sprintf("%s:%d", file, r.Line)
			if r.Serial != "" {
				where += ": " + r.Serial
			}
			fmt.Fprintf(a.err, "%s: %s\n", printable(where), printable(r.Reason))
		}
		return fmt.Errorf("%s refused, and nothing was changed",
			count(refused, "row")+map[bool]string{true: " is", false: " are"}[refused == 1])
	}
	if n.out == formatJSON {
		return nil
	}
	if report.DryRun {
		_, err := fmt.Fprintf(a.err, "%s would be taken\n", count(len(report.Done), "row"))
		return err
	}
	for _, t := range report.Done {
		if _, err := fmt.Fprintf(a.out, "%s  %s\n", t.ID, printable(t.Serial)); err != nil {
			return err
		}
	}
	return nil
}

// bar shows progress on a terminal.
type bar struct {
	w io.Writer // nil where nobody sees it
}

func (a *app) newBar() bar {
	if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return bar{f}
	}
	return bar{}
}

const barWidth = 40

func (b bar) show(done, total int) {
	if b.w == nil || total <= 0 {
		return
	}
	full := min(barWidth, done*barWidth/total)
	fmt.Fprintf(b.w, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), done, total)
}

func (b bar) clear() {
	if b.w != nil {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", barWidth+30))
	}
}
