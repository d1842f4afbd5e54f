package directory_test

import (
	"reflect"
	"testing"

	"vtoken/provisioning/directory"
)

// FuzzCursor: no text of a stranger breaks the reader, and what it takes comes
// back.
func FuzzCursor(f *testing.F) {
	seed := directory.Cursor{
		Where: []directory.Criterion{{Field: directory.Serial, Op: directory.Contains, Value: "7"}}, OrderBy: directory.Created,
		Descending: true, After: &directory.Place{Value: "v", Slot: 9}, Back: true,
	}
	for _, text := range []string{seed.String(), "", "e30", "!", "eyJhIjp7fX0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := directory.ParseCursor(text)
		if err != nil {
			return
		}
		again, err := directory.ParseCursor(c.String())
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%+v came back as %+v, %v", c, again, err)
		}
		_, _ = directory.New().Search(directory.Query{Tenant: "t", Where: c.Where, OrderBy: c.OrderBy, Limit: 1, After: c.After})
	})
}
