package scale

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// fields is a JSON object.
type fields = map[string]any

// Whether a request writes.
const (
	reads  = false
	writes = true
)

// credential makes a credential of a dialect and reads what the command tells.
func credential(t *testing.T, d *harness.Daemon, dialect string, out any) {
	t.Helper()
	text, err := d.Vtoken("apikey", "create", "load-"+dialect, "--dialect", dialect, "-o", "json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(text), out))
}

func enterByKey(t *testing.T, d *harness.Daemon, c *administrator) {
	t.Helper()
	key, err := d.Vtoken("apikey", "create", "load-"+c.name)
	require.NoError(t, err)
	c.authorization = "Bearer " + key
}

func enterEntrust(t *testing.T, d *harness.Daemon, c *administrator) {
	t.Helper()
	var app struct{ ApplicationID, SharedSecret string }
	credential(t, d, "entrust", &app)
	var session struct{ AuthToken string }
	c.ask(reads, "POST", "adminapi/authenticate", fields{"applicationId": app.ApplicationID, "sharedSecret": app.SharedSecret}, &session, 200)
	require.NoError(t, c.err)
	c.authorization = session.AuthToken
}

func enterDualShield(t *testing.T, d *harness.Daemon, c *administrator) {
	t.Helper()
	var agent struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	credential(t, d, "dualshield", &agent)
	resp, err := c.http.PostForm(c.base+"oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {agent.ID}, "client_secret": {agent.Secret}})
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var token struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(text, &token))
	c.authorization = "Bearer " + token.Token
}

// nativeLife is the life of a card in our own API.
func nativeLife(c *administrator, n int) {
	var made struct{ ID string }
	c.ask(writes, "POST", "tokens", fields{"user": c.user.login, "label": fmt.Sprintf("%s %d", c.user.login, n)}, &made, http.StatusCreated)
	one := "tokens/" + made.ID
	c.ask(reads, "GET", one, nil, nil, 200)
	c.ask(reads, "GET", "tokens?limit=20&user="+c.user.login, nil, nil, 200)
	c.ask(writes, "PATCH", one, fields{"label": "renamed"}, nil, 200)
	c.ask(reads, "POST", "search/tokens", fields{"limit": 20, "where": []fields{{"field": "holder", "value": c.user.login}, {"field": "label", "operator": "contains", "value": "renam"}}}, nil, 200)
	c.ask(writes, "PATCH", one, fields{"enabled": false}, nil, 200)
	c.ask(reads, "GET", one, nil, nil, 200)
	c.ask(writes, "PATCH", one, fields{"enabled": true}, nil, 200)
	c.ask(writes, "POST", one+"/unassign", fields{}, nil, 200)
	c.ask(reads, "POST", "search/tokens", fields{"limit": 20, "where": []fields{{"field": "state", "value": "unassigned"}}, "orderBy": "createdAt"}, nil, 200)
	c.ask(reads, "GET", one+"/objects", nil, nil, 200)
	c.ask(writes, "POST", one+"/assign", fields{"user": c.user.login}, nil, 200)
	c.ask(reads, "GET", "users/"+c.user.login, nil, nil, 200)
	c.ask(writes, "DELETE", one, nil, nil, 204)
}

// idprimeLife is the life of a card in the API of IDPrime Virtual.
func idprimeLife(c *administrator, n int) {
	all := c.user.login + "/Tokens"
	var id string
	c.ask(writes, "POST", all, nil, &id, 200)
	c.ask(reads, "GET", all, nil, nil, 200)
	c.ask(writes, "PUT", all+"/"+id+"/Label/card%20"+fmt.Sprint(n), nil, nil, 204)
	c.ask(reads, "GET", all+"/"+id+"/Certificates", nil, nil, 200)
	c.ask(reads, "GET", all, nil, nil, 200)
	c.ask(writes, "PUT", all+"/"+id+"/Complete", nil, nil, 204)
	c.ask(reads, "GET", all, nil, nil, 200)
	c.ask(writes, "DELETE", all+"/"+id, nil, nil, 204)
}

// entrustLife is the life of a soft token in the API of Entrust.
func entrustLife(c *administrator, n int) {
	var made struct{ ID, SerialNumber string }
	c.ask(writes, "POST", "users/"+c.user.id+"/tokens/GOOGLE_AUTHENTICATOR", fields{"activateParms": fields{"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}, &made, 200)
	one := "tokens/" + made.ID
	c.ask(reads, "GET", one, nil, nil, 200)
	c.ask(reads, "GET", "tokens/sernum/"+made.SerialNumber, nil, nil, 200)
	c.ask(writes, "PUT", one+"/changestate", fields{"state": "INACTIVE"}, nil, 200)
	c.ask(reads, "POST", "tokenspaged/assigned", fields{"limit": 20, "searchByAttributes": []fields{{"name": "serialNumber", "operator": "EQUALS", "value": made.SerialNumber}}}, nil, 200)
	c.ask(writes, "PUT", one+"/changestate", fields{"state": "ACTIVE"}, nil, 200)
	c.ask(reads, "GET", one, nil, nil, 200)
	c.ask(writes, "PUT", one+"/assigned", fields{"label": fmt.Sprint("phone ", n)}, nil, 200)
	c.ask(reads, "POST", "tokenspaged/unassigned", fields{"limit": 20}, nil, 200)
	c.ask(writes, "DELETE", one, nil, nil, 200)
}

// dualshieldLife is the life of a token in the API of DualShield.
func dualshieldLife(c *administrator, n int) {
	var made struct {
		Error  int
		Result struct{ ID string }
	}
	call := func(write bool, method string, body fields) {
		made.Error = 0
		c.ask(write, "POST", method, body, &made, 200)
		if c.err == nil && made.Error != 0 {
			c.err = fmt.Errorf("%s: error %d", method, made.Error)
		}
	}
	call(writes, "token/create", fields{"attrs": fields{"product.id": "DN/ST", "user": fields{"id": c.user.id}}, "return": []string{"id"}})
	id := made.Result.ID
	match := []any{[]any{"id", "=", id}}
	call(reads, "token/get", fields{"match": match, "return": []string{"*"}})
	call(writes, "token/set", fields{"id": id, "attrs": fields{"status": "DISABLED"}})
	call(reads, "token/search", fields{"match": []any{[]any{"user.id", "=", c.user.id}}, "max": 20, "return": []string{"serial", "status"}})
	call(writes, "token/set", fields{"id": id, "attrs": fields{"status": "ACTIVE"}})
	call(reads, "tokenAssignment/get", fields{"match": []any{[]any{"id", "=", id + "." + c.user.id}}})
	call(writes, "token/set", fields{"id": id, "attrs": fields{"description": fmt.Sprint("token ", n)}})
	call(reads, "token/get", fields{"match": match})
	call(writes, "token/delete", fields{"id": id})
}
