package native

import (
	"net/http"
	"slices"
)

// route is one operation: what it is reached by, what it does, and the status
// of its success. Without an answer the status is 204.
type route struct {
	method, path string
	status       int
	do           func(*request) (any, error)
	maxBody      int64 // 0 is httpkit.MaxBody
}

// quiet are the paths whose calls are not recorded in the audit log: reading it
// would make it grow, and status and metrics are asked for all the time.
var quiet = map[string]bool{"/status": true, "/metrics": true, "/audit": true, "/audit/verify": true}

// Short names for the tables below.
const (
	get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	ok, created, none          = http.StatusOK, http.StatusCreated, http.StatusNoContent
)

// routes are all operations. Each is described in openapi.yaml too; a test
// compares the two.
func (h *Handler) routes() []route {
	return slices.Concat(h.storeRoutes(), h.tenantRoutes(), h.tokenRoutes())
}

// storeRoutes are the operations on the daemon and its store.
func (h *Handler) storeRoutes() []route {
	return []route{
		{get, "/status", ok, h.readStatus, 0},
		{get, "/metrics", ok, h.readMetrics, 0},
		{get, "/check", ok, h.checkStore, 0},
		{get, "/backup", ok, h.backUp, 0},
		{get, "/audit", ok, h.readAudit, 0},
		{get, "/audit/verify", ok, h.verifyAudit, 0},
		{post, "/audit/archive", ok, h.archiveAudit, 0},
		{get, "/keks", ok, h.listKEKs, 0},
		{post, "/keks", created, h.addKEK, 0},
		{del, "/keks/{kek}", none, h.removeKEK, 0},
		{get, "/rotation", ok, h.readRotation, 0},
		{post, "/rotation", ok, h.rotate, 0},
	}
}

// tenantRoutes are the operations on tenants and on what is in them beside tokens.
func (h *Handler) tenantRoutes() []route {
	return []route{
		{get, "/tenants", ok, h.listTenants, 0},
		{post, "/tenants", created, h.createTenant, 0},
		{get, "/tenants/{tenant}", ok, h.readTenant, 0},
		{patch, "/tenants/{tenant}", ok, h.changeTenant, 0},
		{del, "/tenants/{tenant}", none, h.deleteTenant, 0},
		{get, "/users", ok, h.listUsers, 0},
		{post, "/users", created, h.createUser, 0},
		{get, "/users/{user}", ok, h.readUser, 0},
		{patch, "/users/{user}", ok, h.changeUser, 0},
		{del, "/users/{user}", none, h.deleteUser, 0},
		{get, "/users/{user}/keys", ok, h.listPendingKeys, 0},
		{del, "/users/{user}/keys/{keyId}", none, h.deletePendingKey, 0},
		{get, "/groups", ok, h.listGroups, 0},
		{post, "/groups", created, h.createGroup, 0},
		{del, "/groups/{groupId}", none, h.deleteGroup, 0},
		{get, "/apikeys", ok, h.listAPIKeys, 0},
		{post, "/apikeys", created, h.createAPIKey, 0},
		{del, "/apikeys/{name}", none, h.revokeAPIKey, 0},
	}
}

// tokenRoutes are the operations on tokens.
func (h *Handler) tokenRoutes() []route {
	return []route{
		{get, "/tokens", ok, h.listTokens, 0},
		{post, "/tokens", created, h.createToken, 0},
		{post, "/search/tokens", ok, h.searchTokens, 0},
		{get, "/tokens/{tokenId}", ok, h.readToken, 0},
		{patch, "/tokens/{tokenId}", ok, h.changeToken, 0},
		{del, "/tokens/{tokenId}", none, h.deleteToken, 0},
		{post, "/tokens/{tokenId}/pfx", ok, h.importPFX, 0},
		{post, "/tokens/{tokenId}/pin", none, h.resetPIN, 0},
		{post, "/tokens/{tokenId}/unlock", ok, h.unlock, 0},
		{post, "/tokens/{tokenId}/clear-pin", ok, h.clearPIN, 0},
		{post, "/tokens/{tokenId}/complete", ok, h.completeToken, 0},
		{post, "/tokens/{tokenId}/assign", ok, h.assign, 0},
		{post, "/tokens/{tokenId}/unassign", ok, h.unassign, 0},
		{patch, "/tokens/{tokenId}/holders/{user}", ok, h.changeHolder, 0},
		{post, "/tokens/{tokenId}/activation", ok, h.startActivation, 0},
		{put, "/tokens/{tokenId}/activation", ok, h.finishActivation, 0},
		{post, "/tokens/{tokenId}/otp/verify", ok, h.verifyOTP, 0},
		{post, "/tokens/{tokenId}/otp/sync", ok, h.syncOTP, 0},
		{post, "/tokens/{tokenId}/otp/reset", ok, h.resetOTP, 0},
		{post, "/tokens/{tokenId}/otp/enrol", ok, h.enrolOTP, 0},
		{post, "/import", ok, h.importFile, maxImportBody},
		{post, "/tokens/{tokenId}/csr", created, h.requestCertificate, 0},
		{get, "/tokens/{tokenId}/certificates", ok, h.listCertificates, 0},
		{post, "/tokens/{tokenId}/certificates", created, h.storeCertificate, 0},
		{get, "/tokens/{tokenId}/objects", ok, h.listObjects, 0},
		{get, "/tokens/{tokenId}/lint", ok, h.lint, 0},
	}
}
