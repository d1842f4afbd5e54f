package vtoken_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// findAll is a whole search, three handles at a time.
func findAll(t testing.TB, c *vtoken.Client, h ck.SessionHandle, template ck.Template) []ck.ObjectHandle {
	t.Helper()
	require.NoError(t, c.FindObjectsInit(h, template))
	var all []ck.ObjectHandle
	for {
		some, err := c.FindObjects(h, 3)
		require.NoError(t, err)
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	require.NoError(t, c.FindObjectsFinal(h))
	return all
}

func TestFind(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	create := func(template ck.Template) ck.ObjectHandle {
		t.Helper()
		o, err := c.CreateObject(h, template)
		require.NoError(w.t, err)
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
		require.NoError(w.t, err)
		handles = append(handles, o)
	}
	require.NoError(w.t, c.FindObjectsInit(h, nil))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.FindObjectsInit(h, nil)))
	require.NoError(w.t, c.DestroyObject(h, handles[0]))
	_, err := c.CreateObject(h, data("d", "v", onToken, public))
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	got, err := c.FindObjects(h, 10)
	require.NoError(w.t, err)
	require.Equal(t, handles[1:2], got, "found %v, want %v", got, handles[1:2])
	got, err = c.FindObjects(h, 0)
	require.NoError(w.t, err)
	require.Empty(t, got, "found %v of none wanted", got)
	require.NoError(w.t, c.FindObjectsFinal(h))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.FindObjectsFinal(h)))
	_, err = c.FindObjects(h, 1)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NoError(w.t, c.FindObjectsInit(h, nil))
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_FIND_OBJECTS))
	require.NoError(w.t, c.FindObjectsInit(h, nil))
}
