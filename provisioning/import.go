package provisioning

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"vtoken/provisioning/pfx"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Import is the result of [Service.ImportPFX].
type Import struct {
	// Serials are the serial numbers of the PFX's certificates, the one of the
	// key first, in upper-case hexadecimal.
	Serials []string
	// KeyID is the CKA_ID of the key and its certificate.
	KeyID []byte
	// Label is their CKA_LABEL.
	Label string
	// Warnings say what may surprise applications: a label that another object has
	// already, or an expired certificate.
	Warnings []string
}

// ImportPFX puts the private key of a PFX on a token, with its public key, its
// certificate and the certificates of the chain, all or nothing. It fails with BadInput
// where the password is empty or wrong, or where the PFX has no key or several, no
// certificate for its key, or a key that the token cannot hold; with TooLarge over
// [MaxPFX]; and with Conflict where the token has the key already. The caller keeps the
// password and wipes it.
func (s *Service) ImportPFX(
	ctx context.Context, c Caller, ref TokenRef, data []byte, password secret.Bytes,
) (Import, error) {
	if len(data) > MaxPFX {
		return Import{}, Errorf(TooLarge, "the PFX has %d bytes; a PFX here has at most %d", len(data), MaxPFX)
	}
	// Check the caller and the token first: a caller who may not import learns nothing
	// about the PFX and causes no work.
	err := s.view(ctx, func(tx ReadTx) error {
		_, err := s.token(tx, c, OpTokenImport, ref)
		return err
	})
	if err != nil {
		return Import{}, err
	}
	var b pfx.Bundle
	var pair []*object.Object
	err = s.inTurn(ctx, c, func(func() error) (err error) {
		if b, err = pfx.Read(ctx, data, password); err == nil {
			pair, err = b.Pair()
		}
		return badFile(err)
	})
	if err != nil {
		return Import{}, err
	}
	var result Import
	err = s.update(ctx, func(tx Tx) error {
		t, err := s.token(tx, c, OpTokenImport, ref)
		if err != nil {
			return err
		}
		result, err = storeBundle(tx, t, &b, pair, s.now())
		return err
	})
	return result, err
}

// badFile turns an error of package pfx about a file into BadInput, and leaves others as
// they are.
func badFile(err error) error {
	var bad *pfx.Error
	if errors.As(err, &bad) {
		return &Error{Kind: BadInput, Detail: bad.Detail, Err: bad.Err}
	}
	return err
}

// storeBundle writes the key of a bundle, as the objects of its pair, and its chain into
// the transaction.
func storeBundle(tx Tx, t *record.Token, b *pfx.Bundle, pair []*object.Object, now time.Time) (Import, error) {
	if k, ok := b.Key.(*rsa.PrivateKey); ok && k.N.BitLen() > t.MaxRSABits {
		return Import{}, Errorf(BadInput,
			"the %s has an RSA key of %d bits, and token %s is for up to %d; create a token for larger keys",
			b.Source, k.N.BitLen(), t.ID, t.MaxRSABits)
	}
	if k, ok := b.Key.(*rsa.PrivateKey); ok && uint64(k.N.BitLen()) < t.Policy.MinRSABits(false) {
		return Import{}, Errorf(BadInput, "the %s has an RSA key of %d bits, and the algorithm policy of token %s (%v) requires at least %d; see `vtoken token policy`",
			b.Source, k.N.BitLen(), t.ID, t.Policy, t.Policy.MinRSABits(false))
	}
	present, err := tx.Objects(t.ID)
	if err != nil {
		return Import{}, err
	}
	if id := pair[0].KeyID(); len(object.WithKeyID(present, ck.CKO_PRIVATE_KEY, id)) > 0 {
		return Import{}, Errorf(Conflict,
			"token %s has this key already (id %x); delete the token, or import into another one", t.ID, id)
	}
	return putBundle(tx, t, b, present, pair, now)
}

// putBundle writes the objects that were made of a bundle, and those of its chain, beside
// those that the token has.
func putBundle(tx Tx, t *record.Token, b *pfx.Bundle, present, made []*object.Object, now time.Time) (Import, error) {
	result := Import{KeyID: made[0].KeyID(), Label: made[0].Label(), Serials: []string{pfx.Serial(b.Leaf)}}
	if b.Leaf.NotAfter.Before(now) {
		result.Warnings = append(result.Warnings, fmt.Sprintf("the certificate expired on %s",
			b.Leaf.NotAfter.Format(time.DateOnly)))
	}
	chain, err := b.ChainBeside(append(present[:len(present):len(present)], made...))
	if err != nil {
		return Import{}, badFile(err)
	}
	for _, cert := range b.Chain {
		result.Serials = append(result.Serials, pfx.Serial(cert))
	}
	for _, o := range slices.Concat(made, chain) {
		if o.Class() == ck.CKO_CERTIFICATE && labelTaken(present, o) {
			result.Warnings = append(result.Warnings, fmt.Sprintf(
				"there is another certificate with the label %q; Java then treats the token as read-only", o.Label()))
		}
		fresh := *o // the store sets ID and Version, and may run this again
		if err := tx.PutObject(t.ID, &fresh); err != nil {
			return Import{}, fmt.Errorf("storing %v %q on token %s: %w", o.Class(), o.Label(), t.ID, err)
		}
	}
	return result, nil
}

func labelTaken(present []*object.Object, o *object.Object) bool {
	return slices.ContainsFunc(present, func(other *object.Object) bool {
		return other.Class() == o.Class() && other.Label() == o.Label()
	})
}
