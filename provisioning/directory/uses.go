package directory

import (
	"slices"
	"time"

	"vtoken/vtoken/record"
)

// LastUses is when each user of a tenant last used a token, for those who did at or
// after since; the zero time is ever. It looks at the tokens that were used since
// then and at no others. What a token was used before its holder got it is not the
// holder's; a token with several holders counts for each of them.
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

// usersOf are the holders who had the token when it was last used.
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
