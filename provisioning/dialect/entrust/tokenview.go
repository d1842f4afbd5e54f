package entrust

import (
	"slices"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// The types of token.
const (
	physicalToken = "ENTRUST_PHYSICAL_TOKEN"
	softToken     = "ENTRUST_SOFT_TOKEN"
	googleToken   = "GOOGLE_AUTHENTICATOR"
	oathToken     = "OATH_PHYSICAL_TOKEN"
	legacyToken   = "ENTRUST_LEGACY_TOKEN"
)

var types = []string{physicalToken, softToken, googleToken, oathToken, legacyToken}

// The states of a token.
const (
	stateNew        = "NEW"
	stateActivating = "ACTIVATING"
	stateActive     = "ACTIVE"
	stateInactive   = "INACTIVE"
	stateUnassigned = "UNASSIGNED"
)

// stateOf returns the state of a token. A deceased token never works again, which is
// nearest to INACTIVE.
func stateOf(t provisioning.Token) string {
	switch {
	case t.Deceased:
		return stateInactive
	case len(t.Holders) == 0:
		return stateUnassigned
	case !t.Enabled:
		return stateInactive
	case t.Activation == record.Activated:
		return stateActive
	case t.Activation == record.ActivationPending:
		return stateActivating
	}
	return stateNew
}

// hardTypes are the types of hardware.
var hardTypes = []string{physicalToken, oathToken, legacyToken}

// typeOf returns the type of a token: the one it was created or loaded as, else the
// nearest one. [typeCriteria] says the same for searches.
func typeOf(t provisioning.Token) string {
	switch model := t.Product.Model; {
	case t.Product.Hardware && slices.Contains(hardTypes, model):
		return model
	case t.Product.Hardware:
		return oathToken
	case model == googleToken:
		return model
	}
	return softToken
}

func algorithmOf(t provisioning.Token) string {
	switch {
	case t.Kind != record.KindOTP:
		return "VENDOR"
	case t.OTP.Period != 0:
		return "OATH_TOTP"
	}
	return "OATH_HOTP"
}

// isHardware reports whether a token is assigned and unassigned, rather than created for
// a user and deleted.
func isHardware(t provisioning.Token) bool { return t.Product.Hardware }

// allowed returns the actions that the state of a token allows, from those of the core.
func allowed(t provisioning.Token) []string {
	started := t.Activation != record.ActivationNew
	standing := t.Activation == record.Activated && len(t.Holders) > 0
	list := []string{}
	for _, row := range []struct {
		action string
		is     bool
	}{
		{"ACTIVATE", !isHardware(t) && !started && t.Can(provisioning.OpTokenActivate)},
		{"REACTIVATE", !isHardware(t) && started && t.Can(provisioning.OpTokenActivate)},
		{"ACTIVATE_COMPLETE", t.Activation == record.ActivationPending && t.Can(provisioning.OpTokenActivated)},
		{"DELETE", t.Can(provisioning.OpTokenDelete)},
		{"UNLOCK", t.UserPIN.Set && t.Can(provisioning.OpTokenUnlock)},
		{"ENABLE", !t.Enabled && standing && t.Can(provisioning.OpTokenEnable)},
		{"DISABLE", t.Enabled && standing && t.Can(provisioning.OpTokenDisable)},
		{"RESET", t.Can(provisioning.OpTokenResetOTP)},
		{"ASSIGN", isHardware(t) && t.Can(provisioning.OpTokenAssign)},
		{"UNASSIGN", isHardware(t) && t.Can(provisioning.OpTokenUnassign)},
	} {
		if row.is {
			list = append(list, row.action)
		}
	}
	return list
}

// newToken converts a token of the core.
func newToken(t provisioning.Token) token {
	out := token{
		ID: string(t.ID), SerialNumber: t.Serial, Type: typeOf(t), State: stateOf(t), AllowedActions: allowed(t),
		AlgorithmType: algorithmOf(t), UserID: t.Login, Groups: []string{}, LoadDate: t.CreatedAt.UTC(),
		Platform: t.Device, SupportsResponse: t.Kind == record.KindOTP, SupportsUnlock: t.UserPIN.Set,
		IdentityVerificationStatus: "NOT_REQUIRED",
	}
	if len(t.Holders) > 0 && t.Label != t.Serial {
		out.Label = t.Label
	}
	for _, g := range t.Groups {
		out.Groups = append(out.Groups, string(g))
	}
	if !t.LastUsedAt.IsZero() {
		at := t.LastUsedAt.UTC().Truncate(time.Second)
		out.LastUsedDate = &at
	}
	return out
}
