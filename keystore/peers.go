package keystore

import (
	"cmp"
	"slices"
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

// UsersOf lists the enabled users that an OS process acts for: those that
// [Tx.UsersMapped] finds for its uid and for the name of its OS user.
func (tx *Tx) UsersOf(peer record.Peer) ([]*record.User, error) {
	spellings := []string{"#" + strconv.FormatUint(uint64(peer.UID), 10)}
	if name := tx.s.names.of(peer.UID); name != "" {
		spellings = append(spellings, name)
	}
	list, err := tx.UsersMapped(spellings...)
	return slices.DeleteFunc(list, func(u *record.User) bool { return !u.Enabled }), err
}

// UsersMapped lists the users, enabled or not, that an OS user is mapped to, who is
// given by all its spellings: its name and "#uid". These are the user of the default
// tenant with that login, if that one is mapped by name, and those of every tenant
// whose OSUsers have one of the spellings. No record of one user takes the place of
// another.
//
// The user by name is the first, then the one that was made first: applications make
// their tokens for the first (see the engine's blank token), and a new mapping does
// not change who that is.
func (tx *Tx) UsersMapped(spellings ...string) ([]*record.User, error) {
	var byName, mapped []*record.User
	for _, spelling := range spellings {
		u, err := tx.sameName(spelling)
		if err != nil {
			return nil, err
		}
		if u != nil {
			byName = append(byName, u)
		}
		list, err := tx.usersUnder(tx.indexPrefix(schema.IndexOSUser, []byte(spelling)))
		if err != nil {
			return nil, err
		}
		mapped = append(mapped, list...)
	}
	slices.SortFunc(mapped, func(a, b *record.User) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return once(append(byName, mapped...)), nil
}

// sameName is the user of the default tenant with that login who is mapped by name,
// or nil.
func (tx *Tx) sameName(name string) (*record.User, error) {
	id, ok, err := tx.first(tx.indexPrefix(schema.IndexTenantName, []byte(record.DefaultTenant)))
	if err != nil || !ok {
		return nil, err
	}
	u, err := tx.UserByLogin(record.TenantID(text(id)), name)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	if u.Login != name || !mappedByName(u) { // an alias maps nobody
		return nil, nil
	}
	return u, nil
}

// once drops repetitions.
func once(list []*record.User) (out []*record.User) {
	seen := make(map[record.UserID]bool)
	for _, u := range list {
		if !seen[u.ID] {
			seen[u.ID] = true
			out = append(out, u)
		}
	}
	return out
}

// mappedByName reports whether the OS user of the same name acts for the user, if that is in the
// default tenant.
func mappedByName(u *record.User) bool { return !u.NotByName && len(u.OSUsers) == 0 }

// losesProcesses reports whether processes that acted for a user before a change do not any more.
func losesProcesses(was, is *record.User) bool {
	return was.Enabled && !is.Enabled || without(was.OSUsers, is.OSUsers) ||
		mappedByName(was) && (!mappedByName(is) || was.Login != is.Login)
}
