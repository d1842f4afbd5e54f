package object

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"slices"

	"vtoken/vtoken/ck"
)

// Origin is the way in which an object comes to be. Rules differ by it.
type Origin byte

// The origins. A copy is made by [Object.Copy], not by [Build].
const (
	Create   Origin = iota // C_CreateObject, and import by the provisioning API
	Generate               // C_GenerateKey, C_GenerateKeyPair
	Unwrap                 // C_UnwrapKey
	Derive                 // C_DeriveKey
)

// Source says where a new object comes from.
type Source struct {
	Origin Origin
	// Mechanism is the mechanism that generated the key (CKA_KEY_GEN_MECHANISM).
	Mechanism ck.MechanismType
	// Made are the attributes that the mechanism contributes: class, key type,
	// the material. What the template says of them must be the same.
	Made ck.Template
	// Base is the key that the new one is derived from, for [Derive].
	Base *Object
	// MinRSABits is the size of the smallest RSA private key that is taken, at
	// least [MinRSABits]; 0 is [MinRSAPrivateBits].
	MinRSABits int
	// SO says that the security officer is logged in: only then may the template
	// set CKA_TRUSTED to true.
	SO bool
	// LoggedOut says that nobody is logged in: see [MadePublic].
	LoggedOut bool
	// Pause is called between the steps of what takes long: to find the primes of an RSA
	// key. An error of it ends the work. Nil is no pause.
	Pause func() error
}

func (s Source) pause() error {
	if s.Pause == nil {
		return nil
	}
	return s.Pause()
}

// TakesLong reports whether [Build] would take a processor for milliseconds or more, which it
// does for RSA private keys.
func (s Source) TakesLong(t ck.Template) bool {
	is := func(typ ck.AttributeType, want uint64) bool {
		a, ok := s.Made.Find(typ)
		if !ok {
			a, _ = t.Find(typ)
		}
		n, ok := a.Ulong()
		return ok && n == want
	}
	return is(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY)) && is(ck.CKA_KEY_TYPE, uint64(ck.CKK_RSA))
}

func (s Source) minRSABits() int {
	if s.MinRSABits == 0 {
		return MinRSAPrivateBits
	}
	return max(s.MinRSABits, MinRSABits)
}

// Build makes an object from an application's template, with every default and
// computed attribute (section 4.1). The object shares no memory with the
// template and has its secret attributes loaded. It fails with
//
//   - CKR_TEMPLATE_INCOMPLETE where the class, key type or another attribute is
//     missing;
//   - CKR_ATTRIBUTE_TYPE_INVALID for an attribute that such an object does not
//     have;
//   - CKR_ATTRIBUTE_READ_ONLY for one that only the token sets, and for
//     CKA_TRUSTED without the security officer;
//   - CKR_ATTRIBUTE_VALUE_INVALID for a value of the wrong length or form, a
//     class or key type that is not known, and material that is no good key;
//   - CKR_TEMPLATE_INCONSISTENT for attributes that stand twice with different values
//     or contradict each other, the material or the way of making the object, for a secret key
//     with CKA_TRUSTED that is known outside of the token, and for a derived key
//     that is short and may not be read.
func Build(src Source, t ck.Template) (*Object, error) {
	d, err := newDraft(src, t)
	if err != nil {
		return nil, err
	}
	if err := d.checkTemplate(); err != nil {
		return nil, err
	}
	if err := d.merge(src.Made); err != nil {
		return nil, err
	}
	d.setDefaults()
	if d.schema.complete != nil {
		if err := d.schema.complete(d); err != nil {
			return nil, err
		}
	}
	d.setHistory()
	for _, check := range []func() error{d.tighten, d.checkShort} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	d.remember()
	if err := checkTrust(nil, d.attrs); err != nil {
		return nil, err
	}
	if err := checkPrivate(d.attrs); err != nil {
		return nil, err
	}
	return d.object()
}

