package object

import (
	"cmp"
	"slices"

	"vtoken/vtoken/ck"
)

// A rule is one row of the standard's attribute tables: one attribute of one
// class of object. The flags are the footnotes of table 13 (section 4.2) under
// names of their own.
type rule struct {
	typ   ck.AttributeType
	flags ruleFlag
	// def is the value of the attribute where neither the template nor the
	// mechanism gives one; nil leaves the attribute out, see also completion.
	def []byte
	// max bounds the value in bytes, for values that are bytes; 0 is MaxValue.
	max int
}

type ruleFlag uint16

const (
	needCreate   ruleFlag = 1 << iota // 1: must be given to C_CreateObject
	banCreate                         // 2: must not be given to C_CreateObject
	needGenerate                      // 3: must be given when a key is generated
	banGenerate                       // 4: must not be given when generated or derived
	needUnwrap                        // 5: must be given to C_UnwrapKey
	banUnwrap                         // 6: must not be given to C_UnwrapKey
	change                            // 8: may be changed by C_SetAttributeValue and C_CopyObject
	inCopy                            // may be changed by C_CopyObject only
	bySO                              // 10: only the security officer may make it true
	onlyUp                            // 11: may change, but only from false to true
	onlyDown                          // 12: may change, but only from true to false
	computed                          // never given by an application: read-only from the start
	notEmpty                          // an empty value counts as none
	implied                           // not stored where it has its default
	fixed                             // follows from the object: a change gives this value or none
)

// ban is the flag that forbids the attribute in a template of this origin, need
// the one that demands it.
func (o Origin) ban() ruleFlag {
	switch o {
	case Generate, Derive:
		return banGenerate
	case Unwrap:
		return banUnwrap
	}
	return banCreate
}

func (o Origin) need() ruleFlag {
	switch o {
	case Generate:
		return needGenerate
	case Unwrap:
		return needUnwrap
	case Derive:
		return 0
	}
	return needCreate
}

// A schema is the rows of one kind of object, and what completes and checks an
// object of that kind once every row was applied by itself.
type schema struct {
	rules map[ck.AttributeType]*rule
	order []*rule // by type
	// usage are the uses that an object gets whose template turns none on.
	usage []ck.AttributeType
	// complete checks the material and computes the attributes that follow from
	// it. It adds to the draft and may replace values by their one form.
	complete func(d *draft) error
}

// kind names a schema: the class, and the key type or certificate type in it.
type kind struct {
	class ck.ObjectClass
	sub   uint64
}

// subtype is the attribute that names the second half of a kind.
func subtype(class ck.ObjectClass) (t ck.AttributeType, ok bool) {
	switch class {
	case ck.CKO_CERTIFICATE:
		return ck.CKA_CERTIFICATE_TYPE, true
	case ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		return ck.CKA_KEY_TYPE, true
	}
	return 0, false
}

func (o *Object) schema() *schema {
	k := kind{class: o.Class()}
	if t, ok := subtype(k.class); ok {
		k.sub, _ = o.Attrs.Ulong(t)
	}
	return schemas[k]
}

// mayHave reports whether objects of this kind have the attribute.
func (o *Object) mayHave(t ck.AttributeType) bool {
	s := o.schema()
	return s != nil && s.rules[t] != nil
}

// schemas is every kind of object that an application can make. It is filled
// once and never changed.
var schemas = func() map[kind]*schema {
	all := make(map[kind]*schema)
	for _, k := range kinds {
		s := &schema{rules: make(map[ck.AttributeType]*rule), usage: k.usage, complete: k.complete}
		for _, table := range k.tables {
			for i := range table {
				s.rules[table[i].typ] = &table[i]
			}
		}
		for _, r := range s.rules {
			s.order = append(s.order, r)
		}
		slices.SortFunc(s.order, func(a, b *rule) int { return cmp.Compare(a.typ, b.typ) })
		all[k.kind] = s
	}
	return all
}()
