package provisioning

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"fmt"
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
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
	// Who may not, or names what is not there, learns nothing of the PFX and
	// costs no work.
	err := s.view(ctx, func(tx ReadTx) error {
		_, err := s.token(tx, c, OpTokenImport, ref)
		return err
	})
	if err != nil {
		return Import{}, err
	}
	var b bundle
	var pair []*object.Object
	err = s.inTurn(ctx, c, func(func() error) (err error) {
		if b, err = readPFX(ctx, data, password); err == nil {
			pair, err = b.pair()
		}
		return err
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
		result, err = b.store(tx, t, pair, s.now())
		return err
	})
	return result, err
}

// pair makes the objects of the key, its public key and its certificate.
func (b *bundle) pair() ([]*object.Object, error) {
	id, label := keyID(b.leaf), labelOf(b.name, b.leaf)
	private, public, err := keyTemplates(b.key, b.leaf, id, label)
	if err != nil {
		return nil, err
	}
	cert, err := certTemplate(b.leaf, categoryUser, id, label)
	if err != nil {
		return nil, err
	}
	list := make([]*object.Object, 0, 3)
	for _, t := range []ck.Template{private, public, cert} {
		o, err := build(t)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// build makes an object. What the rules refuse is told to the caller word for
// word (P35): the words name the attribute and the rule, and no value.
func build(t ck.Template) (*object.Object, error) {
	o, err := object.Build(object.Source{Origin: object.Create, MinRSABits: object.MinRSABits}, t)
	if err != nil {
		return nil, &Error{Kind: BadInput, Detail: "that makes no good object: " + err.Error(), Err: err}
	}
	return o, nil
}

// store writes everything into the transaction.
func (b *bundle) store(tx Tx, t *record.Token, pair []*object.Object, now time.Time) (Import, error) {
	if k, ok := b.key.(*rsa.PrivateKey); ok && k.N.BitLen() > t.MaxRSABits {
		return Import{}, Errorf(BadInput, "the %s has an RSA key of %d bits, and token %s is for up to %d; create a token for larger keys", b.what, k.N.BitLen(), t.ID, t.MaxRSABits)
	}
	if k, ok := b.key.(*rsa.PrivateKey); ok && uint64(k.N.BitLen()) < t.Policy.MinRSABits(false) {
		return Import{}, Errorf(BadInput, "the %s has an RSA key of %d bits, and the algorithm policy of token %s (%v) wants %d and more; see `vtoken token policy`",
			b.what, k.N.BitLen(), t.ID, t.Policy, t.Policy.MinRSABits(false))
	}
	there, err := tx.Objects(t.ID)
	if err != nil {
		return Import{}, err
	}
	if id := pair[0].KeyID(); len(withID(there, ck.CKO_PRIVATE_KEY, id)) > 0 {
		return Import{}, Errorf(Conflict, "token %s has this key already (id %x); delete the token, or import into another one", t.ID, id)
	}
	return b.put(tx, t, there, pair, now)
}

// put writes the objects made of the bundle and its chain beside those that are
// there.
func (b *bundle) put(tx Tx, t *record.Token, there, made []*object.Object, now time.Time) (Import, error) {
	result := Import{KeyID: made[0].KeyID(), Label: made[0].Label(), Serials: []string{serialText(b.leaf)}}
	if b.leaf.NotAfter.Before(now) {
		result.Warnings = append(result.Warnings, fmt.Sprintf("the certificate expired on %s", b.leaf.NotAfter.Format(time.DateOnly)))
	}
	chain, err := b.chainObjects(append(there[:len(there):len(there)], made...))
	if err != nil {
		return Import{}, err
	}
	for _, cert := range b.chain {
		result.Serials = append(result.Serials, serialText(cert))
	}
	for _, o := range slices.Concat(made, chain) {
		if o.Class() == ck.CKO_CERTIFICATE && labelTaken(there, o) {
			result.Warnings = append(result.Warnings, fmt.Sprintf("there is another certificate with the label %q; Java then treats the token as read-only", o.Label()))
		}
		fresh := *o // the store sets ID and Version, and may run this again
		if err := tx.PutObject(t.ID, &fresh); err != nil {
			return Import{}, fmt.Errorf("storing %v %q on token %s: %w", o.Class(), o.Label(), t.ID, err)
		}
	}
	return result, nil
}

// chainObjects makes the objects of the chain's certificates that the token does
// not have yet.
func (b *bundle) chainObjects(there []*object.Object) ([]*object.Object, error) {
	var made []*object.Object
	for _, cert := range b.chain {
		if slices.ContainsFunc(there, func(o *object.Object) bool {
			return o.Class() == ck.CKO_CERTIFICATE && bytes.Equal(o.Attrs.Get(ck.CKA_VALUE), cert.Raw)
		}) {
			continue
		}
		id := keyID(cert)
		if len(withID(there, ck.CKO_CERTIFICATE, id)) > 0 {
			// Another certificate of the same key: two with one id stop Java (C81).
			sum := sha1.Sum(cert.Raw)
			id = sum[:]
		}
		category := categoryOther
		if cert.IsCA {
			category = categoryAuthority
		}
		t, err := certTemplate(cert, category, id, labelOf("", cert))
		if err != nil {
			return nil, err
		}
		o, err := build(t)
		if err != nil {
			return nil, err
		}
		made, there = append(made, o), append(there, o)
	}
	return made, nil
}

// withID are the objects of a class with that CKA_ID.
func withID(list []*object.Object, class ck.ObjectClass, id []byte) []*object.Object {
	var found []*object.Object
	for _, o := range list {
		if o.Class() == class && bytes.Equal(o.KeyID(), id) {
			found = append(found, o)
		}
	}
	return found
}

func labelTaken(there []*object.Object, o *object.Object) bool {
	return slices.ContainsFunc(there, func(other *object.Object) bool {
		return other.Class() == o.Class() && other.Label() == o.Label()
	})
}
