package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// restoreHelp is the help of "vtoken restore".
const restoreHelp = `Restore the store of a data folder from a backup, on this machine, while no daemon runs
on the folder. The folder must not have a store; other files in it stay. vtokend does
the work and reads its own configuration: run this as the daemon's user, and use the
flags for another folder or KEK.

One of the KEKs of the backup must open here. Every record is authenticated and compared
with the backup before the store is put in place. Slots, labels, objects and counters
are those of the backup.

If the store uses a TPM, its backup is older than the TPM's counter as soon as a PIN was
tried since, and is refused, because restoring it brings back PIN tries, old PINs and
deleted objects. With --accept-rollback it is restored nevertheless.

The restore is recorded in the audit log, which continues after the line that was its
newest when the backup was made, or after the newest one in the folder. If older lines
are missing, vtoken audit verify reports that until vtoken audit archive records that
they are kept elsewhere.`

func restoreCommand(a *app) *cobra.Command {
	var daemon string
	var flags daemonFlags
	var accept bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore the store of a data folder from a backup",
		Long:  restoreHelp,
		Example: `  vtoken restore vtoken-2026-11-22.backup
  vtoken restore vtoken-2026-11-22.backup --data-dir /srv/vtoken --kek passphrase:file=/root/recovery`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := daemonProgram(daemon)
			if err != nil {
				return err
			}
			file, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			args = flags.list()
			if accept {
				args = append(args, "--accept-rollback")
			}
			run := exec.CommandContext(cmd.Context(), path, append([]string{"restore", file}, args...)...)
			run.Stdin, run.Stdout, run.Stderr = a.in, a.err, a.err
			var exit *exec.ExitError
			if err := run.Run(); errors.As(err, &exit) {
				return fmt.Errorf("nothing was restored; the reason is above")
			} else if err != nil {
				return fmt.Errorf("run %s: %w", path, err)
			}
			return nil
		},
	}
	flags.addFlags(cmd)
	cmd.Flags().BoolVar(&accept, "accept-rollback", false, "restore even a backup that is older than the counter of a TPM")
	cmd.Flags().StringVar(&daemon, "vtokend", "", "`PATH` of the daemon's program (else the one that is installed)")
	return cmd
}

// daemonFlags are passed on to vtokend.
type daemonFlags struct {
	config, dataDir, auditDir string
	keks                      []string
}

func (d *daemonFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.config, "config", "", "configuration `FILE` of the daemon (else its default)")
	cmd.Flags().StringVar(&d.dataDir, "data-dir", "", "`DIR` of the store (else as the configuration says)")
	cmd.Flags().StringVar(&d.auditDir, "audit-dir", "", "`DIR` of the audit log (else as the configuration says)")
	cmd.Flags().StringArrayVar(&d.keks, "kek", nil, "`URI` of a KEK to try; repeatable (else as the configuration says)")
}

func (d *daemonFlags) list() (args []string) {
	if d.config != "" {
		args = append(args, "--config", d.config)
	}
	if d.dataDir != "" {
		args = append(args, "--data-dir", d.dataDir)
	}
	if d.auditDir != "" {
		args = append(args, "--audit-dir", d.auditDir)
	}
	for _, k := range d.keks {
		args = append(args, "--kek", k)
	}
	return args
}

// daemonProgram finds vtokend: the one that is named, else the one that is installed with
// this program, else the one in PATH.
func daemonProgram(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	const name = "vtokend"
	if self, err := os.Executable(); err == nil {
		dir := filepath.Dir(self)
		for _, path := range []string{filepath.Join(dir, name), filepath.Join(dir, "..", "sbin", name)} {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find the daemon's program: %w; name it with --vtokend", err)
	}
	return path, nil
}
