package keystore

import (
	"bytes"
	"fmt"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
)

// storeJSON is the record of the store itself. It is written when the store is made or
// migrated.
type storeJSON struct {
	// ID is that of the store ([Store.ID]).
	ID []byte `json:"id"`
	// Reader and Writer are the least levels of a program that reads and writes the store.
	// One of a lower level would misread records, or drop what it does not know of them.
	Reader uint32 `json:"reader"`
	Writer uint32 `json:"writer"`
}

// level is that of this program. It goes up with each kind of record, or member of one,
// that a program of the level before would not keep.
const level = 1

func placeStore() envelope.Place { return place(schema.ID{}, schema.ID{}, 0, fieldStore) }

// putStore writes the record of a store that is made or migrated.
func (tx *Tx) putStore() error {
	row := storeJSON{ID: tx.s.sys.id[:], Reader: level, Writer: level}
	return tx.sealJSON(tx.s.sys.header, schema.KeyStore(), nil, placeStore(), row)
}

// readStore refuses a store that this program does not know well enough.
func (tx *Tx) readStore() error {
	blob, err := tx.get(schema.KeyStore())
	if err != nil {
		return err
	}
	if blob == nil {
		return tampered("the record of the store is missing")
	}
	var row storeJSON
	if _, err := openJSON(tx.s.sys.header, blob, placeStore(), &row); err != nil {
		return err
	}
	if !bytes.Equal(row.ID, tx.s.sys.id[:]) {
		return tampered("the record of the store is that of another store")
	}
	if least := max(row.Reader, row.Writer); least > level {
		return fmt.Errorf("%w: it needs a program of level %d, and this one has %d; nothing was changed, run the newer program", schema.ErrNewer, least, level)
	}
	return nil
}
