package provisioning

import (
	"fmt"
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Token is a token as callers see it.
type Token struct {
	ID     record.TokenID
	Tenant record.TenantID
	Slot   ck.SlotID
	Serial string
	Label  string
	Kind   record.Kind
	// Product is the make and model.
	Product record.Product
	Holder  record.UserID // the owner, or "" for a token without a holder
	Login   string        // of the owner
	// Holders are all holders, the owner first.
	Holders    []Holder
	Groups     []record.GroupID
	Activation record.Activation
	// CodeExpiresAt is when the activation code expires, if there is one.
	CodeExpiresAt time.Time
	Complete      bool
	Enabled       bool
	EnabledAt     time.Time // when it was last switched on or off; zero is that nobody ever asked
	EnabledBy     string
	Deceased      bool
	Confined      bool
	Device        string // what it was downloaded to
	ExpiresAt     time.Time
	Expired       bool
	LastUsedAt    time.Time // to within an hour; zero is never
	OTP           record.OTP
	MaxRSABits    int
	Policy        string // the algorithm policy, as SetPolicy takes it
	PINBound      bool   // its keys open with its PINs only
	UserPIN       PINStatus
	SOPIN         PINStatus
	CreatedAt     time.Time
	// Actions are the operations that the token's state allows now, to callers with the
	// rights for them.
	Actions []Operation
	// Version counts the changes of the token.
	Version uint64
}

// Holder is an assignment of a token as callers see it.
type Holder struct {
	record.Assignment
	Login, Domain string
	// UserEnabled is false for a disabled user.
	UserEnabled bool
}

// Can reports whether the state of the token allows an operation.
func (t *Token) Can(op Operation) bool { return slices.Contains(t.Actions, op) }

// PINStatus is the state of a PIN as callers see it.
type PINStatus struct {
	Set         bool
	Locked      bool
	ToBeChanged bool
	TriesLeft   int // -1 is no limit
	MinLen      int // characters
	MaxLen      int
	ChangedAt   time.Time // zero where it was never set
}

// TokenRef names a token. A token that is not in the tenant, or that the user does not
// hold, is not found.
type TokenRef struct {
	// Tenant may be empty, for any tenant that the caller may access.
	Tenant record.TenantID
	// User is the holder's login or id, or empty for any holder. It needs Tenant.
	User string
	ID   record.TokenID
	// Serial names the token where ID is empty; it needs Tenant.
	Serial string
}

// NewToken describes a new token.
type NewToken struct {
	Tenant record.TenantID
	// User is the holder's login or id; it is empty where Unassigned is set.
	User string
	// Unassigned makes a token without a holder, which can be assigned later.
	Unassigned bool
	// CreateUser creates the user if no user has that login. Otherwise that is
	// UserNotFound.
	CreateUser bool
	// Label may be empty, for the serial number.
	Label string
	// Serial has 1 to 36 characters and is unique in the tenant; if it is empty, the
	// store makes one.
	Serial string
	// Kind and Product say what the token is. OTP describes the passwords of an OTP
	// token.
	Kind    record.Kind
	Product record.Product
	OTP     *NewOTP
	// Activation is the state of activation. A card that is Complete is activated in any
	// case.
	Activation record.Activation
	// ExpiresAt is when it ends; zero is never.
	ExpiresAt time.Time
	// Groups are the groups that a token without a holder is reserved for.
	Groups []record.GroupID
	// Confined closes the download from the start.
	Confined bool
	// MaxRSABits is 2048, 4096 or 8192; 0 is 8192.
	MaxRSABits int
	// UserPIN and SOPIN are the first PINs; nil leaves a PIN unset.
	UserPIN, SOPIN secret.Bytes
	// PINBound makes a card whose private keys only its PINs open, for good. A tenant can
	// require it for all new cards.
	PINBound bool
	// Complete makes a token that is complete from the start: an empty card for its
	// holder. It needs a UserPIN.
	Complete bool
}

// TokenFilter selects tokens and a page of them.
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
	// Next is the cursor of the next page, or empty at the end. Prev is the cursor of the
	// previous page of a search, or empty at the start.
	Next, Prev string
	// Total is the number of all matching tokens, if the search asked for it.
	Total int
}

// tokenView converts a token for callers. users caches the holders that were read; it may
// be nil.
func (s *Service) tokenView(tx ReadTx, t *record.Token, users map[record.UserID]*record.User) (Token, error) {
	now := s.now()
	groups, err := existingGroups(tx, t.Groups)
	if err != nil {
		return Token{}, fmt.Errorf("reading the groups of token %s: %w", t.ID, err)
	}
	view := Token{
		ID: t.ID, Tenant: t.Tenant, Slot: t.Slot, Serial: t.Serial, Label: t.Label, Kind: t.Kind, Product: t.Product,
		Holder: t.Owner(), Groups: groups, Activation: t.Activation, CodeExpiresAt: t.Code.ExpiresAt, Complete: t.Complete,
		Enabled: t.Enabled, EnabledAt: t.EnabledAt, EnabledBy: t.EnabledBy, Deceased: t.Deceased, Confined: t.Confined,
		Device: t.Device, ExpiresAt: t.ExpiresAt, Expired: expired(t, now), LastUsedAt: t.LastUsedAt, OTP: t.OTP,
		MaxRSABits: t.MaxRSABits, Policy: t.Policy.String(), PINBound: t.PINBound, UserPIN: pinStatus(t.UserPIN), SOPIN: pinStatus(t.SOPIN),
		CreatedAt: t.CreatedAt, Actions: actions(t, now), Version: t.Version,
	}
	for _, a := range t.Holders {
		u := users[a.User]
		if u == nil {
			if u, err = tx.User(a.User); err != nil {
				return Token{}, fmt.Errorf("reading a holder of token %s: %w", t.ID, err)
			}
			if users != nil {
				users[a.User] = u
			}
		}
		view.Holders = append(view.Holders, Holder{Assignment: a, Login: u.Login, Domain: u.Domain, UserEnabled: u.Enabled})
	}
	if len(view.Holders) > 0 {
		view.Login = view.Holders[0].Login
	}
	return view, nil
}

func pinStatus(p pin.State) PINStatus {
	return PINStatus{
		Set: p.Set(), Locked: p.Locked(), ToBeChanged: p.ToBeChanged, TriesLeft: p.TriesLeft(),
		MinLen: p.Policy.MinLen, MaxLen: p.Policy.MaxLen, ChangedAt: p.ChangedAt,
	}
}
