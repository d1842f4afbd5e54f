package dialecttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"vtoken/provisioning/dialect"
)

// Run plays every archive in testdata. Together they must use every operation of the
// dialect's document successfully.
func Run(t *testing.T, make dialect.New) {
	RunWith(t, make, nil)
}

// RunWith is Run with more names than {{tenant}} and {{key}}, such as a credential of the
// dialect's own kind.
func RunWith(t *testing.T, make dialect.New, known func(*Server) map[string]string) {
	served := map[string]bool{}
	var d dialect.Dialect
	eachScene(t, make, known, func(sc *scene, files []txtar.File) {
		sc.play(files)
		d = sc.server.Dialect
		maps.Copy(served, sc.server.served)
	})
	for path, item := range Document(t, d).Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" || !served[op.OperationID] {
				t.Errorf("no golden exchange has %s %s (%q) succeed", method, path, op.OperationID)
			}
		}
	}
}

// eachScene runs fn for every archive in testdata, on a fresh server each.
func eachScene(t *testing.T, make dialect.New, known func(*Server) map[string]string, fn func(*scene, []txtar.File)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden exchanges in testdata (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			s := New(t, make)
			sc := &scene{t: t, server: s, known: map[string]string{"tenant": string(s.Tenant), "key": s.Key}}
			if known != nil {
				maps.Copy(sc.known, known(s))
			}
			fn(sc, archive.Files)
		})
	}
}

// scene is a run of exchanges that know what the ones before brought.
type scene struct {
	t      *testing.T
	server *Server
	known  map[string]string
	// before is called with each request that is expected to succeed; nil is not.
	before func(name string, m message)
	// after is called with those that did succeed; nil is not.
	after func(name string, m message)
}

func (sc *scene) play(files []txtar.File) {
	if len(files) == 0 || len(files)%2 != 0 {
		sc.t.Fatalf("%d files are no pairs of request and response", len(files))
	}
	for i := 0; i < len(files); i += 2 {
		name, ok := strings.CutSuffix(files[i].Name, ".request")
		if !ok || files[i+1].Name != name+".response" {
			sc.t.Fatalf("%s and %s are no request and its response", files[i].Name, files[i+1].Name)
		}
		m := sc.message(name, files[i].Data)
		if sc.before != nil && sc.expectsSuccess(name, files[i+1].Data) {
			sc.before(name, m)
		}
		answer := sc.server.Do(m.request(sc.t))
		sc.compare(name, answer, files[i+1].Data)
		if sc.after != nil && sc.expectsSuccess(name, files[i+1].Data) {
			sc.after(name, m)
		}
	}
}

// expectsSuccess reports whether the expected answer of a file is a success.
func (sc *scene) expectsSuccess(name string, data []byte) bool {
	line, _, body := sc.split(name, string(data))
	status, err := strconv.Atoi(line)
	if err != nil {
		sc.t.Fatalf("%s: %q is no status", name, line)
	}
	return sc.server.succeeded(status, []byte(body))
}

// message is a request that can be sent more than once.
type message struct {
	method, target string
	header         http.Header
	body           string
	form           *formFile // what the body was made of, nil where it is no form
}

// formFile is a multipart form with one file.
type formFile struct {
	field, name string
	data        []byte
}

// encode is the form as a body, and its media type.
func (f *formFile) encode() (body, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(f.field, f.name)
	if err == nil {
		_, err = part.Write(f.data)
	}
	if err == nil {
		err = w.Close()
	}
	return b.String(), w.FormDataContentType(), err
}

// message reads the request of a file.
func (sc *scene) message(name string, data []byte) message {
	sc.t.Helper()
	line, header, body := sc.split(name, sc.fill(string(data)))
	method, target, ok := strings.Cut(line, " ")
	if !ok {
		sc.t.Fatalf("%s: %q is no method and path", name, line)
	}
	m := message{method: method, target: target, header: header, body: body}
	if rest, ok := strings.CutPrefix(body, "@form "); ok {
		m.form = sc.form(rest)
		m.setForm(sc.t)
	}
	if rest, ok := strings.CutPrefix(body, "@certify "); ok {
		m.form = sc.certified(rest)
		m.setForm(sc.t)
	}
	return m
}

