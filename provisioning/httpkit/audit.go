package httpkit

import (
	"context"
	"net/http"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// Auditor records the calls of callers.
type Auditor interface {
	// Begin makes sure that a call can be recorded, before it is served. Its error
	// refuses the call. end records it, before the last of the answer is sent. What
	// Begin is told is all that is known of a call that never ends.
	Begin(operation, requestID string) (end func(Call), err error)
}

// Call is one call, as it is recorded.
type Call struct {
	RequestID string
	// Operation is the method and the route, such as "POST /v1/tokens".
	Operation string
	// Caller is the zero value where nobody was authenticated.
	Caller provisioning.Caller
	// Peer is the process that called through a Unix socket, else nil, and From
	// is the address of other callers.
	Peer *record.Peer
	From string
	// Tenant and Token are what the call was about, where the route or the
	// handler names them.
	Tenant record.TenantID
	Token  record.TokenID
	// KEK is the URI of the key-encryption key that the call was about.
	KEK string
	// Secret is what became of the tries of a PIN or code that the call gave, or gave
	// new tries; nil where there was none.
	Secret *SecretNote
	Status int
	Err    error // what the answer is about, nil for a success
}

// NoteToken says which token a call has made, where its route cannot.
func NoteToken(r *http.Request, tenant record.TenantID, token record.TokenID) {
	t := traceOf(r.Context())
	t.tenant, t.token = tenant, token
}

// NoteKEK says which key-encryption key a call is about.
func NoteKEK(r *http.Request, uri string) { traceOf(r.Context()).kek = uri }

// SecretNote is a secret of a token, and what became of its tries.
type SecretNote struct {
	Secret provisioning.Secret
	Guess  provisioning.Guess
}

// NoteSecret says what became of the tries of a secret in the call that ctx is of. The
// last note counts.
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
		Tenant: t.tenant, Token: t.token, KEK: t.kek, Secret: t.secret,
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
