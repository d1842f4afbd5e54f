package native

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
)

// TestDocument compares the document with the operations that are served, both
// ways.
func TestDocument(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	served := map[string]bool{}
	for _, r := range (&Handler{}).routes() {
		served[r.method+" "+api.Prefix+r.path] = true
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("%s %s is described and not served", method, path)
			}
			delete(served, method+" "+path)
		}
	}
	for operation := range served {
		t.Errorf("%s is served and not described", operation)
	}
}

// TestKinds checks that every kind of error has a status here, and a name that
// the document lists.
func TestKinds(t *testing.T) {
	for _, k := range provisioning.Kinds() {
		if statuses[k] == 0 {
			t.Errorf("%v has no status", k)
		}
		if name := httpkit.KindName(k); name == "" || !strings.Contains(string(openAPI), name) {
			t.Errorf("%v is not in the document", k)
		}
	}
}
