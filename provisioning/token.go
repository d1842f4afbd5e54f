package provisioning

import (
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Token is what callers see of a token.
type Token struct {
	ID         record.TokenID
	Tenant     record.TenantID
	Slot       ck.SlotID
	Serial     string
	Label      string
	Holder     record.UserID // the owner, or "" for a token without a holder
	Login      string        // of the owner
	Complete   bool
	Enabled    bool
	MaxRSABits int
	Policy     string // the algorithm policy, as SetPolicy takes it
	UserPIN    PINStatus
	SOPIN      PINStatus
	CreatedAt  time.Time
	// Version counts the changes of the token.
	Version uint64
}

// PINStatus is what callers see of a PIN.
type PINStatus struct {
	Set         bool
	Locked      bool
	ToBeChanged bool
	TriesLeft   int // -1 is no limit
	MinLen      int // characters
	MaxLen      int
	ChangedAt   time.Time // zero where it was never set
}

// TokenRef names a token. A token that is not of the tenant or not held by the
// user is not found.
type TokenRef struct {
	// Tenant may be empty: then it is any tenant that the caller may touch.
	Tenant record.TenantID
	// User is the holder's login or id; it may be empty where Tenant is, or where
	// the caller does not care.
	User string
	ID   record.TokenID
}

// NewToken is what a token is to be.
type NewToken struct {
	Tenant record.TenantID
	// User is the holder's login or id.
	User string
	// CreateUser makes the user where there is none of that login, as the
	// IDPrime dialect wants it. Otherwise that is UserNotFound.
	CreateUser bool
	// Label may be empty: then the token is called after its serial number.
	Label string
	// MaxRSABits is 2048 or 4096; 0 is 4096.
	MaxRSABits int
	// UserPIN and SOPIN are the first PINs; nil leaves a PIN unset.
	UserPIN, SOPIN secret.Bytes
	// Complete makes a token that is sealed from the start: an empty card for its
	// holder. It needs a UserPIN.
	Complete bool
}

// TokenFilter chooses tokens and the page of them.
type TokenFilter struct {
	Tenant record.TenantID // required
	User   string          // login or id of the holder, or empty for all
	Label  string          // the whole label, or empty for all
	Limit  int             // of tokens in the page; 0 is DefaultPage, at most MaxPage
	Cursor string          // Next of the page before, or empty for the first
}

// The sizes of a page.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// TokenPage is a page of a listing.
type TokenPage struct {
	Tokens []Token
	// Next is the cursor of the next page, or empty at the end.
	Next string
}

func tokenView(t *record.Token, login string) Token {
	return Token{
		ID: t.ID, Tenant: t.Tenant, Slot: t.Slot, Serial: t.Serial, Label: t.Label,
		Holder: t.Owner(), Login: login, Complete: t.Complete, Enabled: t.Enabled, MaxRSABits: t.MaxRSABits,
		Policy: t.Policy.String(), UserPIN: pinStatus(t.UserPIN), SOPIN: pinStatus(t.SOPIN), CreatedAt: t.CreatedAt, Version: t.Version,
	}
}

func pinStatus(p pin.State) PINStatus {
	return PINStatus{
		Set: p.Set(), Locked: p.Locked(), ToBeChanged: p.ToBeChanged, TriesLeft: p.TriesLeft(),
		MinLen: p.Policy.MinLen, MaxLen: p.Policy.MaxLen, ChangedAt: p.ChangedAt,
	}
}
