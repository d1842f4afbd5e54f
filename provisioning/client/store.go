package client

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"

	"vtoken/provisioning/api"
)

// Check makes the daemon authenticate every record of its store. Its time is not bounded.
func (c *Client) Check(ctx context.Context) (*api.Check, error) {
	return get[api.Check](ctx, c.patient(), "check the store", path("check"), nil)
}

// Backup reads a backup of the store into w. If it fails, what was written is not a
// backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	const doing = "back up the store"
	c = c.patient()
	req, err := c.request(ctx, http.MethodGet, path("backup"), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	req.Header.Set("Accept", api.BackupType+", application/problem+json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, c.notSent(err))
	}
	defer resp.Body.Close()
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != api.BackupType {
		body, err := readAnswer(resp)
		if err != nil {
			return fmt.Errorf("%s: read the answer of %s: %w", doing, c.where, err)
		}
		return refusal(doing, resp, body)
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// patient returns the same client without a timeout, because a store can be large. The
// caller's context bounds it.
func (c *Client) patient() *Client {
	long := *c
	h := *c.http
	h.Timeout = 0
	long.http = &h
	return &long
}
