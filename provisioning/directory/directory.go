package directory

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"vtoken/vtoken/record"
)

// Directory finds tokens. It is safe for concurrent use.
type Directory struct {
	mu      sync.RWMutex
	tenants map[record.TenantID]*tenant
	entries map[record.TokenID]*entry
	// gone are tokens that were deleted while the directory is being filled, nil
	// when it is full.
	gone map[record.TokenID]struct{}
}

// New is an empty directory, to be filled: the feed goes to Apply from now on,
// then the tokens of a snapshot to Add, then Full is called.
func New() *Directory {
	return &Directory{
		tenants: map[record.TenantID]*tenant{}, entries: map[record.TokenID]*entry{}, gone: map[record.TokenID]struct{}{},
	}
}

// Add puts a token of a snapshot in, unless the feed had a newer one or its end.
func (d *Directory) Add(t *record.Token) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, gone := d.gone[t.ID]; !gone {
		d.put(t)
	}
}

// Full says that the snapshot is in.
func (d *Directory) Full() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = nil
}

// Apply takes the changes of a commit.
func (d *Directory) Apply(changes []record.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Deleted:
			d.drop(c.TokenID)
			if d.gone != nil {
				d.gone[c.TokenID] = struct{}{}
			}
		case c.Token != nil:
			d.put(c.Token)
		}
	}
}

// put adds a token, or replaces an older form of it. A blank token is nobody's to
// find. d.mu is locked.
func (d *Directory) put(t *record.Token) {
	old := d.entries[t.ID]
	if old != nil && old.version >= t.Version || !t.Initialized {
		return
	}
	e := newEntry(t)
	if old != nil {
		if same(old, e) {
			old.version = e.version
			return
		}
		d.drop(t.ID)
	}
	of := d.tenants[t.Tenant]
	if of == nil {
		of = newTenant()
		d.tenants[t.Tenant] = of
	}
	of.add(e)
	d.entries[t.ID] = e
}

// drop removes a token. d.mu is locked.
func (d *Directory) drop(id record.TokenID) {
	if e := d.entries[id]; e != nil {
		d.tenants[e.tenant].remove(e)
		delete(d.entries, id)
	}
}

// Count is the number of tokens that fit the criteria of q and have a value to
// order by, wherever the search is. It looks at each of them.
func (d *Directory) Count(q Query) (int, error) {
	q.After, q.Skip, q.Limit = nil, 0, math.MaxInt
	hits, err := d.Search(q)
	return len(hits), err
}

// few is how many candidates are checked and sorted rather than looked for along
// an order.
const few = 2000

// Search finds at most q.Limit tokens after q.After, in order. A criterion or an
// order that makes no sense is an error for the one who asked.
func (d *Directory) Search(q Query) ([]Hit, error) {
	if !Orderable(q.OrderBy) || q.Limit < 1 {
		return nil, fmt.Errorf("tokens cannot be sorted by that")
	}
	tests := make([]test, len(q.Where))
	for i, c := range q.Where {
		var err error
		if tests[i], err = prepare(c); err != nil {
			return nil, err
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	of := d.tenants[q.Tenant]
	if of == nil {
		return nil, nil
	}
	if slots, ok := of.fewest(tests); ok && len(slots) <= few {
		return of.sorted(q, tests, slots), nil
	}
	return of.walk(q, tests), nil
}

// fewest are the fewest candidates that the index of any criterion names.
func (t *tenant) fewest(tests []test) (best []uint64, ok bool) {
	for _, c := range tests {
		if slots, can := t.candidates(c); can && (!ok || len(slots) < len(best)) {
			best, ok = slots, true
		}
	}
	return best, ok
}

func fits(tests []test, e *entry) bool {
	for _, t := range tests {
		if !t.holds(e) {
			return false
		}
	}
	return true
}

// sorted checks the candidates and puts those that fit in order.
func (t *tenant) sorted(q Query, tests []test, slots []uint64) []Hit {
	var found []item
	seen := map[uint64]struct{}{}
	for _, slot := range slots {
		e := t.entries[slot]
		if _, twice := seen[slot]; twice || len(e.values[q.OrderBy]) == 0 || !fits(tests, e) {
			continue
		}
		seen[slot] = struct{}{}
		one := item{Place{e.values[q.OrderBy][0], e.slot}, e}
		if q.After == nil || follows(q, one) {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b item) int {
		if before(a, b) != q.Descending {
			return -1
		}
		return 1
	})
	found = found[min(len(found), q.Skip):]
	found = found[:min(len(found), q.Limit)]
	hits := make([]Hit, len(found))
	for i, f := range found {
		hits[i] = Hit{f.entry.id, f.Place}
	}
	return hits
}

// follows reports whether an item comes after q.After in the order of q.
func follows(q Query, one item) bool {
	at := item{Place: *q.After}
	if q.Descending {
		return before(one, at)
	}
	return before(at, one)
}

// walk goes along the order from q.After on.
func (t *tenant) walk(q Query, tests []test) []Hit {
	var hits []Hit
	skip := q.Skip
	visit := func(one item) bool {
		if q.After != nil && !follows(q, one) {
			return true
		}
		switch {
		case !fits(tests, one.entry):
		case skip > 0:
			skip--
		default:
			hits = append(hits, Hit{one.entry.id, one.Place})
		}
		return len(hits) < q.Limit
	}
	tree := t.trees[q.OrderBy]
	switch {
	case q.After == nil && q.Descending:
		tree.Reverse(visit)
	case q.After == nil:
		tree.Scan(visit)
	case q.Descending:
		tree.Descend(item{Place: *q.After}, visit)
	default:
		tree.Ascend(item{Place: *q.After}, visit)
	}
	return hits
}
