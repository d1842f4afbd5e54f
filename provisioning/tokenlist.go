package provisioning

import (
	"context"
	"strconv"

	"vtoken/vtoken/record"
)

// ListTokens lists tokens of a tenant by slot id, a page at a
// time. Tokens that are created or deleted between two pages may or may not be
// in the later one; no other token is missed or told twice.
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
			return page, Errorf(BadInput, "the cursor is not one that a listing returned; leave it out to begin anew")
		}
	}
	err := s.view(ctx, func(tx ReadTx) error {
		if _, err := tenantOf(tx, f.Tenant); err != nil {
			return err
		}
		return s.fill(&page, tx, f, after)
	})
	return page, err
}

// fill reads the page from the store, with one token more to know whether there
// is a next page.
func (s *Service) fill(p *TokenPage, tx ReadTx, f TokenFilter, after uint64) error {
	var holder record.UserID
	if f.User != "" {
		u, err := userOf(tx, f.Tenant, f.User)
		if err != nil {
			return err
		}
		holder = u.ID
	}
	users := map[record.UserID]*record.User{}
	for {
		batch, err := tx.TokensOfTenant(f.Tenant, after, f.Limit+1)
		if err != nil {
			return err
		}
		for _, t := range batch {
			if blank(t) || holder != "" && t.Assignment(holder) == nil || f.Label != "" && t.Label != f.Label {
				continue
			}
			if len(p.Tokens) == f.Limit {
				p.Next = strconv.FormatUint(uint64(p.Tokens[f.Limit-1].Slot), 10)
				return nil
			}
			view, err := s.tokenView(tx, t, users)
			if err != nil {
				return err
			}
			p.Tokens = append(p.Tokens, view)
		}
		if len(batch) <= f.Limit {
			return nil
		}
		after = uint64(batch[len(batch)-1].Slot)
	}
}

// blank reports whether a token is the blank one that a user's applications make
// a token of (C_InitToken). It is no administrator's business until then.
func blank(t *record.Token) bool { return !t.Initialized }
