package keystore

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var (
	// ErrForeign is returned by [Open] and [Restore] for a store of another id than
	// Options.Pinned.
	ErrForeign = errors.New("the data folder holds another store than before")
	// ErrMissing is returned by [Open] where there was a store and is none.
	ErrMissing = errors.New("the store is missing")
)

// ID returns the id of the store. It is derived from the random system key: rotations,
// backups and restores keep it, and knowing it is not enough to make a store with it.
func (s *Store) ID() string { return hex.EncodeToString(s.sys.id[:]) }

// pinned compares the store with the one that is expected.
func (s *Store) pinned(o Options) error {
	var others, undo []string
	for _, pin := range o.Pinned {
		if !strings.EqualFold(pin.ID, s.ID()) {
			others, undo = append(others, pin.ID+" is pinned in "+pin.Where), append(undo, pin.Undo)
		}
	}
	if len(others) > 0 {
		return alarm(o, fmt.Errorf("%w: its id is %s, and %s; put the right data folder back, or, where this store is meant, %s",
			ErrForeign, s.ID(), strings.Join(others, ", and "), strings.Join(undo, ", and ")))
	}
	if o.Recognize == nil {
		return nil
	}
	key := s.AuditKey()
	defer clear(key)
	return alarm(o, o.Recognize(slices.Clone(key.Public().(ed25519.PublicKey))))
}

// alarm logs that the store is not the expected one.
func alarm(o Options, err error) error {
	if errors.Is(err, ErrForeign) {
		o.Log.Error("ALARM: the data folder holds another store than before", "reason", err)
	}
	return err
}

// first checks whether the data folder must have a store, or must not have one.
func (o Options) first() error {
	path := filepath.Join(o.Dir, storeFile)
	_, err := os.Lstat(path)
	switch {
	case err == nil && o.Init:
		return fmt.Errorf("%w: %s; --init makes a new store where one is missing, so move that one away, or start without --init", ErrStoreExists, path)
	case err != nil && o.Existing:
		return fmt.Errorf("%w: there is no store in %s; name the data folder with --data-dir: %w", ErrFolder, o.Dir, err)
	case err != nil && o.Before != "" && !o.Init:
		return fmt.Errorf("%w: there is none in %s, and %s; mount its disk, restore a backup (vtoken restore), or start once with --init for a new, empty store: %w", ErrMissing, o.Dir, o.Before, err)
	}
	return nil
}
