package dualshield

import (
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// numbers are the error numbers, which never change. The vendor has published 0
// and 101; the others are ours.
var numbers = map[provisioning.Kind]int{
	provisioning.Internal:        1,
	provisioning.Unauthenticated: 2,
	provisioning.Forbidden:       3,
	provisioning.BadInput:        4,
	provisioning.TooLarge:        5,
	provisioning.RateLimited:     6,
	provisioning.StorageFull:     7,
	provisioning.NotSupported:    8,
	provisioning.Busy:            9,
	provisioning.UserNotFound:    101,
	provisioning.TokenNotFound:   102,
	provisioning.TenantNotFound:  103,
	provisioning.RoleNotFound:    104,
	provisioning.KeyNotFound:     105,
	provisioning.GroupNotFound:   106,
	provisioning.WrongState:      110,
	provisioning.Sealed:          111,
	provisioning.Conflict:        112,
	provisioning.WrongCode:       113,
}

// envelope is every answer.
type envelope struct {
	Error   int    `json:"error"`
	Message string `json:"message,omitempty"`
	Result  any    `json:"result,omitempty"`
}

// fail answers with an error in the envelope. The status is 200, as the vendor's
// clients expect, except where the call never got as far as a method: 401 without
// a credential, 429 and 503 with Retry-After, and 404, 405, 413 and 415 of HTTP.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if status := httpkit.StatusOf(err); status != 0 {
		_ = httpkit.WriteJSON(w, status, envelope{Error: numbers[provisioning.BadInput], Message: err.Error()})
		return
	}
	e := provisioning.AsError(err)
	status := http.StatusOK
	message := e.Detail
	switch e.Kind {
	case provisioning.Unauthenticated:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", "Bearer")
	case provisioning.RateLimited:
		status = http.StatusTooManyRequests
	case provisioning.Busy:
		status = http.StatusServiceUnavailable
	case provisioning.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case provisioning.UserNotFound:
		message = "user not found"
	}
	_ = httpkit.WriteJSON(w, status, envelope{Error: numbers[e.Kind], Message: message})
}
