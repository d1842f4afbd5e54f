package keystore

import (
	"maps"
	"slices"
	"sync"

	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
)

// Unwrapped keys of tenants and tokens stay in memory. When a key is replaced or its token is
// deleted, a transaction that began before may still use it. It is wiped when the last of
// those has ended.

// maxCached bounds a cache. Unwrapping a key again costs about a microsecond.
const maxCached = 8192

// cacheID is the header and nonce of the blob that a key came from, which no two blobs share.
type cacheID [envelope.Overhead - 16]byte // without the tag

func cacheIDOf(blob []byte) (id cacheID) {
	copy(id[:], blob)
	return id
}

// keyCache remembers unwrapped keys. It is safe for concurrent use. Its keys are used between
// keyUses.begin and keyUses.end.
type keyCache[K interface{ Wipe() }] struct {
	uses *keyUses
	mu   sync.RWMutex
	keys map[cacheID]K
	// dropped are keys that left keys, and that old transactions may still use or unwrap again.
	dropped map[cacheID][]K
}

// get returns the key of a blob, unwrapping it where it is not known.
func (c *keyCache[K]) get(blob []byte, unwrap func() (K, error)) (K, error) {
	id := cacheIDOf(blob)
	c.mu.RLock()
	k, ok := c.keys[id]
	c.mu.RUnlock()
	if ok {
		return k, nil
	}
	k, err := unwrap()
	if err != nil {
		return k, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if list, ok := c.dropped[id]; ok {
		c.dropped[id] = append(list, k)
		return k, nil
	}
	if other, ok := c.keys[id]; ok { // unwrapped meanwhile
		k.Wipe()
		return other, nil
	}
	if c.keys == nil {
		c.keys = make(map[cacheID]K)
	}
	if len(c.keys) >= maxCached {
		c.dropLocked(slices.Collect(maps.Keys(c.keys))...)
	}
	c.keys[id] = k
	return k, nil
}

// drop forgets a key.
func (c *keyCache[K]) drop(id cacheID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(id)
}

func (c *keyCache[K]) dropLocked(ids ...cacheID) {
	if c.dropped == nil {
		c.dropped = make(map[cacheID][]K)
	}
	for _, id := range ids {
		if k, ok := c.keys[id]; ok {
			c.dropped[id] = append(c.dropped[id], k)
			delete(c.keys, id)
		} else if c.dropped[id] == nil {
			c.dropped[id] = []K{}
		}
	}
	c.uses.whenUnused(func() { c.wipeDropped(ids) })
}

func (c *keyCache[K]) wipeDropped(ids []cacheID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		for _, k := range c.dropped[id] {
			k.Wipe()
		}
		delete(c.dropped, id)
	}
}

// wipe forgets and wipes all keys. There is no transaction any more.
func (c *keyCache[K]) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.keys {
		k.Wipe()
	}
	for _, list := range c.dropped {
		for _, k := range list {
			k.Wipe()
		}
	}
	c.keys, c.dropped = nil, nil
}

// keyUses knows which transactions are under way, by eras: an era ends when a key is dropped.
type keyUses struct {
	mu   sync.Mutex
	eras []*era // the oldest first, the last is the present one
}

// era counts the transactions that began in it.
type era struct {
	running int
	then    []func() // what is done when they, and those of earlier eras, have ended
}

// begin notes a transaction, whose end is told with the result.
func (u *keyUses) begin() *era {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.eras) == 0 {
		u.eras = []*era{{}}
	}
	now := u.eras[len(u.eras)-1]
	now.running++
	return now
}

func (u *keyUses) end(e *era) {
	u.mu.Lock()
	e.running--
	then := u.over()
	u.mu.Unlock()
	for _, do := range then {
		do()
	}
}

// whenUnused has something done when the transactions have ended that are under way now, of
// which the caller's is one.
func (u *keyUses) whenUnused(do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.eras) == 0 {
		u.eras = []*era{{}}
	}
	now := u.eras[len(u.eras)-1]
	now.then = append(now.then, do)
	u.eras = append(u.eras, &era{})
}

// over removes the first eras without transactions, and returns what is to be done then.
// u.mu is locked.
func (u *keyUses) over() (then []func()) {
	for len(u.eras) > 1 && u.eras[0].running == 0 {
		then = append(then, u.eras[0].then...)
		u.eras = u.eras[1:]
	}
	return then
}

// dropKey forgets the key in a record that is replaced or removed, when that is committed.
func (tx *Tx) dropKey(key, old []byte) {
	switch key[0] {
	case schema.PrefixTenantKey, schema.PrefixOldTenantKey:
		id := cacheIDOf(old)
		tx.w.OnCommit(func() { tx.s.tenantKeys.drop(id) })
	case schema.PrefixTokenKey:
		if _, blob, err := cutTenant(old); err == nil {
			id := cacheIDOf(blob)
			tx.w.OnCommit(func() { tx.s.tokenKeys.drop(id) })
		}
	}
}
