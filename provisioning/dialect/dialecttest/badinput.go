package dialecttest

import (
	"net/http"
	"path"
	"slices"
	"testing"

	"golang.org/x/tools/txtar"

	"vtoken/provisioning/dialect"
)

// Class is what is wrong with a bad request.
type Class string

// The classes.
const (
	Credential Class = "credential" // none, wrong, expired, of another tenant, or without the right
	Verb       Class = "verb"       // a method that the path does not have
	MediaType  Class = "media type" // a Content-Type that the operation does not take
	PathValue  Class = "path"       // malformed, over-long, unknown or foreign
	QueryValue Class = "query"
	Header     Class = "header"
	Body       Class = "body" // broken JSON, missing, wrong-typed, over-long or extra fields
	Size       Class = "size" // 10 MB
	State      Class = "state"
)

// statusesOf returns the default statuses of a class.
func statusesOf(c Class) []int {
	switch c {
	case Credential:
		return []int{401, 403, 404}
	case Verb:
		return []int{405}
	case MediaType:
		return []int{400, 415}
	case Size:
		return []int{400, 413}
	case State:
		return []int{400, 404, 409}
	}
	return []int{400, 401, 403, 404, 409, 413, 414, 415, 422, 431, 501}
}

// BadInputOptions say how a dialect differs from the default: API keys in the header
// Authorization, and the statuses of HTTP.
type BadInputOptions struct {
	// Known are names that archives can use from the start, as for [RunWith].
	Known func(*Server) map[string]string
	// Accepted names requests that are valid here, with the reason: patterns of
	// [path.Match] for "operationId/case", such as "createToken/unknown userId". They are
	// not sent.
	Accepted map[string]string
	// Counts are operations that may write when they refuse: a count of wrong tries.
	Counts []string
	// Once are operations that cannot be repeated in the state after them.
	Once []string
	// Reads are operations other than GET that the role view allows, Manages those with
	// GET that it does not.
	Reads, Manages []string
	// Credentials are bad credentials for a request; nil is bad API keys in
	// Authorization.
	Credentials func(*Server) []BadCredential
	// Statuses replace the default ones of a class.
	Statuses map[Class][]int
	// Refused checks that an answer is a refusal, in a dialect whose status does not show
	// it; nil goes by the status.
	Refused func(c Class, status int, header http.Header, body []byte) error
	// Things says what a parameter or field of that name refers to: "tenant", "user",
	// "token", "serial", or "" for nothing. Names such as tenantId are known.
	Things map[string]string
}

// BadCredential makes the credential of a request bad.
type BadCredential struct {
	Name string
	// Writes marks a credential that may read but not write.
	Writes bool
	Spoil  func(*http.Request)
}

// BadInput plays the golden exchanges. Before each request that is to succeed, it sends
// every bad form of it that the document forbids. Each must be refused in the dialect's
// form, with a request id and without a change of the core. Then the good request must
// still succeed, which shows that the bad part was refused. Things of other tenants must
// be answered like things that do not exist.
func BadInput(t *testing.T, make dialect.New, o BadInputOptions) {
	t.Helper()
	tried := map[string]map[Class]int{}
	var d dialect.Dialect
	eachScene(t, make, o.Known, func(sc *scene, files []txtar.File) {
		d = sc.server.Dialect
		b := &bad{t: sc.t, server: sc.server, o: o, tried: tried}
		sc.before = b.tryAll
		sc.after = b.again
		sc.play(files)
	})
	total := 0
	for path, item := range Document(t, d).Paths.Map() {
		for method, op := range item.Operations() {
			if len(tried[op.OperationID]) == 0 {
				t.Errorf("nothing bad was tried with %s %s (%q)", method, path, op.OperationID)
			}
			for _, n := range tried[op.OperationID] {
				total += n
			}
		}
	}
	t.Logf("%d bad requests of %d operations", total, len(tried))
}

// bad tries bad requests on a server.
type bad struct {
	t       testing.TB
	server  *Server
	o       BadInputOptions
	foreign foreign
	tried   map[string]map[Class]int
}

// badCase is one bad request.
type badCase struct {
	class Class
	name  string
	send  message
	spoil func(*http.Request) // nil is nothing
	// twin is the case that must be answered alike, with other in place of value.
	twin         *badCase
	value, other string
}

// accepted reports whether the dialect takes this case.
func (b *bad) accepted(operation, name string) bool {
	for pattern := range b.o.Accepted {
		if ok, err := path.Match(pattern, operation+"/"+name); ok && err == nil {
			return true
		}
	}
	return false
}

func (b *bad) statuses(c Class) []int {
	if list, ok := b.o.Statuses[c]; ok {
		return list
	}
	return statusesOf(c)
}

// again repeats a request that must work only once.
func (b *bad) again(name string, m message) {
	op := b.operation(m)
	if op == nil || !slices.Contains(b.o.Once, op.id) {
		return
	}
	b.try(name, op, badCase{class: State, name: "again", send: m})
}
