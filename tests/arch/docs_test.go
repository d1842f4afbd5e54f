package arch

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// document is a Markdown file.
type document struct {
	path  string // from the root
	text  string // without its code
	code  []snippet
	slugs map[string]bool // the anchors of its headings
}

// snippet is code of a document: a line of a block, joined with those that it goes on
// in, or a span.
type snippet struct {
	line int
	text string
}

var (
	codeSpan = regexp.MustCompile("`+[^`]+`+")
	heading  = regexp.MustCompile(`^#{1,6} +(.*)$`)
	notSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]+`)
)

// slug is the anchor that GitHub and others give a heading.
func slug(heading string) string {
	return strings.ReplaceAll(strings.ToLower(notSlug.ReplaceAllString(heading, "")), " ", "-")
}

// readDocument parses a file as far as these rules need it.
func readDocument(path, text string) *document {
	d := &document{path: path, slugs: map[string]bool{}}
	fenced, joined := false, ""
	var prose strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			if more, ok := strings.CutSuffix(line, `\`); ok {
				joined += more
				continue
			}
			d.code = append(d.code, snippet{i + 1, joined + line})
			joined = ""
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			d.slugs[slug(m[1])] = true
		}
		for _, span := range codeSpan.FindAllString(line, -1) {
			d.code = append(d.code, snippet{i + 1, strings.Trim(span, "`")})
		}
		prose.WriteString(codeSpan.ReplaceAllString(line, "") + "\n")
	}
	d.text = prose.String()
	return d
}

// documents are all Markdown files of the module.
func documents(t *testing.T) (all []*document) {
	t.Helper()
	dir, err := root()
	require.NoError(t, err)
	for _, name := range sources(t, dir) {
		if filepath.Ext(name) == ".md" && !strings.Contains(name, "testdata/") {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			all = append(all, readDocument(name, string(text)))
		}
	}
	require.Greater(t, len(all), 30, "the documents were not found")
	return all
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocsLinks: every relative link leads to a file, and to a heading where it names one.
func TestDocsLinks(t *testing.T) {
	dir, err := root()
	require.NoError(t, err)
	all, byPath, links := documents(t), map[string]*document{}, 0
	for _, d := range all {
		byPath[d.path] = d
	}
	for _, d := range all {
		for _, m := range link.FindAllStringSubmatch(d.text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			links++
			path := d.path
			if target != "" {
				path = filepath.Join(filepath.Dir(d.path), target)
			}
			if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
				t.Errorf("%s links to %s, which is not there", d.path, m[1])
			} else if to := byPath[path]; anchor != "" && to != nil && !to.slugs[anchor] {
				t.Errorf("%s links to %s, and there is no such heading", d.path, m[1])
			}
		}
	}
	require.Greater(t, links, 50, "the links were not found")
}

var testName = regexp.MustCompile(`\b(Test|Fuzz|Benchmark)[A-Z]\w*\b`)

// TestDocsNameTests: a document names no test that is not there.
func TestDocsNameTests(t *testing.T) {
	tests := map[string]bool{}
	for _, f := range files(t) {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && fn.Recv == nil {
				tests[fn.Name.Name] = true
			}
		}
	}
	named := 0
	for _, d := range documents(t) {
		for _, c := range d.code {
			for _, name := range testName.FindAllString(c.text, -1) {
				named++
				if !tests[name] {
					t.Errorf("%s:%d names %s, which is no test", d.path, c.line, name)
				}
			}
		}
	}
	require.Greater(t, named, 50, "the names of tests were not found")
}

// TestDocsNamePaths: a document names no file of the module that is not there.
func TestDocsNamePaths(t *testing.T) {
	dir, err := root()
	require.NoError(t, err)
	ours := regexp.MustCompile(`^(\./)?(daemon|docs|keystore|p11module|packaging|provisioning|tests|tools|vtoken)/[\w./*-]+$`)
	named := 0
	for _, d := range documents(t) {
		for _, c := range d.code {
			for _, word := range strings.FieldsFunc(c.text, func(r rune) bool { return strings.ContainsRune(" \t'\"`,;()=", r) }) {
				if !ours.MatchString(word) || strings.HasSuffix(word, ".sock") {
					continue
				}
				named++
				pattern := strings.TrimSuffix(strings.TrimSuffix(word, "..."), ".")
				if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) == 0 {
					t.Errorf("%s:%d names %s, which is not there", d.path, c.line, word)
				}
			}
		}
	}
	require.Greater(t, named, 30, "the paths were not found")
}

// command is a program at the place of a command in a line of the shell, and what
// follows.
var command = regexp.MustCompile(`(?:^|[|;&(]|\b(?:sudo|then|do)\b|\$ )\s*(?:[A-Z_]+=\S* )*(?:bin/)?(vtoken|vtokend|p11bench|make) ([^|;&#]*(?:\|[^ ][^|;&#]*)*)`)

// TestDocsNameCommands: the commands of the documents have the targets, verbs and flags
// that they name.
func TestDocsNameCommands(t *testing.T) {
	cli := readHelp(t)
	targets := makeTargets(t)
	words := map[string]map[string]bool{
		"vtokend":  literals(t, "daemon"),
		"p11bench": literals(t, "tools/p11bench"),
	}
	named := 0
	for _, d := range documents(t) {
		for _, c := range d.code {
			for _, m := range command.FindAllStringSubmatch(c.text, -1) {
				named++
				problem := ""
				switch program, args := m[1], arguments(m[2]); program {
				case "vtoken":
					problem = cli.check(args)
				case "make":
					problem = unknownTarget(args, targets)
				default:
					problem = unknownWord(args, words[program])
				}
				if problem != "" {
					t.Errorf("%s:%d: %q: %s", d.path, c.line, c.text, problem)
				}
			}
		}
	}
	require.Greater(t, named, 150, "the commands were not found")
}

