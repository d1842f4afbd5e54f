package keystore

import (
	"bytes"
	"testing"
	"time"

	"vtoken/keystore/schema"
)

// Recipients are read before there is a key, so they are hostile input.
func FuzzParseRecipient(f *testing.F) {
	r := recipient{ID: schema.ID{1}, URI: DefaultKEK, Wrapped: []byte("wrapped"), Created: time.Unix(1, 0).UTC()}
	f.Add(schema.Record(schema.PrefixRecipient, r.ID), r.encode())
	f.Add([]byte("r"), []byte("{}"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := parseRecipient(key, value)
		if err != nil || r.Created.Year() > 9999 || r.Created.Year() < 0 {
			return
		}
		again, err := parseRecipient(key, r.encode())
		if err != nil || again.URI != r.URI && len(r.URI) == len(again.URI) || !bytes.Equal(again.Wrapped, r.Wrapped) {
			t.Errorf("%q: %+v, then %+v, %v", value, r, again, err)
		}
	})
}
