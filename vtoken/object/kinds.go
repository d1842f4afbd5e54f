package object

import (
	"cmp"
	"slices"

	"vtoken/vtoken/ck"
)

// A Kind is a kind of object that applications can make, for documents.
type Kind struct {
	Class ck.ObjectClass
	// Type is the key type or the certificate type, where the class has one.
	Type       uint64
	Attributes []ck.AttributeType // ascending
}

// Kinds are all kinds, by class and type.
func Kinds() []Kind {
	var list []Kind
	for k, s := range schemas {
		list = append(list, Kind{Class: k.class, Type: k.sub, Attributes: make([]ck.AttributeType, 0, len(s.order))})
		for _, r := range s.order {
			at := &list[len(list)-1].Attributes
			*at = append(*at, r.typ)
		}
	}
	slices.SortFunc(list, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Type, b.Type))
	})
	return list
}
