package native

import (
	"context"
	_ "embed"
	"io"
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/dialect"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// Info is what the daemon knows about itself and the core does not.
type Info struct {
	Version   string
	StartedAt time.Time
	P11Socket string
	// AdminSocket and DataDir are shown only to callers of RoleSystem.
	AdminSocket, DataDir string
	// Store is the id of the store, shown likewise.
	Store string
	API   string // URL of the HTTPS listener, or empty
	// Dialects are the names of those that are served, and AllDialects those that
	// credentials can be made for.
	Dialects    []string
	AllDialects []dialect.Description
	Keeper      Keeper
	Audit       Auditor
	KEKs        KEKs
	// Metrics writes the metrics of the daemon in the text format of Prometheus.
	Metrics func(io.Writer) error
	// Clients counts the connected PKCS#11 applications and their sessions; nil omits the
	// field.
	Clients func() api.Clients
	// Recovery reports whether the store has a recovery passphrase; nil omits the field.
	Recovery func() (bool, error)
	// Restart begins a planned restart, when it is sure that there is a successor; nil means
	// that there is no way to restart.
	Restart func(context.Context) error
	// RestartProblem is why the last planned restart did not happen; nil omits the field.
	RestartProblem func() string
	// Rollback reports whether rollback detection is active; nil omits the field.
	Rollback func() (api.Rollback, error)
}

// Handler serves the native API on a core. It implements dialect.Dialect.
type Handler struct {
	core *provisioning.Service
	kit  *httpkit.Kit
	info Info
}

// New returns the native API, for the admin socket and for HTTPS.
func New(core *provisioning.Service, kit *httpkit.Kit, info Info) *Handler {
	return &Handler{core: core, kit: kit, info: info}
}

// Name is "native".
func (h *Handler) Name() string { return "native" }

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the document of the API.
func (h *Handler) OpenAPI() []byte { return openAPI }

// Mount adds everything below /v1/.
func (h *Handler) Mount(mux *http.ServeMux) {
	var routes []httpkit.Route
	for _, r := range h.routes() {
		routes = append(routes, httpkit.Route{
			Method: r.method, Path: api.Prefix + r.path, Serve: r.serve, Quiet: r.quiet, MaxBody: r.maxBody,
		})
	}
	mux.Handle(api.Prefix+"/", h.kit.Router(routes, httpkit.Problems(statuses)))
}

// serve runs the operation and writes its answer.
func (rt route) serve(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	req := &request{ctx: r.Context(), caller: c, w: w, http: r}
	answer, err := rt.do(req)
	if err != nil {
		return err
	}
	if s, ok := answer.(stream); ok {
		return s.send(req, rt.status)
	}
	if rt.status == http.StatusNoContent {
		w.WriteHeader(rt.status)
		return nil
	}
	return httpkit.WriteJSON(w, rt.status, answer)
}

// request is one request of an authenticated caller.
type request struct {
	ctx    context.Context
	caller provisioning.Caller
	w      http.ResponseWriter
	http   *http.Request
}

// path returns a part of the path, by its name in the route.
func (r *request) path(name string) string { return r.http.PathValue(name) }

// query returns a query parameter, or an empty string.
func (r *request) query(name string) string { return r.http.URL.Query().Get(name) }

// read decodes the body.
func read[T any](r *request) (T, error) {
	var in T
	err := httpkit.ReadJSON(r.w, r.http, &in)
	return in, err
}

// tenant returns the tenant of the request.
func (h *Handler) tenant(r *request) (record.TenantID, error) {
	t, err := h.core.TenantNamed(r.ctx, r.caller, r.query("tenant"))
	return t.ID, err
}

func (h *Handler) readStatus(r *request) (any, error) {
	s := api.Status{
		Version: h.info.Version, StartedAt: h.info.StartedAt.UTC(), P11Socket: h.info.P11Socket, API: h.info.API,
		Dialects: append([]string{}, h.info.Dialects...),
		Caller:   api.Caller{Name: r.caller.Name, Role: string(r.caller.Role), Tenant: string(r.caller.Tenant)},
	}
	if r.caller.Role == record.RoleSystem {
		s.AdminSocket, s.DataDir, s.Store, s.Caller.Tenant = h.info.AdminSocket, h.info.DataDir, h.info.Store, ""
		if h.info.Clients != nil {
			clients := h.info.Clients()
			s.Clients = &clients
		}
		if h.info.RestartProblem != nil {
			s.RestartProblem = h.info.RestartProblem()
		}
		return s, h.readStore(&s)
	}
	return s, nil
}

// readStore adds the state of the store to the status.
func (h *Handler) readStore(s *api.Status) error {
	if h.info.Rollback != nil {
		rollback, err := h.info.Rollback()
		if err != nil {
			return err
		}
		s.Rollback = &rollback
	}
	if h.info.Recovery != nil {
		recovery, err := h.info.Recovery()
		if err != nil {
			return err
		}
		s.Recovery = &recovery
	}
	return nil
}
