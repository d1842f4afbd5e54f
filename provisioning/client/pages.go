package client

import (
	"context"
	"fmt"
	"iter"
	"net/url"

	"vtoken/provisioning/api"
)

// pages reads a listing page by page, and stops at the first error.
func pages[T any](ctx context.Context, c *Client, doing, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		for {
			page, err := get[api.Page[T]](ctx, c, doing, path, q)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if page.Next == q.Get("cursor") {
				var zero T
				yield(zero, fmt.Errorf("%s: %s lists in a circle; check that the address is that of vtokend",
					doing, c.where))
				return
			}
			q.Set("cursor", page.Next)
		}
	}
}

// All collects a listing.
func All[T any](seq iter.Seq2[T, error]) ([]T, error) {
	items := []T{}
	for item, err := range seq {
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}
