package vtoken

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

func everything(*object.Object) bool { return true }

func indexed(t testing.TB, label string, class ck.ObjectClass, private bool, extra ...ck.Attribute) *object.Object {
	t.Helper()
	set, err := object.NewSet(append(ck.Template{
		ck.String(ck.CKA_LABEL, label), ck.Ulong(ck.CKA_CLASS, class), ck.Bool(ck.CKA_PRIVATE, private),
	}, extra...))
	require.NoError(t, err)
	return &object.Object{Attrs: set}
}

// scanned is what going through all objects finds.
func scanned(objects map[ck.ObjectHandle]*object.Object, search ck.Template) []ck.ObjectHandle {
	var found []ck.ObjectHandle
	for h, o := range objects {
		if o.Match(search) {
			found = append(found, h)
		}
	}
	slices.Sort(found)
	return found
}

// A random walk: after every step, each search answers as going through all
// objects does.
func TestCollectionAgainstScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	c := newObjectIndex(maphash.MakeSeed())
	model := map[ck.ObjectHandle]*object.Object{}
	random := func() *object.Object {
		var extra []ck.Attribute
		if rng.IntN(2) == 0 {
			extra = append(extra, ck.Bytes(ck.CKA_ID, []byte{byte(rng.IntN(3))}))
		}
		return indexed(t, fmt.Sprint(rng.IntN(4)), ck.ObjectClass(rng.IntN(3)), rng.IntN(2) == 0, extra...)
	}
	for step := range 3000 {
		h := ck.ObjectHandle(1 + rng.IntN(60))
		if rng.IntN(3) == 0 {
			c.remove(h)
			delete(model, h)
		} else {
			o := random()
			c.put(h, o)
			model[h] = o
		}
		search := ck.Template(nil)
		for _, a := range append(random().Attrs, ck.Bytes(ck.CKA_SUBJECT, nil)) {
			if rng.IntN(3) == 0 {
				search = append(search, a)
			}
		}
		scan := scanned(model, search)
		c.prepare(search)
		require.True(t, c.ready(search), "step %d: not ready for %v", step, search)
		if got := c.find(search, everything); !slices.Equal(got, scan) {
			t.Fatalf("step %d: %v finds %v, a scan %v", step, search, got, scan)
		}
		require.Equal(t, len(model), c.len(), "step %d: %d objects, not %d", step, c.len(), len(model))
	}
	for h := range model {
		c.remove(h)
	}
	require.Equal(t, 0, len(c.types)+len(c.index)+len(c.all.handles), "something is left in an empty collection")
}

// A search for a type that nothing has makes no index, however many types come.
func TestUnknownTypesCostNothing(t *testing.T) {
	c := newObjectIndex(maphash.MakeSeed())
	c.put(1, indexed(t, "a", ck.CKO_DATA, false))
	for i := range uint64(1000) {
		search := ck.Template{ck.Bytes(ck.AttributeType(1<<40+i), nil)}
		c.prepare(search)
		if got := c.find(search, everything); len(got) != 0 {
			t.Fatalf("found %v", got)
		}
	}
	require.Empty(t, c.index, "%d indexes", len(c.index))
}

func BenchmarkCollectionFind(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := newObjectIndex(maphash.MakeSeed())
			for i := range n {
				c.put(ck.ObjectHandle(i+1), indexed(b, fmt.Sprint("label-", i), ck.CKO_DATA, false))
			}
			search := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.String(ck.CKA_LABEL, "label-77")}
			c.prepare(search)
			b.ReportAllocs()
			for b.Loop() {
				require.Len(b, c.find(search, everything), 1, "not found")
			}
		})
	}
}
