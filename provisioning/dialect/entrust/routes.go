package entrust

import (
	"net/http"

	"vtoken/provisioning/httpkit"
)

// base begins every path.
const base = "/api/web/v1/"

// routes returns all operations.
func (d *Dialect) routes() []httpkit.Route {
	const get, post, put, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	table := []struct {
		method, path string
		serve        httpkit.Handler
	}{
		{post, "users/{userid}/tokens/{type}", d.createToken},
		{put, "users/{id}/tokens/assign", d.assignBySerial},
		{get, "tokens/{tokenid}", d.getToken},
		{get, "tokens/sernum/{sernum}", d.getTokenBySerial},
		{put, "tokens/{tokenid}", d.modifyToken},
		{put, "tokens/{tokenid}/assigned", d.modifyAssigned},
		{del, "tokens/{tokenid}", d.deleteToken},
		{put, "tokens/{tokenid}/assign", d.assignByID},
		{put, "tokens/{tokenid}/unassign", d.unassign},
		{put, "tokens/{tokenid}/changestate", d.changeState},
		{put, "tokens/{tokenid}/reset", d.reset},
		{post, "tokens/{tokenid}/activation", d.startActivation},
		{put, "tokens/{tokenid}/activation", d.completeActivation},
		{put, "tokens/{tokenid}/unlock", d.unlock},
		{post, "tokenspaged/assigned", d.assignedPage},
		{post, "tokenspaged/unassigned", d.unassignedPage},
		{post, "async/tokenspaged/assigned", d.startJob(assignedList)},
		{post, "async/tokenspaged/unassigned", d.startJob(unassignedList)},
		{get, "async/tokenspaged/{jobid}/assigned/status", d.jobStatus(assignedList)},
		{get, "async/tokenspaged/{jobid}/unassigned/status", d.jobStatus(unassignedList)},
		{get, "async/tokenspaged/{jobid}/assigned/result", d.jobResult(assignedList)},
		{get, "async/tokenspaged/{jobid}/unassigned/result", d.jobResult(unassignedList)},
	}
	all := []httpkit.Route{{Method: post, Path: base + "adminapi/authenticate", Serve: d.authenticate, Open: true}}
	for _, row := range table {
		all = append(all, httpkit.Route{Method: row.method, Path: base + row.path, Serve: row.serve})
	}
	return all
}
