package keystore

import (
	"encoding/binary"
	"errors"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// Object ids and slot ids are never reused. Every node gives out ids of its own: object ids
// begin with the number of the node; slot ids are short, so a node takes them from the store
// one range at a time.

const (
	// slotRange is how many slot ids a node takes at a time.
	slotRange = 256
	// maxSlot is the last slot id. Slot ids fit a signed 32-bit integer, because some
	// applications keep them in one (softhsm/SoftHSMv2#199).
	maxSlot = 1<<31 - 1
	// objectsOfNode is how many object ids a node has: its number is above them.
	objectsOfNode = 1 << 46
)

func placeRanges() envelope.Place { return place(schema.ID{}, schema.ID{}, 0, fieldRanges) }

// firstFreeSlot returns the first slot id that no node has.
func (tx *Tx) firstFreeSlot() (uint64, error) {
	blob, err := tx.get(schema.KeyRanges())
	if err != nil || blob == nil {
		return 1, err
	}
	b, _, err := tx.s.sys.header.Open(placeRanges(), blob)
	if err != nil || len(b) != 8 {
		return 0, tampered("open the ranges of slot ids: %w", errors.Join(err, lengthError(len(b), 8)))
	}
	return binary.BigEndian.Uint64(b), nil
}

// takeSlots gives the node the slot ids from first on, to the end of a range.
func (tx *Tx) takeSlots(n *node, first uint64) error {
	n.nextSlot, n.endSlot, n.dirty = first, min(first+slotRange, maxSlot+1), true
	return tx.seal(tx.s.sys.header, schema.KeyRanges(), nil, placeRanges(), binary.BigEndian.AppendUint64(nil, n.endSlot))
}

// allocateSlot gives a token the next slot id, which no token ever had.
func (tx *Tx) allocateSlot(t *record.Token) error {
	if tx.w == nil {
		return errReadOnly
	}
	n, err := tx.loadNode()
	if err != nil {
		return err
	}
	if n.nextSlot >= n.endSlot {
		first, err := tx.firstFreeSlot()
		if err != nil {
			return err
		}
		if first > maxSlot {
			return ck.Errorf(ck.CKR_GENERAL_ERROR, "all %d slot ids have been used; make a new store", maxSlot)
		}
		if err := tx.takeSlots(n, first); err != nil {
			return err
		}
	}
	t.Slot = ck.SlotID(n.nextSlot)
	n.nextSlot++
	n.dirty = true
	return nil
}

// slotGiven reports whether a slot id was given to a token.
func (tx *Tx) slotGiven(slot uint64) (bool, error) {
	n, err := tx.loadNode()
	if err != nil {
		return false, err
	}
	free, err := tx.firstFreeSlot()
	return slot < free && (slot < n.nextSlot || slot >= n.endSlot), err
}

// allocateObject gives an object the next id, which no object ever had.
func (tx *Tx) allocateObject(o *object.Object) error {
	n, err := tx.loadNode()
	if err != nil {
		return err
	}
	if n.nextObject >= objectsOfNode {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "all %d object ids have been used", uint64(objectsOfNode))
	}
	o.ID = object.ID(uint64(thisNode)*objectsOfNode + n.nextObject)
	n.nextObject++
	n.dirty = true
	return nil
}
