package native

import (
	"encoding/pem"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// maxCertificateBody bounds a body with a certificate in PEM. JSON doubles its line
// breaks.
const maxCertificateBody = provisioning.MaxCertificates + provisioning.MaxCertificates/8

// keyTypes are the kinds of keys that can be requested.
var keyTypes = map[string]provisioning.NewCSR{
	"":         {RSABits: 2048},
	"rsa:2048": {RSABits: 2048},
	"rsa:3072": {RSABits: 3072},
	"rsa:4096": {RSABits: 4096},
	"ec:P-256": {Curve: "P-256"},
	"ec:P-384": {Curve: "P-384"},
}

func (h *Handler) requestCertificate(r *request) (any, error) {
	in, err := read[api.NewCSR](r)
	if err != nil {
		return nil, err
	}
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	n, ok := keyTypes[in.Type]
	if !ok {
		return nil, provisioning.Errorf(provisioning.BadInput,
			"the type of a key is rsa:2048, rsa:3072, rsa:4096, ec:P-256 or ec:P-384")
	}
	n.Subject, n.Emails, n.UPNs = in.Subject, in.Emails, in.UPNs
	made, err := h.core.TokenCSR(r.ctx, r.caller, ref, in.User, n)
	if err != nil {
		return nil, err
	}
	key := pendingKeyJSON(made.Key)
	if key.Type = in.Type; key.Type == "" {
		key.Type = "rsa:2048"
	}
	return api.CSR{Key: key, PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: made.DER}))}, nil
}

func (h *Handler) storeCertificate(r *request) (any, error) {
	var in api.NewCertificate
	if err := (httpkit.JSON{Max: maxCertificateBody}).Read(r.w, r.http, &in); err != nil {
		return nil, err
	}
	ref, err := refOf(r)
	if err != nil {
		return nil, err
	}
	var key record.KeyID
	if in.Key != "" {
		if key, err = provisioning.ParseID[record.KeyID]("key", in.Key); err != nil {
			return nil, err
		}
	}
	done, err := h.core.StoreCertificate(r.ctx, r.caller, ref, key, []byte(in.PEM))
	return importedJSON(done), err
}

func (h *Handler) listPendingKeys(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	all, err := h.core.PendingKeys(r.ctx, r.caller, tenant, r.path("user"))
	if err != nil {
		return nil, err
	}
	return listedByPlace(r, all, pendingKeyJSON)
}

func (h *Handler) deletePendingKey(r *request) (any, error) {
	tenant, err := h.tenant(r)
	if err != nil {
		return nil, err
	}
	id, err := provisioning.ParseID[record.KeyID]("key", r.path("keyId"))
	if err != nil {
		return nil, err
	}
	return nil, h.core.DeletePendingKey(r.ctx, r.caller, tenant, r.path("user"), id)
}

func pendingKeyJSON(k provisioning.PendingKey) api.PendingKey {
	return api.PendingKey{ID: string(k.ID), Token: string(k.Token), CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
}
