package object

import (
	"vtoken/vtoken/ck"
)

// MayWrap checks that key may be wrapped with o, whose CKA_WRAP was checked
// before. It fails with
//
//   - CKR_KEY_UNEXTRACTABLE where CKA_EXTRACTABLE is false;
//   - CKR_KEY_NOT_WRAPPABLE for what is no private or secret key, for a key with
//     CKA_WRAP_WITH_TRUSTED where o is not trusted (S05), and for a key that
//     wraps itself: unwrapped again with CKA_DECRYPT it would open all that it
//     ever wrapped (S02);
//   - CKR_KEY_HANDLE_INVALID, as section 5.18.3 has it, for a key that is not
//     like o's CKA_WRAP_TEMPLATE (S04).
func (o *Object) MayWrap(key *Object) error {
	class := key.Class()
	switch {
	case class != ck.CKO_PRIVATE_KEY && class != ck.CKO_SECRET_KEY:
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "objects of class %v are not wrapped", class)
	case !key.Extractable():
		return ck.Errorf(ck.CKR_KEY_UNEXTRACTABLE, "the key's CKA_EXTRACTABLE is false")
	case key.Bool(ck.CKA_WRAP_WITH_TRUSTED) && !o.Bool(ck.CKA_TRUSTED):
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "the key is wrapped only with a key that the SO marked CKA_TRUSTED")
	case key.Bool(ck.CKA_WRAP) || gaveUp(key.Attrs)&gaveUpWrap != 0:
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a key that wraps others is not wrapped itself")
	}
	t, err := o.nested(ck.CKA_WRAP_TEMPLATE)
	if err != nil {
		return err
	}
	if !key.Match(t) {
		return ck.Errorf(ck.CKR_KEY_HANDLE_INVALID, "the key is not like the wrapping key's CKA_WRAP_TEMPLATE")
	}
	return nil
}

// Governs is the template of a key that is unwrapped with o (CKA_UNWRAP_TEMPLATE)
// or derived from o (CKA_DERIVE_TEMPLATE): t with the attributes that o demands.
// Where t says otherwise it is CKR_TEMPLATE_INCONSISTENT.
func (o *Object) Governs(by ck.AttributeType, t ck.Template) (ck.Template, error) {
	demanded, err := o.nested(by)
	if err != nil {
		return nil, err
	}
	given, err := NewSet(t)
	if err != nil {
		return nil, err
	}
	for _, a := range demanded {
		g, ok := given.Find(a.Type)
		switch {
		case !ok:
			t = append(t[:len(t):len(t)], a)
		case !sameValue(g, a):
			return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "the template's %v is not that of the key's %v", a.Type, by)
		}
	}
	return t, nil
}

// sameValue compares values of one type; every true boolean is the same.
func sameValue(a, b ck.Attribute) bool {
	va, okA := a.Bool()
	vb, okB := b.Bool()
	if ck.KindOf(a.Type) == ck.KindBool && okA && okB {
		return va == vb
	}
	return a.Equal(b)
}

func (o *Object) nested(t ck.AttributeType) (ck.Template, error) {
	return ck.DecodeTemplate(o.Attrs.Get(t))
}

// tighten sees to it that unwrapping loosens nothing. A wrapped key carries no
// attributes, so whatever the key was before, the new one may neither be read
// nor be wrapped with any key that comes along (S02, S04), and it wraps nothing:
// the key of the same value, from which it came, may decrypt.
func (d *draft) tighten() error {
	if d.src.Origin != Unwrap {
		return nil
	}
	if d.attrs.Bool(ck.CKA_WRAP) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an unwrapped key cannot have CKA_WRAP; generate the wrapping key on the token")
	}
	if !d.attrs.Bool(ck.CKA_EXTRACTABLE) {
		return nil
	}
	if !d.attrs.Bool(ck.CKA_SENSITIVE) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an unwrapped key is sensitive or unextractable; give CKA_SENSITIVE true")
	}
	if g, ok := d.given.Find(ck.CKA_WRAP_WITH_TRUSTED); ok && g.Value[0] == 0 {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an unwrapped key that is extractable has CKA_WRAP_WITH_TRUSTED true")
	}
	d.attrs = d.attrs.With(ck.Bool(ck.CKA_WRAP_WITH_TRUSTED, true))
	return nil
}
