package keystore

import (
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// tokenJSON is a token record. Records from before there were activations and
// several holders have holder, and are activated when they are complete.
type tokenJSON struct {
	Slot        uint64    `json:"slot"`
	Serial      string    `json:"serial"`
	Label       string    `json:"label"`
	Holder      string    `json:"holder,omitempty"`
	Initialized bool      `json:"initialized"`
	Complete    bool      `json:"complete"`
	Enabled     bool      `json:"enabled"`
	MaxRSABits  int       `json:"maxRSABits"`
	UserPIN     pinJSON   `json:"userPIN"`
	SOPIN       pinJSON   `json:"soPIN"`
	Created     time.Time `json:"created"`

	Policy policyJSON `json:"policy,omitzero"`

	PINBound bool   `json:"pinBound,omitempty"`
	BoundKey []byte `json:"boundKey,omitempty"`

	Kind       string           `json:"kind,omitempty"`
	Product    productJSON      `json:"product,omitzero"`
	Holders    []assignmentJSON `json:"holders,omitempty"`
	LastHolder string           `json:"lastHolder,omitempty"`
	Groups     []string         `json:"groups,omitempty"`
	// Activation is a pointer, so that new (empty) is told from not there.
	Activation *string   `json:"activation,omitempty"`
	Code       codeJSON  `json:"code,omitzero"`
	EnabledAt  time.Time `json:"enabledAt,omitzero"`
	EnabledBy  string    `json:"enabledBy,omitempty"`
	Deceased   bool      `json:"deceased,omitempty"`
	Confined   bool      `json:"confined,omitempty"`
	Device     string    `json:"device,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	LastUsed   time.Time `json:"lastUsed,omitzero"`
	OTP        otpJSON   `json:"otp,omitzero"`
}

type assignmentJSON struct {
	User       string    `json:"user"`
	At         time.Time `json:"at"`
	By         string    `json:"by,omitempty"`
	Suspended  bool      `json:"suspended,omitempty"`
	Starts     time.Time `json:"starts,omitzero"`
	Expires    time.Time `json:"expires,omitzero"`
	UsageLimit int       `json:"usageLimit,omitempty"`
	Uses       int       `json:"uses,omitempty"`
	Priority   int       `json:"priority,omitempty"`
}

type productJSON struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Repository   string `json:"repository,omitempty"`
	Hardware     bool   `json:"hardware,omitempty"`
}

type codeJSON struct {
	Hash    []byte    `json:"hash"`
	Expires time.Time `json:"expires"`
	Failed  int       `json:"failed"`
}

// IsZero keeps a code that is not there out of the JSON.
func (j codeJSON) IsZero() bool { return len(j.Hash) == 0 }

type otpJSON struct {
	Key    uint64 `json:"key"`
	Period int    `json:"period,omitempty"`
	Hash   string `json:"hash"`
	Digits int    `json:"digits"`
	Next   uint64 `json:"next"`
	Drift  int    `json:"drift,omitempty"`
	Window int    `json:"window,omitempty"`
	Failed int    `json:"failed,omitempty"`

	Enrolled bool        `json:"enrolled,omitempty"`
	Unlocks  pin.Unlocks `json:"unlocks,omitzero"`
}

func encodeToken(t *record.Token) tokenJSON {
	activation := string(t.Activation)
	j := tokenJSON{
		Slot: uint64(t.Slot), Serial: t.Serial, Label: t.Label,
		Initialized: t.Initialized, Complete: t.Complete, Enabled: t.Enabled, MaxRSABits: t.MaxRSABits,
		UserPIN: encodePIN(t.UserPIN), SOPIN: encodePIN(t.SOPIN), Created: t.CreatedAt.UTC(),
		Policy: encodePolicy(t.Policy), PINBound: t.PINBound, BoundKey: t.BoundKey,
		Kind: string(t.Kind), Product: productJSON(t.Product), LastHolder: string(t.LastHolder),
		Activation: &activation, Code: codeJSON{t.Code.Hash, t.Code.ExpiresAt.UTC(), t.Code.Failed},
		EnabledAt: t.EnabledAt.UTC(), EnabledBy: t.EnabledBy, Deceased: t.Deceased,
		Confined: t.Confined, Device: t.Device, Expires: t.ExpiresAt.UTC(), LastUsed: t.LastUsedAt.UTC(), OTP: otpJSON(t.OTP),
	}
	for _, a := range t.Holders {
		j.Holders = append(j.Holders, assignmentJSON{
			string(a.User), a.At.UTC(), a.By, a.Suspended, a.Starts.UTC(), a.Expires.UTC(), a.UsageLimit, a.Uses, a.Priority,
		})
	}
	for _, g := range t.Groups {
		j.Groups = append(j.Groups, string(g))
	}
	return j
}

func (j tokenJSON) token(id, tenant schema.ID, version uint64) *record.Token {
	t := &record.Token{
		ID: record.TokenID(text(id)), Tenant: record.TenantID(text(tenant)), Slot: ck.SlotID(j.Slot),
		Serial: j.Serial, Label: j.Label,
		Initialized: j.Initialized, Complete: j.Complete, Enabled: j.Enabled, MaxRSABits: j.MaxRSABits,
		UserPIN: j.UserPIN.state(), SOPIN: j.SOPIN.state(), CreatedAt: j.Created, Version: version,
		Policy: j.Policy.policy(), PINBound: j.PINBound, BoundKey: j.BoundKey,
		Kind: record.Kind(j.Kind), Product: record.Product(j.Product), LastHolder: record.UserID(j.LastHolder),
		Activation: j.activation(), Code: record.ActivationCode{Hash: j.Code.Hash, ExpiresAt: j.Code.Expires, Failed: j.Code.Failed},
		EnabledAt: j.EnabledAt, EnabledBy: j.EnabledBy, Deceased: j.Deceased,
		Confined: j.Confined, Device: j.Device, ExpiresAt: j.Expires, LastUsedAt: j.LastUsed, OTP: record.OTP(j.OTP),
	}
	if j.Holder != "" {
		t.Holders = record.HeldBy(record.UserID(j.Holder), j.Created, "")
	}
	for _, a := range j.Holders {
		t.Holders = append(t.Holders, record.Assignment{
			User: record.UserID(a.User), At: a.At, By: a.By, Suspended: a.Suspended,
			Starts: a.Starts, Expires: a.Expires, UsageLimit: a.UsageLimit, Uses: a.Uses, Priority: a.Priority,
		})
	}
	for _, g := range j.Groups {
		t.Groups = append(t.Groups, record.GroupID(g))
	}
	return t
}

func (j tokenJSON) activation() record.Activation {
	switch {
	case j.Activation != nil:
		return record.Activation(*j.Activation)
	case j.Complete:
		return record.Activated
	}
	return record.ActivationNew
}
