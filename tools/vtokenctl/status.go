package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
)

func statusCommand(a *app) *cobra.Command {
	var out format
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the daemon runs, and where it listens",
		Example: `  vtoken status
  vtoken status -o json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if out == formatJSON {
				return writeJSON(a.out, s)
			}
			return writeFields(a.out, statusFields(s))
		}),
	}
	out.addFlag(cmd)
	return cmd
}

func statusFields(s *api.Status) [][2]string {
	fields := [][2]string{
		{"Daemon", "running, version " + s.Version},
		{"Since", date(s.StartedAt)},
		{"PKCS#11 socket", s.P11Socket},
		{"Admin socket", s.AdminSocket},
		{"API", s.API},
		{"Dialects", strings.Join(s.Dialects, ", ")},
		{"Data", s.DataDir},
		{"Store", s.Store},
	}
	if c := s.Clients; c != nil {
		fields = append(fields, [2]string{"In use", fmt.Sprintf("%d applications, %d sessions", c.Applications, c.Sessions)})
	}
	if s.Recovery != nil {
		fields = append(fields, [2]string{"Recovery", recovery(*s.Recovery)})
	}
	if s.RestartProblem != "" {
		fields = append(fields, [2]string{"Last restart", "did not happen: " + s.RestartProblem})
	}
	if r := s.Rollback; r != nil {
		fields = append(fields, [2]string{"Older copies", olderCopies(r)})
	}
	return append(fields, [2]string{"You are", s.Caller.Name + ", role " + s.Caller.Role})
}

// recovery says whether the store can be opened when the machine, the TPM and the HSM are
// lost.
func recovery(there bool) string {
	if there {
		return "by a passphrase"
	}
	return "none: when the KEKs are lost, so is every key (vtoken kek add --generate passphrase:file=FILE)"
}

// olderCopies says what happens to an older copy of the data folder.
func olderCopies(r *api.Rollback) string {
	text := "of the data folder are not detected: no KEK counts that can be asked; a TPM does (vtoken kek add tpm2:...)"
	if r.Detected {
		text = "of the data folder are refused, by the counter of " + r.KEK
	}
	if r.CounterFails {
		text += ", which does not answer: new PINs are refused until it does (vtoken kek list tells why)"
	}
	if r.AcceptedAt != nil {
		text += "; one was accepted on " + date(*r.AcceptedAt)
	}
	return text
}
