package keystore

import (
	"fmt"

	"vtoken/keystore/envelope"
)

// SealOutside seals what the daemon keeps outside of the store for a while, such as the
// logins of applications that outlive it. id is what it is about. The blob opens with
// [Store.OpenOutside] of the same store and for the same id. Unlike a record, it can be set
// back to an earlier blob by who writes where it lies.
func (s *Store) SealOutside(id [16]byte, plain []byte) ([]byte, error) {
	return s.sys.outside.Seal(envelope.Place{Schema: 1, Record: id}, 1, plain)
}

// OpenOutside opens what SealOutside made. The caller wipes secrets in it.
func (s *Store) OpenOutside(id [16]byte, sealed []byte) ([]byte, error) {
	plain, _, err := s.sys.outside.Open(envelope.Place{Schema: 1, Record: id}, sealed)
	if err != nil {
		return nil, fmt.Errorf("open what lies outside of the store: %w", err)
	}
	return plain, nil
}
