package schema

import (
	"encoding/binary"
	"errors"
	"fmt"

	"vtoken/keystore/kv"
)

// Version is the version of the layout that this program writes.
const Version uint32 = 2

const magic = "vtoken"

// ErrNewer is returned for a store of a newer version than [Version].
var ErrNewer = errors.New("the store was written by a newer vtoken")

// Format is the value of [KeyFormat].
func Format(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(magic), version)
}

// ReadVersion reads the version of a store. It fails with kv.ErrCorrupt where
// the store is none of ours, and with [ErrNewer].
func ReadVersion(r kv.Reader) (uint32, error) {
	v, err := r.Get(KeyFormat())
	if errors.Is(err, kv.ErrNotFound) || err == nil && (len(v) != len(magic)+4 || string(v[:len(magic)]) != magic) {
		return 0, fmt.Errorf("%w: it does not say that it is a vtoken store", kv.ErrCorrupt)
	}
	if err != nil {
		return 0, err
	}
	version := binary.BigEndian.Uint32(v[len(magic):])
	if version > Version {
		return 0, fmt.Errorf("%w: its version is %d, this program knows %d; nothing was changed, run the newer program", ErrNewer, version, Version)
	}
	if version == 0 {
		return 0, fmt.Errorf("%w: its version is 0", kv.ErrCorrupt)
	}
	return version, nil
}
