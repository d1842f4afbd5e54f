package main

import (
	"vtoken/keystore"
	"vtoken/vtoken/secret"
)

// certificates keeps the certificate that the daemon made for its API in the store.
type certificates struct{ store *keystore.Store }

// ServerCertificate reads it.
func (c certificates) ServerCertificate() ([]byte, secret.Bytes, error) {
	var kept keystore.ServerCertificate
	err := c.store.View(func(tx *keystore.Tx) (err error) {
		kept, err = tx.ServerCertificate()
		return err
	})
	return kept.Certificate, kept.Key, err
}

// PutServerCertificate stores it.
func (c certificates) PutServerCertificate(cert []byte, key secret.Bytes) error {
	return c.store.Update(func(tx *keystore.Tx) error {
		return tx.PutServerCertificate(keystore.ServerCertificate{Certificate: cert, Key: key})
	})
}
