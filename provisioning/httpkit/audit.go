package httpkit

import (
	"context"
	"net/http"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// Auditor records API calls.
type Auditor interface {
	// Begin reserves what it takes to record a call, before the call is served. Its error
	// refuses the call. end records the call, before the last part of the answer is sent.
	// A call that never ends is recorded with what Begin got.
	Begin(operation, requestID string) (end func(Call), err error)
}

// Call is the record of an API call.
type Call struct {
	RequestID string
	// Operation is the method and the route, such as "POST /v1/tokens".
	Operation string
	// Caller is the zero value for a call that was not authenticated.
	Caller provisioning.Caller
	// Peer is the calling process of a call through a Unix socket, else nil. From is the
	// address of other callers.
	Peer *record.Peer
	From string
	// Tenant and Token are what the call was about, where the route or the handler says
	// so.
	Tenant record.TenantID
	Token  record.TokenID
	// KEK is the URI of the key-encryption key that the call was about.
	KEK string
	// Application is the id of the application that the call was about.
	Application string
	// Secret is the result of the tries of a PIN or code in the call, or which secret got
	// new tries; nil is none.
	Secret *SecretNote
	Status int
	Err    error // what the answer is about, nil for a success
}

// NoteToken records which token a call created, where its route cannot name it.
func NoteToken(r *http.Request, tenant record.TenantID, token record.TokenID) {
	t := traceOf(r.Context())
	t.tenant, t.token = tenant, token
}

// NoteKEK records which key-encryption key a call is about.
func NoteKEK(r *http.Request, uri string) { traceOf(r.Context()).kek = uri }

// NoteApplication records which application a call is about.
func NoteApplication(r *http.Request, id string) { traceOf(r.Context()).application = id }

// SecretNote is a secret of a token, and the result of its tries.
type SecretNote struct {
	Secret provisioning.Secret
	Guess  provisioning.Guess
}

// NoteSecret records the result of the tries of a secret in the call of ctx. The last
// note counts.
func NoteSecret(ctx context.Context, s provisioning.Secret, g provisioning.Guess) {
	traceOf(ctx).secret = &SecretNote{s, g}
}

// beginAudit begins the record of a call.
func (k *Kit) beginAudit(r *http.Request, route compiled) error {
	if k.Audit == nil || route.Quiet {
		return nil
	}
	end, err := k.Audit.Begin(r.Method+" "+route.Path, RequestID(r.Context()))
	if err == nil {
		traceOf(r.Context()).audited = end
	}
	return err
}

// record ends the record of a call, if it has one.
func (t *trace) record(status int, r *http.Request) {
	if t.audited == nil {
		return
	}
	c := Call{
		RequestID: t.id, Operation: r.Method + " " + t.route, Caller: t.caller, Status: status, Err: t.err,
		Tenant: t.tenant, Token: t.token, KEK: t.kek, Application: t.application, Secret: t.secret,
	}
	if c.Tenant == "" {
		c.Tenant = record.TenantID(r.PathValue("tenantId"))
	}
	if c.Tenant == "" {
		c.Tenant = t.caller.Tenant
	}
	if c.Token == "" {
		c.Token = record.TokenID(r.PathValue("tokenId"))
	}
	if p, ok := PeerOf(r.Context()); ok {
		c.Peer = &p
	} else {
		c.From = r.RemoteAddr
	}
	t.audited(c)
}
