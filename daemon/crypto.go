package main

import (
	"fmt"
	"log/slog"

	"vtoken/vtoken/mech"
	"vtoken/vtoken/mech/libcrypto"
)

// newProvider returns the implementation of private-key operations (config.Config.Crypto). It
// is called before anything else in the process uses libcrypto, such as a PKCS#11 module of an
// HSM.
func newProvider(name string, log *slog.Logger) (mech.Provider, error) {
	if name == "go" {
		return mech.Go{}, nil
	}
	p, err := libcrypto.Open()
	if err != nil {
		if name == "libcrypto" {
			return nil, fmt.Errorf("--crypto libcrypto: %w; build with cgo, or give --crypto go", err)
		}
		log.Info("Go's own library computes with private keys", "reason", err)
		return mech.Go{}, nil
	}
	if !p.Wipes() {
		log.Warn("libcrypto was in use before the daemon set it up, so that it does not overwrite all memory it frees")
	}
	if !p.Locked() {
		log.Warn("the memory for private keys is not locked, so they may be written to swap; raise LimitMEMLOCK to 8 MiB and more, or encrypt the swap")
	}
	return p, nil
}
