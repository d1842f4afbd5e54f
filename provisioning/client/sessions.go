package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"vtoken/provisioning/api"
)

// SessionFilter selects applications. The zero value selects all that the caller may see.
type SessionFilter struct {
	// Tenant is the name or id of one whose tokens the application uses, and Token the id of
	// such a token.
	Tenant, Token string
	// User is an operating system user: a name, or a uid such as "#1000".
	User string
	PID  int32
}

// Sessions lists the applications that use tokens, the oldest first.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) iter.Seq2[api.Application, error] {
	q := f.of()
	if f.User != "" {
		q.Set("user", f.User)
	}
	if f.PID != 0 {
		q.Set("pid", strconv.Itoa(int(f.PID)))
	}
	return pages[api.Application](ctx, c, "list the sessions", path("sessions"), q)
}

// EndSessions ends the sessions and logins of an application, with the tokens of the filter's
// tenant or its one token where they are set.
func (c *Client) EndSessions(ctx context.Context, application string, f SessionFilter) error {
	to := path("sessions", application)
	if q := f.of(); len(q) > 0 {
		to += "?" + q.Encode()
	}
	return c.do(ctx, fmt.Sprintf("end the sessions of %s", application), http.MethodDelete, to, nil, nil)
}

// of says whose tokens the sessions are with.
func (f SessionFilter) of() url.Values {
	q := in(f.Tenant)
	if f.Token != "" {
		q.Set("token", f.Token)
	}
	return q
}
