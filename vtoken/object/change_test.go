package object_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Each attribute that may be turned: from, to, by C_SetAttributeValue and by
// C_CopyObject.
func TestTransitions(t *testing.T) {
	const (
		free = ck.CKR_OK
		bar  = ck.CKR_ATTRIBUTE_READ_ONLY
		sep  = ck.CKR_TEMPLATE_INCONSISTENT
	)
	for _, r := range []struct {
		typ              ck.AttributeType
		upChange, upCopy ck.Error         // from false to true
		dnChange, dnCopy ck.Error         // from true to false
		against          ck.AttributeType // is true where typ is false; 0 is none
	}{
		{ck.CKA_SENSITIVE, free, free, bar, bar, 0},
		{ck.CKA_EXTRACTABLE, bar, bar, free, free, 0},
		{ck.CKA_WRAP_WITH_TRUSTED, free, free, bar, bar, 0},
		{ck.CKA_PRIVATE, bar, free, bar, bar, 0},
		{ck.CKA_TOKEN, bar, free, bar, free, 0},
		{ck.CKA_MODIFIABLE, ck.CKR_ACTION_PROHIBITED, free, bar, free, 0},
		{ck.CKA_COPYABLE, bar, ck.CKR_ACTION_PROHIBITED, free, free, 0},
		{ck.CKA_DESTROYABLE, bar, free, bar, free, 0},
		{ck.CKA_SIGN, free, free, free, free, 0},
		{ck.CKA_VERIFY, free, free, free, free, 0},
		{ck.CKA_ENCRYPT, free, free, free, free, 0},
		{ck.CKA_DECRYPT, free, free, free, free, 0},
		{ck.CKA_DERIVE, free, free, free, free, 0},
		{ck.CKA_WRAP, bar, bar, free, free, 0},
		{ck.CKA_UNWRAP, bar, bar, free, free, 0},
		{ck.CKA_WRAP, bar, bar, free, free, ck.CKA_DECRYPT},
		{ck.CKA_UNWRAP, bar, bar, free, free, ck.CKA_ENCRYPT},
		{ck.CKA_DECRYPT, sep, sep, free, free, ck.CKA_WRAP},
		{ck.CKA_ENCRYPT, sep, sep, free, free, ck.CKA_UNWRAP},
	} {
		start := func(v bool) *object.Object {
			use := ck.CKA_SIGN // some use that is not in the way, so that no default is
			if r.typ == use {
				use = ck.CKA_VERIFY
			}
			more := []ck.Attribute{on(use), ck.Bool(r.typ, v)}
			if r.against != 0 && !v {
				more = append(more, on(r.against))
			}
			return build(t, aesTemplate(more...))
		}
		for _, c := range []struct {
			name string
			to   bool
			step func(*object.Object, ck.Template, bool) (*object.Object, error)
			want ck.Error
		}{
			{"up by a change", true, (*object.Object).Change, r.upChange},
			{"up by a copy", true, (*object.Object).Copy, r.upCopy},
			{"down by a change", false, (*object.Object).Change, r.dnChange},
			{"down by a copy", false, (*object.Object).Copy, r.dnCopy},
		} {
			o, err := c.step(start(!c.to), ck.Template{ck.Bool(r.typ, c.to)}, false)
			require.Equal(t, c.want, ck.CodeOf(err), "%v %s: %v, want %v", r.typ, c.name, err, c.want)
			if err == nil && o.Bool(r.typ) != c.to {
				t.Errorf("%v %s: it did not turn", r.typ, c.name)
			}
		}
	}
}

// What only the token sets, nobody changes.
func TestHistoryStays(t *testing.T) {
	o := build(t, aesTemplate())
	for _, typ := range []ck.AttributeType{ck.CKA_LOCAL, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE} {
		for _, v := range []bool{false, true} {
			_, err := o.Change(ck.Template{ck.Bool(typ, v)}, true)
			wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
			_, err = o.Copy(ck.Template{ck.Bool(typ, v)}, true)
			wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
		}
	}
}

