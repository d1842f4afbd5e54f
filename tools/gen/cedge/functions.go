package main

import (
	"fmt"
	"strings"

	"vtoken/tools/gen/cryptoki"
)

// function is a function of the table with what cedge writes of it.
type function struct{ cryptoki.Function }

// functions reads the table, and checks that it speaks the vocabulary of shapes.
func functions() ([]function, error) {
	table, err := cryptoki.Functions()
	if err != nil {
		return nil, err
	}
	list := make([]function, 0, len(table))
	for _, f := range table {
		for _, p := range f.Params {
			if s, ok := shapes[p.Kind]; !ok || len(s.ctypes) != len(p.Names) {
				return nil, fmt.Errorf("%s: %s is no kind of parameter, or has another number of names", f.Name, p.Kind)
			}
		}
		list = append(list, function{f})
	}
	return list, nil
}

// fill puts the names of p into a text of its shape.
func fill(p cryptoki.Param, text string) string {
	for i, name := range p.Names {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), name)
	}
	return text
}

// goName is the name of the function on the remote client: C_Sign is Sign.
func (f function) goName() string { return strings.TrimPrefix(f.Name, "C_") }

// exported is the name of the Go function that the C front calls.
func (f function) exported() string { return "vtoken" + f.goName() }
