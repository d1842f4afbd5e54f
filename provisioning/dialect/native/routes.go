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
		{get, "/status", ok, h.readStatus},
		{get, "/metrics", ok, h.readMetrics},
		{get, "/check", ok, h.checkStore},
		{get, "/backup", ok, h.backUp},
		{get, "/audit", ok, h.readAudit},
		{get, "/audit/verify", ok, h.verifyAudit},
		{get, "/keks", ok, h.listKEKs},
		{post, "/keks", created, h.addKEK},
		{del, "/keks/{kek}", none, h.removeKEK},
		{get, "/rotation", ok, h.readRotation},
		{post, "/rotation", ok, h.rotate},
	}
}

// tenantRoutes are the operations on tenants and on what is in them beside tokens.
func (h *Handler) tenantRoutes() []route {
	return []route{
		{get, "/tenants", ok, h.listTenants},
		{post, "/tenants", created, h.createTenant},
		{get, "/tenants/{tenant}", ok, h.readTenant},
		{patch, "/tenants/{tenant}", ok, h.changeTenant},
		{del, "/tenants/{tenant}", none, h.deleteTenant},
		{get, "/users", ok, h.listUsers},
		{post, "/users", created, h.createUser},
		{get, "/users/{user}", ok, h.readUser},
		{patch, "/users/{user}", ok, h.changeUser},
		{del, "/users/{user}", none, h.deleteUser},
		{get, "/groups", ok, h.listGroups},
		{post, "/groups", created, h.createGroup},
		{del, "/groups/{groupId}", none, h.deleteGroup},
		{get, "/apikeys", ok, h.listAPIKeys},
		{post, "/apikeys", created, h.createAPIKey},
		{del, "/apikeys/{name}", none, h.revokeAPIKey},
	}
}

// tokenRoutes are the operations on tokens.
func (h *Handler) tokenRoutes() []route {
	return []route{
		{get, "/tokens", ok, h.listTokens},
		{post, "/tokens", created, h.createToken},
		{post, "/search/tokens", ok, h.searchTokens},
		{get, "/tokens/{tokenId}", ok, h.readToken},
		{patch, "/tokens/{tokenId}", ok, h.changeToken},
		{del, "/tokens/{tokenId}", none, h.deleteToken},
		{post, "/tokens/{tokenId}/pfx", ok, h.importPFX},
		{post, "/tokens/{tokenId}/pin", none, h.resetPIN},
		{post, "/tokens/{tokenId}/unlock", ok, h.unlock},
		{post, "/tokens/{tokenId}/clear-pin", ok, h.clearPIN},
		{post, "/tokens/{tokenId}/complete", ok, h.completeToken},
		{post, "/tokens/{tokenId}/assign", ok, h.assign},
		{post, "/tokens/{tokenId}/unassign", ok, h.unassign},
		{patch, "/tokens/{tokenId}/holders/{user}", ok, h.changeHolder},
		{post, "/tokens/{tokenId}/activation", ok, h.startActivation},
		{put, "/tokens/{tokenId}/activation", ok, h.finishActivation},
		{get, "/tokens/{tokenId}/certificates", ok, h.listCertificates},
		{get, "/tokens/{tokenId}/objects", ok, h.listObjects},
	}
}
