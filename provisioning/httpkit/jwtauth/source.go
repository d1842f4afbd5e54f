package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// fetchWithin bounds the time to fetch a key set over the network.
const fetchWithin = 5 * time.Second

// FromFile returns a function that reads a key set from a file.
func FromFile(path string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the key set: %w", err)
		}
		defer f.Close()
		return bounded(f)
	}
}

// FromURL returns a function that reads a key set over HTTPS, without following
// redirects. It uses transport, where that is not nil.
func FromURL(address string, transport http.RoundTripper) func(context.Context) ([]byte, error) {
	client := &http.Client{
		Timeout: fetchWithin, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) ([]byte, error) {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, errors.New("the address of the key set must begin with https://")
		}
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, address, nil)
		if err != nil {
			return nil, fmt.Errorf("asking for the key set: %w", err)
		}
		answer, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("asking for the key set: %w", err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("asking for the key set at %s: %s", address, answer.Status)
		}
		return bounded(answer.Body)
	}
}

func bounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("reading the key set: %w", err)
	}
	return data, nil
}
