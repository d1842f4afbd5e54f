package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

// tokenDetails is the output of "token show -o json".
type tokenDetails struct {
	*api.Token
	Objects []api.Object `json:"objects"`
}

func tokenShowCommand(a *app) *cobra.Command {
	var out format
	var module string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a token, its objects, and how to use it",
		Long: `Show a token, the objects on it, and lines to paste for using it with pkcs11-tool,
OpenSSL, ssh and p11-kit.`,
		Example: `  vtoken token show 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10
  vtoken token show 5b0b1f6e-6b7e-4a7e-9f0b-2f3d1c9a8e10 -o json`,
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
			if out == formatJSON {
				return writeJSON(a.out, tokenDetails{t, objects})
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.writeToken(t, objects); err != nil {
				return err
			}
			return a.writePaste(a.out, paste{token: t, objects: objects, module: findModule(module), socket: status.P11Socket})
		}),
	}
	cmd.Flags().StringVar(&module, "module", "", "`PATH` of vtoken-pkcs11.so in the lines to paste (else where it is found)")
	out.addFlag(cmd)
	return cmd
}

func (a *app) writeToken(t *api.Token, objects []api.Object) error {
	state := tokenState(t)
	switch {
	case t.User == "" || t.Activation != "new":
	case t.OTP != nil:
		state += "; its passwords are taken after: vtoken otp sync --activate " + t.ID
	default:
		state += "; applications see it after: vtoken token complete " + t.ID
	}
	fields := [][2]string{
		{"Token", t.ID},
		{"Label", t.Label},
		{"User", holders(t)},
		{"State", state},
		{"Slot", strconv.FormatUint(t.Slot, 10)},
		{"Serial", t.Serial},
		{"User PIN", pinState(t.UserPIN)},
		{"SO PIN", pinState(t.SOPIN)},
		{"PIN-bound", pinBound(t)},
		{"Algorithms", t.Policy},
		{"RSA keys", fmt.Sprintf("up to %d bits", t.MaxRSABits)},
		{"Created", date(t.CreatedAt)},
		{"URI", t.URI},
	}
	if t.OTP != nil {
		fields = append(fields, [2]string{"Passwords", passwords(t.OTP)})
	}
	err := writeFields(a.out, fields)
	if err != nil || len(objects) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	return writeTable(a.out, []string{"OBJECT", "LABEL", "ID", "KIND"}, objectRows(objects))
}

// holders returns the logins of all holders of a token.
func holders(t *api.Token) string {
	var logins []string
	for _, h := range t.Holders {
		logins = append(logins, h.User)
	}
	return strings.Join(logins, ", ")
}

// pinBound says who can use the private keys of a token.
func pinBound(t *api.Token) string {
	switch {
	case !t.PINBound:
		return "no"
	case !t.UserPIN.Set && !t.SOPIN.Set:
		return "yes, from the first PIN on"
	case !t.UserPIN.Set || !t.SOPIN.Set:
		return "yes; if its only PIN is lost, so are its keys"
	}
	return "yes; if both PINs are lost, so are its keys"
}

func objectRows(objects []api.Object) [][]string {
	var rows [][]string
	for _, o := range objects {
		rows = append(rows, []string{o.Class, o.Label, o.ID, objectKind(o)})
	}
	return rows
}

// objectKind returns the type of a key, or the owner and expiry of a certificate.
func objectKind(o api.Object) string {
	switch {
	case o.KeyType != "" && o.Bits > 0:
		return o.KeyType + " " + strconv.Itoa(o.Bits)
	case o.KeyType != "":
		return o.KeyType
	case o.NotAfter != nil:
		return o.Subject + ", until " + o.NotAfter.Local().Format("2006-01-02")
	}
	return o.Subject
}

// passwords describes the one-time passwords of a token in a few words.
func passwords(o *api.OTP) string {
	text := fmt.Sprintf("%s with %s, %d digits", strings.ToUpper(o.Type), o.Hash, o.Digits)
	if o.Period > 0 {
		text += fmt.Sprintf(", every %d s", o.Period)
	} else {
		text += fmt.Sprintf(", next counter %d", o.Counter)
	}
	switch {
	case o.Locked:
		text += "; locked after too many wrong ones"
	case o.Failed > 0:
		text += fmt.Sprintf("; %d wrong", o.Failed)
	}
	return text
}
