package directory

import (
	"slices"
	"time"

	"vtoken/vtoken/record"
)

// LastUses returns when each user of a tenant last used a token, for uses at or after
// since; the zero time is any. It looks only at tokens used since then. Uses before a
// holder got the token do not count, and a use of a token with several holders counts for
// each of them.
func (d *Directory) LastUses(tenant record.TenantID, since time.Time) map[record.UserID]time.Time {
	d.mu.RLock()
	defer d.mu.RUnlock()
	last := map[record.UserID]time.Time{}
	of := d.tenants[tenant]
	if of == nil {
		return last
	}
	visit := func(one item) bool {
		for _, u := range one.entry.users {
			last[u] = one.entry.lastUsed // they come in order
		}
		return true
	}
	if from := timeValue(since); from != "" {
		of.trees[LastUsed].Ascend(item{Place: Place{Value: from}}, visit)
	} else {
		of.trees[LastUsed].Scan(visit)
	}
	return last
}

// usersOf returns the holders at the time of a token's last use.
func usersOf(t *record.Token) []record.UserID {
	if t.LastUsedAt.IsZero() {
		return nil
	}
	var users []record.UserID
	for _, a := range t.Holders {
		if !a.At.After(t.LastUsedAt) {
			users = append(users, a.User)
		}
	}
	return slices.Clip(users)
}
