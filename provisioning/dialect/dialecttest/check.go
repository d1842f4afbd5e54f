package dialecttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/secret"
)

// check compares an exchange with the document.
func (s *Server) check(r *http.Request, status int, header http.Header, body []byte) error {
	if header.Get("X-Request-Id") == "" {
		return errors.New("the answer has no request id")
	}
	if strings.HasPrefix(r.URL.Path, "/docs/") {
		return nil
	}
	good := s.succeeded(status, body)
	route, values, err := s.find(r)
	if err != nil {
		if good {
			return fmt.Errorf("the document has no such operation: %w", err)
		}
		return nil
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: values, Route: route, Options: options()}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && good {
		return fmt.Errorf("the document forbids the request: %w", err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: options(),
	}
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return fmt.Errorf("the document does not promise the answer: %w", err)
	}
	if good {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.served[route.Operation.OperationID] = true
	}
	return nil
}

// find returns the document's operation for a request. It compares the segments of the
// path in their encoded form, because a value may contain a slash.
func (s *Server) find(r *http.Request) (*routers.Route, map[string]string, error) {
	encoded := r.Clone(r.Context())
	encoded.URL = &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.EscapedPath()}
	route, values, err := s.routes.FindRoute(encoded)
	if err != nil {
		return nil, nil, err
	}
	for name, v := range values {
		if values[name], err = url.PathUnescape(v); err != nil {
			return nil, nil, err
		}
	}
	return route, values, nil
}

// Seal encrypts a secret as clients do: RSA-OAEP with SHA-256, in base64.
func Seal(t testing.TB, key *rsa.PublicKey, v secret.Bytes) string {
	t.Helper()
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, v, nil)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(sealed)
}