// arguments are the words of a command line, without redirections and what is quoted.
func arguments(text string) (args []string) {
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'`)
	for _, word := range strings.Fields(quoted.ReplaceAllString(text, "QUOTED")) {
		args = append(args, strings.Trim(word, "[]()"))
	}
	return args
}

func unknownTarget(args []string, targets map[string]bool) string {
	for _, arg := range args {
		if !strings.Contains(arg, "=") && !strings.HasPrefix(arg, "-") && !targets[arg] {
			return "there is no target " + arg
		}
	}
	return ""
}

// unknownWord looks for flags, and for a first argument, in the words that a program knows.
func unknownWord(args []string, known map[string]bool) string {
	for i, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		verb := i == 0 && regexp.MustCompile(`^[a-z][a-z-]+$`).MatchString(arg)
		if (isFlag || verb) && !known[name] && !known["--"+name] && name != "help" {
			return "the program knows no " + arg
		}
	}
	return ""
}

// makeTargets are the targets that the Makefile explains.
func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	dir, err := root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	require.NoError(t, err)
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):.*## `).FindAllStringSubmatch(string(text), -1) {
		targets[m[1]] = true
	}
	require.NotEmpty(t, targets)
	return targets
}

// literals are the texts in the sources of a folder and those below.
func literals(t *testing.T, folder string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, f := range files(t) {
		if f.test || f.pkg.path() != folder && !strings.HasPrefix(f.pkg.path(), folder+"/") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					all[text] = true
				}
			}
			return true
		})
	}
	require.NotEmpty(t, all)
	return all
}

// help is the command line of vtoken, from its help, which a test of its own keeps current.
type help struct {
	flags  map[string]map[string]bool // by command
	groups map[string]bool            // commands that only hold others
}

func readHelp(t *testing.T) help {
	t.Helper()
	dir, err := root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "tools/vtokenctl/testdata/help.golden"))
	require.NoError(t, err)
	h := help{flags: map[string]map[string]bool{}, groups: map[string]bool{}}
	flag := regexp.MustCompile(`^ +(?:-(\w), )?--([a-z0-9-]+)`)
	name := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if rest, ok := strings.CutPrefix(line, "-- vtoken"); ok && strings.HasSuffix(rest, " --") {
			name = strings.TrimSpace(strings.TrimSuffix(rest, "--"))
			h.flags[name] = map[string]bool{"--help": true, "-h": true}
			for parent := name; strings.Contains(parent, " "); {
				parent = parent[:strings.LastIndex(parent, " ")]
				h.groups[parent] = true
			}
		}
		if m := flag.FindStringSubmatch(line); m != nil {
			h.flags[name]["--"+m[2]] = true
			if m[1] != "" {
				h.flags[name]["-"+m[1]] = true
			}
		}
	}
	require.Greater(t, len(h.flags), 50, "the commands were not found")
	return h
}

// check says what is wrong with a command line, or nothing. Alternatives are written
// with a bar: add|list. What stands in capitals is for the reader to fill in.
func (h help) check(args []string) string {
	name, rest := "", args
	for len(rest) > 0 && (name == "" || h.groups[name]) && !strings.HasPrefix(rest[0], "-") {
		if rest[0] == strings.ToUpper(rest[0]) {
			return ""
		}
		verbs := strings.Split(rest[0], "|")
		for _, verb := range verbs {
			full := strings.TrimSpace(name + " " + verb)
			if h.flags[full] == nil && !h.groups[full] {
				return "there is no command vtoken " + full
			}
		}
		name = strings.TrimSpace(name + " " + verbs[0])
		rest = rest[1:]
	}
	known := maps.Clone(h.flags[""])
	for command, flags := range h.flags {
		if command == name || strings.HasPrefix(command, name+" ") {
			maps.Copy(known, flags)
		}
	}
	for _, arg := range rest {
		for one := range strings.SplitSeq(arg, "|") {
			if one, _, _ = strings.Cut(one, "="); strings.HasPrefix(one, "-") && one != "-" && !known[one] {
				return "vtoken " + name + " has no flag " + one + "; it has " + strings.Join(slices.Sorted(maps.Keys(known)), " ")
			}
		}
	}
	return ""
}

// TestDocsGiveReasons: no file cites a list of requirements that is not in the module, such
// as a letter and two digits in brackets. Comments say the reason in words.
func TestDocsGiveReasons(t *testing.T) {
	dir, err := root()
	require.NoError(t, err)
	code, read := regexp.MustCompile(`\([CPSRK][0-9]{2}\b`), 0
	for _, name := range sources(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		if !utf8.Valid(text) {
			continue
		}
		read++
		for i, line := range strings.Split(string(text), "\n") {
			if found := code.FindString(line); found != "" {
				t.Errorf("%s:%d has %s), which means nothing to its readers", name, i+1, found)
			}
		}
	}
	require.Greater(t, read, 200, "the files were not found")
}
