package vtoken

import (
	"bytes"
	"hash/maphash"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// objectIndex is a set of objects with an index for C_FindObjectsInit: for each attribute type
// it maps the hash of a value to the handles of the objects that have it. The index of a type
// is built when a search first uses the type, and maintained from then on, so that only types
// which are searched for take memory. It is not safe for concurrent use; the lock of its
// objectSpace guards it.
type objectIndex struct {
	seed    maphash.Seed
	objects map[ck.ObjectHandle]*object.Object
	all     postings
	// types counts the objects that have a type, so that a search for a type
	// that no object has costs nothing and makes no index.
	types map[ck.AttributeType]int
	index map[ck.AttributeType]map[uint64]*postings
}

// postings are the handles of the objects that an index entry names, in the order in which
// they were added. The handle of a removed object may stay for a while, so that the cost of a
// change does not depend on the number of objects; readers check the objects.
type postings struct {
	handles []ck.ObjectHandle
	left    int  // how many handles stay of objects that left
	mixed   bool // they are not ascending, or one may be there twice
}

func newObjectIndex(seed maphash.Seed) objectIndex {
	return objectIndex{
		seed:    seed,
		objects: map[ck.ObjectHandle]*object.Object{},
		types:   map[ck.AttributeType]int{},
		index:   map[ck.AttributeType]map[uint64]*postings{},
	}
}

func (c *objectIndex) get(h ck.ObjectHandle) *object.Object { return c.objects[h] }

func (c *objectIndex) len() int { return len(c.objects) }

// put adds an object, or replaces the one with its handle.
func (c *objectIndex) put(h ck.ObjectHandle, o *object.Object) {
	var before object.Set
	if old := c.objects[h]; old != nil {
		before = old.Attrs
		c.unlist(h, before, o.Attrs)
	} else {
		c.all.add(h)
	}
	c.objects[h] = o
	for _, a := range o.Attrs {
		if !has(before, a) {
			c.list(h, a)
		}
	}
}

// remove removes an object, if it is there.
func (c *objectIndex) remove(h ck.ObjectHandle) {
	old := c.objects[h]
	if old == nil {
		return
	}
	c.unlist(h, old.Attrs, nil)
	delete(c.objects, h)
	c.all.remove(func(h ck.ObjectHandle) bool { return c.objects[h] != nil })
}

// has reports whether the set has the attribute with that value.
func has(set object.Set, a ck.Attribute) bool {
	other, ok := set.Find(a.Type)
	return ok && bytes.Equal(other.Value, a.Value)
}

func (c *objectIndex) list(h ck.ObjectHandle, a ck.Attribute) {
	c.types[a.Type]++
	values, ok := c.index[a.Type]
	if !ok {
		return
	}
	key := c.hash(a.Value)
	if values[key] == nil {
		values[key] = &postings{}
	}
	values[key].add(h)
}

// unlist removes the attributes of an object from the index, except for those that it keeps.
func (c *objectIndex) unlist(h ck.ObjectHandle, attrs, kept object.Set) {
	for _, a := range attrs {
		if has(kept, a) {
			continue
		}
		if c.types[a.Type]--; c.types[a.Type] == 0 {
			delete(c.types, a.Type)
			delete(c.index, a.Type)
			continue
		}
		values, ok := c.index[a.Type]
		if !ok {
			continue
		}
		key := c.hash(a.Value)
		values[key].remove(func(other ck.ObjectHandle) bool {
			v, ok := c.attribute(other, a.Type)
			return ok && other != h && c.hash(v) == key
		})
		if len(values[key].handles) == 0 {
			delete(values, key)
		}
	}
}

// attribute returns the value of an object's attribute, if both exist.
func (c *objectIndex) attribute(h ck.ObjectHandle, t ck.AttributeType) ([]byte, bool) {
	o := c.objects[h]
	if o == nil {
		return nil, false
	}
	a, ok := o.Attrs.Find(t)
	return a.Value, ok
}

func (c *objectIndex) hash(v []byte) uint64 { return maphash.Bytes(c.seed, v) }

// ready reports whether find can answer without building an index, that is, under a read lock.
func (c *objectIndex) ready(t ck.Template) bool {
	typ, ok := c.narrowest(t)
	return !ok || c.types[typ] == 0 || c.index[typ] != nil
}

// prepare builds the index that find needs for the template.
func (c *objectIndex) prepare(t ck.Template) {
	typ, ok := c.narrowest(t)
	if !ok || c.types[typ] == 0 || c.index[typ] != nil {
		return
	}
	c.all.tidy(func(h ck.ObjectHandle) bool { return c.objects[h] != nil })
	values := map[uint64]*postings{}
	for _, h := range c.all.handles {
		v, ok := c.attribute(h, typ)
		if !ok {
			continue
		}
		key := c.hash(v)
		if values[key] == nil {
			values[key] = &postings{}
		}
		values[key].add(h)
	}
	c.index[typ] = values
}

// find returns the handles of the objects that match the template and that the caller may see,
// in ascending order.
func (c *objectIndex) find(t ck.Template, visible func(*object.Object) bool) []ck.ObjectHandle {
	candidates := &c.all
	if typ, ok := c.narrowest(t); ok {
		a, _ := t.Find(typ)
		if candidates = c.index[typ][c.hash(a.Value)]; candidates == nil {
			return nil
		}
	}
	var found []ck.ObjectHandle
	for _, h := range candidates.handles {
		if o := c.objects[h]; o != nil && o.Match(t) && visible(o) {
			found = append(found, h)
		}
	}
	if candidates.mixed {
		slices.Sort(found)
		found = slices.Compact(found)
	}
	return found
}

// narrowest returns the attribute type of the template whose index is used: one that no object
// has, else bytes (labels, ids, certificates, which differ between objects), else numbers,
// else flags. ok is false where the template has nothing that narrows the search.
func (c *objectIndex) narrowest(t ck.Template) (best ck.AttributeType, ok bool) {
	bestRank := 0
	for _, a := range t {
		if rank := c.rank(a); rank > bestRank {
			best, bestRank = a.Type, rank
		}
	}
	return best, bestRank > 0
}

func (c *objectIndex) rank(a ck.Attribute) int {
	switch kind := ck.KindOf(a.Type); {
	case object.Implied(a):
		return 0 // objects match that are in no index of it
	case c.types[a.Type] == 0:
		return 4
	case kind == ck.KindBool:
		return 1
	case kind == ck.KindUlong:
		return 2
	}
	return 3
}

// add adds the handle of an object that is new to the index.
func (p *postings) add(h ck.ObjectHandle) {
	if n := len(p.handles); n > 0 && p.handles[n-1] >= h {
		p.mixed = true
	}
	p.handles = append(p.handles, h)
}

// remove counts an object that was removed. When half of the handles are stale, it drops
// those.
func (p *postings) remove(stays func(ck.ObjectHandle) bool) {
	if p.left++; 2*p.left > len(p.handles) {
		p.tidy(stays)
	}
}

// tidy drops stale handles and duplicates, and sorts the others.
func (p *postings) tidy(stays func(ck.ObjectHandle) bool) {
	if p.left > 0 {
		p.handles = slices.DeleteFunc(p.handles, func(h ck.ObjectHandle) bool { return !stays(h) })
	}
	if p.mixed {
		slices.Sort(p.handles)
		p.handles = slices.Compact(p.handles)
	}
	p.left, p.mixed = 0, false
	if cap(p.handles) > 4*len(p.handles) {
		p.handles = slices.Clip(slices.Clone(p.handles))
	}
}
