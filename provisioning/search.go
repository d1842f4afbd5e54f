package provisioning

import (
	"context"
	"slices"
	"sync"

	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

// TokenSearch is a search for tokens and the page of it.
type TokenSearch struct {
	Tenant record.TenantID // required
	// Where are the criteria, at most 16. All of them must hold.
	Where []directory.Criterion
	// OrderBy is the field to sort by; tokens without a value are left out. The
	// zero value sorts by serial number.
	OrderBy    directory.Field
	Descending bool
	Limit      int // of tokens in the page; 0 is DefaultPage, at most MaxPage
	// Skip leaves out so many tokens at the start. They are read nevertheless.
	Skip int
	// Total asks for the number of all matching tokens. Each of them is read.
	Total bool
	// Cursor is Next or Prev of another page. If it is set, Where, OrderBy and Descending
	// are those of that search, and the fields here are ignored.
	Cursor string
}

// maxCriteria bounds the criteria of a search.
const maxCriteria = 16

// SearchTokens finds tokens of a tenant, a page at a time. It reads only the records of
// the page.
func (s *Service) SearchTokens(ctx context.Context, c Caller, q TokenSearch) (TokenPage, error) {
	if err := c.authorize(OpTokenList, q.Tenant); err != nil {
		return TokenPage{}, err
	}
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return TokenPage{}, Errorf(BadInput, "a page has 1 to %d tokens, not %d", MaxPage, q.Limit)
	}
	if q.Skip < 0 {
		return TokenPage{}, Errorf(BadInput, "a search cannot begin at %d; give 0 or more", q.Skip)
	}
	at := directory.Cursor{Where: q.Where, OrderBy: q.OrderBy, Descending: q.Descending}
	if q.Cursor != "" {
		var err error
		if at, err = directory.ParseCursor(q.Cursor); err != nil {
			return TokenPage{}, Errorf(BadInput, "the cursor is not from a search; leave it out to start over")
		}
	}
	if len(at.Where) > maxCriteria {
		return TokenPage{}, Errorf(BadInput, "%d criteria are too many; give at most %d", len(at.Where), maxCriteria)
	}
	return s.searchPage(ctx, q, at)
}

func (s *Service) searchPage(ctx context.Context, q TokenSearch, at directory.Cursor) (TokenPage, error) {
	page := TokenPage{Tokens: []Token{}}
	gone := false
	err := s.view(ctx, func(tx ReadTx) (err error) {
		gone, err = asksForDeletedGroup(tx, at.Where)
		return err
	})
	if err != nil || gone {
		return page, err
	}
	dir, err := s.directory(ctx)
	if err != nil {
		return page, err
	}
	// One token more than the page shows whether there is a next page.
	hits, err := dir.Search(directory.Query{
		Tenant: q.Tenant, Where: at.Where, OrderBy: at.OrderBy, Descending: at.Descending != at.Back, Limit: q.Limit + 1, After: at.After, Skip: q.Skip,
	})
	if err != nil {
		return page, Errorf(BadInput, "the search is invalid: %v", err)
	}
	if q.Total {
		if page.Total, err = dir.Count(directory.Query{Tenant: q.Tenant, Where: at.Where, OrderBy: at.OrderBy}); err != nil {
			return page, err
		}
	}
	more := len(hits) > q.Limit
	hits = hits[:min(len(hits), q.Limit)]
	if at.Back {
		slices.Reverse(hits)
	}
	if len(hits) > 0 {
		page.Next, page.Prev = at.Around(hits, more)
	}
	return page, s.view(ctx, func(tx ReadTx) error {
		if _, err := tenantOf(tx, q.Tenant); err != nil {
			return err
		}
		page.Tokens = page.Tokens[:0]
		return s.readHits(tx, hits, func(t Token) bool { page.Tokens = append(page.Tokens, t); return true })
	})
}

// readHits reads the tokens that were found and still exist, until yield returns false.
func (s *Service) readHits(tx ReadTx, hits []directory.Hit, yield func(Token) bool) error {
	users := map[record.UserID]*record.User{}
	for _, hit := range hits {
		t, err := tx.Token(hit.ID)
		if found, err := exists(err); err != nil {
			return err
		} else if !found {
			continue
		}
		view, err := s.tokenView(tx, t, users)
		if err != nil {
			return err
		}
		if !yield(view) {
			return nil
		}
	}
	return nil
}

// finder is the directory of the store's tokens, filled on first use.
type finder struct {
	mu   sync.Mutex
	dir  *directory.Directory // nil until first asked for
	full bool
}

// Warm fills the directory of tokens, so that the first search does not wait for that. It
// may be called at any time, and repeatedly.
func (s *Service) Warm(ctx context.Context) error {
	_, err := s.directory(ctx)
	return err
}

// directory returns the directory, filled.
func (s *Service) directory(ctx context.Context) (*directory.Directory, error) {
	s.finder.mu.Lock()
	defer s.finder.mu.Unlock()
	if s.finder.full {
		return s.finder.dir, nil
	}
	if s.finder.dir == nil {
		s.finder.dir = directory.New()
		s.store.Watch(s.finder.dir.Apply)
	}
	dir := s.finder.dir
	err := s.view(ctx, func(tx ReadTx) error {
		tenants, err := tx.Tenants()
		for _, t := range tenants {
			if err := addTokens(ctx, tx, dir, t.ID); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	dir.Full()
	s.finder.full = true
	return dir, nil
}

func addTokens(ctx context.Context, tx ReadTx, dir *directory.Directory, tenant record.TenantID) error {
	after := uint64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err // closing the store would wait for this view
		}
		batch, err := tx.TokensOfTenant(tenant, after, MaxPage)
		if err != nil {
			return err
		}
		for _, t := range batch {
			dir.Add(t)
			after = uint64(t.Slot)
		}
		if len(batch) < MaxPage {
			return nil
		}
	}
}
