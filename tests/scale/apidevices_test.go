package scale

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/tests/harness"
)

// enterSecurID signs a token for an hour.
func enterSecurID(t *testing.T, d *harness.Daemon, c *administrator) {
	t.Helper()
	var file struct{ AccessID, AccessKey, AdminRestAPIURL string }
	credential(t, d, "securid", &file)
	block, _ := pem.Decode([]byte(file.AccessKey))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	claims := jwt.Claims{Subject: file.AccessID, IssuedAt: jwt.NewNumericDate(time.Now()), Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour))}
	token, err := jwt.Signed(signer).Claims(claims).Claims(fields{"aud": file.AdminRestAPIURL}).Serialize()
	require.NoError(t, err)
	c.authorization = "Bearer " + token
}

// devices makes the tokens that clients of SecurID assign: its API makes none.
func devices(t *testing.T, d *harness.Daemon, clients []*administrator) {
	t.Helper()
	admin := client.Unix(d.AdminSocket)
	defer admin.Close()
	for i, c := range clients {
		if c.name != "securid" {
			continue
		}
		c.device = fmt.Sprintf("%012d", i)
		_, err := admin.CreateToken(t.Context(), "", api.NewToken{Unassigned: true, Serial: c.device, OTP: &api.NewOTP{Digits: 6, Period: 60}})
		require.NoError(t, err)
	}
}

// securidLife is a time in which a user has a device, in the API of SecurID.
func securidLife(c *administrator, n int) {
	own := "users/" + c.user.id + "/sidTokens/"
	body := func(more fields) fields {
		more["tokenSerialNumber"] = c.device
		return more
	}
	lookup := func() { c.ask(reads, "POST", "v1/sidTokens/lookup", body(fields{}), nil, 200) }
	c.ask(writes, "PATCH", "v1/"+own+"assign", body(fields{"tokenName": fmt.Sprint("device ", n)}), nil, 200)
	lookup()
	c.ask(writes, "PATCH", "v1/"+own+"updateName", body(fields{"updatedName": "renamed"}), nil, 200)
	lookup()
	c.ask(writes, "PATCH", "v1/"+own+"disable", body(fields{}), nil, 200)
	lookup()
	c.ask(writes, "PATCH", "v1/"+own+"enable", body(fields{}), nil, 200)
	lookup()
	c.ask(writes, "PATCH", "v2/"+own+"clearPin", body(fields{}), nil, 200)
	lookup()
	c.ask(writes, "PATCH", "v1/"+own+"unassign", body(fields{}), nil, 200)
	lookup()
}

// enterSurePassID keeps the name and the key of the account, which go into each body.
func enterSurePassID(t *testing.T, d *harness.Daemon, c *administrator) {
	t.Helper()
	var account struct{ SPAccountLoginName, SPAccountLoginKey string }
	credential(t, d, "surepassid", &account)
	c.authorization = account.SPAccountLoginName + " " + account.SPAccountLoginKey
}

// surepassidLife is the life of a device in the API of SurePassID.
func surepassidLife(c *administrator, n int) {
	var made struct {
		ErrorCode int
		DeviceID  string
	}
	var name, key string
	_, _ = fmt.Sscan(c.authorization, &name, &key)
	call := func(write bool, method string, body fields) {
		made.ErrorCode = 0
		body["type"], body["spAccountLoginName"], body["spAccountLoginKey"] = method, name, key
		c.ask(write, "POST", "U2FServer.aspx", body, &made, 200)
		if c.err == nil && made.ErrorCode != 0 {
			c.err = fmt.Errorf("%s: error %d", method, made.ErrorCode)
		}
	}
	psn := fmt.Sprintf("%p-%d", c, n)
	find := func() { call(reads, "find_device", fields{"psn": psn}) }
	call(writes, "add_oath_device", fields{"username": c.user.login, "psn": psn})
	find()
	call(writes, "disable_device", fields{"psn": psn})
	find()
	call(writes, "enable_device", fields{"psn": psn})
	find()
	call(writes, "unassign_device", fields{"psn": psn})
	find()
	call(writes, "assign_device", fields{"psn": psn, "username": c.user.login, "force": 0})
	find()
	call(writes, "delete_device", fields{"psn": psn})
	if n%100 == 0 { // and is gone
		made.ErrorCode = 0
		c.ask(reads, "POST", "U2FServer.aspx", fields{"type": "find_device", "spAccountLoginName": name, "spAccountLoginKey": key, "psn": psn}, &made, 200)
		if c.err == nil && made.ErrorCode != 9021 {
			c.err = fmt.Errorf("a device that is gone is found: %d", made.ErrorCode)
		}
	}
}
