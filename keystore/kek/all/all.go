// Package all is the one list of KEK providers.
package all

import (
	"vtoken/keystore/kek"
	"vtoken/keystore/kek/file"
	"vtoken/keystore/kek/p11hsm"
	"vtoken/keystore/kek/passphrase"
	"vtoken/keystore/kek/tpm"
)

// Providers is a fresh map from scheme to provider.
func Providers() map[string]kek.OpenFunc {
	return map[string]kek.OpenFunc{
		file.Scheme:       file.Open,
		passphrase.Scheme: passphrase.Open,
		p11hsm.Scheme:     new(p11hsm.Modules).Open,
		tpm.Scheme:        tpm.Open,
	}
}

// Pinners are the hardware that can keep the id of a store: that of the KEKs in the
// configuration, and that of the machine. dir is the data folder.
func Pinners(keks []string, dir string) []kek.Pinner { return tpm.Pinners(keks, dir, tpm.Devices) }
