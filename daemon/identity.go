package main

import (
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
// or none. What tells is outside of it: the file with the pin, and an audit log that is
// elsewhere.

// pinFormat begins the file of the pin; the store's id and a newline follow.
const pinFormat = "vtoken-store-1 "

var pinLine = regexp.MustCompile(`^` + pinFormat + `([0-9a-f]{32})\n?$`)

// maxPin bounds the file in bytes.
const maxPin = 256

// identity is what the daemon knows about its store before it opens it.
type identity struct {
	file   string // of the pin; empty is none
	pin    string // the store's id; empty where there was none yet
	audit  string // folder of the audit log
	before string // what tells that there was a store; empty is nothing
	init   bool
}

// newIdentity reads the pin and looks at the audit log.
func newIdentity(cfg config.Config) (known identity, err error) {
	known = identity{file: cfg.PinFile(), init: cfg.Init}
	o, err := observe.AuditOptions(cfg)
	if err != nil {
		return known, err
	}
	known.audit = o.Dir
	if known.pin, err = readPin(known.file); err != nil {
		return known, err
	}
	owner, err := audit.OwnerOf(known.audit, nil)
	switch {
	case err != nil:
		return known, err
	case known.pin != "":
		known.before = "its id is in " + known.file
	case owner != audit.Nobody:
		known.before = "its audit log is in " + known.audit
	}
	return known, nil
}

// expect makes the keystore open this store and no other.
func (known identity) expect(o keystore.Options) keystore.Options {
	o.Pinned, o.Before, o.Init = known.pin, known.before, known.init
	if known.init {
		o.Pinned = "" // the new store has another id
		return o
	}
	o.Recognize = known.signed
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
func (known identity) keep(id string, log *slog.Logger) {
	if known.file == "" || known.pin == id {
		return
	}
	if err := writePin(known.file, id); err != nil {
		log.Warn("the id of the store is not pinned, so another store in its place will not be detected", "file", known.file, "error", err)
		return
	}
	log.Info("pinned the id of the store; another one in its place is refused", "file", known.file, "id", id)
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
