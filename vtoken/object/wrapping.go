package object

import (
	"vtoken/vtoken/ck"
)

// MayWrap checks that key may be wrapped with o, whose CKA_WRAP was checked
// before. It fails with
//
//   - CKR_KEY_UNEXTRACTABLE where CKA_EXTRACTABLE is false;
//   - CKR_KEY_NOT_WRAPPABLE for what is no private or secret key, for a key with
//     CKA_WRAP_WITH_TRUSTED where o is not trusted, for a key that would come back
//     without what holds it ([Object.checkWrappable]), and for a sensitive key where o opens
//     what it wraps, or is known outside of the token;
//   - CKR_KEY_HANDLE_INVALID, as section 5.18.3 has it, for a key that is not
//     like o's CKA_WRAP_TEMPLATE.
func (o *Object) MayWrap(key *Object) error {
	class := key.Class()
	switch {
	case class != ck.CKO_PRIVATE_KEY && class != ck.CKO_SECRET_KEY:
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "objects of class %v are not wrapped", class)
	case !key.Extractable():
		return ck.Errorf(ck.CKR_KEY_UNEXTRACTABLE, "the key's CKA_EXTRACTABLE is false")
	case key.Bool(ck.CKA_WRAP_WITH_TRUSTED) && !o.Bool(ck.CKA_TRUSTED):
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "the key is wrapped only with a key that the SO marked CKA_TRUSTED; its CKA_WRAP_WITH_TRUSTED is true")
	}
	if err := key.checkWrappable(); err != nil {
		return err
	}
	if key.Sensitive() {
		if err := o.mayHide(); err != nil {
			return err
		}
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

// checkWrappable refuses to wrap a key whose attributes protect more than the key itself. A
// wrapped key does not carry them: unwrapped again, it could decrypt all that it ever wrapped,
// be used without the PIN, or make readable keys.
func (o *Object) checkWrappable() error {
	switch {
	case pastOf(o.Attrs).guards():
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a key that wraps sensitive keys, or whose pair does, is not wrapped itself")
	case o.AlwaysAuthenticate():
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a key with CKA_ALWAYS_AUTHENTICATE is not wrapped: unwrapped, it would be one without")
	case o.KeepsResults(), o.demandsGuard(ck.CKA_DECAPSULATE_TEMPLATE):
		return ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "a key whose template keeps what is made with it sensitive is not wrapped: unwrapped, it would be one without")
	}
	return nil
}

// KeepsResults reports whether CKA_DERIVE_TEMPLATE demands derived keys that cannot be read.
func (o *Object) KeepsResults() bool { return o.demandsGuard(ck.CKA_DERIVE_TEMPLATE) }

// demandsGuard reports whether the nested template demands keys that cannot be read. A
// template that cannot be decoded does.
func (o *Object) demandsGuard(by ck.AttributeType) bool {
	if !o.Attrs.Has(by) {
		return false
	}
	t, err := o.nested(by)
	if err != nil {
		return true
	}
	sensitive, _ := t.Find(ck.CKA_SENSITIVE)
	guarded, _ := sensitive.Bool()
	extractable, given := t.Find(ck.CKA_EXTRACTABLE)
	leaves, _ := extractable.Bool()
	return guarded || given && !leaves
}

// ApplyDerivedTemplate adds to t the attributes that o demands of keys unwrapped with it
// (CKA_UNWRAP_TEMPLATE) or derived from it (CKA_DERIVE_TEMPLATE). If t says otherwise, it is
// CKR_TEMPLATE_INCONSISTENT.
func (o *Object) ApplyDerivedTemplate(by ck.AttributeType, t ck.Template) (ck.Template, error) {
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

// tighten makes sure that unwrapping relaxes no protection. A wrapped key carries no
// attributes, so whatever the key was before, the new one may not be read, nor wrapped with
// any key that is not trusted.
func (d *draft) tighten() error {
	if d.src.Origin != Unwrap || !d.attrs.Bool(ck.CKA_EXTRACTABLE) {
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

// minGuarded is the length of the shortest derived key that may not be read, in bytes.
// The same secret can be derived at every length, and a key of one byte more is
// guessed from what it signs.
const minGuarded = 16

// isShort reports whether a derived key is shorter than that. Such a key is readable
// where the template does not say.
func (d *draft) isShort() bool {
	return d.src.Origin == Derive && d.class == ck.CKO_SECRET_KEY && len(d.attrs.Get(ck.CKA_VALUE)) < minGuarded
}

// checkShort refuses a short derived key that may not be read.
func (d *draft) checkShort() error {
	if d.isShort() && (d.attrs.Bool(ck.CKA_SENSITIVE) || !d.attrs.Bool(ck.CKA_EXTRACTABLE)) {
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT,
			"a derived key that is sensitive or unextractable has %d bytes or more, not %d; a shorter one has CKA_SENSITIVE false and CKA_EXTRACTABLE true",
			minGuarded, len(d.attrs.Get(ck.CKA_VALUE)))
	}
	return nil
}
