package nativetest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"
)

// maxChecked is the greatest body that is held against the document, in bytes.
const maxChecked = 4 << 20

// check holds every exchange against the document: an answer is always one that
// it describes, and a request that it does not describe never succeeds.
func (s *Server) check(t testing.TB, document []byte, next http.Handler) http.Handler {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	require.NoError(t, err)
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, params, err := router.FindRoute(r)
		if err != nil || r.ContentLength > maxChecked {
			next.ServeHTTP(w, r) // a path that there is not, or an upload beyond any bound
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxChecked))
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		checkExchange(t, r, body, route, params, answer)
		s.note(route.Operation.OperationID, answer.Code)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// note keeps which operations succeeded.
func (s *Server) note(operation string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status/100 == 2 {
		s.served[operation] = true
	}
}

// Served reports whether an operation of the document, named by its
// operationId, has succeeded.
func (s *Server) Served(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served[operation]
}

func checkExchange(
	t testing.TB, r *http.Request, body []byte, route *routers.Route, params map[string]string, answer *httptest.ResponseRecorder,
) {
	asked := r.Clone(context.Background())
	asked.Body = io.NopCloser(bytes.NewReader(body))
	options := &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true,
		SkipSettingDefaults:   true,
	}
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(asked.Context(), in); err != nil && answer.Code/100 == 2 {
		t.Errorf("%s %s succeeds with a request that the document does not allow: %v", r.Method, r.URL, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: answer.Code, Header: answer.Header(), Options: options,
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
	}
	if err := openapi3filter.ValidateResponse(asked.Context(), out); err != nil {
		t.Errorf("%s %s answers %d, not as the document says: %v", r.Method, r.URL, answer.Code, err)
	}
}
