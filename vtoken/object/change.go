package object

import (
	"bytes"

	"vtoken/vtoken/ck"
)

// Change is C_SetAttributeValue: a new object with the template's attributes in
// place of the old. o may be sealed, and the new object is sealed where o is.
// so says that the security officer is logged in. It fails with
// CKR_ACTION_PROHIBITED where CKA_MODIFIABLE is false, CKR_ATTRIBUTE_READ_ONLY
// for what may not change, or not in this direction, and with the codes of
// [Build] for the rest. The id and the version stay.
func (o *Object) Change(t ck.Template, so bool) (*Object, error) {
	if !o.Modifiable() {
		return nil, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the object's CKA_MODIFIABLE is false")
	}
	return o.revise(t, so, change|onlyUp|onlyDown)
}

// Copy is C_CopyObject: a new object, without an id, that is like o but for the
// template's attributes. Beyond what [Object.Change] may change, a copy may
// differ in CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE and CKA_DESTROYABLE. It
// fails with CKR_ACTION_PROHIBITED where CKA_COPYABLE is false, and with
// [ErrSealed] where the secret attributes are not loaded.
func (o *Object) Copy(t ck.Template, so bool) (*Object, error) {
	if !o.Copyable() {
		return nil, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the object's CKA_COPYABLE is false")
	}
	if o.Sealed() {
		return nil, ErrSealed
	}
	c, err := o.revise(t, so, change|onlyUp|onlyDown|inCopy)
	if err != nil {
		return nil, err
	}
	c.ID, c.Version = 0, 0
	c.Attrs = c.Attrs.With(uniqueID()).Clone()
	c.Secret = o.Secret.Clone()
	return c, nil
}

// revise applies a template to o under those rules whose flags are in allowed.
func (o *Object) revise(t ck.Template, so bool, allowed ruleFlag) (*Object, error) {
	next, err := NewSet(t)
	if err != nil {
		return nil, err
	}
	s := o.schema()
	if s == nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "objects of class %v do not change", o.Class())
	}
	next = next.Clone()
	for i, a := range next {
		if next[i].Value, err = o.reviseOne(s.rules[a.Type], a, so, allowed); err != nil {
			return nil, err
		}
	}
	c := *o
	c.Attrs = o.Attrs.With(next...)
	if err := checkGains(o.Attrs, c.Attrs); err != nil {
		return nil, err
	}
	if err := checkTrust(o.Attrs, c.Attrs); err != nil {
		return nil, err
	}
	if err := checkPrivate(c.Attrs); err != nil {
		return nil, err
	}
	if err := checkOneWay(s, o.Attrs, next); err != nil {
		return nil, err
	}
	if remembers(o.Class()) {
		c.Attrs = c.Attrs.With(pastOf(o.Attrs).attribute()) // also of one that an earlier version stored
	}
	return &c, nil
}

// reviseOne checks one attribute of a change by itself and returns its value in
// normal form.
func (o *Object) reviseOne(r *rule, a ck.Attribute, so bool, allowed ruleFlag) ([]byte, error) {
	if r == nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_TYPE_INVALID, "an object of class %v has no %v", o.Class(), a.Type)
	}
	flags := r.flags
	if flags&inCopy != 0 {
		flags &^= onlyUp | onlyDown // says the direction within a copy, grants nothing else
	}
	if flags&(allowed|fixed) == 0 || IsSecret(o.Class(), a.Type) {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "%v does not change", a.Type)
	}
	v, err := r.normal(a)
	if err != nil {
		return nil, err
	}
	if r.flags&fixed != 0 && !bytes.Equal(v, o.Attrs.Get(a.Type)) && !(a.Type == ck.CKA_CHECK_VALUE && len(v) == 0) {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v is not that of the object's value; leave it out", a.Type)
	}
	if r.flags&bySO != 0 && !so && !bytes.Equal(v, o.Attrs.Get(a.Type)) {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "%v is for the security officer to set", a.Type)
	}
	return v, nil
}

// checkOneWay refuses to turn an attribute in the direction that it does not go.
func checkOneWay(s *schema, old, next Set) error {
	for _, a := range next {
		was, _ := old.Find(a.Type)
		before, _ := was.Bool()
		after, _ := a.Bool()
		flags := s.rules[a.Type].flags
		if flags&onlyUp != 0 && before && !after || flags&onlyDown != 0 && !before && after {
			return ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "%v cannot be set to %t again", a.Type, after)
		}
	}
	return nil
}