// A draft is an object while it is built. attrs holds secret attributes too.
type draft struct {
	src    Source
	class  ck.ObjectClass
	schema *schema
	given  Set // what the application's template says
	attrs  Set
}

func newDraft(src Source, t ck.Template) (*draft, error) {
	if len(t) > MaxAttributes {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT,
			"the template has %d attributes; an object has at most %d", len(t), MaxAttributes)
	}
	given, err := NewSet(t)
	if err != nil {
		return nil, err
	}
	d := &draft{src: src, given: given.Clone()}
	class, err := d.ulongOf(ck.CKA_CLASS)
	if err != nil {
		return nil, err
	}
	d.class = ck.ObjectClass(class)
	k := kind{class: d.class}
	if sub, ok := subtype(d.class); ok {
		if k.sub, err = d.ulongOf(sub); err != nil {
			return nil, err
		}
	}
	if d.schema = schemas[k]; d.schema == nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"objects of class %v, type 0x%x are not known here", d.class, k.sub)
	}
	subtyp, _ := subtype(k.class)
	isKey := subtyp == ck.CKA_KEY_TYPE
	isDerivedData := k.class == ck.CKO_DATA && src.Origin == Derive // CKM_HKDF_DATA
	if src.Origin != Create && !isKey && !isDerivedData {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an object of class %v is not a key", d.class)
	}
	if isDerivedData {
		d.given = d.given.Without(ck.CKA_VALUE_LEN) // which is for the mechanism: data has no such attribute
	}
	return d, nil
}

// ulongOf reads an attribute that decides about the kind of the object from the
// template, or else from what the mechanism made.
func (d *draft) ulongOf(t ck.AttributeType) (uint64, error) {
	a, ok := d.given.Find(t)
	if !ok {
		a, ok = d.src.Made.Find(t)
	}
	if !ok {
		return 0, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives no %v", t)
	}
	v, ok := a.Ulong()
	if !ok {
		return 0, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v has %d bytes and is a CK_ULONG", t, len(a.Value))
	}
	return v, nil
}

// checkTemplate applies each rule by itself to what the application gave.
func (d *draft) checkTemplate() error {
	ban := d.src.Origin.ban()
	for i, a := range d.given {
		r := d.schema.rules[a.Type]
		switch {
		case r == nil:
			return ck.Errorf(ck.CKR_ATTRIBUTE_TYPE_INVALID, "an object of class %v has no %v", d.class, a.Type)
		case r.flags&computed != 0:
			return ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "%v is set by the token; leave it out", a.Type)
		case r.flags&ban != 0:
			return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "%v must not be given when an object is made this way", a.Type)
		}
		v, err := r.normal(a)
		if err != nil {
			return err
		}
		d.given[i].Value = v
		if r.flags&bySO != 0 && v[0] != 0 && !d.src.SO {
			return ck.Errorf(ck.CKR_ATTRIBUTE_READ_ONLY, "%v is for the security officer to set", a.Type)
		}
	}
	return d.checkComplete()
}

func (d *draft) checkComplete() error {
	need := d.src.Origin.need()
	for _, r := range d.schema.order {
		if r.flags&need == 0 {
			continue
		}
		a, ok := d.given.Find(r.typ)
		if !ok {
			a, ok = d.src.Made.Find(r.typ)
		}
		if !ok {
			return ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives no %v", r.typ)
		}
		if r.flags&notEmpty != 0 && len(a.Value) == 0 {
			return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v is empty", r.typ)
		}
	}
	return nil
}

