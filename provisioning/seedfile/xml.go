package seedfile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/htmlindex"
)

// maxDepth is how deep elements may be nested. PSKC needs ten.
const maxDepth = 32

// document reads an XML file element by element, within bounds.
type document struct {
	*xml.Decoder
	guard *guard
}

// guard passes the tokens of XML on while they are within bounds.
type guard struct {
	in    *xml.Decoder
	depth int
}

func newDocument(data []byte) *document {
	in := xml.NewDecoder(bytes.NewReader(data))
	in.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(label)
		if err != nil {
			return nil, fmt.Errorf("the character set %.40q is not known", label)
		}
		return e.NewDecoder().Reader(r), nil
	}
	g := &guard{in: in}
	return &document{xml.NewTokenDecoder(g), g}
}

// Token returns the next token.
func (g *guard) Token() (xml.Token, error) {
	t, err := g.in.RawToken()
	if err != nil {
		return nil, err
	}
	switch e := t.(type) {
	case xml.Directive:
		return nil, errors.New("the file has a document type definition; seed files have none")
	case xml.StartElement:
		if g.depth++; g.depth > maxDepth {
			return nil, fmt.Errorf("elements are nested deeper than %d", maxDepth)
		}
		if len(e.Attr) > maxDepth {
			return nil, fmt.Errorf("an element has more than %d attributes", maxDepth)
		}
	case xml.EndElement:
		g.depth--
	}
	return t, nil
}

// line returns the current line of the document.
func (d *document) line() int {
	line, _ := d.guard.in.InputPos()
	return line
}

// elements calls fn with the start of each element, except those within elements that fn
// has read, until the end of the file.
func (d *document) elements(fn func(start xml.StartElement) error) error {
	for {
		line := d.line()
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			if start, ok := t.(xml.StartElement); ok {
				line = d.line()
				err = fn(start)
			}
		}
		if err != nil {
			return d.wrap(line, err)
		}
	}
}

// wrap adds the line to an error. The reader of XML quotes names of elements and no
// values.
func (d *document) wrap(line int, err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		err = errors.New(syntax.Msg)
	}
	return fmt.Errorf("the XML is broken off after line %d: %w", line, err)
}

// chars is text that may be a secret; it is wiped after use.
type chars struct {
	Text []byte `xml:",chardata"`
}

func (c *chars) string() string {
	if c == nil {
		return ""
	}
	return string(bytes.TrimSpace(c.Text))
}
