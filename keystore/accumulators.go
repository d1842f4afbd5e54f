package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// Each bucket of records has a sum (sum.go), in an accumulator. The accumulators have a
// sum as well, in the head of the node. So a commit writes the accumulators of the buckets
// that it changed and one head, and a bucket is verified without the others.
//
// Sums add up. Where several nodes write one store, each has a head and accumulators of
// its own, for what it did itself, and the sum over a bucket is that of all its
// accumulators. A store in a file has one node.

// thisNode is the number of this daemon among those that write the store.
const thisNode schema.Node = 0

// accumulator is the sum of what this node did in a bucket.
type accumulator struct {
	sum     sum
	stored  []byte // the sealed value; nil where there is none
	element sum    // of the stored value, in the sum of the head; zero where it is not known
	version uint64
	dirty   bool
}

func placeAccumulator(b schema.Bucket) envelope.Place {
	return place(schema.ID{}, schema.ID{}, uint64(thisNode)<<32|uint64(b), fieldAccumulator)
}

// accumulator reads the accumulator of a bucket once in a transaction.
func (tx *Tx) accumulator(b schema.Bucket) (*accumulator, error) {
	if a := tx.sums[b]; a != nil {
		return a, nil
	}
	if tx.w != nil { // a view sees what was committed
		if a := tx.s.staged.sums[b]; a != nil {
			own := *a
			return tx.keepAccumulator(b, &own), nil
		}
	}
	blob, err := tx.get(schema.KeyAccumulator(thisNode, b))
	if err != nil {
		return nil, err
	}
	return tx.openAccumulator(b, blob)
}

// openAccumulator opens the accumulator of a bucket; nil is one that is not there.
func (tx *Tx) openAccumulator(b schema.Bucket, blob []byte) (a *accumulator, err error) {
	if tx.w != nil {
		if last := tx.s.last.sums[b]; last != nil && bytes.Equal(last.stored, blob) {
			own := *last
			return tx.keepAccumulator(b, &own), nil
		}
	}
	a = &accumulator{stored: blob}
	if blob != nil {
		var plain []byte
		if plain, a.version, err = tx.s.sys.header.Open(placeAccumulator(b), blob); err == nil {
			err = lengthError(len(plain), sumSize)
		}
		if err != nil {
			return nil, tampered("open the sum of bucket %d: %w", b, err)
		}
		a.sum = parseSum(plain)
	}
	return tx.keepAccumulator(b, a), nil
}

func (tx *Tx) keepAccumulator(b schema.Bucket, a *accumulator) *accumulator {
	if tx.sums == nil {
		tx.sums = make(map[schema.Bucket]*accumulator, 8)
	}
	tx.sums[b] = a
	return a
}

// loadAccumulators reads the accumulators of many buckets.
func (tx *Tx) loadAccumulators(first, end schema.Bucket) error {
	after := append(schema.KeyAccumulator(thisNode, first-1), 0)
	if first == 0 {
		after = nil
	}
	return tx.scanRaw(schema.Accumulators(thisNode), after, func(key, value []byte) error {
		_, b, ok := schema.ParseAccumulator(key)
		if !ok || b >= end {
			return kv.ErrStop
		}
		if err := tx.compare(key, value); err != nil || tx.sums[b] != nil {
			return err
		}
		_, err := tx.openAccumulator(b, bytes.Clone(value))
		return err
	})
}

// stagedSums are the accumulators and the head that the updates of one commit changed.
// They are written once, when the last of them is done. Only the update that runs uses them.
type stagedSums struct {
	sums map[schema.Bucket]*accumulator
	node *node
}

// stageSums leaves the accumulators that changed, and the head of the node, for the end of
// the commit.
func (tx *Tx) stageSums() error {
	staged := &tx.s.staged
	for b, a := range tx.sums {
		if !a.dirty {
			continue
		}
		n, err := tx.loadNode()
		if err != nil {
			return err
		}
		n.dirty = true
		if staged.sums == nil {
			staged.sums = make(map[schema.Bucket]*accumulator, 8)
		}
		staged.sums[b] = a
	}
	if n := tx.node; n != nil && n.dirty {
		staged.node = n
	}
	return nil
}

// lastSums are what this run wrote last, so that an update does not open what it reads as
// it was written. Only the update that runs uses them.
type lastSums struct {
	sums map[schema.Bucket]*accumulator
	head []byte // the sealed head
	node *node
}

// beginCommit forgets what was staged for a commit that failed.
func (s *Store) beginCommit() {
	s.staged = stagedSums{}
	s.usages.begin()
}

// endCommit writes what was staged.
func (s *Store) endCommit(w kv.Writer) error {
	n := s.staged.node
	if n == nil {
		return nil
	}
	tx := &Tx{s: s, r: w, w: atEnd{w}}
	for _, b := range slices.Sorted(maps.Keys(s.staged.sums)) {
		if err := tx.writeAccumulator(n, b, s.staged.sums[b]); err != nil {
			return err
		}
	}
	blob, err := s.sys.header.Seal(placeNode(), n.version+1, n.encode())
	if err != nil {
		return err
	}
	if err := tx.write(schema.KeyNode(thisNode), blob); err != nil {
		return err
	}
	own := *n
	own.version, own.dirty = n.version+1, false
	s.last.head, s.last.node = blob, &own
	s.known.stage(tx.wrote)
	return nil
}