func TestAlwaysAuthenticateStays(t *testing.T) {
	for _, v := range []bool{false, true} {
		o := build(t, privateTemplate(t, testRSA()), ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, v))
		_, err := o.Change(ck.Template{ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, !v)}, false)
		wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
		_, err = o.Copy(ck.Template{ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, !v)}, false)
		wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	}
}

func TestChange(t *testing.T) {
	o := build(t, aesTemplate()).WithoutSecret()
	o.ID, o.Version = 7, 3
	c, err := o.Change(ck.Template{ck.String(ck.CKA_LABEL, "new"), ck.Bytes(ck.CKA_ID, []byte{9})}, false)
	require.NoError(t, err)
	if c.Label() != "new" || c.KeyID()[0] != 9 || c.ID != 7 || c.Version != 3 || !c.Sealed() {
		t.Errorf("changed object is %+v", c)
	}
	require.Equal(t, "", o.Label(), "the old object changed")
	require.Equal(t, o.Attrs.Get(ck.CKA_UNIQUE_ID), c.Attrs.Get(ck.CKA_UNIQUE_ID), "the unique id changed")
	for name, c := range map[string]struct {
		t    ck.Template
		want ck.Error
	}{
		"class":       {ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)}, ck.CKR_ATTRIBUTE_READ_ONLY},
		"value":       {ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}, ck.CKR_ATTRIBUTE_READ_ONLY},
		"foreign":     {ck.Template{ck.Bytes(ck.CKA_MODULUS, nil)}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		"ours":        {ck.Template{ck.Bytes(ck.CKA_VENDOR_DEFINED|0x76540001, []byte{0})}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		"long label":  {ck.Template{ck.Bytes(ck.CKA_LABEL, make([]byte, 256))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"twice":       {ck.Template{on(ck.CKA_SIGN), off(ck.CKA_SIGN)}, ck.CKR_TEMPLATE_INCONSISTENT},
		"mechanisms":  {ck.Template{ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS)}, ck.CKR_ATTRIBUTE_READ_ONLY},
		"check value": {ck.Template{ck.Bytes(ck.CKA_CHECK_VALUE, []byte{1, 2, 3})}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"validation":  {ck.Template{ck.Ulong(ck.CKA_OBJECT_VALIDATION_FLAGS, uint64(1))}, ck.CKR_ATTRIBUTE_READ_ONLY},
		"all or none": {ck.Template{ck.String(ck.CKA_LABEL, "x"), off(ck.CKA_SENSITIVE)}, ck.CKR_ATTRIBUTE_READ_ONLY},
	} {
		if _, err := o.Change(c.t, false); ck.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	fixed := build(t, data(off(ck.CKA_MODIFIABLE)))
	_, err = fixed.Change(ck.Template{ck.String(ck.CKA_LABEL, "x")}, false)
	wantCode(t, err, ck.CKR_ACTION_PROHIBITED)
}

func TestCopy(t *testing.T) {
	o := build(t, aesTemplate(ck.String(ck.CKA_LABEL, "one")))
	o.ID, o.Version = 7, 3
	c, err := o.Copy(ck.Template{on(ck.CKA_TOKEN)}, false)
	require.NoError(t, err)
	if c.ID != 0 || c.Version != 0 || !c.Token() || c.Label() != "one" {
		t.Errorf("copy is %+v", c)
	}
	require.NotEqual(t, o.Attrs.Get(ck.CKA_UNIQUE_ID), c.Attrs.Get(ck.CKA_UNIQUE_ID), "two objects have one unique id")
	o.Secret.Wipe()
	require.NotEqual(t, o.Secret.Get(ck.CKA_VALUE), c.Secret.Get(ck.CKA_VALUE), "the copy shares the secret's memory")
	if _, err = o.WithoutSecret().Copy(nil, false); err != object.ErrSealed {
		t.Errorf("a sealed object: %v", err)
	}
	_, err = build(t, data(off(ck.CKA_COPYABLE))).Copy(nil, false)
	wantCode(t, err, ck.CKR_ACTION_PROHIBITED)
}

// A family is a key and all copies that were ever made of it, with what any of
// them ever could.
type family struct {
	members                        []*object.Object
	hides, decrypts, seals, writes bool
}

// guarded is a sensitive key that may be wrapped with any key.
func guarded(t *testing.T) *object.Object {
	return generated(t, on(ck.CKA_EXTRACTABLE), off(ck.CKA_WRAP_WITH_TRUSTED))
}

func (f *family) add(o, guarded *object.Object) {
	f.members = append(f.members, o)
	hides := o.Bool(ck.CKA_WRAP) && o.MayWrap(guarded) == nil
	f.hides = f.hides || hides
	f.seals = f.seals || hides && o.MaySeal(guarded) == nil
	f.decrypts = f.decrypts || o.Bool(ck.CKA_DECRYPT)
	f.writes = f.writes || o.Bool(ck.CKA_ENCRYPT)
}

// No walk of changes and copies brings a key to where one, at any time, wraps sensitive
// keys and another of the same value opens them, to where what was sensitive or
// unextractable is read, or to where what was private is public.
func TestNoWalkLeadsOut(t *testing.T) {
	victim := guarded(t)
	turned := []ck.AttributeType{
		ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_ENCRYPT, ck.CKA_DECRYPT,
		ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_PRIVATE, ck.CKA_TOKEN, ck.CKA_MODIFIABLE, ck.CKA_COPYABLE, ck.CKA_TRUSTED,
	}
	template := func(n int) (tpl ck.Template) {
		for range n {
			a := ck.Bool(turned[rand.IntN(len(turned))], rand.IntN(2) == 0)
			if _, twice := tpl.Find(a.Type); !twice {
				tpl = append(tpl, a)
			}
		}
		return tpl
	}
	built, moved, hid := 0, 0, false
	for range 3000 {
		o := generated(t, withoutTrust(template(rand.IntN(6)))...)
		if rand.IntN(3) == 0 {
			var err error
			if o, err = object.Build(object.Source{SO: true}, aesTemplate(template(rand.IntN(6))...)); err != nil {
				continue
			}
		}
		built++
		f := &family{}
		f.add(o, victim)
		for range 30 {
			from := f.members[rand.IntN(len(f.members))]
			step := from.Change
			if rand.IntN(2) == 0 {
				step = from.Copy
			}
			to, err := step(template(1+rand.IntN(3)), rand.IntN(2) == 0)
			if err != nil {
				continue
			}
			moved++
			f.add(to, victim)
			checkStep(t, from, to)
		}
		if f.hides && f.decrypts || f.seals && f.writes {
			t.Fatalf("one key hides and opens: %+v", f)
		}
		hid = hid || f.hides
	}
	if !hid || built < 500 || moved < 5000 {
		t.Errorf("only %d keys and %d steps were walked", built, moved)
	}
}

func withoutTrust(t ck.Template) ck.Template {
	return slices.DeleteFunc(t, func(a ck.Attribute) bool { return a.Type == ck.CKA_TRUSTED })
}

func checkStep(t *testing.T, from, to *object.Object) {
	t.Helper()
	for _, stays := range []ck.AttributeType{ck.CKA_SENSITIVE, ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_PRIVATE} {
		if from.Bool(stays) && !to.Bool(stays) {
			t.Fatalf("%v went from true to false", stays)
		}
	}
	for _, stays := range []ck.AttributeType{ck.CKA_EXTRACTABLE, ck.CKA_WRAP, ck.CKA_UNWRAP} {
		if !from.Bool(stays) && to.Bool(stays) {
			t.Fatalf("%v went from false to true", stays)
		}
	}
	if v, err := to.Read(ck.CKA_VALUE); err == nil && (from.Sensitive() || !from.Extractable()) {
		t.Fatalf("%d bytes of a guarded key are read", len(v))
	}
}
