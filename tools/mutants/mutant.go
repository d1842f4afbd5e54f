package main

import (
	"bytes"
	"slices"
	"strings"
)

// mutant is a file with one fault: the bytes from..to of the text replaced.
type mutant struct {
	pkg      string // import path
	path     string // of the file on disk
	file     string // path below the module's folder
	function string // with #2 for the second place in it that has the same change
	line     int
	from, to int
	with     string
	text     []byte // of the file without the fault
}

// source is the text of the file with the fault.
func (m mutant) source() []byte {
	return slices.Concat(m.text[:m.from], []byte(m.with), m.text[m.to:])
}

// key tells mutants apart by what they change, wherever the lines are.
type key struct {
	file, function string
	removed, added string // lines, without their indentation
}

// key is the place of the fault and its lines before and after.
func (m mutant) key() key {
	start := bytes.LastIndexByte(m.text[:m.from], '\n') + 1
	end := len(m.text)
	if i := bytes.IndexByte(m.text[m.to:], '\n'); i >= 0 {
		end = m.to + i
	}
	after := string(m.text[start:m.from]) + m.with + string(m.text[m.to:end])
	return key{m.file, m.function, trimLines(string(m.text[start:end])), trimLines(after)}
}

// trimLines takes the indentation from lines, and leaves out those without text.
func trimLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// String is the form in which survivors are printed, and which equivalent.txt has.
func (k key) String() string {
	var b strings.Builder
	b.WriteString(k.file + " " + k.function + "\n")
	for line := range strings.Lines(k.removed) {
		b.WriteString("\t-" + strings.TrimSuffix(line, "\n") + "\n")
	}
	for line := range strings.Lines(k.added) {
		b.WriteString("\t+" + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}
