package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

const objectsHead = `
## Objects

Applications make objects of these classes and types. Below each class is what
all its objects may have, beside each type what comes with it.
`

func objects(b *bytes.Buffer) {
	b.WriteString(objectsHead)
	kinds := object.Kinds()
	for len(kinds) > 0 {
		n := slices.IndexFunc(kinds, func(k object.Kind) bool { return k.Class != kinds[0].Class })
		if n < 0 {
			n = len(kinds)
		}
		class(b, kinds[:n])
		kinds = kinds[n:]
	}
	b.WriteString("\n### What is there without being made\n\n")
	b.WriteString("A search for their class finds them; nobody changes or destroys them.\n\n")
	for c := range ck.CKO_VENDOR_DEFINED {
		if object.Builtin(c) {
			fmt.Fprintf(b, "- %v\n", c)
		}
		if c > 0xff {
			break // classes are small numbers
		}
	}
}

// class writes one class: what its kinds have in common, and what not.
func class(b *bytes.Buffer, kinds []object.Kind) {
	common := slices.Clone(kinds[0].Attributes)
	for _, k := range kinds[1:] {
		common = slices.DeleteFunc(common, func(t ck.AttributeType) bool { return !slices.Contains(k.Attributes, t) })
	}
	fmt.Fprintf(b, "\n### %v\n\n%s\n", kinds[0].Class, names(common))
	if len(kinds) == 1 && kinds[0].Class == ck.CKO_DATA {
		return
	}
	b.WriteString("\n| Type | And also |\n|---|---|\n")
	for _, k := range kinds {
		own := slices.DeleteFunc(slices.Clone(k.Attributes), func(t ck.AttributeType) bool { return slices.Contains(common, t) })
		fmt.Fprintf(b, "| %s | %s |\n", typeName(k), names(own))
	}
}

func typeName(k object.Kind) string {
	if k.Class == ck.CKO_CERTIFICATE {
		return "CKC_X_509"
	}
	return ck.KeyType(k.Type).String()
}

func names(list []ck.AttributeType) string {
	var words []string
	for _, t := range list {
		words = append(words, t.String())
	}
	return strings.Join(words, ", ")
}
