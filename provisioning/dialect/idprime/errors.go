package idprime

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// statuses is the status of each kind of error. The vendor lists 400, 401, 404,
// 409, 500 and 501; 413 and 429 are ours.
var statuses = httpkit.StatusTable{
	provisioning.Internal:        http.StatusInternalServerError,
	provisioning.Unauthenticated: http.StatusUnauthorized,
	provisioning.Forbidden:       http.StatusUnauthorized,
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
	provisioning.NotSupported:    http.StatusNotImplemented,
	provisioning.TooLarge:        http.StatusRequestEntityTooLarge,
	provisioning.RateLimited:     http.StatusTooManyRequests,
	provisioning.StorageFull:     http.StatusInternalServerError,
	provisioning.Busy:            http.StatusServiceUnavailable,
}

// StatusOf returns the status of a kind of error.
func StatusOf(k provisioning.Kind) int { return statuses[k] }