// setForm makes the body of the form.
func (m *message) setForm(t testing.TB) {
	t.Helper()
	body, contentType, err := m.form.encode()
	require.NoError(t, err, "building a form")
	m.body = body
	m.header.Set("Content-Type", contentType)
}

// request is the message as an HTTP request.
func (m *message) request(t testing.TB) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), m.method, "https://localhost"+m.target, strings.NewReader(m.body))
	require.NoError(t, err, "%s %s", m.method, m.target)
	maps.Copy(r.Header, m.header)
	r.RequestURI = m.target
	return r
}

func (sc *scene) form(arguments string) *formFile {
	sc.t.Helper()
	field, file, _ := strings.Cut(arguments, " ")
	data, err := os.ReadFile(filepath.FromSlash(file))
	require.NoError(sc.t, err)
	return &formFile{field, filepath.Base(file), data}
}

// certified is a form with the certificate for a request that was captured.
func (sc *scene) certified(arguments string) *formFile {
	sc.t.Helper()
	field, name, _ := strings.Cut(arguments, " ")
	var request string
	require.NoError(sc.t, json.Unmarshal([]byte(`"`+sc.known[name]+`"`), &request), "%s was captured as no request", name)
	return &formFile{field, "signed.pem", Certify(sc.t, request)}
}

// split takes a message apart into its first line, headers and body.
func (sc *scene) split(name, text string) (line string, header http.Header, body string) {
	sc.t.Helper()
	r := bufio.NewReader(strings.NewReader(text + "\n\n"))
	tr := textproto.NewReader(r)
	line, err := tr.ReadLine()
	require.NoError(sc.t, err, "%s", name)
	mime, err := tr.ReadMIMEHeader()
	require.NoError(sc.t, err, "%s: headers", name)
	rest, _ := io.ReadAll(r)
	return line, http.Header(mime), strings.TrimRight(string(rest), "\n")
}

var requestID = regexp.MustCompile(`"requestid":\s*"[^"]*"`)

var placeholder = regexp.MustCompile(`\{\{([^}]+)\}\}`)

// fill replaces the placeholders of a request.
func (sc *scene) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := strings.Trim(p, "{}")
		if plain, ok := strings.CutPrefix(name, "oaep "); ok {
			return sc.server.seal(plain)
		}
		v, ok := sc.known[name]
		if !ok {
			sc.t.Fatalf("nothing was captured as %s", p)
		}
		return v
	})
}

// compare checks an answer against the file of the expected one.
func (sc *scene) compare(name string, answer *http.Response, want []byte) {
	sc.t.Helper()
	line, header, body := sc.split(name, string(want))
	got, err := io.ReadAll(answer.Body)
	require.NoError(sc.t, err)
	if line != strconv.Itoa(answer.StatusCode) {
		sc.t.Errorf("%s: status %d, want %s\n%s", name, answer.StatusCode, line, got)
		return
	}
	for k := range header {
		sc.match(name+": header "+k, answer.Header.Get(k), header.Get(k))
	}
	sc.match(name, compact(string(got)), compact(body))
}

// compact writes JSON in its shortest form and leaves other texts alone.
func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return strings.TrimSpace(text)
	}
	return b.String()
}

// match compares a text with a pattern and captures what is new in it.
func (sc *scene) match(what, got, pattern string) {
	sc.t.Helper()
	var names []string
	expr := "^"
	for at := 0; ; {
		loc := placeholder.FindStringSubmatchIndex(pattern[at:])
		if loc == nil {
			expr += regexp.QuoteMeta(pattern[at:]) + "$"
			break
		}
		name := pattern[at+loc[2] : at+loc[3]]
		expr += regexp.QuoteMeta(pattern[at : at+loc[0]])
		if v, ok := sc.known[name]; ok {
			expr += regexp.QuoteMeta(v)
		} else {
			expr += `([^"]*)`
			names = append(names, name)
		}
		at += loc[1]
	}
	m := regexp.MustCompile(expr).FindStringSubmatch(got)
	if m == nil {
		sc.t.Errorf("%s: got  %s\nwant %s", what, got, fmt.Sprint(pattern))
		return
	}
	for i, name := range names {
		if name != "*" {
			sc.known[name] = m[i+1]
		}
	}
}
