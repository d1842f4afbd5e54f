package directory

import (
	"fmt"
	"slices"
	"sync"

	"vtoken/vtoken/record"
)

// Directory finds tokens. It is safe for concurrent use.
type Directory struct {
	mu      sync.RWMutex
	tenants map[record.TenantID]*tenant
	entries map[record.TokenID]*entry
	// gone are tokens that were deleted while the directory is being filled; nil when it
	// is full.
	gone map[record.TokenID]struct{}
}

// New returns an empty directory. To fill it, pass the feed to Apply from now on, then
// the tokens of a snapshot to Add, and then call Full.
func New() *Directory {
	return &Directory{
		tenants: map[record.TenantID]*tenant{}, entries: map[record.TokenID]*entry{}, gone: map[record.TokenID]struct{}{},
	}
}

// Add adds a token of a snapshot, unless the feed had a newer version of it or its
// deletion.
func (d *Directory) Add(t *record.Token) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, gone := d.gone[t.ID]; !gone {
		d.put(t)
	}
}

// Full says that all tokens of the snapshot were added.
func (d *Directory) Full() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = nil
}

// Apply applies the changes of a commit.
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

// put adds a token or replaces an older version of it. It ignores blank tokens. The
// caller holds d.mu.
func (d *Directory) put(t *record.Token) {
	old := d.entries[t.ID]
	if old != nil && old.version >= t.Version || !t.Initialized {
		return
	}
	e := newEntry(t)
	e.share()
	if old != nil && old.tenant == e.tenant && old.slot == e.slot {
		d.tenants[t.Tenant].change(old, e)
		return
	}
	d.drop(t.ID)
	of := d.tenants[t.Tenant]
	if of == nil {
		of = newTenant()
		d.tenants[t.Tenant] = of
	}
	of.add(e)
	d.entries[t.ID] = e
}

// drop removes a token. The caller holds d.mu.
func (d *Directory) drop(id record.TokenID) {
	if e := d.entries[id]; e != nil {
		d.tenants[e.tenant].remove(e)
		delete(d.entries, id)
	}
}

// Count returns the number of tokens that meet the criteria of q and have a value to sort
// by. It checks each candidate of the best index.
func (d *Directory) Count(q Query) (int, error) {
	tests, err := q.prepare()
	if err != nil {
		return 0, err
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	of := d.tenants[q.Tenant]
	if of == nil {
		return 0, nil
	}
	return of.count(q, tests), nil
}

// few is up to how many candidates are checked and sorted. With more of them, a search
// walks along the order.
const few = 2000

// Search finds at most q.Limit tokens after q.After, in order. An invalid criterion or
// order is an error for the client.
func (d *Directory) Search(q Query) ([]Hit, error) {
	tests, err := q.prepare()
	if err != nil {
		return nil, err
	}
	if q.Limit < 1 {
		return nil, fmt.Errorf("a search finds at least one token")
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

// prepare parses the criteria and checks the order.
func (q Query) prepare() ([]test, error) {
	if !Orderable(q.OrderBy) {
		return nil, fmt.Errorf("tokens cannot be sorted by that")
	}
	tests := make([]test, len(q.Where))
	for i, c := range q.Where {
		var err error
		if tests[i], err = prepare(c); err != nil {
			return nil, err
		}
	}
	return tests, nil
}

// count returns how many entries match and have a value to sort by.
func (t *tenant) count(q Query, tests []test) int {
	tree := t.trees[q.OrderBy]
	if len(tests) == 0 {
		return tree.Len()
	}
	n := 0
	if slots, ok := t.fewest(tests); ok {
		last := uint32(0) // no slot is 0, and those of several values may come twice
		slots = ascending(slots)
		for _, slot := range slots {
			if e := t.entries[slot]; slot != last && len(e.of(q.OrderBy)) > 0 && fits(tests, e) {
				n++
			}
			last = slot
		}
		return n
	}
	tree.Scan(func(one item) bool {
		if fits(tests, one.entry) {
			n++
		}
		return true
	})
	return n
}

// ascending returns the slots in order. Those of a single set are sorted already.
func ascending(slots []uint32) []uint32 {
	if slices.IsSorted(slots) {
		return slots
	}
	slots = slices.Clone(slots)
	slices.Sort(slots)
	return slots
}

// fewest returns the fewest candidates that the index of any criterion has.
func (t *tenant) fewest(tests []test) (best []uint32, ok bool) {
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

// sorted checks the candidates and sorts those that match.
func (t *tenant) sorted(q Query, tests []test, slots []uint32) []Hit {
	var found []item
	seen := map[uint32]struct{}{}
	for _, slot := range slots {
		e := t.entries[slot]
		if _, twice := seen[slot]; twice || len(e.of(q.OrderBy)) == 0 || !fits(tests, e) {
			continue
		}
		seen[slot] = struct{}{}
		one := item{Place{e.of(q.OrderBy)[0], e.slot}, e}
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

// walk walks along the order, from q.After on.
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
