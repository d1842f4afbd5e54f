package provisioning

import (
	"cmp"
	"context"
	"slices"
	"time"

	"vtoken/vtoken/record"
)

// UserUse is when a user last used a token.
type UserUse struct {
	record.User
	LastUsedAt time.Time // to within an hour; zero is never
}

// InactiveQuery asks for users who have not used a token for some time.
type InactiveQuery struct {
	Tenant record.TenantID
	Within time.Duration // how long
	Limit  int           // of users in the page, 1 to MaxPage
	After  string        // the login of the last user of the page before, or empty
}

// ActiveUsers returns how many users of a tenant have logged in to a token, or had a
// one-time password accepted, within that time, and since when. It reads no records.
func (s *Service) ActiveUsers(
	ctx context.Context, c Caller, tenant record.TenantID, within time.Duration,
) (n int, since time.Time, err error) {
	if err := c.authorize(OpUserList, tenant); err != nil {
		return 0, since, err
	}
	err = s.view(ctx, func(tx ReadTx) error {
		_, err := tenantOf(tx, tenant)
		return err
	})
	if err != nil {
		return 0, since, err
	}
	dir, err := s.directory(ctx)
	if err != nil {
		return 0, since, err
	}
	since = s.now().Add(-within)
	return len(dir.LastUses(tenant, since)), since, nil
}

// InactiveUsers lists the enabled users of a tenant whom ActiveUsers does not count, by
// login, and reports whether there are more after them.
func (s *Service) InactiveUsers(
	ctx context.Context, c Caller, q InactiveQuery,
) (list []UserUse, since time.Time, more bool, err error) {
	if q.Limit < 1 || q.Limit > MaxPage {
		return nil, since, false, Errorf(BadInput, "a page has 1 to %d users, not %d", MaxPage, q.Limit)
	}
	users, err := s.Users(ctx, c, q.Tenant)
	if err != nil {
		return nil, since, false, err
	}
	dir, err := s.directory(ctx)
	if err != nil {
		return nil, since, false, err
	}
	since = s.now().Add(-q.Within)
	uses := dir.LastUses(q.Tenant, time.Time{})
	slices.SortFunc(users, func(a, b record.User) int { return cmp.Compare(a.Login, b.Login) })
	list = []UserUse{}
	for _, u := range users {
		last := uses[u.ID]
		if !u.Enabled || u.Login <= q.After || !last.Before(since) {
			continue
		}
		if len(list) == q.Limit {
			return list, since, true, nil
		}
		list = append(list, UserUse{u, last})
	}
	return list, since, false, nil
}
