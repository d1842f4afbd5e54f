package api

import "time"

// Product is the make and model of a token.
type Product struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Repository   string `json:"repository,omitempty"`
	Hardware     bool   `json:"hardware,omitempty"`
}

// Holder is an assignment of a token to a user.
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

// HolderChange changes what it names of an assignment. A null time cannot be
// distinguished from an absent one; NoStart and NoEnd remove the times.
type HolderChange struct {
	Suspended  *bool      `json:"suspended,omitempty"`
	Starts     *time.Time `json:"starts,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	NoStart    bool       `json:"noStart,omitempty"`
	NoEnd      bool       `json:"noEnd,omitempty"`
	UsageLimit *int       `json:"usageLimit,omitempty"`
	Priority   *int       `json:"priority,omitempty"`
}

// Assign assigns a token to a user.
type Assign struct {
	User string `json:"user"`
	// Share adds the user to the holders; Take takes the token from its holders.
	Share bool `json:"share,omitempty"`
	Take  bool `json:"take,omitempty"`
	// KeepKeys keeps the keys and PINs of a card that changes hands.
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
	// Seconds is the lifetime of the code; 0 is 300.
	Seconds int `json:"seconds,omitempty"`
}

// Activation is the answer to NewActivation. Nobody can read the code again.
type Activation struct {
	Code      Secret    `json:"code"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// FinishActivation ends an activation with its code, or without one if an administrator
// knows that the holder has the token.
type FinishActivation struct {
	Code Secret `json:"code,omitempty"`
}

// Group is a group that tokens are reserved for.
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
	// Operator is equals by default.
	Operator string   `json:"operator,omitempty"`
	Value    string   `json:"value,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// Search asks for the tokens that meet all criteria.
type Search struct {
	Where []Criterion `json:"where,omitempty"`
	// OrderBy is the field to sort by, by default serial.
	OrderBy    string `json:"orderBy,omitempty"`
	Descending bool   `json:"descending,omitempty"`
	Limit      int    `json:"limit,omitempty"`
	// Cursor is next or prev of another page. The criteria and the order of that page
	// apply.
	Cursor string `json:"cursor,omitempty"`
}

// SearchPage is a page of a search.
type SearchPage struct {
	Items []Token `json:"items"`
	Next  string  `json:"next,omitempty"`
	Prev  string  `json:"prev,omitempty"`
}