// atEnd is the transaction of a commit whose updates are done.
type atEnd struct{ kv.Writer }

func (atEnd) OnCommit(func())       {}
func (atEnd) OnFailure(func(error)) {}

// writeAccumulator writes an accumulator, and changes the sum over all of them.
func (tx *Tx) writeAccumulator(n *node, b schema.Bucket, a *accumulator) error {
	key := schema.KeyAccumulator(thisNode, b)
	switch {
	case a.stored == nil:
	case a.element != (sum{}):
		n.sum = n.sum.minus(a.element)
	default:
		n.sum = n.sum.minus(element(tx.s.sys.sum, key, a.stored))
	}
	last := &tx.s.last
	if a.sum == (sum{}) { // nothing is left in the bucket
		delete(last.sums, b)
		return tx.erase(key)
	}
	blob, err := tx.s.sys.header.Seal(placeAccumulator(b), a.version+1, a.sum.append(make([]byte, 0, sumSize)))
	if err != nil {
		return err
	}
	e := element(tx.s.sys.sum, key, blob)
	n.sum = n.sum.plus(e)
	if last.sums == nil {
		last.sums = make(map[schema.Bucket]*accumulator, 8)
	}
	last.sums[b] = &accumulator{sum: a.sum, stored: blob, element: e, version: a.version + 1}
	return tx.write(key, blob)
}

// node is the head of what a node wrote.
type node struct {
	sum        sum    // over the accumulators
	nextObject uint64 // the id of the next object
	nextSlot   uint64 // the slot id of the next token
	endSlot    uint64 // the first one after those that the node may give out
	version    uint64 // counts the commits
	dirty      bool
}

const nodeSize = sumSize + 3*8

func placeNode() envelope.Place {
	return place(schema.ID{}, schema.ID{}, uint64(thisNode), fieldNode)
}

func (n *node) encode() []byte {
	b := n.sum.append(make([]byte, 0, nodeSize))
	b = binary.BigEndian.AppendUint64(b, n.nextObject)
	b = binary.BigEndian.AppendUint64(b, n.nextSlot)
	return binary.BigEndian.AppendUint64(b, n.endSlot)
}

// loadNode reads the head of this node once in a transaction.
func (tx *Tx) loadNode() (*node, error) {
	if tx.node != nil {
		return tx.node, nil
	}
	if tx.w != nil && tx.s.staged.node != nil {
		own := *tx.s.staged.node
		tx.node = &own
		return tx.node, nil
	}
	blob, err := tx.get(schema.KeyNode(thisNode))
	if err != nil {
		return nil, err
	}
	if blob == nil {
		return nil, tampered("the head of the store is missing")
	}
	if tx.w != nil && bytes.Equal(blob, tx.s.last.head) {
		own := *tx.s.last.node
		tx.node = &own
		return tx.node, nil
	}
	b, version, err := tx.s.sys.header.Open(placeNode(), blob)
	if err != nil || len(b) != nodeSize {
		return nil, tampered("open the head of the store: %w", errors.Join(err, lengthError(len(b), nodeSize)))
	}
	tx.node = &node{
		sum:        parseSum(b),
		nextObject: binary.BigEndian.Uint64(b[sumSize:]),
		nextSlot:   binary.BigEndian.Uint64(b[sumSize+8:]),
		endSlot:    binary.BigEndian.Uint64(b[sumSize+16:]),
		version:    version,
	}
	return tx.node, nil
}

// verifyAccumulators compares the accumulators with the head, and has them remembered.
func (tx *Tx) verifyAccumulators() error {
	for _, key := range [][]byte{schema.KeyFormat(), schema.KeyNode(thisNode)} {
		value, err := tx.get(key)
		if err != nil {
			return err
		}
		tx.s.known.prime(key, value)
	}
	n, err := tx.loadNode()
	if err != nil {
		return err
	}
	err = tx.scanRaw([]byte{schema.PrefixNode}, nil, func(key, _ []byte) error {
		if !bytes.Equal(key, schema.KeyNode(thisNode)) {
			return tampered("there is the head of another node; a store in a file has one")
		}
		return nil
	})
	if err != nil {
		return err
	}
	var got sum
	err = tx.scanRaw([]byte{schema.PrefixAccumulator}, nil, func(key, value []byte) error {
		got = got.plus(element(tx.s.sys.sum, key, value))
		tx.s.known.prime(key, value)
		return tx.compare(key, value)
	})
	if err != nil {
		return err
	}
	if got != n.sum {
		return tampered("sums of the store were removed, added or put back to an older state")
	}
	return nil
}
