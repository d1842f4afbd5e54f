package idprime

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// headerSecretEncrypted says that idpClientSecret is encrypted under the exchange
// key of the system tenant.
const headerSecretEncrypted = "X-IDPrimeVirtual-IsIdpClientSecretEncrypted"

// tenantTypes are the uses of a tenant, the default first: virtual cards, and the web
// signing service.
var tenantTypes = []string{"IDPV", "SWS"}

// tenantChange is the body that creates or updates a tenant. Members that are absent from
// an update do not change.
type tenantChange struct {
	TenantID        string  `json:"tenantId,omitempty"` // of an update
	TenantName      string  `json:"tenantName,omitempty"`
	IdpClientSecret *string `json:"idpClientSecret,omitempty"`
	tenantSettings
}

// tenantSettings are stored with a tenant for this dialect. They are returned, and have
// no effect on tokens.
type tenantSettings struct {
	TenantType                         string  `json:"tenantType,omitempty"`
	IdpProvider                        *string `json:"idpProvider,omitempty"`
	IdpConfigFilePath                  *string `json:"idpConfigFilePath,omitempty"`
	TokenPolicies                      *string `json:"tokenPolicies,omitempty"`
	SwsConfigFilePath                  *string `json:"swsConfigFilePath,omitempty"`
	IsExportKeys                       *bool   `json:"isExportKeys,omitempty"`
	IsSksMode                          *bool   `json:"isSksMode,omitempty"`
	IsAutoCardCreationEnabled          *bool   `json:"isAutoCardCreationEnabled,omitempty"`
	IsAutoRefreshSigningKeyEnabled     *bool   `json:"isAutoRefreshSigningKeyEnabled,omitempty"`
	IsOfflineFallbackEnabled           *bool   `json:"isOfflineFallbackEnabled,omitempty"`
	IsAutoOfflineBundleDownloadEnabled *bool   `json:"isAutoOfflineBundleDownloadEnabled,omitempty"`
}

// storedTenant is what is stored, encrypted, with the tenant.
type storedTenant struct {
	tenantSettings
	IdpClientSecret string `json:"idpClientSecret,omitempty"`
}

// tenantBasics is a tenant in a list.
type tenantBasics struct {
	TenantID     string `json:"tenantId"`
	TenantName   string `json:"tenantName"`
	TenantType   string `json:"tenantType"`
	IdpProvider  string `json:"idpProvider"`
	TenantStatus string `json:"tenantStatus"`
}

// tenantDetails is all of a tenant but its secret.
type tenantDetails struct {
	tenantBasics
	Configuration      tenantSettings `json:"configuration"`
	HasIdpClientSecret bool           `json:"hasIdpClientSecret"`
}

func basics(t provisioning.Tenant, s tenantSettings) tenantBasics {
	b := tenantBasics{TenantID: string(t.ID), TenantName: t.Name, TenantType: s.TenantType, TenantStatus: "Active"}
	if b.TenantType == "" {
		b.TenantType = tenantTypes[0]
	}
	if s.IdpProvider != nil {
		b.IdpProvider = *s.IdpProvider
	}
	return b
}

// systemTenant checks that the path names the system tenant, which is the default tenant,
// and that the caller may access all tenants.
func (d *Dialect) systemTenant(r *http.Request, c provisioning.Caller) (record.TenantID, error) {
	id, err := tenantID(r)
	if err != nil {
		return "", err
	}
	if !c.May(record.MaySystem) {
		return "", provisioning.Errorf(provisioning.Forbidden,
			"this needs a key of role system; make one with `vtoken apikey create --role system`")
	}
	system, err := d.core.TenantNamed(r.Context(), c, record.DefaultTenant)
	if err == nil && system.ID != id {
		err = provisioning.Errorf(provisioning.TenantNotFound, "%s is not the system tenant; that is the tenant %q",
			id, record.DefaultTenant)
	}
	return system.ID, err
}

// readTenant reads the body that creates or updates a tenant.
func (d *Dialect) readTenant(
	w http.ResponseWriter, r *http.Request, c provisioning.Caller, system record.TenantID,
) (tenantChange, error) {
	var change tenantChange
	encrypted, err := flag(r, headerSecretEncrypted)
	if err != nil {
		return change, err
	}
	if err := httpkit.ReadJSON(w, r, &change); err != nil {
		return change, err
	}
	if change.TenantType != "" && !slices.Contains(tenantTypes, change.TenantType) {
		return change, provisioning.Errorf(provisioning.BadInput, "tenantType must be one of %v", tenantTypes)
	}
	if err := change.checkLengths(); err != nil {
		return change, err
	}
	if change.IdpClientSecret != nil && encrypted {
		plain, err := d.core.Decrypt(r.Context(), c, system, *change.IdpClientSecret)
		if err != nil {
			return change, err
		}
		text := string(plain)
		change.IdpClientSecret = &text
	}
	return change, nil
}