// normal checks the form of a value and returns its one form: a boolean is 0
// or 1, a curve is its OID, a big integer has no leading zero.
func (r *rule) normal(a ck.Attribute) ([]byte, error) {
	bad := func(why string) ([]byte, error) {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v of %d bytes: %s", a.Type, len(a.Value), why)
	}
	switch ck.KindOf(a.Type) {
	case ck.KindBool:
		v, ok := a.Bool()
		if !ok {
			return bad("a CK_BBOOL has 1 byte")
		}
		return ck.Bool(a.Type, v).Value, nil
	case ck.KindUlong:
		if _, ok := a.Ulong(); !ok {
			return bad("it is a CK_ULONG")
		}
	case ck.KindDate:
		if !validDate(a.Value) {
			return bad("a date is 8 digits or nothing")
		}
	case ck.KindMechanisms:
		if _, ok := a.MechanismList(); !ok {
			return bad("a list of mechanisms is a row of CK_ULONG")
		}
	case ck.KindTemplate:
		return r.normalTemplate(a)
	}
	if limit := r.limit(); len(a.Value) > limit {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"%v has %d bytes; at most %d are stored", a.Type, len(a.Value), limit)
	}
	switch a.Type {
	case ck.CKA_EC_PARAMS:
		return normalCurve(a.Value)
	case ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT:
		return bytes.TrimLeft(a.Value, "\x00"), nil
	}
	return a.Value, nil
}

// normalTemplate puts the values of a nested template into their one form too,
// because keys are compared with them.
func (r *rule) normalTemplate(a ck.Attribute) ([]byte, error) {
	if limit := r.limit(); len(a.Value) > limit {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v has %d bytes; at most %d are stored", a.Type, len(a.Value), limit)
	}
	inner, err := ck.DecodeTemplate(a.Value)
	if err != nil {
		return nil, err
	}
	if inner, err = Once(inner); err != nil {
		return nil, err
	}
	for i, b := range inner {
		if inner[i].Value, err = (&rule{typ: b.Type}).normal(b); err != nil {
			return nil, err
		}
	}
	return ck.EncodeTemplate(inner), nil
}

func (r *rule) limit() int {
	if r.max == 0 {
		return MaxValue
	}
	return r.max
}

// validDate accepts CK_DATE: a year, month and day in digits, or none at all.
func validDate(v []byte) bool {
	if len(v) == 0 {
		return true
	}
	return len(v) == 8 && !slices.ContainsFunc(v, func(c byte) bool { return c < '0' || c > '9' })
}

// merge adds what the mechanism made to what the application gave.
func (d *draft) merge(made ck.Template) error {
	m, err := NewSet(made)
	if err != nil {
		return err
	}
	d.attrs = d.given
	for _, a := range m.Clone() {
		if d.schema.rules[a.Type] == nil {
			return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "the mechanism makes %v, which class %v does not have", a.Type, d.class)
		}
		if g, ok := d.given.Find(a.Type); ok && !bytes.Equal(g.Value, a.Value) {
			return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "the template's %v is not what the mechanism makes", a.Type)
		}
		d.attrs = d.attrs.With(a)
	}
	return nil
}

// setDefaults puts in what neither the template nor the mechanism said.
func (d *draft) setDefaults() {
	uses := d.defaultUses()
	add := make([]ck.Attribute, 0, len(d.schema.order))
	for _, r := range d.schema.order {
		switch {
		case d.attrs.Has(r.typ):
		case slices.Contains(uses, r.typ):
			add = append(add, ck.Bool(r.typ, true))
		case r.typ == ck.CKA_PRIVATE && d.src.LoggedOut && isGuarded(d.class) && MadePublic(ck.Template(d.attrs)):
			add = append(add, ck.Bool(r.typ, false))
		case r.typ == ck.CKA_WRAP_WITH_TRUSTED:
			add = append(add, ck.Bool(r.typ, d.sensitive()))
		case r.typ == ck.CKA_SENSITIVE:
			add = append(add, ck.Bool(r.typ, d.sensitive()))
		case r.typ == ck.CKA_EXTRACTABLE:
			add = append(add, ck.Bool(r.typ, d.isShort()))
		case r.def != nil && r.flags&implied == 0:
			add = append(add, ck.Attribute{Type: r.typ, Value: r.def})
		}
	}
	d.attrs = d.attrs.With(add...)
	d.attrs = d.attrs.With(uniqueID())
}

