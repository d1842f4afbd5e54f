//go:build cgo

package p11hsm

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

const rsaBits = 3072

// generate makes the key that the URI names, which must not be there yet.
func (p *provider) generate() (err error) {
	p.module.mu.Lock()
	defer p.module.mu.Unlock()
	switch k, err := p.find(); {
	case err == nil:
		p.key = k
		return fmt.Errorf("%w: the token already has a key that fits the URI; add it without --generate", kek.ErrUnavailable)
	case !errors.Is(err, errNoKey):
		return unavailable("look for the key in the HSM", err)
	}
	session, err := p.login()
	if err != nil {
		return unavailable("log in to the HSM", err)
	}
	k := &hsmKey{module: p.module, begins: p.module.begins, session: session}
	if p.target.class == "private" {
		err = k.generateRSA(p.target)
	} else {
		err = k.generateAES(p.target)
	}
	if err != nil {
		_ = p.module.CloseSession(session) // the error of generating says more
		return unavailable("make a key in the HSM", err)
	}
	p.key = k
	return nil
}

// identity is what every new key has.
func (t *target) identity() []*pkcs11.Attribute {
	named := *t
	if named.id == "" {
		id := make([]byte, 8)
		_, _ = rand.Read(id)
		named.id = string(id)
	}
	return append(named.naming(), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
}

// guarded is what keeps a key in the HSM.
func guarded() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
	}
}

// generateAES makes a key that encrypts, or where the HSM then cannot use it,
// one that wraps.
func (k *hsmKey) generateAES(t target) error {
	var failed error
	for _, uses := range [][]uint{{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT}, {pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP}} {
		template := append(append(t.identity(), guarded()...),
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, keySize))
		for _, use := range uses {
			template = append(template, pkcs11.NewAttribute(use, true))
		}
		handle, err := k.module.GenerateKey(k.session, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), template)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		k.handle, k.class = handle, pkcs11.CKO_SECRET_KEY
		if _, err = k.wrap(make(secret.Bytes, keySize)); err == nil {
			return nil
		}
		failed = errors.Join(failed, err, k.module.DestroyObject(k.session, handle))
	}
	return failed
}

func (k *hsmKey) generateRSA(t target) error {
	identity := t.identity()
	public := append(identity[:len(identity):len(identity)],
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, rsaBits),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	private := append(append(identity[:len(identity):len(identity)], guarded()...), pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true))
	pub, priv, err := k.module.GenerateKeyPair(k.session, mechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil), public, private)
	if err != nil {
		return err
	}
	k.handle, k.class = priv, pkcs11.CKO_PRIVATE_KEY
	if _, err = k.wrap(make(secret.Bytes, keySize)); err != nil {
		return errors.Join(err, k.module.DestroyObject(k.session, priv), k.module.DestroyObject(k.session, pub))
	}
	return nil
}
