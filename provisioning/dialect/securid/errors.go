package securid

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// statuses is the status of each kind of error. The vendor lists 400, 403, 404,
// 409, 429 and 500; 405, 413, 415 and 501 are ours.
var statuses = httpkit.StatusTable{
	provisioning.Internal:        http.StatusInternalServerError,
	provisioning.Unauthenticated: http.StatusForbidden,
	provisioning.Forbidden:       http.StatusForbidden,
	provisioning.BadInput:        http.StatusBadRequest,
	provisioning.TenantNotFound:  http.StatusNotFound,
	provisioning.UserNotFound:    http.StatusNotFound,
	provisioning.TokenNotFound:   http.StatusNotFound,
	provisioning.RoleNotFound:    http.StatusNotFound,
	provisioning.KeyNotFound:     http.StatusNotFound,
	provisioning.GroupNotFound:   http.StatusNotFound,
	provisioning.WrongCode:       http.StatusBadRequest,
	provisioning.WrongState:      http.StatusConflict,
	provisioning.Sealed:          http.StatusConflict,
	provisioning.Conflict:        http.StatusConflict,
	provisioning.NotSupported:    http.StatusBadRequest,
	provisioning.TooLarge:        http.StatusRequestEntityTooLarge,
	provisioning.RateLimited:     http.StatusTooManyRequests,
	provisioning.StorageFull:     http.StatusInternalServerError,
	provisioning.Busy:            http.StatusServiceUnavailable,
}

// problem is the body of every error.
type problem struct {
	Status       int    `json:"status"`
	ErrorMessage string `json:"errorMessage"`
	RequestID    string `json:"requestId,omitempty"`
}

// fail answers with an error.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	failWith(w, r, err, http.StatusBadRequest)
}

// failNotFound is fail for operations whose document has no 400: invalid input is 404
// there.
func failNotFound(w http.ResponseWriter, r *http.Request, err error) {
	failWith(w, r, err, http.StatusNotFound)
}

func failWith(w http.ResponseWriter, r *http.Request, err error, bad int) {
	out := problem{Status: httpkit.StatusOf(err), ErrorMessage: err.Error(), RequestID: httpkit.RequestID(r.Context())}
	if out.Status == 0 {
		e := provisioning.AsError(err)
		out.Status, out.ErrorMessage = statuses[e.Kind], e.Detail
	}
	if out.Status == http.StatusBadRequest {
		out.Status = bad
	}
	_ = httpkit.WriteJSON(w, out.Status, out)
}
