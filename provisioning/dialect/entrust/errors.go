package entrust

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// statuses has the status of each kind of error, and codes its errorCode. The vendor
// lists 400, 401, 403, 404 and 409; 413, 415, 429 and 500 are ours, and so are the codes
// but for invalid_user_response.
var statuses = httpkit.StatusTable{
	provisioning.Internal:        http.StatusInternalServerError,
	provisioning.Unauthenticated: http.StatusUnauthorized,
	provisioning.Forbidden:       http.StatusForbidden,
	provisioning.BadInput:        http.StatusBadRequest,
	provisioning.TenantNotFound:  http.StatusNotFound,
	provisioning.UserNotFound:    http.StatusNotFound,
	provisioning.TokenNotFound:   http.StatusNotFound,
	provisioning.RoleNotFound:    http.StatusNotFound,
	provisioning.KeyNotFound:     http.StatusNotFound,
	provisioning.GroupNotFound:   http.StatusBadRequest,
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

var codes = map[provisioning.Kind]string{
	provisioning.Internal:        "internal_error",
	provisioning.Unauthenticated: "access_denied",
	provisioning.Forbidden:       "forbidden",
	provisioning.BadInput:        "invalid_parameter",
	provisioning.TenantNotFound:  "not_found",
	provisioning.UserNotFound:    "user_not_found",
	provisioning.TokenNotFound:   "token_not_found",
	provisioning.RoleNotFound:    "not_found",
	provisioning.KeyNotFound:     "not_found",
	provisioning.GroupNotFound:   "group_not_found",
	provisioning.WrongCode:       "invalid_user_response",
	provisioning.WrongState:      "invalid_state",
	provisioning.Sealed:          "token_sealed",
	provisioning.Conflict:        "already_exists",
	provisioning.NotSupported:    "not_supported",
	provisioning.TooLarge:        "request_too_large",
	provisioning.RateLimited:     "too_many_requests",
	provisioning.StorageFull:     "storage_full",
	provisioning.Busy:            "service_unavailable",
}

// fail answers with an ErrorInfo.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	status, info := http.StatusInternalServerError, errorInfo{}
	if s := httpkit.StatusOf(err); s != 0 {
		status, info = s, errorInfo{ErrorCode: "invalid_request", ErrorMessage: err.Error()}
	} else {
		e := provisioning.AsError(err)
		status, info = statuses[e.Kind], errorInfo{ErrorCode: codes[e.Kind], ErrorMessage: e.Detail}
	}
	if id := httpkit.RequestID(r.Context()); id != "" {
		info.Parameters = []errorDetail{{id}}
	}
	_ = httpkit.WriteJSON(w, status, info)
}
