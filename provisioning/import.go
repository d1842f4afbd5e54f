package provisioning

import (
	"context"

	"vtoken/vtoken/secret"
)

// Import is what [Service.ImportPFX] did.
type Import struct {
	// Serials are the serial numbers of the PFX's certificates, the one of the
	// key first, in upper-case hexadecimal.
	Serials []string
	// KeyID is CKA_ID of the key and its certificate.
	KeyID []byte
	// Label is their CKA_LABEL.
	Label string
	// Warnings say what may surprise applications: a label that another object
	// has already, a certificate that has expired.
	Warnings []string
}

// ImportPFX puts the private key of a PFX on a token, with its public key, its
// certificate and the certificates of the chain, all or nothing. The PFX is
// BadInput where the password is empty or wrong, where it has no key or several,
// no certificate for its key, or a key that the token cannot hold; TooLarge over
// [MaxPFX]; and a Conflict where the token has the key already. The caller keeps
// password and wipes it.
func (s *Service) ImportPFX(ctx context.Context, c Caller, ref TokenRef, data []byte, password secret.Bytes) (Import, error) {
	if len(data) > MaxPFX {
		return Import{}, Errorf(TooLarge, "the PFX has %d bytes; a PFX here has at most %d", len(data), MaxPFX)
	}
	return s.importPFX(ctx, c, ref, data, password)
}
