package directory

import (
	"encoding/base64"
	"encoding/json"
	"errors"
)

// Cursor is a search and the place where it continues. Its text goes to the client, which
// may change it: a made-up cursor finds what a search finds.
type Cursor struct {
	Where      []Criterion `json:"w,omitempty"`
	OrderBy    Field       `json:"o"`
	Descending bool        `json:"d,omitempty"`
	After      *Place      `json:"a"`
	// Back continues before After, towards the start.
	Back bool `json:"b,omitempty"`
}

// maxCursor bounds the text of a cursor.
const maxCursor = 4096

// String returns the text of a cursor: base64url without padding.
func (c Cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		return "" // a struct of texts and numbers always encodes
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads the text of a cursor.
func ParseCursor(text string) (Cursor, error) {
	var c Cursor
	if len(text) <= maxCursor {
		if b, err := base64.RawURLEncoding.DecodeString(text); err == nil && json.Unmarshal(b, &c) == nil && c.After != nil {
			return c, nil
		}
	}
	return Cursor{}, errors.New("the text is not a cursor")
}

// Around returns the texts of the cursors of the pages after and before a page of hits at
// c, empty where there is none. more says that the search found more in its direction.
func (c Cursor) Around(hits []Hit, more bool) (next, prev string) {
	forth, back := c, c
	forth.Back, forth.After = false, &hits[len(hits)-1].Place
	back.Back, back.After = true, &hits[0].Place
	if more || c.Back {
		next = forth.String()
	}
	if c.Back && more || !c.Back && c.After != nil {
		prev = back.String()
	}
	return next, prev
}
