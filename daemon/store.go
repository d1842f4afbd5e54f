package main

import (
	"errors"

	"vtoken/keystore"
	"vtoken/provisioning"
	"vtoken/vtoken"
)

// The engine and the provisioning core each declare what they need of a store,
// so that neither knows the keystore. These adapters only convert the types of
// the transaction functions.

// engineStore is the keystore as the engine sees it.
type engineStore struct{ *keystore.Store }

func (s engineStore) View(fn func(vtoken.ReadTx) error) error {
	return s.Store.View(func(tx *keystore.Tx) error { return fn(tx) })
}

func (s engineStore) Update(fn func(vtoken.Tx) error) error {
	return s.Store.Update(func(tx *keystore.Tx) error { return fn(tx) })
}

// coreStore is the keystore as the provisioning core sees it.
type coreStore struct{ *keystore.Store }

func (s coreStore) View(fn func(provisioning.ReadTx) error) error {
	return s.Store.View(func(tx *keystore.Tx) error { return fn(tx) })
}

func (s coreStore) Update(fn func(provisioning.Tx) error) error {
	err := s.Store.UpdateByAPI(func(tx *keystore.Tx) error { return fn(tx) })
	if errors.Is(err, keystore.ErrWear) {
		return &provisioning.Error{
			Kind: provisioning.RateLimited, Err: err,
			Detail: "PINs were tried too often through the API for what the TPM of the store bears, and this one was not; try again later",
		}
	}
	return err
}
