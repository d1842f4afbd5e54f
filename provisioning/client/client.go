package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"vtoken/provisioning/api"
	"vtoken/vtoken/secret"
	"vtoken/vtoken/version"
)

const (
	// MaxAnswer is the maximal size of an answer in bytes.
	MaxAnswer = 16 << 20
	// timeout bounds a call to a daemon that accepts and does not answer.
	timeout = 60 * time.Second
)

// userAgent is how requests name the program that makes them (RFC 9110, section 10.1.5).
var userAgent = "vtoken/" + version.String()

// Client talks to one daemon.
type Client struct {
	http  *http.Client
	base  *url.URL
	where string // what errors call the daemon's address
	key   secret.Bytes
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status reads the state of the daemon.
func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	return get[api.Status](ctx, c, "ask for the status", path("status"), nil)
}

// Restart has the installed program take the daemon's place. It returns when that begins.
func (c *Client) Restart(ctx context.Context) error {
	return c.patient().do(ctx, "restart the daemon", http.MethodPost, path("restart"), nil, nil)
}

// path joins the segments of an operation's path, each escaped.
func path(segments ...string) string {
	p := api.Prefix
	for _, s := range segments {
		p += "/" + url.PathEscape(s)
	}
	return p
}

func get[T any](ctx context.Context, c *Client, doing, path string, query url.Values) (*T, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return send[T](ctx, c, doing, http.MethodGet, path, nil)
}

// send sends in, unless it is nil, and reads a T.
func send[T any](ctx context.Context, c *Client, doing, method, path string, in any) (*T, error) {
	out := new(T)
	if err := c.do(ctx, doing, method, path, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// do runs one operation. Errors begin with what was being done.
func (c *Client) do(ctx context.Context, doing, method, path string, in, out any) error {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, c.notSent(err))
	}
	defer resp.Body.Close()
	body, err := readAnswer(resp)
	if err != nil {
		return fmt.Errorf("%s: read the answer of %s: %w", doing, c.where, err)
	}
	if resp.StatusCode/100 != 2 {
		return refusal(doing, resp, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: %s does not answer like vtokend (%w); check the address", doing, c.where, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	ref, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	b, err := encode(in)
	if err != nil {
		return nil, err
	}
	target := *c.base
	target.Path, target.RawPath, target.RawQuery = c.base.Path+ref.Path, "", ref.RawQuery
	if ref.RawPath != "" {
		target.RawPath = c.base.EscapedPath() + ref.RawPath
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(b.data))
	if err != nil {
		return nil, err
	}
	if b.mediaType != "" {
		req.Header.Set("Content-Type", b.mediaType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	if len(c.key) > 0 {
		req.Header.Set("Authorization", "Bearer "+string(c.key))
	}
	return req, nil
}

// body is the body of a request.
type body struct {
	mediaType string
	data      []byte
}

// encode makes the body of a request: none for nil, the form of a file, JSON for
// everything else.
func encode(in any) (body, error) {
	switch in := in.(type) {
	case nil:
		return body{}, nil
	case pfxForm:
		return in.encode()
	case importForm:
		return in.encode()
	}
	b, err := json.Marshal(in)
	return body{"application/json", b}, err
}

func readAnswer(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > MaxAnswer {
		return nil, errors.New("it is longer than any answer of vtokend; check the address")
	}
	return body, nil
}

// refusal returns the error of an answer that is not a success.
func refusal(doing string, resp *http.Response, body []byte) error {
	e := &Error{Doing: doing, Status: resp.StatusCode}
	var p api.Problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" && json.Unmarshal(body, &p) == nil {
		e.Kind, e.Detail, e.RequestID = p.Kind, p.Detail, p.RequestID
		if e.Detail == "" {
			e.Detail = p.Title
		}
	}
	if e.Detail == "" {
		e.Detail = fmt.Sprintf("the server answered %s without saying why; check that the address is that of vtokend",
			resp.Status)
	}
	return e
}
