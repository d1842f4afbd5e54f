package directory

import (
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/btree"
)

// item is an entry in a sort order.
type item struct {
	Place
	entry *entry
}

func before(a, b item) bool {
	if a.Value != b.Value {
		return a.Value < b.Value
	}
	return a.Slot < b.Slot
}

// tenant has the entries of one tenant and its indexes.
type tenant struct {
	entries map[uint32]*entry // by slot, which is below 2^31
	trees   map[Field]*btree.BTreeG[item]
	// sets are the slots, ascending, of each value of the exact fields, and of each three
	// consecutive bytes of the partial fields.
	sets map[key][]uint32
}

// key is a value, or three bytes, of a field.
type key struct {
	field Field
	text  string
	part  bool
}

// exact are the fields with an index of whole values, and partial those with one of three
// consecutive bytes.
var (
	exact   = []Field{Serial, ID, State, Holder, Group, Held, Kind, Model, Manufacturer, Repository, Activation, Enabled, Deceased}
	partial = []Field{Serial, Label}
)

func newTenant() *tenant {
	t := &tenant{entries: map[uint32]*entry{}, trees: map[Field]*btree.BTreeG[item]{}, sets: map[key][]uint32{}}
	for _, f := range orders {
		t.trees[f] = btree.NewBTreeGOptions(before, btree.Options{NoLocks: true})
	}
	return t
}

// keys are the sets that contain an entry by the values of some fields. Some may repeat.
func (e *entry) keys(of func(Field) bool) iter.Seq[key] {
	return func(yield func(key) bool) {
		for _, f := range exact {
			for _, v := range e.of(f) {
				if of(f) && !yield(key{f, v, false}) {
					return
				}
			}
		}
		for _, f := range partial {
			for _, v := range e.of(f) {
				for i := 0; of(f) && i+3 <= len(v); i++ {
					if !yield(key{f, v[i : i+3], true}) {
						return
					}
				}
			}
		}
	}
}

func everyField(Field) bool { return true }

func (t *tenant) add(e *entry) {
	t.entries[uint32(e.slot)] = e
	t.index(e, everyField)
}

func (t *tenant) remove(e *entry) {
	delete(t.entries, uint32(e.slot))
	t.unindex(e, everyField)
}

// change makes an entry equal to a new one of the same token. It updates only the indexes
// that differ.
func (t *tenant) change(e, now *entry) {
	old := *e
	differs := func(f Field) bool { return !slices.Equal(old.of(f), now.of(f)) }
	t.unindex(e, differs)
	*e = *now
	t.index(e, differs)
}

// index adds the values of some fields of an entry to the indexes.
func (t *tenant) index(e *entry, of func(Field) bool) {
	for _, f := range orders {
		for _, v := range e.of(f) {
			if of(f) {
				t.trees[f].Set(item{Place{v, e.slot}, e})
			}
		}
	}
	for k := range e.keys(of) {
		set, slot := t.sets[k], uint32(e.slot)
		// Slots are given out in order, so most come last.
		if n := len(set); n == 0 || set[n-1] < slot {
			t.sets[k] = append(set, slot)
		} else if i, found := slices.BinarySearch(set, slot); !found {
			t.sets[k] = slices.Insert(set, i, slot)
		}
	}
}

// unindex removes them.
func (t *tenant) unindex(e *entry, of func(Field) bool) {
	for _, f := range orders {
		for _, v := range e.of(f) {
			if of(f) {
				t.trees[f].Delete(item{Place{v, e.slot}, e})
			}
		}
	}
	for k := range e.keys(of) {
		set := t.sets[k]
		i, found := slices.BinarySearch(set, uint32(e.slot))
		switch {
		case found && len(set) == 1:
			delete(t.sets, k)
		case found:
			t.sets[k] = slices.Delete(set, i, i+1)
		}
	}
}

// candidates returns the slots of tokens that include all matches; ok is false if no
// index helps.
func (t *tenant) candidates(c test) (slots []uint32, ok bool) {
	if tree := t.trees[c.Field]; tree != nil {
		if from, to, is := c.span(); is {
			return within(tree, from, to)
		}
	}
	switch {
	case (c.Op == Equals || c.Op == In) && slices.Contains(exact, c.Field):
		if len(c.values) == 1 {
			return t.sets[key{c.Field, c.values[0], false}], true
		}
		for _, v := range c.values {
			slots = append(slots, t.sets[key{c.Field, v, false}]...)
		}
		return slots, true
	case (c.Op == Equals || c.Op == Contains || c.Op == EndsWith || c.Op == Like) && slices.Contains(partial, c.Field):
		return t.rarest(c.Field, strings.Split(c.values[0], "%"))
	}
	return nil, false
}

// span returns the range of values that a criterion allows, if it has one; an empty end
// is open.
func (c test) span() (from, to string, ok bool) {
	switch c.Op {
	case GreaterThan, GreaterThanOrEqual:
		return c.values[0], "", true
	case LessThan, LessThanOrEqual:
		return "", c.values[0], true
	case StartsWith:
		return c.values[0], c.values[0] + "\U0010ffff", true
	}
	return "", "", false
}

// within returns the slots in a range of a tree, ends included, if they are few.
func within(tree *btree.BTreeG[item], from, to string) (slots []uint32, ok bool) {
	tree.Ascend(item{Place: Place{Value: from}}, func(one item) bool {
		if to != "" && one.Value > to {
			return false
		}
		slots = append(slots, uint32(one.Slot))
		return len(slots) <= few
	})
	return slots, len(slots) <= few
}

// rarest returns the smallest of the sets of three consecutive bytes of the parts.
func (t *tenant) rarest(f Field, parts []string) (best []uint32, known bool) {
	for _, part := range parts {
		for i := 0; i+3 <= len(part); i++ {
			if set := t.sets[key{f, part[i : i+3], true}]; !known || len(set) < len(best) {
				best, known = set, true
			}
		}
	}
	return best, known
}
