package securid

import (
	"net/http"

	"vtoken/provisioning/httpkit"
)

// routes returns all operations.
func (d *Dialect) routes() []httpkit.Route {
	const patch, post, del = http.MethodPatch, http.MethodPost, http.MethodDelete
	const own = "users/{userId}/sidTokens/"
	table := []struct {
		method, path string
		serve        httpkit.Handler
		errors       httpkit.ErrorWriter
	}{
		{patch, "v1/" + own + "assign", d.assign, fail},
		{patch, "v1/" + own + "unassign", d.unassign, fail},
		{patch, "v1/" + own + "enable", d.enable(true), failNotFound},
		{patch, "v1/" + own + "disable", d.enable(false), failNotFound},
		{patch, "v2/" + own + "clearPin", d.clearPIN, failNotFound},
		{patch, "v1/" + own + "updateName", d.rename, fail},
		{post, "v1/sidTokens/lookup", d.lookup, fail},
		{del, "v1/sidTokens/delete", d.delete, failNotFound},
	}
	all := []httpkit.Route{{Method: post, Path: tokenPath, Serve: d.accessToken, Open: true, Errors: httpkit.OAuthErrors}}
	for _, row := range table {
		all = append(all, httpkit.Route{Method: row.method, Path: base + row.path, Serve: row.serve, Errors: row.errors})
	}
	return all
}
