package observe

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"time"

	"vtoken/daemon/audit"
	"vtoken/provisioning"
	"vtoken/provisioning/api"
)

// Reader serves the audit log to the native API.
type Reader struct {
	log *audit.Log
	dir string
	key ed25519.PublicKey
}

// Reader reads the log.
func (l *Log) Reader() Reader {
	key := l.store.AuditKey()
	defer clear(key)
	return Reader{l.Log, l.Dir(), append(ed25519.PublicKey(nil), key.Public().(ed25519.PublicKey)...)}
}

// Lines returns lines after the number, and waits for one if there is none.
func (a Reader) Lines(ctx context.Context, after uint64, limit int, wait time.Duration) ([]json.RawMessage, uint64, error) {
	head, grown := a.log.Head()
	if head.Seq <= after && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, after, ctx.Err()
		case <-timer.C:
		case <-grown:
		}
	}
	return audit.Lines(a.dir, after, limit)
}

// Newest returns the number of the newest line.
func (a Reader) Newest() uint64 {
	head, _ := a.log.Head()
	return head.Seq
}

// Verify checks every line.
func (a Reader) Verify(ctx context.Context) (api.AuditReport, error) {
	head, _ := a.log.Head()
	r, err := audit.Verify(ctx, a.dir, a.key, head)
	return api.AuditReport{
		Files: r.Files, Lines: r.Lines, First: r.First, Last: r.Last, Archived: r.Archived,
		Problems: append([]string{}, r.Problems...), Notes: append([]string{}, r.Notes...),
	}, err
}

// Archive records that old lines are kept elsewhere.
func (a Reader) Archive(through uint64, by string) (uint64, error) {
	n, err := a.log.Archive(through, audit.Record{Event: audit.EventArchive, Result: "ok", Caller: by})
	switch {
	case errors.Is(err, audit.ErrNotArchived):
		return 0, provisioning.Errorf(provisioning.BadInput, "%w", err)
	case errors.Is(err, audit.ErrFull):
		return 0, provisioning.Errorf(provisioning.StorageFull, "nothing was done: %w", err)
	}
	return n, err
}
