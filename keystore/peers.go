package keystore

import (
	"strconv"
	"sync"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/record"
)

// nameTTL is how long the name of an OS user is remembered.
const nameTTL = 30 * time.Second

// maxNames bounds how many names are remembered.
const maxNames = 4096

// userNames remembers the names of OS users, because looking one up may take a
// round trip to a directory server. It is safe for concurrent use.
type userNames struct {
	lookup func(uid uint32) (string, error)

	mu    sync.Mutex
	known map[uint32]knownName
}

type knownName struct {
	name  string
	until time.Time
}

// of is the name of an OS user, or empty for one without a name.
func (n *userNames) of(uid uint32) string {
	n.mu.Lock()
	known, ok := n.known[uid]
	n.mu.Unlock()
	now := time.Now()
	if ok && now.Before(known.until) {
		return known.name
	}
	name, err := n.lookup(uid)
	if err != nil {
		name = "" // a uid without a name maps by its number only
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNames {
		n.known = make(map[uint32]knownName)
	}
	n.known[uid] = knownName{name, now.Add(nameTTL)}
	return name
}

// UsersOf lists the enabled users that an OS process acts for: those whose
// OSUsers name its uid, as "#uid", or its user's name. Where no user names
// either, it is the user of that login in the default tenant, if that one has
// no OSUsers of its own.
func (tx *Tx) UsersOf(peer record.Peer) ([]*record.User, error) {
	name := tx.s.names.of(peer.UID)
	mapped, err := tx.usersUnder(tx.indexPrefix(schema.IndexOSUser, []byte("#"+strconv.FormatUint(uint64(peer.UID), 10))))
	if err != nil {
		return nil, err
	}
	if name != "" {
		byName, err := tx.usersUnder(tx.indexPrefix(schema.IndexOSUser, []byte(name)))
		if err != nil {
			return nil, err
		}
		mapped = append(mapped, byName...)
	}
	if len(mapped) == 0 && name != "" {
		u, err := tx.sameName(name)
		if err != nil || u == nil {
			return nil, err
		}
		mapped = append(mapped, u)
	}
	return enabledOnce(mapped), nil
}

// sameName is the user of the default tenant with that login and no OSUsers, or
// nil.
func (tx *Tx) sameName(name string) (*record.User, error) {
	id, ok, err := tx.first(tx.indexPrefix(schema.IndexTenantName, []byte(record.DefaultTenant)))
	if err != nil || !ok {
		return nil, err
	}
	u, err := tx.UserByLogin(record.TenantID(text(id)), name)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	if u.Login != name || len(u.OSUsers) > 0 { // an alias maps nobody
		return nil, nil
	}
	return u, nil
}

// enabledOnce drops disabled users and repetitions.
func enabledOnce(list []*record.User) (out []*record.User) {
	seen := make(map[record.UserID]bool)
	for _, u := range list {
		if u.Enabled && !seen[u.ID] {
			seen[u.ID] = true
			out = append(out, u)
		}
	}
	return out
}
