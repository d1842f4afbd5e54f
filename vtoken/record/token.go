package record

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
)

// Token is a virtual smart card or a one-time-password token. What it is, who
// has it and what became of it are axes of their own: any value of one goes with
// any of the others, except where the provisioning core's table says otherwise.
type Token struct {
	ID     TokenID
	Tenant TenantID
	// Slot is the token's slot for life: below 2^31, never reused.
	Slot ck.SlotID
	// Serial is unique, 16 upper-case hexadecimal digits where we made it.
	Serial string
	// Label is UTF-8 of up to 255 bytes. PKCS#11 shows the first 32 bytes of it,
	// cut between characters.
	Label string
	// Kind says what it is for; empty is KindCard.
	Kind Kind
	// Product is what make and model a vendor's API calls it.
	Product Product
	// Holders are the users who hold the token, the owner first; a token without
	// any waits to be assigned, and no application sees it.
	Holders []Assignment
	// LastHolder is the owner before the token was unassigned: the keys on it
	// are that user's, and are wiped before somebody else gets it.
	LastHolder UserID
	// Groups are the groups that an unassigned token is set apart for.
	Groups []GroupID
	// Initialized is false for the blank token that waits for C_InitToken.
	Initialized bool
	// Activation says how far the token is on its way to its holder's use.
	Activation Activation
	// Code is the activation code that was sent, while Activation is
	// ActivationPending.
	Code ActivationCode
	// Complete is the seal: no administrator changes what is on the token any
	// more.
	Complete bool
	// Enabled is false for a token that its administrator switched off.
	Enabled bool
	// EnabledAt and EnabledBy are when and by whom it was last switched on or
	// off; zero where it never was.
	EnabledAt time.Time
	EnabledBy string
	// Deceased is the end of a token whose record is kept. It never comes back.
	Deceased bool
	// Confined closes the gate through which a soft token is downloaded.
	Confined bool
	// Device is the hardware that a soft token was downloaded to, as the client
	// named it; empty where it was to none.
	Device string
	// ExpiresAt is when the token ends by itself; zero is never.
	ExpiresAt time.Time
	// LastUsedAt is when its holder last logged in or a one-time password was
	// last accepted, to within an hour; zero is never.
	LastUsedAt time.Time
	// OTP is the one-time-password state of a token of KindOTP.
	OTP OTP
	// MaxRSABits is 2048, 4096 or 8192, as the API chose that made the token.
	MaxRSABits int
	// Policy is the token's algorithm policy. The store sets that of the tenant
	// where a new token has none.
	Policy policy.Policy
	// PINBound says that the secret attributes of private objects open with a PIN
	// of the token only. It never changes. BoundKey is the public key that they
	// are sealed to, which comes with the first PIN. The private key opens with each
	// PIN and nothing else. A PIN that is changed gives the token a new key pair.
	PINBound  bool
	BoundKey  []byte
	UserPIN   pin.State
	SOPIN     pin.State
	CreatedAt time.Time
	// Version counts the changes of the record. The store sets it.
	Version uint64
}

// Kind says what a token is for.
type Kind string

// The kinds of token.
const (
	KindCard Kind = ""    // keys and certificates: a smart card
	KindOTP  Kind = "otp" // one-time passwords
)

// Activation says how far a token is on its way to its holder's use.
type Activation string

// The activation of a token. Only applications of holders of an activated token
// see it.
const (
	ActivationNew     Activation = ""          // made, and not yet the holder's to use
	ActivationPending Activation = "pending"   // an activation was begun
	Activated         Activation = "activated" // in use
)

// ActivationCode is a code that ends an activation. The code itself is not
// stored.
type ActivationCode struct {
	Hash      []byte // keyed hash of the code, empty where there is none
	ExpiresAt time.Time
	Failed    int // wrong codes so far
}

// Product is what make and model of token a vendor's API calls a token.
type Product struct {
	Manufacturer string // at most 64 bytes
	Model        string // what APIs call a product code, a type of token or of device; at most 64 bytes
	Repository   string // the inventory that it lies in, at most 64 bytes
	Hardware     bool   // a device of its own, rather than software
}

