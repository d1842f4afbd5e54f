package vtoken_test

import (
	"slices"
	"testing"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// findAll is a whole search, three handles at a time.
func findAll(t testing.TB, c *vtoken.Client, h ck.SessionHandle, template ck.Template) []ck.ObjectHandle {
	t.Helper()
	if err := c.FindObjectsInit(h, template); err != nil {
		t.Fatal(err)
	}
	var all []ck.ObjectHandle
	for {
		some, err := c.FindObjects(h, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if err := c.FindObjectsFinal(h); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	create := func(template ck.Template) ck.ObjectHandle {
		t.Helper()
		o, err := c.CreateObject(h, template)
		w.ok(err)
		return o
	}
	a := create(data("a", "1", onToken, public))
	b := create(data("b", "1", onToken))
	b2 := create(data("b", "2", onToken, public))
	s := create(data("b", "3", public))

	for _, tc := range []struct {
		name     string
		template ck.Template
		want     []ck.ObjectHandle
	}{
		{"everything", nil, []ck.ObjectHandle{a, b, b2, s}},
		{"label", ck.Template{ck.String(ck.CKA_LABEL, "b")}, []ck.ObjectHandle{b, b2, s}},
		{"label and value", ck.Template{ck.String(ck.CKA_LABEL, "b"), ck.String(ck.CKA_VALUE, "2")}, []ck.ObjectHandle{b2}},
		{"class", ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)}, []ck.ObjectHandle{a, b, b2, s}},
		{"flag", ck.Template{private}, []ck.ObjectHandle{b}},
		{"token flag", ck.Template{ck.Bool(ck.CKA_TOKEN, false)}, []ck.ObjectHandle{s}},
		{"no such value", ck.Template{ck.String(ck.CKA_LABEL, "c")}, nil},
		{"no such type", ck.Template{ck.String(ck.CKA_LABEL, "b"), ck.Ulong(ck.CKA_VENDOR_DEFINED, uint64(1))}, nil},
	} {
		if got := findAll(t, c, h, tc.template); !slices.Equal(got, tc.want) {
			t.Errorf("%s: found %v, want %v", tc.name, got, tc.want)
		}
	}

	// Another application without login sees neither private nor session objects.
	other, oh := w.open(ro)
	if got := findAll(t, other, oh, nil); !slices.Equal(got, []ck.ObjectHandle{a, b2}) {
		t.Errorf("another application finds %v", got)
	}
}

// A search is of the moment when it began, less what went away or was hidden.
func TestFindWhileThingsChange(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	var handles []ck.ObjectHandle
	for _, label := range []string{"a", "b", "c"} {
		o, err := c.CreateObject(h, data(label, "v", onToken, ck.Bool(ck.CKA_PRIVATE, label == "c")))
		w.ok(err)
		handles = append(handles, o)
	}
	w.ok(c.FindObjectsInit(h, nil))
	want(t, c.FindObjectsInit(h, nil), ck.CKR_OPERATION_ACTIVE)
	w.ok(c.DestroyObject(h, handles[0]))
	_, err := c.CreateObject(h, data("d", "v", onToken, public))
	w.ok(err)
	w.ok(c.Logout(h))
	got, err := c.FindObjects(h, 10)
	w.ok(err)
	if !slices.Equal(got, handles[1:2]) {
		t.Errorf("found %v, want %v", got, handles[1:2])
	}
	got, err = c.FindObjects(h, 0)
	w.ok(err)
	if len(got) != 0 {
		t.Errorf("found %v of none wanted", got)
	}
	w.ok(c.FindObjectsFinal(h))
	want(t, c.FindObjectsFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
	_, err = c.FindObjects(h, 1)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	w.ok(c.FindObjectsInit(h, nil))
	w.ok(c.SessionCancel(h, ck.CKF_FIND_OBJECTS))
	w.ok(c.FindObjectsInit(h, nil))
}
