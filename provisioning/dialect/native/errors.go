package native

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// statuses has a row for every kind of error. The body is a problem document
// whose member "kind" is httpkit.KindName.
var statuses = httpkit.StatusTable{
	provisioning.Internal:        http.StatusInternalServerError,
	provisioning.Unauthenticated: http.StatusUnauthorized,
	provisioning.Forbidden:       http.StatusForbidden,
	provisioning.BadInput:        http.StatusBadRequest,
	provisioning.TenantNotFound:  http.StatusNotFound,
	provisioning.UserNotFound:    http.StatusNotFound,
	provisioning.TokenNotFound:   http.StatusNotFound,
	provisioning.RoleNotFound:    http.StatusBadRequest,
	provisioning.KeyNotFound:     http.StatusNotFound,
	provisioning.GroupNotFound:   http.StatusNotFound,
	provisioning.WrongCode:       http.StatusUnprocessableEntity,
	provisioning.WrongState:      http.StatusConflict,
	provisioning.Sealed:          http.StatusConflict,
	provisioning.Conflict:        http.StatusConflict,
	provisioning.NotSupported:    http.StatusNotImplemented,
	provisioning.TooLarge:        http.StatusRequestEntityTooLarge,
	provisioning.RateLimited:     http.StatusTooManyRequests,
	provisioning.StorageFull:     http.StatusInsufficientStorage,
	provisioning.Busy:            http.StatusServiceUnavailable,
}
