package idprime

import (
	"net/http"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// apiKeyInfo is an API key in a list, without the key itself.
type apiKeyInfo struct {
	Name      string     `json:"name"`
	TenantID  string     `json:"tenantId"`
	Role      string     `json:"role"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"` // null is never
}

// createAPIKey is the call of the API manager. Without a role, the key is an
// administrator's of its tenant, as the vendor's keys are.
func (d *Dialect) createAPIKey(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	at, err := expiry(r)
	if err != nil {
		return err
	}
	k, key, err := d.core.CreateAPIKey(r.Context(), c, tenant, provisioning.NewAPIKey{Name: r.PathValue("keyName"), ExpiresAt: at})
	if err != nil {
		return err
	}
	defer key.Wipe()
	return httpkit.WriteJSON(w, http.StatusOK, newAPIKey(k, key))
}

// listAPIKeys lists the keys of a tenant, without the keys themselves.
func (d *Dialect) listAPIKeys(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	all, err := d.core.APIKeys(r.Context(), c, tenant)
	if err != nil {
		return err
	}
	list := []apiKeyInfo{}
	for _, k := range all {
		info := apiKeyInfo{Name: k.Name, TenantID: string(k.Tenant), Role: string(k.Role), CreatedAt: k.CreatedAt.UTC()}
		if !k.ExpiresAt.IsZero() {
			at := k.ExpiresAt.UTC()
			info.ExpiresAt = &at
		}
		list = append(list, info)
	}
	return httpkit.WriteJSON(w, http.StatusOK, list)
}

// revokeAPIKey revokes a key at once.
func (d *Dialect) revokeAPIKey(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	tenant, err := tenantID(r)
	if err != nil {
		return err
	}
	if err := d.core.RevokeAPIKey(r.Context(), c, tenant, r.PathValue("keyName")); err != nil {
		return err
	}
	return noContent(w)
}
