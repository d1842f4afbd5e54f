package provisioning

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// exchangeBits is the size of exchange keys. maxEncrypted bounds the text of a value that
// is encrypted under one: base64 of 256 bytes, with room for a larger key later.
const (
	exchangeBits = 2048
	maxEncrypted = 1024
)

// ExchangeKey returns the public key under which callers may encrypt passwords and PINs
// for this tenant (see [Service.Decrypt]). The first call for a tenant makes the key.
func (s *Service) ExchangeKey(ctx context.Context, c Caller, tenant record.TenantID) (*rsa.PublicKey, error) {
	if err := c.authorize(OpExchangeKey, tenant); err != nil {
		return nil, err
	}
	key, err := s.exchangeKey(ctx, c, tenant)
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// Decrypt decrypts a value that a caller encrypted under the tenant's exchange key:
// RSA-OAEP with SHA-256, also for the mask, without a label, in base64 (standard or URL
// alphabet). Every defect is the same BadInput. The caller wipes the value.
func (s *Service) Decrypt(ctx context.Context, c Caller, tenant record.TenantID, text string) (secret.Bytes, error) {
	if err := c.authorize(OpExchangeKey, tenant); err != nil {
		return nil, err
	}
	key, err := s.exchangeKey(ctx, c, tenant)
	if err != nil {
		return nil, err
	}
	refused := Errorf(BadInput,
		"the encrypted value cannot be decrypted; encrypt it with RSA-OAEP and SHA-256 under this tenant's exchange key, and send it as base64")
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, key, decodeBase64(text), nil)
	if err != nil {
		return nil, refused
	}
	return plain, nil
}

// decodeBase64 reads either alphabet, with or without padding. It returns nothing, which
// no key decrypts, where text is neither.
func decodeBase64(text string) []byte {
	if len(text) > maxEncrypted {
		return nil
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if v, err := enc.Strict().DecodeString(text); err == nil {
			return v
		}
	}
	return nil
}

// exchangeKey returns the tenant's key, and makes and stores one if there is none. Of two
// concurrent calls that make one, the first to commit wins.
func (s *Service) exchangeKey(ctx context.Context, c Caller, tenant record.TenantID) (*rsa.PrivateKey, error) {
	var stored secret.Bytes
	err := s.view(ctx, func(tx ReadTx) error {
		t, err := tenantOf(tx, tenant)
		if err == nil {
			stored = t.ExchangeKey
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(stored) == 0 {
		if stored, err = s.makeExchangeKey(ctx, c, tenant); err != nil {
			return nil, err
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(stored)
	if err != nil {
		return nil, fmt.Errorf("reading the exchange key of tenant %s: %w", tenant, err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the exchange key of tenant %s: it is a %T", tenant, key)
	}
	return private, nil
}

func (s *Service) makeExchangeKey(ctx context.Context, c Caller, tenant record.TenantID) (secret.Bytes, error) {
	key, err := s.newRSA(ctx, c, exchangeBits)
	if err != nil {
		return nil, fmt.Errorf("making the exchange key of tenant %s: %w", tenant, err)
	}
	fresh, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the exchange key of tenant %s: %w", tenant, err)
	}
	var stored secret.Bytes
	err = s.update(ctx, func(tx Tx) error {
		t, err := tenantOf(tx, tenant)
		if err != nil {
			return err
		}
		if stored = t.ExchangeKey; len(stored) > 0 {
			return nil
		}
		changed := *t
		changed.ExchangeKey, stored = fresh, fresh
		return tx.PutTenant(&changed)
	})
	return stored, err
}
