package native

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
)

// Auditor reads the audit log. It is safe for concurrent use.
type Auditor interface {
	// Lines reads at most limit lines after a number, and returns the number of the last
	// one. If there is none it waits for one, at most that long.
	Lines(ctx context.Context, after uint64, limit int, wait time.Duration) ([]json.RawMessage, uint64, error)
	// Newest returns the number of the newest line.
	Newest() uint64
	// Verify checks every line.
	Verify(ctx context.Context) (api.AuditReport, error)
	// Archive records that the lines up to a number, 0 for as many as possible, are kept
	// elsewhere, and who says so. It returns the number.
	Archive(through uint64, by string) (uint64, error)
}

// maxWait bounds how long a request waits for a line.
const maxWait = 30 * time.Second

func (h *Handler) readAudit(r *request) (any, error) {
	if err := r.system("read the audit log"); err != nil {
		return nil, err
	}
	limit, err := r.number("limit", api.DefaultPage, api.MaxPage)
	if err != nil {
		return nil, err
	}
	wait, err := r.number("wait", 0, uint64(maxWait/time.Second))
	if err != nil {
		return nil, err
	}
	newest := h.info.Audit.Newest()
	after, err := r.number("after", newest-min(newest, limit), 1<<62)
	if err != nil {
		return nil, err
	}
	list, last, err := h.info.Audit.Lines(r.ctx, after, int(limit), time.Duration(wait)*time.Second)
	return api.AuditLines{Items: append([]json.RawMessage{}, list...), Last: last}, err
}

func (h *Handler) verifyAudit(r *request) (any, error) {
	if err := r.system("verify the audit log"); err != nil {
		return nil, err
	}
	r.slow()
	return h.info.Audit.Verify(r.ctx)
}

func (h *Handler) archiveAudit(r *request) (any, error) {
	if err := r.system("archive lines of the audit log"); err != nil {
		return nil, err
	}
	in, err := read[api.AuditArchive](r)
	if err != nil {
		return nil, err
	}
	through, err := h.info.Audit.Archive(in.Through, r.caller.Name)
	return api.AuditArchive{Through: through}, err
}

// number parses a query parameter from 0 to most.
func (r *request) number(name string, unset, most uint64) (uint64, error) {
	text := r.query(name)
	if text == "" {
		return unset, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, provisioning.Errorf(provisioning.BadInput, "the query parameter %s is a number from 0 to %d", name, most)
	}
	return n, nil
}
