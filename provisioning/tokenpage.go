package provisioning

import (
	"context"
	"strconv"

	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

// ListTokens lists tokens of a tenant by slot id, a page at a time. Tokens that are
// created or deleted between two pages may be missing from the later one; no other token
// is missed or listed twice.
func (s *Service) ListTokens(ctx context.Context, c Caller, f TokenFilter) (TokenPage, error) {
	page := TokenPage{Tokens: []Token{}}
	if err := c.authorize(OpTokenList, f.Tenant); err != nil {
		return page, err
	}
	if f.Limit == 0 {
		f.Limit = DefaultPage
	}
	if f.Limit < 1 || f.Limit > MaxPage {
		return page, Errorf(BadInput, "a page has 1 to %d tokens, not %d", MaxPage, f.Limit)
	}
	after := uint64(0)
	if f.Cursor != "" {
		var err error
		if after, err = strconv.ParseUint(f.Cursor, 10, 63); err != nil {
			return page, Errorf(BadInput, "the cursor is not from a listing; leave it out to start over")
		}
	}
	dir, err := s.directory(ctx)
	if err != nil {
		return page, err
	}
	err = s.view(ctx, func(tx ReadTx) error {
		page = TokenPage{Tokens: []Token{}}
		if _, err := tenantOf(tx, f.Tenant); err != nil {
			return err
		}
		return s.fill(&page, tx, dir, f, after)
	})
	return page, err
}

// fill reads the page from the store, and one token more, to know whether there is a next
// page.
func (s *Service) fill(p *TokenPage, tx ReadTx, dir *directory.Directory, f TokenFilter, after uint64) error {
	q := directory.Query{Tenant: f.Tenant, OrderBy: directory.Slot, Limit: f.Limit + 1}
	if after > 0 {
		q.After = directory.SlotPlace(after)
	}
	if f.User != "" {
		u, err := userOf(tx, f.Tenant, f.User)
		if err != nil {
			return err
		}
		q.Where = append(q.Where, directory.Criterion{Field: directory.Holder, Value: string(u.ID)})
	}
	if f.Label != "" {
		q.Where = append(q.Where, directory.Criterion{Field: directory.Label, Value: f.Label})
	}
	for {
		hits, err := dir.Search(q)
		if err != nil {
			return err
		}
		err = s.readHits(tx, hits, func(t Token) bool {
			if f.Label != "" && t.Label != f.Label {
				return true
			}
			if len(p.Tokens) == f.Limit {
				p.Next = strconv.FormatUint(uint64(p.Tokens[f.Limit-1].Slot), 10)
				return false
			}
			p.Tokens = append(p.Tokens, t)
			return true
		})
		if err != nil || p.Next != "" || len(hits) < q.Limit {
			return err
		}
		q.After = &hits[len(hits)-1].Place
	}
}

// isBlank reports whether a token is the blank one that a user's applications initialize
// (C_InitToken). Administrators do not see it before that.
func isBlank(t *record.Token) bool { return !t.Initialized }
