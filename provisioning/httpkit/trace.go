package httpkit

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// Wrap goes around everything that a server serves. It sets the request id and headers
// that keep browsers from interpreting answers, bounds the body, recovers from panics and
// writes the log line.
func (k *Kit) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := &trace{id: uuid.NewString(), start: time.Now()}
		metered := k.meter(r, t)
		defer metered.giveBack()
		t.body = metered
		r.Body = metered
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
		h := w.Header()
		h.Set("X-Request-Id", t.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		sw := &statusWriter{ResponseWriter: w}
		defer k.finish(sw, r, t)
		next.ServeHTTP(sw, r)
	})
}

// finish recovers from a panic of the handler and writes the log line.
func (k *Kit) finish(w *statusWriter, r *http.Request, t *trace) {
	defer k.forget(t)
	if p := recover(); p != nil {
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			t.err = err
			t.record(http.StatusInternalServerError, r)
			k.tell(t, http.StatusInternalServerError)
			panic(p)
		}
		t.err = errors.New("a handler panicked; this is a fault in vtoken, please report it")
		k.Log.Error("handler panicked", "request", t.id, "route", t.route, "stack", string(debug.Stack()))
		if w.status == 0 {
			e := provisioning.AsError(t.err)
			WriteProblem(w, Problem{
				Type: "about:blank", Title: http.StatusText(http.StatusInternalServerError),
				Status: http.StatusInternalServerError, Detail: e.Detail, Kind: KindName(e.Kind), RequestID: t.id,
			})
		}
	}
	t.record(w.status, r)
	t.log(k.Log, w.status, r)
	k.tell(t, w.status)
}

// forget calls Forgotten, except for quiet routes.
func (k *Kit) forget(t *trace) {
	if k.Forgotten != nil && !t.quiet {
		k.Forgotten()
	}
}

// tell calls Served. The method is that of the route, because a client can send any.
func (k *Kit) tell(t *trace, status int) {
	if k.Served == nil {
		return
	}
	operation := ""
	if t.route != "" {
		operation = t.method + " " + t.route
	}
	k.Served(t.dialect, operation, status, time.Since(t.start))
}

// trace collects what the log line and the audit record of a request say.
type trace struct {
	id     string
	start  time.Time
	caller provisioning.Caller
	err    error

	dialect, method, route string // of the route that was found
	quiet                  bool   // likewise

	audited func(Call)      // ends the record, nil where there is none
	tenant  record.TenantID // what the call was about, where the handler says so
	token   record.TokenID
	kek     string
	// application is the id of the one that the call was about.
	application string
	secret      *SecretNote
	body        *meteredBody // before it was bounded
}

type traceKey struct{}

// RequestID returns the id in the request's log line and answer, or an empty string
// outside of [Kit.Wrap].
func RequestID(ctx context.Context) string { return traceOf(ctx).id }

func traceOf(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

func note(r *http.Request, dialect string, route compiled) {
	t := traceOf(r.Context())
	t.dialect, t.method, t.route, t.quiet = dialect, route.Method, route.Path, route.Quiet
}

// boundBody replaces the bound of a body that is still unread; 0 keeps it.
func boundBody(w http.ResponseWriter, r *http.Request, most int64) {
	if body := traceOf(r.Context()).body; most > 0 && body != nil {
		r.Body = http.MaxBytesReader(w, body, most)
	}
}

func noteCaller(r *http.Request, c provisioning.Caller) { traceOf(r.Context()).caller = c }
func noteError(r *http.Request, err error)              { traceOf(r.Context()).err = err }

// log writes the line, at level error for our own faults, with the cause.
func (t *trace) log(log *slog.Logger, status int, r *http.Request) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request", t.id), slog.String("method", r.Method), slog.String("route", t.route),
		slog.Int("status", status), slog.Duration("took", time.Since(t.start)),
	}
	for _, segment := range strings.Split(t.route, "/") {
		if name, ok := parameter(segment); ok && strings.HasSuffix(name, "Id") {
			attrs = append(attrs, slog.String(name, clip(r.PathValue(name))))
		}
	}
	if t.caller.Name != "" {
		attrs = append(attrs, slog.String("caller", t.caller.Name), slog.String("role", string(t.caller.Role)))
	}
	if peer, ok := PeerOf(r.Context()); ok {
		attrs = append(attrs, slog.Uint64("uid", uint64(peer.UID)), slog.Int("pid", int(peer.PID)))
	} else {
		attrs = append(attrs, slog.String("from", r.RemoteAddr))
	}
	if t.err != nil {
		attrs = append(attrs, slog.String("error", t.err.Error()))
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	log.LogAttrs(r.Context(), level, "api request", attrs...)
}

// clip bounds what a caller can write into our log.
func clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// statusWriter remembers the status of the answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implies a status of 200 if none was set.
func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
