package dualshield

import (
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// The states of a token and of an assignment.
const (
	statusActive   = "ACTIVE"
	statusInactive = "INACTIVE"
	statusDisabled = "DISABLED"
	statusLocked   = "LOCKED"
	statusDeceased = "DECEASED"
)

// product is a kind of token: a card, or an OTP token with its parameters.
type product struct {
	manufacturer, code string
	hardware, card     bool
	otp                provisioning.NewOTP
}

// products are the products of tokens that can be created. Seeds of other products can be
// imported if their file has the parameters.
var products = []product{
	{manufacturer: "DN", code: "MT", otp: provisioning.NewOTP{Digits: 6, Period: 30}},
	{manufacturer: "DN", code: "ST", hardware: true, otp: provisioning.NewOTP{Digits: 6, Period: 60}},
	{manufacturer: "DN", code: "SE", hardware: true, otp: provisioning.NewOTP{Digits: 6}},
	{manufacturer: "GG", code: "GT", otp: provisioning.NewOTP{Digits: 6, Period: 30}},
	{manufacturer: "VT", code: "SC", card: true},
}

// id returns the two codes of a product.
func (p product) id() string { return p.manufacturer + "/" + p.code }

// status returns the state of a token.
func status(t provisioning.Token) string {
	switch {
	case t.Deceased:
		return statusDeceased
	case !t.Enabled:
		return statusDisabled
	}
	return statusActive
}

// assignmentStatus returns the state of an assignment.
func assignmentStatus(t provisioning.Token, h provisioning.Holder) string {
	switch {
	case h.Suspended:
		return statusDisabled
	case t.UserPIN.Locked:
		return statusLocked
	case t.Activation != record.Activated:
		return statusInactive
	}
	return statusActive
}

// tokenAttrs returns all simple attributes of a token.
func tokenAttrs(t provisioning.Token) map[string]any {
	return map[string]any{
		"id": t.ID, "serial": t.Serial, "identifier": t.Serial, "status": status(t), "description": description(t),
		"category": map[record.Kind]string{record.KindCard: "CARD", record.KindOTP: "OTP"}[t.Kind],
		"confined": t.Confined, "dateCreated": date(t.CreatedAt), "lastUsed": date(t.LastUsedAt), "expires": date(t.ExpiresAt),
		"product.id":               t.Product.Manufacturer + "/" + t.Product.Model,
		"product.manufacturerCode": t.Product.Manufacturer, "product.productCode": t.Product.Model,
		"repository.id": t.Product.Repository,
	}
}

// description returns the label, unless it is the serial number.
func description(t provisioning.Token) string {
	if t.Label == t.Serial {
		return ""
	}
	return t.Label
}

func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// collections returns the attributes of a token that are lists of objects.
func collections(t provisioning.Token) map[string][]map[string]any {
	out := map[string][]map[string]any{"users": {}, "assignedUsers": {}, "sharedUsers": {}, "tokenAssignments": {}}
	for i, h := range t.Holders {
		u := map[string]any{"id": h.User, "loginName": h.Login, "domain.name": h.Domain}
		out["users"] = append(out["users"], u)
		part := "assignedUsers"
		if i > 0 {
			part = "sharedUsers"
		}
		out[part] = append(out[part], u)
		out["tokenAssignments"] = append(out["tokenAssignments"], assignmentAttrs(t, i))
	}
	return out
}

// assignmentAttrs returns the attributes of the assignment of holder i. Those that are
// always null are not stored here, or are secrets.
func assignmentAttrs(t provisioning.Token, i int) map[string]any {
	h := t.Holders[i]
	return map[string]any{
		"id": assignmentID(t.ID, h.User), "status": assignmentStatus(t, h), "isOwner": i == 0,
		"mustChangePin": t.UserPIN.ToBeChanged, "pinNeverExpires": true, "lastChangePin": date(t.UserPIN.ChangedAt),
		"dateCreated": date(h.At), "starts": date(h.Starts), "expires": date(h.Expires),
		"usageLimit": h.UsageLimit, "priority": h.Priority, "lastUpdated": nil, "activationCode": nil, "challengeCodes": nil,
		"token.id": string(t.ID), "token.serial": t.Serial, "user.id": string(h.User), "user.loginName": h.Login, "user.domain.name": h.Domain,
	}
}
