package api

import "time"

// Product is what make and model of token a token is.
type Product struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Repository   string `json:"repository,omitempty"`
	Hardware     bool   `json:"hardware,omitempty"`
}

// Holder is one user's part in a token.
type Holder struct {
	User      string    `json:"user"`
	UserID    string    `json:"userId"`
	At        time.Time `json:"at"`
	By        string    `json:"by,omitempty"`
	Suspended bool      `json:"suspended,omitempty"`
	// Starts and Expires bound the time of its use.
	Starts     *time.Time `json:"starts,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	UsageLimit int        `json:"usageLimit,omitempty"`
	Uses       int        `json:"uses,omitempty"` // since the limit was set
	Priority   int        `json:"priority,omitempty"`
}

// HolderChange changes what it names of a user's part in a token. A time of null
// cannot be told from one that is not there; NoStart and NoEnd take them away.
type HolderChange struct {
	Suspended  *bool      `json:"suspended,omitempty"`
	Starts     *time.Time `json:"starts,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	NoStart    bool       `json:"noStart,omitempty"`
	NoEnd      bool       `json:"noEnd,omitempty"`
	UsageLimit *int       `json:"usageLimit,omitempty"`
	Priority   *int       `json:"priority,omitempty"`
}

// Assign gives a token to a user.
type Assign struct {
	User string `json:"user"`
	// Share makes the user one more holder, Take takes the token from those who
	// have it.
	Share bool `json:"share,omitempty"`
	Take  bool `json:"take,omitempty"`
	// KeepKeys leaves keys and PINs on a card that changes hands.
	KeepKeys bool `json:"keepKeys,omitempty"`
	// Inactive leaves the activation of the token for later.
	Inactive bool `json:"inactive,omitempty"`
}

// Unassign takes a token from a user; empty is from all holders.
type Unassign struct {
	User string `json:"user,omitempty"`
}

// NewActivation begins an activation.
type NewActivation struct {
	// Seconds is how long the code lasts; 0 is 300.
	Seconds int `json:"seconds,omitempty"`
}

// Activation is the answer to NewActivation. Nobody can read the code again.
type Activation struct {
	Code      Secret    `json:"code"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// FinishActivation ends an activation with its code, or without one where an
// administrator knows that the token is in its holder's hands.
type FinishActivation struct {
	Code Secret `json:"code,omitempty"`
}

// Group is a group that tokens are put aside for.
type Group struct {
	ID        string    `json:"id"`
	Tenant    string    `json:"tenant"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

// NewGroup asks for a group.
type NewGroup struct {
	Name string `json:"name"`
}

// Criterion is one condition of a search.
type Criterion struct {
	Field string `json:"field"`
	// Operator is equals where it is empty.
	Operator string   `json:"operator,omitempty"`
	Value    string   `json:"value,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// Search asks for the tokens that fit all criteria.
type Search struct {
	Where []Criterion `json:"where,omitempty"`
	// OrderBy is the field to sort by, serial where it is empty.
	OrderBy    string `json:"orderBy,omitempty"`
	Descending bool   `json:"descending,omitempty"`
	Limit      int    `json:"limit,omitempty"`
	// Cursor is next or prev of another page, whose criteria and order hold then.
	Cursor string `json:"cursor,omitempty"`
}

// SearchPage is a page of a search.
type SearchPage struct {
	Items []Token `json:"items"`
	Next  string  `json:"next,omitempty"`
	Prev  string  `json:"prev,omitempty"`
}
