package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"vtoken/daemon/audit"
	"vtoken/daemon/config"
	"vtoken/daemon/observe"
	"vtoken/keystore"
	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

// Who can write to the data folder can put another store there, of keys of their own,
// or none. What tells is outside of it: the file with the pin, the TPM, and an audit log that
// is elsewhere. Each of them refuses by itself.

// pinFormat begins the file of the pin; the store's id and a newline follow.
const pinFormat = "vtoken-store-1 "

var pinLine = regexp.MustCompile(`^` + pinFormat + `([0-9a-f]{32})\n?$`)

// maxPin bounds the file in bytes.
const maxPin = 256

// identity is what the daemon knows about its store before it opens it.
type identity struct {
	file   string    // of the pin; empty is none
	pinned []kek.Pin // what the file and the TPMs have
	audit  string    // folder of the audit log
	before string    // what tells that there was a store; empty is nothing
	init   bool
	tpms   tpmPins
}

// newIdentity reads the pins and looks at the audit log. A daemon that takes the place of
// another one has its root key, which opens no other store, so that it does not wait for a TPM.
func newIdentity(ctx context.Context, cfg config.Config, takesOver bool, log *slog.Logger) (known identity, err error) {
	known = identity{file: cfg.PinFile(), init: cfg.Init}
	o, err := observe.AuditOptions(cfg)
	if err != nil {
		return known, err
	}
	known.audit = o.Dir
	if known.tpms, err = newTPMPins(cfg.DataDir, cfg.KEKs); err != nil {
		return known, err
	}
	if known.pinned, err = pinsOfFile(known.file); err != nil {
		return known, err
	}
	if !takesOver {
		known.pinned = append(known.pinned, known.tpms.read(ctx, log)...)
	}
	owner, err := audit.OwnerOf(known.audit, nil)
	switch {
	case err != nil:
		return known, err
	case len(known.pinned) > 0:
		known.before = "its id is in " + known.pinned[0].Where
	case owner != audit.Nobody:
		known.before = "its audit log is in " + known.audit
	}
	return known, nil
}

// expect makes the keystore open this store and no other.
func (known identity) expect(o keystore.Options) keystore.Options {
	o.Before, o.Init = known.before, known.init
	if known.init {
		return o // the new store has another id
	}
	o.Pinned, o.Recognize = known.pinned, known.signed
	return o
}

// signed refuses a store if there is an audit log, and the store's key signed no line of it.
func (known identity) signed(key ed25519.PublicKey) error {
	owner, err := audit.OwnerOf(known.audit, key)
	if err != nil || owner != audit.Another {
		return err
	}
	return fmt.Errorf("%w: the audit log in %s is signed by the key of another store; put the right data folder back, or move that log away where it is not this store's",
		keystore.ErrForeign, known.audit)
}

// keep pins the store that was opened.
func (known identity) keep(ctx context.Context, store *keystore.Store, log *slog.Logger) {
	known.keepInFile(store.ID(), log)
	known.tpms.keep(ctx, store, known.init, log)
}

func (known identity) keepInFile(id string, log *slog.Logger) {
	if known.file == "" {
		return
	}
	if pin, err := readPin(known.file); err == nil && pin == id {
		return
	}
	if err := writePin(known.file, id); err != nil {
		log.Warn("the id of the store is not pinned, so another store in its place will not be detected", "file", known.file, "error", err)
		return
	}
	log.Info("pinned the id of the store; another one in its place is refused", "file", known.file, "id", id)
}

// pinsOfFile returns the pin in a file, or none where there is no file.
func pinsOfFile(path string) ([]kek.Pin, error) {
	id, err := readPin(path)
	if err != nil || id == "" {
		return nil, err
	}
	return []kek.Pin{{ID: id, Where: "the file " + path, Undo: "remove that file"}}, nil
}

// readPin reads the file of the pin. It is empty where there is none.
func readPin(path string) (id string, err error) {
	if path == "" {
		return "", nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the id of the store: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPin))
	if err != nil {
		return "", fmt.Errorf("read the id of the store: %w", err)
	}
	m := pinLine.FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("read the id of the store: %s is no file with one; put it back, or remove it to pin the store that is there", path)
	}
	return string(m[1]), nil
}

// writePin writes the file of the pin, and replaces an existing one.
func writePin(path, id string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return kek.CreateSecretFile(path, secret.Bytes(pinFormat+id+"\n"))
}
