package native

import (
	"context"
	"io"
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

// Keeper maintains the whole store, for the administrator of the machine. It is safe for
// concurrent use.
type Keeper interface {
	// Check authenticates every record.
	Check(ctx context.Context) (api.Check, error)
	// Backup writes one consistent backup. If it fails before it writes anything, the
	// store is the cause.
	Backup(ctx context.Context, w io.Writer) error
}

// system refuses callers who may not act on the whole daemon.
func (r *request) system(what string) error {
	if r.caller.Role == record.RoleSystem {
		return nil
	}
	return provisioning.Errorf(provisioning.Forbidden, "role %q may not %s; use the admin socket, or an API key of role %q",
		r.caller.Role, what, record.RoleSystem)
}

func (h *Handler) checkStore(r *request) (any, error) {
	if err := r.system("check the store"); err != nil {
		return nil, err
	}
	r.slow()
	return h.info.Keeper.Check(r.ctx)
}

func (h *Handler) backUp(r *request) (any, error) {
	if err := r.system("back up the store"); err != nil {
		return nil, err
	}
	return stream{api.BackupType, func(w io.Writer) error { return h.info.Keeper.Backup(r.ctx, w) }}, nil
}

func (h *Handler) readMetrics(r *request) (any, error) {
	if err := r.system("read the metrics"); err != nil {
		return nil, err
	}
	return stream{api.MetricsType, h.info.Metrics}, nil
}

// slowest bounds operations that read the whole store and send nothing before they are
// done.
const slowest = time.Hour

// slow gives a request more time than others. It does nothing for servers without
// deadlines.
func (r *request) slow() {
	_ = http.NewResponseController(r.w).SetWriteDeadline(time.Now().Add(slowest))
}

// stream is an answer that is written while it is produced.
type stream struct {
	mediaType string
	write     func(w io.Writer) error
}

// send writes the answer. An error after its first byte cuts the connection, so that
// nobody takes half an answer for a whole one.
func (s stream) send(r *request, status int) error {
	r.slow()
	out := &streamWriter{w: r.w, control: http.NewResponseController(r.w), mediaType: s.mediaType, status: status}
	err := s.write(out)
	if err != nil && out.begun {
		panic(http.ErrAbortHandler)
	}
	return err
}

// stall is how long the reader of a stream may pause.
const stall = time.Minute

// streamWriter sends the status with the first byte of the answer.
type streamWriter struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	mediaType string
	status    int
	begun     bool
}

// Write sends bytes, and gives the reader time to read them.
func (s *streamWriter) Write(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", s.mediaType)
		s.w.WriteHeader(s.status)
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(stall))
	return s.w.Write(p)
}

// Flush sends what has been written.
func (s *streamWriter) Flush() { _ = s.control.Flush() }
