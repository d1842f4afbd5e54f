package native

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11uri"
	"vtoken/vtoken/record"
)

func tenantJSON(t provisioning.Tenant) api.Tenant {
	return api.Tenant{
		ID: string(t.ID), Name: t.Name, CreatedAt: t.CreatedAt, Policy: t.Policy, PINBound: t.PINBound, Resume: t.Resume, OSUsers: t.OSUsers,
		MaxObjects: t.MaxObjects, MaxObjectsPerUser: t.MaxObjectsPerUser,
	}
}

func userJSON(u record.User) api.User {
	return api.User{
		ID: string(u.ID), Tenant: string(u.Tenant), Login: u.Login, Enabled: u.Enabled,
		OSUsers: append([]string{}, u.OSUsers...), NotByName: u.NotByName, Domain: u.Domain, Aliases: u.Aliases, CreatedAt: u.CreatedAt,
	}
}

func apiKeyJSON(k provisioning.APIKey) api.APIKey {
	return api.APIKey{
		Name: k.Name, Tenant: string(k.Tenant), Role: string(k.Role),
		CreatedAt: k.CreatedAt, ExpiresAt: timeOrNil(k.ExpiresAt),
		Dialect: k.Dialect, ID: k.ID, HasCertificate: k.HasCertificate,
	}
}

func pinJSON(p provisioning.PINStatus) api.PINStatus {
	return api.PINStatus{
		Set: p.Set, Locked: p.Locked, TriesLeft: p.TriesLeft, MustChange: p.ToBeChanged,
		MinLength: p.MinLen, MaxLength: p.MaxLen,
	}
}

func importedJSON(i provisioning.Import) api.Imported {
	return api.Imported{
		SerialNumbers: append([]string{}, i.Serials...), ID: hexOf(i.KeyID), Label: i.Label,
		Warnings: append([]string{}, i.Warnings...),
	}
}

func certificateJSON(c provisioning.Certificate) api.Certificate {
	out := api.Certificate{
		SerialNumber: c.Serial, HasKey: c.HasKey, ID: hexOf(c.KeyID), Label: c.Label,
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})),
	}
	// An application may have written a certificate that does not parse: it is
	// listed all the same.
	if parsed, err := x509.ParseCertificate(c.DER); err == nil {
		out.Subject, out.Issuer = parsed.Subject.String(), parsed.Issuer.String()
		out.NotBefore, out.NotAfter = timeOrNil(parsed.NotBefore), timeOrNil(parsed.NotAfter)
	}
	return out
}

// class has the names of a class of objects in the API and in PKCS#11 URIs.
type class struct{ name, uriType string }

// classes are the classes that tokens hold.
var classes = map[ck.ObjectClass]class{
	ck.CKO_DATA:        {"data", p11uri.Data},
	ck.CKO_CERTIFICATE: {"certificate", p11uri.Cert},
	ck.CKO_PUBLIC_KEY:  {"public key", p11uri.Public},
	ck.CKO_PRIVATE_KEY: {"private key", p11uri.Private},
	ck.CKO_SECRET_KEY:  {"secret key", p11uri.SecretKey},
	ck.CKO_OTP_KEY:     {"OTP key", ""}, // RFC 7512 has no type for it
}

func objectJSON(t provisioning.Token, o provisioning.ObjectInfo) api.Object {
	c, known := classes[o.Class]
	if !known {
		c.name = o.Class.String()
	}
	out := api.Object{
		Class: c.name, Label: o.Label, ID: hexOf(o.KeyID), Bits: o.Bits,
		Subject: o.Subject, SerialNumber: o.Serial, NotAfter: timeOrNil(o.NotAfter),
		URI: objectURI(t, o, c.uriType),
	}
	switch o.Class {
	case ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		out.KeyType = strings.TrimPrefix(o.KeyType.String(), "CKK_")
	}
	return out
}

// objectURI names the object by its id, which does not change with its label, or else by
// its label.
func objectURI(t provisioning.Token, o provisioning.ObjectInfo, uriType string) string {
	p := p11uri.Path{Serial: t.Serial, ID: o.KeyID, Type: uriType}
	if len(o.KeyID) == 0 {
		p.Object = o.Label
	}
	return p.String()
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
