package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"vtoken/keystore/backup"
	"vtoken/provisioning/client"
)

func backupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a backup of the store",
		Long: `Write a backup of the daemon's whole store into a new file, while clients continue: one
consistent state, encrypted as it is in the store. Only you can read the file. The daemon
authenticates every record first, and the file is read back and verified after it is
written. It does not contain the KEKs. Nobody, including you, can restore or read it
without one of them, so keep a recovery KEK in another place.`,
		Example: `  vtoken backup vtoken-2026-11-22.backup`,
		Args:    arguments("FILE"),
		RunE: a.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			records, err := writeBackup(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.err, "%s written and verified: %s\n", args[0], count(int(records), "record"))
			return err
		}),
	}
}

// writeBackup writes a backup file, under another name until it is verified.
func writeBackup(ctx context.Context, c *client.Client, path string) (records uint64, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return 0, errors.Join(fmt.Errorf("%s is there already; choose another name", path), err)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("make the backup file: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if err := c.Backup(ctx, f); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("write the backup file: %w", err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		return 0, err
	}
	if records, err = backup.Verify(f); err != nil {
		return 0, fmt.Errorf("verify the backup: %w", err)
	}
	// A link fails if the file exists by now; a rename would replace it.
	if err := os.Link(part, path); err != nil {
		return 0, fmt.Errorf("name the backup file: %w", err)
	}
	if err := os.Remove(part); err != nil {
		return 0, err
	}
	return records, syncFolder(filepath.Dir(path))
}

// syncFolder makes a new file name durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
