package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func (f *format) String() string { return string(*f) }
func (f *format) Type() string   { return "FORMAT" }

// Set reads the flag.
func (f *format) Set(s string) error {
	switch format(s) {
	case formatText, formatJSON:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("the formats are text and json")
}

// addFlag adds --output to a command.
func (f *format) addFlag(cmd *cobra.Command) {
	*f = formatText
	cmd.Flags().VarP(f, "output", "o", "`FORMAT` of the answer: text or json")
	complete(cmd, "output", string(formatText), string(formatJSON))
}

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is named wrongly, in this program
	}
}

// writeJSON writes v for programs to read.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeTable writes rows below a heading, in columns.
func writeTable(w io.Writer, heading []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, text := range row {
			cells[i] = cell(text)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// writeFields writes names and values, one pair per line.
func writeFields(w io.Writer, fields [][2]string) error {
	shown := make([][2]string, len(fields))
	for i, f := range fields {
		shown[i] = [2]string{f[0], cell(f[1])}
	}
	return writePairs(w, shown)
}

// writePairs is writeFields for values that are quoted where necessary.
func writePairs(w io.Writer, pairs [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		fmt.Fprintf(t, "%s\t%s\n", p[0], p[1])
	}
	return t.Flush()
}

// isPlain reports whether a character is displayed as itself: it does not control the
// terminal, change the direction of writing, stay invisible, or look like an ASCII digit
// or blank. provisioning/names.go refuses the others in new names.
func isPlain(r rune) bool {
	switch {
	case r == ' ' || '0' <= r && r <= '9':
		return true
	case r == unicode.ReplacementChar, !unicode.IsPrint(r), unicode.IsDigit(r):
		return false
	}
	return !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// printable makes text from outside fit for a terminal: characters that are not plain are
// escaped as in Go and JSON, such as \u202e.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !isPlain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case isPlain(r):
			b.WriteRune(r)
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, s[i]) // no UTF-8
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// quoted returns printable text in double quotes, with quotes and backslashes escaped, so
// that the end of the text is visible.
func quoted(s string) string {
	return `"` + printable(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// cell returns text as a column of a table or the value of a field: unchanged if it
// cannot be taken for several columns or for "-", which means nothing, and otherwise
// quoted.
func cell(s string) string {
	switch {
	case s == "":
		return "-"
	case s == "-", strings.HasPrefix(s, `"`), strings.Contains(s, "  "), strings.TrimSpace(s) != s, printable(s) != s:
		return quoted(s)
	}
	return s
}

// word returns text as the value of name=value in a line: unchanged if it is one word.
func word(s string) string {
	if s == "" || strings.ContainsAny(s, ` "\`) || printable(s) != s {
		return quoted(s)
	}
	return s
}

// date formats a time for listings.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// count formats a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