// MadePublic reports whether a private or secret key with this template is public where nobody is
// logged in and the template does not say. A key of the session is: nobody could use it otherwise.
// A key that asks for the PIN at each use is always private.
func MadePublic(t ck.Template) bool {
	is := func(typ ck.AttributeType) bool {
		a, _ := t.Find(typ)
		v, _ := a.Bool()
		return v
	}
	return !is(ck.CKA_TOKEN) && !is(ck.CKA_ALWAYS_AUTHENTICATE)
}

// isGuarded reports whether objects of the class are private or secret keys.
func isGuarded(class ck.ObjectClass) bool {
	return class == ck.CKO_PRIVATE_KEY || class == ck.CKO_SECRET_KEY
}

// sensitive is CKA_SENSITIVE, or what it will be where nothing says it.
func (d *draft) sensitive() bool {
	if d.attrs.Has(ck.CKA_SENSITIVE) {
		return d.attrs.Bool(ck.CKA_SENSITIVE)
	}
	return !d.isShort()
}

// defaultUses are the uses of a key whose template turns none on.
func (d *draft) defaultUses() []ck.AttributeType {
	for _, t := range usages() {
		if d.given.Bool(t) {
			return nil
		}
	}
	return d.schema.usage
}

func usages() []ck.AttributeType {
	return []ck.AttributeType{
		ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER, ck.CKA_VERIFY,
		ck.CKA_VERIFY_RECOVER, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE, ck.CKA_ENCAPSULATE, ck.CKA_DECAPSULATE,
	}
}

// uniqueID is a new CKA_UNIQUE_ID: 32 random hexadecimal digits.
func uniqueID() ck.Attribute {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return ck.String(ck.CKA_UNIQUE_ID, hex.EncodeToString(id[:]))
}

// setHistory sets what PKCS#11 records of a key's past (section 4.9).
func (d *draft) setHistory() {
	if d.class == ck.CKO_DATA || d.class == ck.CKO_CERTIFICATE {
		return
	}
	generated := d.src.Origin == Generate
	mechanism := ck.UnavailableInformation
	if generated {
		mechanism = uint64(d.src.Mechanism)
	}
	d.attrs = d.attrs.With(ck.Bool(ck.CKA_LOCAL, generated), ck.Ulong(ck.CKA_KEY_GEN_MECHANISM, mechanism))
	if d.class == ck.CKO_PUBLIC_KEY {
		return
	}
	// Who knows a password knows the key that is made of it.
	always := generated && d.src.Mechanism != ck.CKM_PKCS5_PBKD2
	never := generated
	if d.src.Origin == Derive && d.src.Base != nil {
		always = d.src.Base.Bool(ck.CKA_ALWAYS_SENSITIVE)
		never = d.src.Base.Bool(ck.CKA_NEVER_EXTRACTABLE)
	}
	d.attrs = d.attrs.With(
		ck.Bool(ck.CKA_ALWAYS_SENSITIVE, always && d.attrs.Bool(ck.CKA_SENSITIVE)),
		ck.Bool(ck.CKA_NEVER_EXTRACTABLE, never && !d.attrs.Bool(ck.CKA_EXTRACTABLE)))
}

// object splits the draft into what is secret and what is not.
func (d *draft) object() (*Object, error) {
	o := &Object{Attrs: make(Set, 0, len(d.attrs))}
	for _, a := range d.attrs {
		if r := d.schema.rules[a.Type]; r != nil && r.flags&implied != 0 && bytes.Equal(a.Value, r.def) {
			continue
		}
		if IsSecret(d.class, a.Type) {
			o.Secret = append(o.Secret, a)
		} else {
			o.Attrs = append(o.Attrs, a)
		}
	}
	if o.HasSecret() && o.Secret == nil {
		return nil, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the key has no material")
	}
	return o, nil
}
