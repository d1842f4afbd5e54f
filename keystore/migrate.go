package keystore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// Open migrates a store of an older version. It opens the old store and makes a copy. It copies
// unchanged values byte for byte, since every sealed value has the version of its contents. The
// copy replaces the old file after every record was authenticated and compared.

// keptFor is how long the file of an older version is kept. The KEKs of that time open it, so
// it is removed earlier if a KEK is removed or the root key is rotated.
const keptFor = 30 * 24 * time.Hour

// migrations brings stores of older versions up to date. It is given the old store.
func migrations(old *Store) []schema.Migration {
	return []schema.Migration{
		{From: 1, Name: "a sum for each bucket instead of one", Run: old.migrateVersion1},
	}
}

// migrate brings the file of a store, which is open, up to date. It closes it.
func (s *Store) migrate(ctx context.Context, o Options, path string, from uint32) (err error) {
	defer func() {
		err = errors.Join(err, s.db.Close())
		s.wipe()
	}()
	o.Log.Info("migrating a store of an older version", "file", path, "version", from, "to", schema.Version)
	kept, err := s.upgrader(ctx, path).Upgrade(from, schema.Version)
	if err != nil {
		return err
	}
	o.Log.Warn("the store was migrated; its old file, which the KEKs of that time open, is kept until the date that is given, or until a KEK is removed or the root key is rotated",
		"kept", kept, "until", time.Now().Add(keptFor).UTC().Format(time.DateOnly))
	return nil
}

// upgrader migrates the file of a store that is open.
func (s *Store) upgrader(ctx context.Context, path string) schema.Upgrader {
	return schema.Upgrader{
		Path: path, List: migrations(s), Open: openDB, Step: s.options.step,
		Verify: func(db *kv.DB) error { return s.compareMigrated(ctx, db) },
	}
}

// compareMigrated authenticates every record of a migrated store, and compares it with
// the old one.
func (s *Store) compareMigrated(ctx context.Context, db *kv.DB) error {
	raw := s.root.sealing().Raw()
	defer raw.Wipe()
	root, err := envelope.NewKey(raw)
	if err != nil {
		return err
	}
	next := newStore(db, s.options)
	defer next.wipe()
	if err := next.unlock(root); err != nil {
		return err
	}
	r, err := next.Check(ctx)
	if err == nil && len(r.Problems) > 0 {
		err = tampered("the migrated store has %d problems; the first: %s", len(r.Problems), r.Problems[0])
	}
	if err != nil {
		return err
	}
	return s.db.View(func(old kv.Reader) error {
		return db.View(func(now kv.Reader) error { return sameRecords(old, now) })
	})
}

// sameRecords compares a migrated store with the one of version 1: what the migration does
// not write is the same.
func sameRecords(old, now kv.Reader) error {
	records := func(r kv.Reader, made ...byte) (n int, err error) {
		err = r.Scan(nil, nil, func(key, _ []byte) error {
			if key[0] != '!' && !bytes.Contains(made, key[:1]) {
				n++
			}
			return nil
		})
		return n, err
	}
	before, err := records(old)
	if err != nil {
		return fault(err)
	}
	after, err := records(now, schema.PrefixAccumulator, schema.PrefixNode, schema.PrefixRanges, schema.PrefixStore)
	if err != nil {
		return fault(err)
	}
	if before != after {
		return fmt.Errorf("%w: %d records became %d", errDiffers, before, after)
	}
	return old.Scan(nil, nil, func(key, value []byte) error {
		if key[0] == '!' {
			return nil
		}
		copied, err := now.Get(key)
		if err == nil && !bytes.Equal(copied, value) || errors.Is(err, kv.ErrNotFound) {
			return fmt.Errorf("%w: %s", errDiffers, kindOf(key))
		}
		return err
	})
}

// Version 1 had one header, which every commit wrote: the sum over everything but the
// objects, the next slot id and the next object id.

func keyHeaderVersion1() []byte { return []byte("!header") }

const headerSizeVersion1 = sumSize + 8 + 8

// migrateVersion1 verifies a store of version 1 as its program did, and writes the sums of
// the buckets in the place of the header.
func (s *Store) migrateVersion1(w kv.Tx) error {
	blob, err := w.Get(keyHeaderVersion1())
	if errors.Is(err, kv.ErrNotFound) {
		return tampered("the header is missing")
	}
	if err != nil {
		return fault(err)
	}
	header, version, err := s.sys.header.Open(place(schema.ID{}, schema.ID{}, 0, fieldHeader), blob)
	if err != nil || len(header) != headerSizeVersion1 {
		return tampered("open the header: %w", errors.Join(err, lengthError(len(header), headerSizeVersion1)))
	}
	slot, object := binary.BigEndian.Uint64(header[sumSize:]), binary.BigEndian.Uint64(header[sumSize+8:])
	tx := &Tx{s: s, r: w, w: w, whole: true, node: &node{nextObject: object, version: version, dirty: true}}
	var total sum
	err = schema.ScanBuckets(w, 0, schema.Buckets, func(b schema.Bucket, key, value []byte) error {
		a, err := tx.accumulator(b)
		if err != nil {
			return err
		}
		e := element(s.sys.sum, key, value)
		a.sum, a.dirty = a.sum.plus(e), true
		total = total.plus(e)
		return nil
	})
	if err != nil {
		return fault(err)
	}
	if total != parseSum(header) {
		return tampered("records were removed, added or put back to an older state")
	}
	if err := w.Delete(keyHeaderVersion1()); err != nil {
		return fault(err)
	}
	if err := tx.takeSlots(tx.node, min(slot, maxSlot+1)); err != nil {
		return err
	}
	if err := tx.putStore(); err != nil {
		return err
	}
	s.beginCommit()
	if err := tx.flush(); err != nil {
		return err
	}
	return s.endCommit(w)
}

// dropKept removes the files of older versions that were kept before a time.
func (s *Store) dropKept(path string, before time.Time) {
	dropped, err := schema.Drop(path, before)
	if len(dropped) > 0 {
		s.log.Info("overwrote and removed old files of the migrated store", "files", dropped)
	}
	if err != nil {
		s.log.Warn("could not remove the old file of the migrated store, which the KEKs of that time open; remove it", "error", err)
	}
}