// checkLengths bounds the lengths of strings, in characters.
func (t *tenantChange) checkLengths() error {
	for _, member := range []struct {
		name string
		text *string
		most int
	}{
		{"idpProvider", t.IdpProvider, 255}, {"idpClientSecret", t.IdpClientSecret, 4096}, {"idpConfigFilePath", t.IdpConfigFilePath, 1024},
		{"tokenPolicies", t.TokenPolicies, 32768}, {"swsConfigFilePath", t.SwsConfigFilePath, 1024},
	} {
		if member.text != nil && utf8.RuneCountInString(*member.text) > member.most {
			return provisioning.Errorf(provisioning.BadInput, "%s has more than %d characters", member.name, member.most)
		}
	}
	return nil
}

// over applies the change to the stored settings.
func (t *tenantChange) over(old secret.Bytes) (storedTenant, secret.Bytes, error) {
	var stored storedTenant
	if len(old) > 0 {
		if err := json.Unmarshal(old, &stored); err != nil {
			return stored, nil, fmt.Errorf("reading the settings of a tenant: %w", err)
		}
	}
	changes, err := json.Marshal(t.tenantSettings)
	if err == nil {
		err = json.Unmarshal(changes, &stored.tenantSettings)
	}
	if t.IdpClientSecret != nil {
		stored.IdpClientSecret = *t.IdpClientSecret
	}
	if err != nil {
		return stored, nil, fmt.Errorf("changing the settings of a tenant: %w", err)
	}
	text, err := json.Marshal(stored)
	return stored, text, err
}

// createTenant creates a tenant.
func (d *Dialect) createTenant(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	system, err := d.systemTenant(r, c)
	if err != nil {
		return err
	}
	change, err := d.readTenant(w, r, c, system)
	if err != nil {
		return err
	}
	if change.TenantID != "" {
		return provisioning.Errorf(provisioning.BadInput, "a new tenant gets its tenantId here; leave it out")
	}
	stored, text, err := change.over(nil)
	if err != nil {
		return err
	}
	t, err := d.core.CreateTenantWith(r.Context(), c, change.TenantName, Name, text)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, basics(t, stored.tenantSettings))
}

// updateTenant changes the tenant in the body.
func (d *Dialect) updateTenant(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	system, err := d.systemTenant(r, c)
	if err != nil {
		return err
	}
	change, err := d.readTenant(w, r, c, system)
	if err != nil {
		return err
	}
	id, err := provisioning.ParseID[record.TenantID]("tenant", change.TenantID)
	if err != nil {
		return err
	}
	var stored storedTenant
	t, err := d.core.ChangeTenant(r.Context(), c, id, change.TenantName, Name, func(old secret.Bytes) (text secret.Bytes, err error) {
		stored, text, err = change.over(old)
		return text, err
	})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, basics(t, stored.tenantSettings))
}

// listTenants lists all tenants.
func (d *Dialect) listTenants(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
	if _, err := d.systemTenant(r, c); err != nil {
		return err
	}
	all, err := d.core.Tenants(r.Context(), c)
	if err != nil {
		return err
	}
	list := []tenantBasics{}
	for _, t := range all {
		t, stored, err := d.tenant(r, c, t.ID)
		if err != nil {
			return err
		}
		list = append(list, basics(t, stored.tenantSettings))
	}
	return httpkit.WriteJSON(w, http.StatusOK, map[string]any{"tenantListForAdmin": list})
}

// tenant returns a tenant with its settings.
func (d *Dialect) tenant(
	r *http.Request, c provisioning.Caller, id record.TenantID,
) (provisioning.Tenant, storedTenant, error) {
	t, text, err := d.core.TenantSettings(r.Context(), c, id, Name)
	if err != nil {
		return t, storedTenant{}, err
	}
	defer text.Wipe()
	stored, _, err := (&tenantChange{}).over(text)
	return t, stored, err
}

// getTenant returns the basics of a tenant, or all of it.
func (d *Dialect) getTenant(whole bool) httpkit.Handler {
	return func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
		id, err := tenantID(r)
		if err != nil {
			return err
		}
		t, stored, err := d.tenant(r, c, id)
		if err != nil {
			return err
		}
		b := basics(t, stored.tenantSettings)
		if !whole {
			return httpkit.WriteJSON(w, http.StatusOK, b)
		}
		stored.TenantType, stored.IdpProvider = "", nil // they are above
		return httpkit.WriteJSON(w, http.StatusOK, tenantDetails{b, stored.tenantSettings, stored.IdpClientSecret != ""})
	}
}