// Assignment is one user's part in a token.
type Assignment struct {
	User UserID
	// At and By are when and by whom the user got it.
	At time.Time
	By string
	// Suspended is an assignment that its administrator switched off: this user
	// does not see the token, others may.
	Suspended bool
	// Starts and Expires bound the time of its use; zero is no bound.
	Starts, Expires time.Time
	// UsageLimit is how many one-time passwords of this user are accepted; 0 is no
	// limit. Uses are those since it was set. Afterwards the user does not see the
	// token, others may.
	UsageLimit, Uses int
	// Priority orders a user's tokens. It is kept for the APIs that have it.
	Priority int
}

// OTP is what the verification of one-time passwords remembers of a token. The
// seed is the token's OTP key (CKO_OTP_KEY).
type OTP struct {
	// Key is the id of that object, 0 where there is none yet.
	Key uint64
	// Period is the time step of TOTP in seconds, 30 or 60; 0 is HOTP.
	Period int
	// Hash is the hash of the HMAC: SHA1, SHA256 or SHA512.
	Hash string
	// Digits is the length of a password, 6 or 8.
	Digits int
	// Next is the least counter, or time step, that is still accepted: those
	// below it were used.
	Next uint64
	// Drift is how many time steps the token's clock is ahead of ours.
	Drift int
	// Window is how far a password may be ahead of Next, or beside the time step
	// of now; 0 is the default.
	Window int
	// Failed counts the wrong passwords since the last right one.
	Failed int
	// Enrolled says that a device has the seed for certain: the token was activated
	// once, or a password of it was right. It stays until there is another seed.
	Enrolled bool
	// Unlocks are when passwords that were locked got new tries.
	Unlocks pin.Unlocks
}

// Owner is the user who holds the token first, or "" for one without a holder.
func (t *Token) Owner() UserID {
	if len(t.Holders) == 0 {
		return ""
	}
	return t.Holders[0].User
}

// Assignment is the user's part in the token, or nil.
func (t *Token) Assignment(u UserID) *Assignment {
	for i := range t.Holders {
		if t.Holders[i].User == u {
			return &t.Holders[i]
		}
	}
	return nil
}

// Usable reports whether the token's own state lets its holders use it at a time.
func (t *Token) Usable(now time.Time) bool {
	return t.Activation == Activated && t.Enabled && !t.Deceased && within(now, time.Time{}, t.ExpiresAt)
}

// VisibleTo reports whether applications of a user may see the token at a time:
// its state lets them use it, and so does the user's part in it.
func (t *Token) VisibleTo(u UserID, now time.Time) bool {
	if !t.Usable(now) {
		return false
	}
	a := t.Assignment(u)
	return a != nil && !a.Suspended && !a.UsedUp() && within(now, a.Starts, a.Expires)
}

// UsedUp reports whether there were as many uses as there may be.
func (a *Assignment) UsedUp() bool { return a.UsageLimit > 0 && a.Uses >= a.UsageLimit }

// NextChange is the first time after now at which the clock alone changes who
// may see the token; zero is never.
func (t *Token) NextChange(now time.Time) time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	consider(t.ExpiresAt)
	for _, a := range t.Holders {
		consider(a.Starts)
		consider(a.Expires)
	}
	return next
}

// within reports whether a time is in the span from start up to end; zero is no
// bound.
func within(now, start, end time.Time) bool {
	return (start.IsZero() || !now.Before(start)) && (end.IsZero() || now.Before(end))
}

// HeldBy is the list of holders with one owner and no more, who got the token
// at a time.
func HeldBy(u UserID, at time.Time, by string) []Assignment {
	return []Assignment{{User: u, At: at, By: by}}
}

// PIN is the state of the role's PIN, to read or to change.
func (t *Token) PIN(r pin.Role) *pin.State {
	if r == pin.SO {
		return &t.SOPIN
	}
	return &t.UserPIN
}

// Clone is a copy that shares no memory with t.
func (t *Token) Clone() *Token {
	c := *t
	c.Holders = slices.Clone(t.Holders)
	c.Groups = slices.Clone(t.Groups)
	c.Code.Hash = slices.Clone(t.Code.Hash)
	c.Policy = t.Policy.Clone()
	c.BoundKey = slices.Clone(t.BoundKey)
	c.UserPIN.Verifier = slices.Clone(t.UserPIN.Verifier)
	c.SOPIN.Verifier = slices.Clone(t.SOPIN.Verifier)
	return &c
}
