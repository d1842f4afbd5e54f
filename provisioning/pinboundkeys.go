package provisioning

import (
	"bytes"
	"sync"
	"time"

	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A client that makes a token sets its user PIN and its SO PIN, often in one call each.
// With a PIN-bound token, the second call would need the first PIN. So the key that the
// first PIN opens is kept in memory for a while, for the caller who set that PIN and
// could send it again, until the token is complete. After that, and after a restart,
// setting a PIN takes a current one.

// freshFor is how long a key is kept, and maxFresh for how many tokens.
const (
	freshFor = 10 * time.Minute
	maxFresh = 1024
)

// freshKeys are the keys of PIN-bound tokens that are being made.
type freshKeys struct {
	mu   sync.Mutex
	keys map[record.TokenID]freshKey
}

type freshKey struct {
	boundKey
	by    Caller
	until time.Time
	wipes *time.Timer
}

// keep keeps a copy of the key of a token that just got its first PIN from the caller.
// With too many of them it does nothing.
func (f *freshKeys) keep(c Caller, id record.TokenID, k boundKey, now time.Time) {
	if k.private == nil {
		return
	}
	f.drop(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) >= maxFresh {
		return
	}
	if f.keys == nil {
		f.keys = map[record.TokenID]freshKey{}
	}
	f.keys[id] = freshKey{
		boundKey{bytes.Clone(k.public), k.private.Clone()}, c, now.Add(freshFor),
		time.AfterFunc(freshFor, func() { f.drop(id) }),
	}
}

// get returns a copy of the key of a token that just got its first PIN from the same
// caller. The caller of get wipes it. A PIN that was changed since gave the token another
// key, which present finds.
func (f *freshKeys) get(c Caller, t *record.Token, now time.Time, present presentKey) (k boundKey, ok bool) {
	f.mu.Lock()
	have, ok := f.keys[t.ID]
	ok = ok && !t.Complete && have.by == c && !now.After(have.until)
	private := have.private.Clone()
	f.mu.Unlock()
	if !ok {
		private.Wipe()
		return boundKey{}, false
	}
	if bytes.Equal(have.public, t.BoundKey) {
		return boundKey{have.public, private}, true
	}
	defer private.Wipe()
	k.public, k.private, ok = present(t.ID, private)
	return k, ok
}

// presentKey is the key pair of a PIN-bound token, for who has a key that it had before.
type presentKey func(record.TokenID, secret.Bytes) (public []byte, present secret.Bytes, ok bool)

// drop forgets the key of a token.
func (f *freshKeys) drop(id record.TokenID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.keys[id]; ok {
		k.wipes.Stop()
		k.private.Wipe()
		delete(f.keys, id)
	}
}
