package keystore

import (
	"crypto/ed25519"
	"encoding/json"
	"time"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
)

// AuditHead is the last line of the audit log that the store knows of. It reveals a log that
// was cut off.
type AuditHead struct {
	// Seq is the number of the line, from 1; 0 is before the first.
	Seq uint64 `json:"seq"`
	// Hash is what the next line names as its predecessor.
	Hash []byte `json:"hash"`
	// Time is that of the line.
	Time time.Time `json:"time"`
	// Archived is the number up to which lines are kept elsewhere on purpose.
	Archived uint64 `json:"archived,omitempty"`
	// Missing are the first and last numbers of lost lines that the log has reported.
	Missing [][2]uint64 `json:"missing,omitempty"`
}

func placeAudit() envelope.Place { return place(schema.ID{}, schema.ID{}, 0, fieldAudit) }

// AuditHead reads the head of the audit log, the zero value where there is none
// yet.
func (tx *Tx) AuditHead() (h AuditHead, err error) {
	blob, err := tx.get(schema.KeyAudit())
	if err != nil || blob == nil {
		return h, err
	}
	_, err = openJSON(tx.s.sys.header, blob, placeAudit(), &h)
	return h, err
}

// PutAuditHead stores the head of the audit log.
func (tx *Tx) PutAuditHead(h AuditHead) error {
	plain, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return tx.seal(tx.s.sys.header, schema.KeyAudit(), nil, placeAudit(), plain)
}

// AuditKey returns the key that signs the audit log. It is derived from the system key, so
// that a rotation of the root key and a restore keep it. The caller wipes it.
func (s *Store) AuditKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s.sys.audit) }
