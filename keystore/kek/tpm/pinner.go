package tpm

import (
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"vtoken/keystore/kek"
)

// Devices matches the TPMs of the machine, behind their resource managers.
const Devices = "/dev/tpmrm[0-9]*"

// pinner is a TPM that keeps the ids of stores. It has no auth value.
type pinner struct {
	*provider
	configured bool
}

// Pinners returns the TPMs that can keep the id of a store: those of the KEKs in the
// configuration, and those whose devices match a pattern and may be opened. dir is the data folder,
// where relative paths start. A URI that is malformed is left out, as the store says what is
// wrong with it when it is used.
func Pinners(keks []string, dir, devices string) (list []kek.Pinner) {
	var known []target
	add := func(t target, configured bool) {
		t = target{network: t.network, address: t.address}
		if slices.ContainsFunc(known, t.same) {
			return
		}
		known = append(known, t)
		list = append(list, pinner{&provider{target: t}, configured})
	}
	for _, text := range keks {
		if t, ok := targetOf(text, dir); ok {
			add(t, true)
		}
	}
	machine, _ := filepath.Glob(devices) // the pattern is a constant
	for _, device := range machine {
		if unix.Access(device, unix.R_OK|unix.W_OK) == nil {
			add(target{network: "device", address: device}, false)
		}
	}
	return list
}

// targetOf returns the TPM that a URI names.
func targetOf(text, dir string) (t target, ok bool) {
	uri, err := kek.Parse(text)
	if err != nil || uri.Scheme != Scheme {
		return t, false
	}
	if t, err = parse(uri); err != nil {
		return t, false
	}
	return t.within(dir), true
}

// Serves reports whether one of the recipients is in the TPM. Every recipient in a TPM may be in
// one that the configuration names: the store tries it there.
func (p pinner) Serves(recipients []string) bool {
	return slices.ContainsFunc(recipients, func(text string) bool {
		t, ok := targetOf(text, "")
		return ok && (p.configured || p.target.same(t))
	})
}
