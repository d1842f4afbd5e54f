package entrust

import (
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// lifetime is the lifetime of an authToken.
const lifetime = 15 * time.Minute

// webCookie carries the second half of the token of a web session.
const webCookie = "INTELLITRUST_SESSION_ID"

// allRights are the rights of a session, within those of its application.
const allRights = ^record.Rights(0)

// authenticate exchanges an application's secret for a session.
func (d *Dialect) authenticate(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
	var in authenticateParms
	if err := httpkit.ReadJSON(w, r, &in); err != nil {
		return err
	}
	defer in.SharedSecret.Wipe()
	var found provisioning.Credential
	_, err := d.kit.Admit(r, func(r *http.Request) (c provisioning.Caller, err error) {
		found, err = d.core.AuthenticateSecret(r.Context(), Name, in.ApplicationID, in.SharedSecret.Bytes())
		return found.Caller, err
	})
	if err != nil {
		return err
	}
	token, begins, ends := d.sessions.Begin(found, allRights)
	defer token.Wipe()
	out := authenticateResult{AuthToken: secret.Text(token), CreationTime: begins.UTC(), ExpirationTime: ends.UTC()}
	if in.EnableWebSession {
		half := len(token) / 2
		out.AuthToken = secret.Text(token[:half])
		http.SetCookie(w, &http.Cookie{
			Name: webCookie, Value: string(token[half:]), Path: "/api/web/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// caller finds the session of a request. The token of a web session is in two halves, one
// in the header and one in the cookie.
func (d *Dialect) caller(r *http.Request) (provisioning.Caller, error) {
	token := httpkit.Bearer(r)
	defer token.Wipe()
	if cookie, err := r.Cookie(webCookie); err == nil {
		token = append(token, cookie.Value...)
		r.Header.Del("Cookie")
	}
	return d.sessions.Caller(r.Context(), token)
}
