package provisioning

import (
	"context"
	"crypto/x509"
	"math/big"
	"slices"
	"time"

	"vtoken/provisioning/pfx"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// ObjectInfo describes one object on a token.
type ObjectInfo struct {
	ID      object.ID
	Class   ck.ObjectClass
	KeyType ck.KeyType // of keys
	Bits    int        // of RSA keys and EC keys; 0 where it does not apply
	Label   string
	KeyID   []byte // CKA_ID
	// Subject, Issuer, Serial (upper-case hexadecimal) and NotAfter are of
	// certificates.
	Subject, Issuer, Serial string
	NotAfter                time.Time
}

// Certificate is a certificate on a token.
type Certificate struct {
	DER    []byte
	Label  string
	KeyID  []byte
	Serial string // upper-case hexadecimal
	// HasKey says that the token has the private key. Certificates without one belong to
	// a chain.
	HasKey bool
}

// Objects describes the objects on a token.
func (s *Service) Objects(ctx context.Context, c Caller, ref TokenRef) ([]ObjectInfo, error) {
	all, err := s.objects(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	list := make([]ObjectInfo, 0, len(all))
	for _, o := range all {
		list = append(list, objectInfo(o))
	}
	return list, nil
}

// Certificates returns the certificates on a token: those with a private key first, then
// the others.
func (s *Service) Certificates(ctx context.Context, c Caller, ref TokenRef) ([]Certificate, error) {
	all, err := s.objects(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return certificates(all), nil
}

func (s *Service) objects(ctx context.Context, c Caller, ref TokenRef) ([]*object.Object, error) {
	var all []*object.Object
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := s.token(tx, c, OpTokenObjects, ref)
		if err != nil {
			return err
		}
		all, err = tx.Objects(t.ID)
		return err
	})
	return all, err
}

// certificates returns the certificates among a token's objects, those with a private key
// first.
func certificates(all []*object.Object) []Certificate {
	var own, others []Certificate
	for _, o := range all {
		if o.Class() != ck.CKO_CERTIFICATE {
			continue
		}
		c := Certificate{DER: o.Attrs.Get(ck.CKA_VALUE), Label: o.Label(), KeyID: o.KeyID()}
		c.HasKey = len(object.WithKeyID(all, ck.CKO_PRIVATE_KEY, c.KeyID)) > 0
		if cert, err := x509.ParseCertificate(c.DER); err == nil {
			c.Serial = pfx.Serial(cert)
		}
		if c.HasKey {
			own = append(own, c)
		} else {
			others = append(others, c)
		}
	}
	return slices.Concat(own, others, []Certificate{})
}

func objectInfo(o *object.Object) ObjectInfo {
	info := ObjectInfo{ID: o.ID, Class: o.Class(), Label: o.Label(), KeyID: o.KeyID()}
	if kt, ok := o.KeyType(); ok {
		info.KeyType, info.Bits = kt, keyBits(o)
	}
	if o.Class() != ck.CKO_CERTIFICATE {
		return info
	}
	if cert, err := x509.ParseCertificate(o.Attrs.Get(ck.CKA_VALUE)); err == nil {
		info.Subject, info.Issuer = cert.Subject.String(), cert.Issuer.String()
		info.Serial, info.NotAfter = pfx.Serial(cert), cert.NotAfter
	}
	return info
}

// keyBits returns the size of an RSA modulus or an EC curve, and 0 for other keys.
func keyBits(o *object.Object) int {
	if n := o.Attrs.Get(ck.CKA_MODULUS); len(n) > 0 {
		return new(big.Int).SetBytes(n).BitLen()
	}
	curve, err := object.CurveOf(o.Attrs.Get(ck.CKA_EC_PARAMS))
	if err != nil {
		return 0
	}
	return map[string]int{"P-256": 256, "P-384": 384, "P-521": 521}[curve.Name]
}
