package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"vtoken/daemon/config"
	"vtoken/keystore"
	"vtoken/keystore/kek"
	kekall "vtoken/keystore/kek/all"
)

// A TPM has the id of the store, too, where the store has a KEK in it. The daemon asks the TPMs
// of its configuration, and that of the machine, before it opens the store. What the store itself
// says about TPMs does not count.
//
// A TPM that does not answer keeps no daemon from starting whose store does not need it: a
// recovery passphrase opens the store of a machine whose TPM is broken.

// pinTime bounds the use of each TPM.
const pinTime = 10 * time.Second

// tpmPins are the TPMs that have the id of the store of a data folder, or can have it.
type tpmPins struct {
	folder string // an absolute path
	tpms   []*tpmPin
}

// tpmPin is a TPM.
type tpmPin struct {
	kek.Pinner
	kept  bool // it has a pin that nobody can overwrite
	quiet bool // it did not answer
}

func newTPMPins(dir string, keks []string) (p tpmPins, err error) {
	if p.folder, err = filepath.Abs(dir); err != nil {
		return p, err
	}
	for _, one := range kekall.Pinners(keks, dir) {
		p.tpms = append(p.tpms, &tpmPin{Pinner: one})
	}
	return p, nil
}

// pinsOf returns the pins that are outside of the data folder.
func pinsOf(ctx context.Context, cfg config.Config, log *slog.Logger) ([]kek.Pin, error) {
	pins, err := pinsOfFile(cfg.PinFile())
	if err != nil {
		return nil, err
	}
	tpms, err := newTPMPins(cfg.DataDir, cfg.KEKs)
	if err != nil {
		return nil, err
	}
	return append(pins, tpms.read(ctx, log)...), nil
}

// read returns what the TPMs have.
func (p tpmPins) read(ctx context.Context, log *slog.Logger) (all []kek.Pin) {
	for _, t := range p.tpms {
		pins, err := t.read(ctx, p.folder)
		if err != nil {
			t.quiet = true
			log.Warn("a TPM does not tell whether it has the id of the store, so it does not detect another store in its place",
				"tpm", t.String(), "error", err)
			continue
		}
		for _, pin := range pins {
			t.kept = t.kept || !pin.Unfinished
		}
		all = append(all, pins...)
	}
	return all
}

func (t *tpmPin) read(ctx context.Context, folder string) ([]kek.Pin, error) {
	ctx, cancel := context.WithTimeout(ctx, pinTime)
	defer cancel()
	return t.ReadPins(ctx, folder)
}

// keep writes the id of the store that was opened into the TPMs in which it has a KEK. After
// --init no TPM keeps the id of the store before.
func (p tpmPins) keep(ctx context.Context, store *keystore.Store, init bool, log *slog.Logger) {
	list, err := store.Recipients()
	if err != nil {
		log.Warn("the id of the store is not written into a TPM", "error", err)
		return
	}
	var uris []string
	for _, r := range list {
		uris = append(uris, r.URI)
	}
	if init {
		for _, t := range p.tpms {
			t.forget(ctx, p.folder, log)
		}
	}
	p.keepFor(ctx, uris, store.ID(), log)
}

// keepFor writes an id into the TPMs that serve one of the recipients.
func (p tpmPins) keepFor(ctx context.Context, recipients []string, id string, log *slog.Logger) {
	for _, t := range p.tpms {
		if t.Serves(recipients) && !t.kept && !t.quiet {
			t.keep(ctx, p.folder, id, log)
		}
	}
}

// keepAdded writes the id of the store into the TPM of a KEK that was added to it, which the
// configuration may not name yet.
func keepAdded(ctx context.Context, cfg config.Config, store *keystore.Store, uri string, log *slog.Logger) {
	p, err := newTPMPins(cfg.DataDir, append(slices.Clone(cfg.KEKs), uri))
	if err != nil {
		log.Warn("the id of the store is not written into a TPM", "error", err)
		return
	}
	p.keepFor(ctx, []string{uri}, store.ID(), log)
}

// forget removes what the TPM has for the folder.
func (t *tpmPin) forget(ctx context.Context, folder string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, pinTime)
	defer cancel()
	if err := t.RemovePins(ctx, folder); err != nil {
		log.Warn("the id of the store that was here is not removed from a TPM: where the TPM has it, "+
			"the next start refuses the new store, and says how to remove it", "tpm", t.String(), "error", err)
		return
	}
	t.kept, t.quiet = false, false
}

// keep writes the id of the store.
func (t *tpmPin) keep(ctx context.Context, folder, id string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, pinTime)
	defer cancel()
	pin, err := t.WritePin(ctx, folder, id)
	switch {
	case errors.Is(err, kek.ErrPinned):
		log.Error("a TPM has the id of another store for this data folder, so that the next start refuses this store; "+
			"where this one is meant, "+pin.Undo, "tpm", t.String(), "error", err)
	case err != nil:
		log.Warn("the id of the store is not written into a TPM, so another store in its place may not be detected",
			"tpm", t.String(), "error", err)
	default:
		t.kept = true
		log.Info("the TPM has the id of the store; another one in its place is refused", "tpm", t.String(), "place", pin.Where, "id", id)
	}
}
