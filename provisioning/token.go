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

// Token is what callers see of a token.
type Token struct {
	ID     record.TokenID
	Tenant record.TenantID
	Slot   ck.SlotID
	Serial string
	Label  string
	Kind   record.Kind
	// Product is what make and model of token it is.
	Product record.Product
	Holder  record.UserID // the owner, or "" for a token without a holder
	Login   string        // of the owner
	// Holders are all holders, the owner first.
	Holders    []Holder
	Groups     []record.GroupID
	Activation record.Activation
	// CodeExpiresAt is when the activation code ends, while there is one.
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
	// Actions are the operations that the token's state allows now, to callers of
	// the role for it.
	Actions []Operation
	// Version counts the changes of the token.
	Version uint64
}

// Holder is what callers see of one user's part in a token.
type Holder struct {
	record.Assignment
	Login, Domain string
	// UserEnabled is false for a user who is switched off.
	UserEnabled bool
}

// Can reports whether the state of the token allows an operation.
func (t *Token) Can(op Operation) bool { return slices.Contains(t.Actions, op) }

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
	// Serial names the token where ID is empty; it needs Tenant.
	Serial string
}

// NewToken is what a token is to be.
type NewToken struct {
	Tenant record.TenantID
	// User is the holder's login or id; empty makes a token without a holder,
	// which waits to be assigned, where Unassigned is set.
	User string
	// Unassigned makes a token without a holder.
	Unassigned bool
	// CreateUser makes the user where there is none of that login. Otherwise that is
	// UserNotFound.
	CreateUser bool
	// Label may be empty: then the token is called after its serial number.
	Label string
	// Serial is 1 to 36 characters and unique in the store; empty has one made.
	Serial string
	// Kind and Product say what it is, and for a token of one-time passwords OTP
	// what its seed is to be.
	Kind    record.Kind
	Product record.Product
	OTP     *NewOTP
	// Activation is how far it is from the start. A card that is Complete is
	// activated whatever stands here.
	Activation record.Activation
	// ExpiresAt is when it ends; zero is never.
	ExpiresAt time.Time
	// Groups are the groups of a token without a holder.
	Groups []record.GroupID
	// Confined closes its download from the start.
	Confined bool
	// MaxRSABits is 2048, 4096 or 8192; 0 is 8192.
	MaxRSABits int
	// UserPIN and SOPIN are the first PINs; nil leaves a PIN unset.
	UserPIN, SOPIN secret.Bytes
	// PINBound makes a card whose private keys open with its PINs only, for good.
	// So are all new cards of a tenant that wants it.
	PINBound bool
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
	// Next is the cursor of the next page, or empty at the end; Prev, of a search,
	// that of the page before, or empty at the start.
	Next, Prev string
	// Total is the number of all tokens that fit, of a search that asked for it.
	Total int
}

// tokenView is what callers see of a token. users are the holders that were read
// already; it adds those that it reads.
func (s *Service) tokenView(tx ReadTx, t *record.Token, users map[record.UserID]*record.User) (Token, error) {
	now := s.now()
	groups, err := standing(tx, t.Groups)
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
