package object

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

var update = flag.Bool("update", false, "write testdata/kinds.golden again")

// tablesFile has the tables of all kinds of object in one piece, to be read beside the standard.
const tablesFile = "testdata/kinds.golden"

// A rule decides who may set, read or change an attribute, so that none changes unnoticed.
func TestTables(t *testing.T) {
	var tables []string
	kindsOf := make(map[string]string) // of those that have one table
	for _, k := range Kinds() {
		require.Len(t, k.Attributes, len(schemas[kind{k.Class, k.Type}].order))
		table := tableOf(k)
		if kindsOf[table] == "" {
			tables = append(tables, table)
		}
		kindsOf[table] += fmt.Sprintf("%v %s\n", k.Class, typeName(k))
	}
	var b strings.Builder
	for _, table := range tables {
		b.WriteString(kindsOf[table] + table + "\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(tablesFile, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(tablesFile)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}

func tableOf(k Kind) string {
	s := schemas[kind{k.Class, k.Type}]
	var b strings.Builder
	if len(s.usage) > 0 {
		fmt.Fprintf(&b, "\tuses where none is given: %v\n", s.usage)
	}
	for _, typ := range k.Attributes {
		r := s.rules[typ]
		fmt.Fprintf(&b, "\t%v%s", typ, flagNames(r.flags))
		if r.def != nil {
			fmt.Fprintf(&b, " default=%x", r.def)
		}
		if r.max != 0 {
			fmt.Fprintf(&b, " max=%d", r.max)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func typeName(k Kind) string {
	if t, _ := subtype(k.Class); t == ck.CKA_KEY_TYPE {
		return ck.KeyType(k.Type).String()
	}
	return fmt.Sprint(k.Type)
}

func flagNames(f ruleFlag) string {
	var b strings.Builder
	for _, n := range []struct {
		flag ruleFlag
		name string
	}{
		{needCreate, "needCreate"}, {banCreate, "banCreate"}, {needGenerate, "needGenerate"},
		{banGenerate, "banGenerate"}, {needUnwrap, "needUnwrap"}, {banUnwrap, "banUnwrap"}, {change, "change"},
		{inCopy, "inCopy"}, {bySO, "bySO"}, {onlyUp, "onlyUp"}, {onlyDown, "onlyDown"}, {computed, "computed"},
		{notEmpty, "notEmpty"}, {implied, "implied"}, {fixed, "fixed"},
	} {
		if f&n.flag != 0 {
			b.WriteString(" " + n.name)
		}
	}
	return b.String()
}
