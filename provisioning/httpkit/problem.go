package httpkit

import (
	"encoding/json"
	"errors"
	"net/http"

	"vtoken/provisioning"
)

// ErrorWriter answers with an error in a dialect's own form.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, err error)

// httpError is an error of HTTP itself, with its status.
type httpError struct {
	status int
	detail string
}

// Error returns the sentence.
func (e *httpError) Error() string { return e.detail }

// StatusOf returns the status of errors that HTTP itself defines (unknown path, wrong
// method, unsupported media type), and 0 for others.
func StatusOf(err error) int {
	var e *httpError
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}

// Problem is the body of an error (RFC 9457). Kind and RequestID are our extensions: Kind
// is a stable name for programs, Detail the sentence for people.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Kind      string `json:"kind,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// StatusTable has the status of each kind of error in one dialect.
type StatusTable map[provisioning.Kind]int

// Problems returns the ErrorWriter of dialects that answer errors as problem+json with
// the statuses of a table. A kind without a row is 500.
func Problems(table StatusTable) ErrorWriter {
	return func(w http.ResponseWriter, r *http.Request, err error) {
		p := Problem{Type: "about:blank", RequestID: RequestID(r.Context())}
		if p.Status = StatusOf(err); p.Status != 0 {
			p.Title, p.Detail = http.StatusText(p.Status), err.Error()
		} else {
			e := provisioning.AsError(err)
			p.Detail, p.Kind = e.Detail, KindName(e.Kind)
			if p.Status = table[e.Kind]; p.Status == 0 {
				p.Status = http.StatusInternalServerError
			}
			p.Title = http.StatusText(p.Status)
		}
		WriteProblem(w, p)
	}
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p Problem) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

// WriteJSON answers with a value as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return writeJSON(w, status, "application/json", v)
}

func writeJSON(w http.ResponseWriter, status int, mediaType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller who left is no error of ours
	return nil
}

// KindName returns the stable name of a kind in problem bodies, such as "tokenNotFound".
func KindName(k provisioning.Kind) string { return kindNames[k] }

var kindNames = map[provisioning.Kind]string{
	provisioning.Internal:        "internal",
	provisioning.Unauthenticated: "unauthenticated",
	provisioning.Forbidden:       "forbidden",
	provisioning.BadInput:        "badInput",
	provisioning.TenantNotFound:  "tenantNotFound",
	provisioning.UserNotFound:    "userNotFound",
	provisioning.TokenNotFound:   "tokenNotFound",
	provisioning.RoleNotFound:    "roleNotFound",
	provisioning.KeyNotFound:     "keyNotFound",
	provisioning.GroupNotFound:   "groupNotFound",
	provisioning.WrongCode:       "wrongCode",
	provisioning.WrongState:      "wrongState",
	provisioning.Sealed:          "sealed",
	provisioning.Conflict:        "conflict",
	provisioning.NotSupported:    "notSupported",
	provisioning.TooLarge:        "tooLarge",
	provisioning.RateLimited:     "rateLimited",
	provisioning.StorageFull:     "storageFull",
	provisioning.Busy:            "busy",
}
