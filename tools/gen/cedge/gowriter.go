package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"vtoken/tools/gen/cryptoki"
)

// goEdge writes the exported Go functions.
func goEdge(list []function) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n\npackage main\n\n// #include \"cryptoki.h\"\nimport \"C\"\n\n", generated)
	b.WriteString("import (\n\t\"vtoken/p11module/remote\"\n\t\"vtoken/vtoken/ck\"\n\t\"vtoken/vtoken/secret\"\n)\n")
	for _, f := range list {
		if f.Answer == cryptoki.ToGo {
			f.writeEdge(&b)
		}
	}
	return format.Source(b.Bytes())
}

func (f function) writeEdge(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n//export %s\nfunc %s(%s) (rv C.CK_RV) {\n", f.exported(), f.exported(), f.goParams())
	b.WriteString("\tc := client()\n\tif c == nil {\n\t\treturn notInitialized\n\t}\n")
	if f.Ends {
		fmt.Fprintf(b, "\tdefer recoverIn(%q, %s, &rv)\n", f.Name, f.Params[0].Names[0])
	} else {
		fmt.Fprintf(b, "\tdefer recoverTo(%q, &rv)\n", f.Name)
	}
	var args, results []string
	var stores, late []string
	for _, p := range f.Params {
		s := shapes[p.Kind]
		switch {
		case s.fails:
			v := fmt.Sprintf("v%d", len(args))
			fmt.Fprintf(b, "\t%s, err := %s\n\tif err != nil {\n\t\treturn %s\n\t}\n", v, fill(p, s.goIn), f.failure())
			args = append(args, v)
		case s.goIn != "":
			args = append(args, fill(p, s.goIn))
		}
		if s.goOut != "" {
			r := fmt.Sprintf("r%d", len(results))
			results = append(results, r)
			store := strings.ReplaceAll(fill(p, s.goOut), "{r}", r)
			if s.always {
				late = append(late, store)
			} else {
				stores = append(stores, store)
			}
		}
	}
	f.writeCall(b, args, results, stores, late)
}

// failure is what answers arguments that cannot be converted.
func (f function) failure() string {
	if f.Ends {
		return fmt.Sprintf("refuse(c, %q, %s, err)", f.Name, f.Params[0].Names[0])
	}
	return fmt.Sprintf("fail(c, %q, err)", f.Name)
}

func (f function) writeCall(b *bytes.Buffer, args, results, stores, late []string) {
	lhs := strings.Join(append(results, "err"), ", ")
	assign := ":="
	if len(results) == 0 && f.hasFailing() {
		assign = "="
	}
	fmt.Fprintf(b, "\t%s %s c.%s(%s)\n", lhs, assign, f.goName(), strings.Join(args, ", "))
	if len(stores) > 0 {
		fmt.Fprintf(b, "\tif err == nil {\n\t\t%s\n\t}\n", strings.Join(stores, "\n\t\t"))
	}
	if len(late) > 0 {
		fmt.Fprintf(b, "\tif tellsLength(err) {\n\t\t%s\n\t}\n", strings.Join(late, "\n\t\t"))
	}
	fmt.Fprintf(b, "\tif t := c.Trace(); t != nil {\n\t\tt.Call(%q, err%s)\n\t}\n", f.Name, f.traceArgs())
	b.WriteString("\treturn code(err)\n}\n")
}

func (f function) traceArgs() string {
	var b strings.Builder
	for _, p := range f.Params {
		if t := shapes[p.Kind].trace; t != "" {
			b.WriteString(", " + fill(p, t))
		}
	}
	return b.String()
}

func (f function) hasFailing() bool {
	for _, p := range f.Params {
		if shapes[p.Kind].fails {
			return true
		}
	}
	return false
}

func (f function) goParams() string {
	var list []string
	for _, p := range f.Params {
		for i, name := range p.Names {
			list = append(list, name+" "+goType(shapes[p.Kind].ctypes[i]))
		}
	}
	return strings.Join(list, ", ")
}

// goType is the cgo spelling of a C type.
func goType(ctype string) string { return "C." + ctype }
