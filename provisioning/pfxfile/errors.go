package pfxfile

import (
	"errors"
	"fmt"
)

// Errors of a file, in sentences for its sender.
var (
	errDamaged  = errors.New("the file is not a PFX, or it is damaged; export it again")
	errBER      = errors.New("the PFX is encoded in BER with indefinite lengths, which is not supported; convert it with `openssl pkcs12` first")
	errPassword = errors.New("the PFX password is wrong, or the PFX is damaged; check the password")
	errInner    = errors.New("the PFX password is wrong, or the contents are encrypted under another one than the integrity check; export it again with one password")
	errNoMAC    = errors.New("the PFX has no integrity check (MAC), so its password cannot be checked; export it again with one")
	errKeys     = errors.New("the PFX has several private keys; export each key with its certificate into a PFX of its own")
	errBags     = fmt.Errorf("the PFX has more than %d entries; export fewer at once", maxBags)
	errSafes    = fmt.Errorf("the PFX has more than %d parts; convert it with `openssl pkcs12` first", maxSafes)
	errNesting  = fmt.Errorf("the parts of the PFX are nested more than %d deep; export it again", maxNesting)
	errBigKey   = fmt.Errorf("the PFX has an RSA key with a number of more than %d bits; tokens hold no such key", maxRSA)
)

func unsupported(what string) error {
	return fmt.Errorf(
		"the PFX is built in a way that is not supported (%s); convert it with `openssl pkcs12` and import the result", what)
}
