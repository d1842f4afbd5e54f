package native

import (
	"net/http"
	"slices"
)

// route is one operation: its method and path, its function, and the status of its
// success. Without an answer the status is 204.
type route struct {
	method, path string
	status       int
	do           func(*request) (any, error)
	// quiet calls are not recorded in the audit log: reading the log would make it grow,
	// and status and metrics are asked for all the time.
	quiet   bool
	maxBody int64 // 0 is httpkit.MaxBody
}

// Short names for the tables below.
const (
	get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	ok, created, none          = http.StatusOK, http.StatusCreated, http.StatusNoContent
)

// routes returns all operations. Each is described in openapi.yaml too; a test compares
// the two.
func (h *Handler) routes() []route {
	return slices.Concat(h.storeRoutes(), h.tenantRoutes(), h.tokenRoutes())
}

// storeRoutes returns the operations on the daemon and its store.
func (h *Handler) storeRoutes() []route {
	return []route{
		{method: get, path: "/status", status: ok, do: h.readStatus, quiet: true},
		{method: get, path: "/metrics", status: ok, do: h.readMetrics, quiet: true},
		{method: post, path: "/restart", status: none, do: h.restart},
		{method: get, path: "/check", status: ok, do: h.checkStore},
		{method: get, path: "/backup", status: ok, do: h.backUp},
		{method: get, path: "/audit", status: ok, do: h.readAudit, quiet: true},
		{method: get, path: "/audit/verify", status: ok, do: h.verifyAudit, quiet: true},
		{method: post, path: "/audit/archive", status: ok, do: h.archiveAudit},
		{method: get, path: "/keks", status: ok, do: h.listKEKs},
		{method: post, path: "/keks", status: created, do: h.addKEK},
		{method: del, path: "/keks/{kek}", status: none, do: h.removeKEK},
		{method: get, path: "/sessions", status: ok, do: h.listSessions},
		{method: del, path: "/sessions/{application}", status: none, do: h.endSessions},
		{method: get, path: "/rotation", status: ok, do: h.readRotation},
		{method: post, path: "/rotation", status: ok, do: h.rotate},
	}
}

// tenantRoutes returns the operations on tenants and everything in them but tokens.
func (h *Handler) tenantRoutes() []route {
	return []route{
		{method: get, path: "/tenants", status: ok, do: h.listTenants},
		{method: post, path: "/tenants", status: created, do: h.createTenant},
		{method: get, path: "/tenants/{tenant}", status: ok, do: h.readTenant},
		{method: patch, path: "/tenants/{tenant}", status: ok, do: h.changeTenant},
		{method: del, path: "/tenants/{tenant}", status: none, do: h.deleteTenant},
		{method: get, path: "/users", status: ok, do: h.listUsers},
		{method: post, path: "/users", status: created, do: h.createUser},
		{method: get, path: "/users/{user}", status: ok, do: h.readUser},
		{method: patch, path: "/users/{user}", status: ok, do: h.changeUser},
		{method: del, path: "/users/{user}", status: none, do: h.deleteUser},
		{method: get, path: "/users/{user}/keys", status: ok, do: h.listPendingKeys},
		{method: del, path: "/users/{user}/keys/{keyId}", status: none, do: h.deletePendingKey},
		{method: get, path: "/groups", status: ok, do: h.listGroups},
		{method: post, path: "/groups", status: created, do: h.createGroup},
		{method: del, path: "/groups/{groupId}", status: none, do: h.deleteGroup},
		{method: get, path: "/apikeys", status: ok, do: h.listAPIKeys},
		{method: post, path: "/apikeys", status: created, do: h.createAPIKey},
		{method: del, path: "/apikeys/{name}", status: none, do: h.revokeAPIKey},
	}
}

// tokenRoutes returns the operations on tokens.
func (h *Handler) tokenRoutes() []route {
	return []route{
		{method: get, path: "/tokens", status: ok, do: h.listTokens},
		{method: post, path: "/tokens", status: created, do: h.createToken},
		{method: post, path: "/search/tokens", status: ok, do: h.searchTokens},
		{method: get, path: "/tokens/{tokenId}", status: ok, do: h.readToken},
		{method: patch, path: "/tokens/{tokenId}", status: ok, do: h.changeToken},
		{method: del, path: "/tokens/{tokenId}", status: none, do: h.deleteToken},
		{method: post, path: "/tokens/{tokenId}/pfx", status: ok, do: h.importPFX},
		{method: post, path: "/tokens/{tokenId}/pin", status: none, do: h.resetPIN},
		{method: post, path: "/tokens/{tokenId}/unlock", status: ok, do: h.unlock},
		{method: post, path: "/tokens/{tokenId}/clear-pin", status: ok, do: h.clearPIN},
		{method: post, path: "/tokens/{tokenId}/complete", status: ok, do: h.completeToken},
		{method: post, path: "/tokens/{tokenId}/assign", status: ok, do: h.assign},
		{method: post, path: "/tokens/{tokenId}/unassign", status: ok, do: h.unassign},
		{method: patch, path: "/tokens/{tokenId}/holders/{user}", status: ok, do: h.changeHolder},
		{method: post, path: "/tokens/{tokenId}/activation", status: ok, do: h.startActivation},
		{method: put, path: "/tokens/{tokenId}/activation", status: ok, do: h.finishActivation},
		{method: post, path: "/tokens/{tokenId}/otp/verify", status: ok, do: h.verifyOTP},
		{method: post, path: "/tokens/{tokenId}/otp/sync", status: ok, do: h.syncOTP},
		{method: post, path: "/tokens/{tokenId}/otp/reset", status: ok, do: h.resetOTP},
		{method: post, path: "/tokens/{tokenId}/otp/enrol", status: ok, do: h.enrolOTP},
		{method: post, path: "/import", status: ok, do: h.importFile, maxBody: maxImportBody},
		{method: post, path: "/tokens/{tokenId}/csr", status: created, do: h.requestCertificate},
		{method: get, path: "/tokens/{tokenId}/certificates", status: ok, do: h.listCertificates},
		{method: post, path: "/tokens/{tokenId}/certificates", status: created, do: h.storeCertificate},
		{method: get, path: "/tokens/{tokenId}/objects", status: ok, do: h.listObjects},
		{method: get, path: "/tokens/{tokenId}/lint", status: ok, do: h.lint},
	}
}
