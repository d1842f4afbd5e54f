package idprime

import (
	"net/http"

	"vtoken/provisioning/httpkit"
)

// The parts that paths are made of.
const (
	tenantPath = "/Tenants/{tenantId}"
	userPath   = tenantPath + "/Users/{userId}"
	tokenPath  = userPath + "/Tokens/{tokenId}"
)

// Services of the product, the second segment of a path.
const (
	provisioningAPI = "/IDPrimeVirtual/Provisioning/"
	apiManagerAPI   = "/IDPrimeVirtual/ApiManager/"
	systemAPI       = "/IDPrimeVirtual/SystemTenant/"
	// The vendor prints the product's name twice here; once is served, too.
	statisticAPI      = provisioningAPI + "IDPrimeVirtual/UserStatistic/"
	shortStatisticAPI = provisioningAPI + "UserStatistic/"
)

// Spellings of the two versions; segments match in either case.
var (
	v1     = []string{"V1.0", "V1"}
	v2     = []string{"V2.0", "V2"}
	either = append(append([]string(nil), v1...), v2...)
)

// RSA key sizes of the tokens that V1.0 and V2.0 create, in bits.
const (
	smallRSA = 2048
	largeRSA = 4096
)

// routes returns all operations, under every version that has them.
func (d *Dialect) routes() []httpkit.Route {
	table := []struct {
		method   string
		service  string
		versions []string
		path     string
		serve    httpkit.Handler
	}{
		{http.MethodGet, provisioningAPI, either, tenantPath + "/TenantExchangePublicKey", d.exchangeKey},
		{http.MethodPost, provisioningAPI, v1, userPath + "/Tokens", d.createToken(smallRSA)},
		{http.MethodPost, provisioningAPI, v2, userPath + "/Tokens", d.createToken(largeRSA)},
		{http.MethodGet, provisioningAPI, v1, userPath + "/Tokens", d.listTokenIDs},
		{http.MethodGet, provisioningAPI, v2, userPath + "/Tokens", d.listTokens},
		{http.MethodPost, provisioningAPI, either, tokenPath + "/Certificate", d.importPFX},
		{http.MethodGet, provisioningAPI, either, tokenPath + "/Certificates", d.certificates},
		{http.MethodPut, provisioningAPI, either, tokenPath + "/Complete", d.complete},
		{http.MethodDelete, provisioningAPI, either, tokenPath, d.deleteToken},
		{http.MethodPut, provisioningAPI, either, tokenPath + "/Label/{tokenLabel}", d.setLabel},
		{http.MethodPost, provisioningAPI, either, tokenPath + "/Role/{roleName}/ResetPin", d.resetPIN},
		{http.MethodPost, provisioningAPI, either, userPath + "/CertificateSigningRequest", d.generateCSR},
		{http.MethodPut, provisioningAPI, either, tokenPath + "/Keys/{keyId}/Certificate", d.storeCertificate},
		{http.MethodGet, apiManagerAPI, v1, tenantPath + "/ApiKey", d.listAPIKeys},
		{http.MethodDelete, apiManagerAPI, v1, tenantPath + "/ApiKey/{keyName}", d.revokeAPIKey},
		{http.MethodPost, systemAPI, v1, tenantPath, d.createTenant},
		{http.MethodPut, systemAPI, v1, tenantPath, d.updateTenant},
		{http.MethodGet, systemAPI, v1, tenantPath, d.getTenant(false)},
		{http.MethodGet, systemAPI, v1, tenantPath + "/Configuration", d.getTenant(true)},
		{http.MethodGet, systemAPI, v1, tenantPath + "/TenantList", d.listTenants},
		{http.MethodPost, apiManagerAPI, v1, tenantPath + "/ApiKey/{keyName}", d.createAPIKey},
		{http.MethodGet, statisticAPI, v1, tenantPath + "/statistics/activeUsers", d.countActiveUsers},
		{http.MethodGet, shortStatisticAPI, v1, tenantPath + "/statistics/activeUsers", d.countActiveUsers},
		{http.MethodGet, statisticAPI, v1, tenantPath + "/statistics/notLoggedInUsers", d.listNotLoggedInUsers},
		{http.MethodGet, shortStatisticAPI, v1, tenantPath + "/statistics/notLoggedInUsers", d.listNotLoggedInUsers},
	}
	var all []httpkit.Route
	for _, row := range table {
		for _, version := range row.versions {
			all = append(all, httpkit.Route{Method: row.method, Path: row.service + version + row.path, Serve: row.serve})
		}
	}
	return all
}
