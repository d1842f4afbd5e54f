package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vtoken/provisioning/api"
)

// AuditQuery selects lines of the audit log.
type AuditQuery struct {
	// After is the number of the line before the first one, nil for the last Limit lines.
	After *uint64
	Limit int
	// Wait is how long the daemon waits for a line if there is none, at most 30 seconds.
	Wait time.Duration
}

// Audit reads lines of the audit log.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (*api.AuditLines, error) {
	query := url.Values{}
	if q.After != nil {
		query.Set("after", strconv.FormatUint(*q.After, 10))
	}
	if q.Limit > 0 {
		query.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Wait > 0 {
		query.Set("wait", strconv.Itoa(int(q.Wait/time.Second)))
	}
	return get[api.AuditLines](ctx, c, "read the audit log", path("audit"), query)
}

// VerifyAudit makes the daemon check every line of its audit log.
func (c *Client) VerifyAudit(ctx context.Context) (*api.AuditReport, error) {
	return get[api.AuditReport](ctx, c.patient(), "verify the audit log", path("audit", "verify"), nil)
}

// ArchiveAudit records that the lines up to a number are kept elsewhere; 0 is as many as
// possible.
func (c *Client) ArchiveAudit(ctx context.Context, through uint64) (*api.AuditArchive, error) {
	return send[api.AuditArchive](ctx, c, "archive lines of the audit log", http.MethodPost, path("audit", "archive"), api.AuditArchive{Through: through})
}
