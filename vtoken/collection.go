package vtoken

import (
	"hash/maphash"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// collection is a set of objects with an index for C_FindObjectsInit: for an
// attribute type, the hash of a value leads to the handles of the objects that
// have it. The index of a type is made when a search first uses the type, and
// kept current from then on, so that memory goes only to what is searched for.
// It is not safe for concurrent use; its home's lock guards it.
type collection struct {
	seed    maphash.Seed
	objects map[ck.ObjectHandle]*object.Object
	all     postings
	// types counts the objects that have a type, so that a search for a type
	// that no object has costs nothing and makes no index.
	types map[ck.AttributeType]int
	index map[ck.AttributeType]map[uint64]postings
}

// postings is a list of handles in ascending order. New objects have higher
// handles than old ones, so adding is appending.
type postings []ck.ObjectHandle

func newCollection(seed maphash.Seed) collection {
	return collection{
		seed:    seed,
		objects: map[ck.ObjectHandle]*object.Object{},
		types:   map[ck.AttributeType]int{},
		index:   map[ck.AttributeType]map[uint64]postings{},
	}
}

func (c *collection) get(h ck.ObjectHandle) *object.Object { return c.objects[h] }

func (c *collection) len() int { return len(c.objects) }

// put adds an object or replaces the one with its handle.
func (c *collection) put(h ck.ObjectHandle, o *object.Object) {
	if old := c.objects[h]; old != nil {
		c.unlist(h, old)
	} else {
		c.all = c.all.with(h)
	}
	c.objects[h] = o
	for _, a := range o.Attrs {
		c.types[a.Type]++
		if values, ok := c.index[a.Type]; ok {
			key := c.hash(a.Value)
			values[key] = values[key].with(h)
		}
	}
}

// remove takes an object out, if it is there.
func (c *collection) remove(h ck.ObjectHandle) {
	old := c.objects[h]
	if old == nil {
		return
	}
	c.unlist(h, old)
	c.all = c.all.without(h)
	delete(c.objects, h)
}

func (c *collection) unlist(h ck.ObjectHandle, o *object.Object) {
	for _, a := range o.Attrs {
		if c.types[a.Type]--; c.types[a.Type] == 0 {
			delete(c.types, a.Type)
			delete(c.index, a.Type)
			continue
		}
		if values, ok := c.index[a.Type]; ok {
			key := c.hash(a.Value)
			if rest := values[key].without(h); len(rest) > 0 {
				values[key] = rest
			} else {
				delete(values, key)
			}
		}
	}
}

func (c *collection) hash(v []byte) uint64 { return maphash.Bytes(c.seed, v) }

// ready reports whether find can answer without making an index, that is, under
// a read lock.
func (c *collection) ready(t ck.Template) bool {
	typ, ok := c.narrowest(t)
	return !ok || c.types[typ] == 0 || c.index[typ] != nil
}

// prepare makes the index that find needs for the template.
func (c *collection) prepare(t ck.Template) {
	typ, ok := c.narrowest(t)
	if !ok || c.types[typ] == 0 || c.index[typ] != nil {
		return
	}
	values := map[uint64]postings{}
	for _, h := range c.all {
		if a, ok := c.objects[h].Attrs.Find(typ); ok {
			key := c.hash(a.Value)
			values[key] = append(values[key], h)
		}
	}
	c.index[typ] = values
}

// find is the handles of the objects that match the template and that the
// caller may see, in ascending order.
func (c *collection) find(t ck.Template, visible func(*object.Object) bool) []ck.ObjectHandle {
	candidates := c.all
	if typ, ok := c.narrowest(t); ok {
		a, _ := t.Find(typ)
		candidates = c.index[typ][c.hash(a.Value)]
	}
	var found []ck.ObjectHandle
	for _, h := range candidates {
		if o := c.objects[h]; o.Match(t) && visible(o) {
			found = append(found, h)
		}
	}
	return found
}

// narrowest is the attribute type of the template whose index is to be used: one
// that no object has, else bytes (labels, ids, certificates, which tell objects
// apart), else numbers, else flags. ok is false for the empty template.
func (c *collection) narrowest(t ck.Template) (best ck.AttributeType, ok bool) {
	bestRank := 0
	for _, a := range t {
		if rank := c.rank(a.Type); rank > bestRank {
			best, bestRank = a.Type, rank
		}
	}
	return best, bestRank > 0
}

func (c *collection) rank(t ck.AttributeType) int {
	switch kind := ck.KindOf(t); {
	case c.types[t] == 0:
		return 4
	case kind == ck.KindBool:
		return 1
	case kind == ck.KindUlong:
		return 2
	}
	return 3
}

func (p postings) with(h ck.ObjectHandle) postings {
	if len(p) == 0 || p[len(p)-1] < h {
		return append(p, h)
	}
	i, found := slices.BinarySearch(p, h)
	if found {
		return p
	}
	return slices.Insert(p, i, h)
}

func (p postings) without(h ck.ObjectHandle) postings {
	i, found := slices.BinarySearch(p, h)
	switch {
	case !found:
		return p
	case i == 0: // emptying a token takes them from the front
		return p[1:]
	}
	return slices.Delete(p, i, i+1)
}
