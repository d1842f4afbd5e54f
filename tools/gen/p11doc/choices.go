package main

import (
	"bytes"
	"fmt"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
)

// where says which packages make choices about the standard, and under which
// headings of their comments.
var where = [...]struct{ title, folder, heading string }{
	{"The library", "p11module", "Choices where PKCS#11 leaves one"},
	{"Sessions, logins and operations", "vtoken", "Choices where the standard leaves one"},
	{"Mechanisms", "vtoken/mech", "Choices where PKCS#11 leaves one, or where safety asks for one"},
	{"Defaults of attributes", "vtoken/object", "Defaults that PKCS#11 leaves to the token"},
	{"Rules of objects", "vtoken/object", "What is stricter than PKCS#11"},
}

const choicesHead = `
## Choices and deviations

Where the standard leaves a choice, and where vtoken departs from it on purpose.
`

func choices(b *bytes.Buffer, root string) error {
	b.WriteString(choicesHead)
	for _, w := range where {
		text, err := section(filepath.Join(root, filepath.FromSlash(w.folder), "doc.go"), w.heading)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n### %s\n\n%s", w.title, forReaders(text))
	}
	return nil
}

// forReaders removes what only readers of the code need: links to names, and escapes.
func forReaders(text []byte) []byte {
	link := regexp.MustCompile(`\\\[(\w+)\]`)
	text = link.ReplaceAll(text, []byte("$1"))
	return bytes.ReplaceAll(text, []byte(`\_`), []byte(`_`))
}

// section is the part of a package's comment below a heading, in Markdown.
func section(file, heading string) ([]byte, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return nil, err
	}
	var p comment.Parser
	var part comment.Doc
	within := false
	for _, block := range p.Parse(f.Doc.Text()).Content {
		if h, ok := block.(*comment.Heading); ok {
			within = plain(h.Text) == heading
			continue
		}
		if within {
			part.Content = append(part.Content, block)
		}
	}
	if len(part.Content) == 0 {
		return nil, fmt.Errorf("%s has nothing below the heading %q", file, heading)
	}
	var printer comment.Printer
	printer.DocLinkURL = func(*comment.DocLink) string { return "" }
	return printer.Markdown(&part), nil
}

func plain(text []comment.Text) string {
	var s strings.Builder
	for _, t := range text {
		if p, ok := t.(comment.Plain); ok {
			s.WriteString(string(p))
		}
	}
	return s.String()
}
