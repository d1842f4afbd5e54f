package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// stub answers every request with the same.
type stub struct {
	status    int
	mediaType string
	body      []byte
}

// RoundTrip answers.
func (s stub) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Status: http.StatusText(s.status), Request: r,
		Header: http.Header{"Content-Type": {s.mediaType}}, Body: io.NopCloser(bytes.NewReader(s.body)),
	}, nil
}

// FuzzAnswer reads answers of all kinds: each is a result, or an error that says
// something.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"items":[{"id":"1"}]}`))
	f.Add(200, "application/json", []byte(`{"items":null,"next":""}`))
	f.Add(409, "application/problem+json", []byte(`{"kind":"conflict","detail":"x"}`))
	f.Add(500, "text/html", []byte("<html>"))
	f.Add(302, ";;", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, mediaType string, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := Unix("/run/x")
		c.http.Transport = stub{status, mediaType, body}
		for _, err := range c.Tenants(t.Context()) {
			var refused *Error
			if status >= 300 && (!errors.As(err, &refused) || refused.Status != status || refused.Detail == "") {
				t.Errorf("status %d is %v", status, err)
			}
			if err == nil && status >= 300 {
				t.Errorf("status %d is a success", status)
			}
			break // a cursor that is always there would lead on for ever
		}
	})
}
