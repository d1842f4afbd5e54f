package api

import "time"

// OTP describes the one-time passwords of a token, and the state of their verification.
type OTP struct {
	// Type is hotp (by counter) or totp (by time).
	Type   string `json:"type"`
	Hash   string `json:"hash"` // SHA1, SHA256 or SHA512
	Digits int    `json:"digits"`
	Period int    `json:"period,omitempty"` // seconds
	// Counter is the next HOTP counter that is accepted.
	Counter uint64 `json:"counter"`
	// Drift is how many time steps the token's clock is ahead.
	Drift int `json:"drift,omitempty"`
	// Failed counts consecutive wrong passwords. Locked means that no more are accepted.
	Failed int  `json:"failed,omitempty"`
	Locked bool `json:"locked,omitempty"`
}

// NewOTP describes the one-time passwords of a new token.
type NewOTP struct {
	// SeedHex is the seed in hexadecimal digits; without it, one is made.
	SeedHex Secret `json:"seedHex,omitempty"`
	Hash    string `json:"hash,omitempty"`
	Digits  int    `json:"digits,omitempty"`
	Period  int    `json:"period,omitempty"`
	Counter uint64 `json:"counter,omitempty"`
	Window  int    `json:"window,omitempty"`
}

// Code is a one-time password to verify.
type Code struct {
	Code Secret `json:"code"`
	// User is the holder who must own the password; empty is any.
	User string `json:"user,omitempty"`
}

// Codes are two consecutive one-time passwords.
type Codes struct {
	First Secret `json:"first"`
	Next  Secret `json:"next"`
	// Activate ends the activation of the token as well.
	Activate bool `json:"activate,omitempty"`
}

// ResetCounter unlocks the passwords of a token, and sets its counter if it has one.
type ResetCounter struct {
	Counter *uint64 `json:"counter,omitempty"`
}

// NewEnrolment asks for what sets up an authenticator app.
type NewEnrolment struct {
	Issuer  string `json:"issuer,omitempty"`  // empty is the tenant's name
	Account string `json:"account,omitempty"` // empty is the holder's login
	// Device is the device that gets the seed; the same device may ask again. Without it,
	// the token must be released before anybody may ask again.
	Device string `json:"device,omitempty"`
}

// Enrolment is the answer. It contains a secret that is shown once.
type Enrolment struct {
	URI     Secret `json:"uri"` // otpauth://
	PNG     []byte `json:"png"` // its QR code
	Issuer  string `json:"issuer"`
	Account string `json:"account"`
}

// ImportOptions say how a file is imported. They are fields of the form.
type ImportOptions struct {
	// Format is pskc, xml (seed XML), csv, or assign (a CSV of assignments).
	Format  string
	Charset string // of CSV
	// DryRun only reports what would be refused.
	DryRun bool
	// CreateUsers creates users that do not exist; Inactive leaves the activation of
	// tokens for later; Share adds a holder to a token that is held.
	CreateUsers, Inactive, Share bool
}

// Import is a file to import. Password and Key are for an encrypted one, and
// PrivateKey, in PEM, for one that is encrypted for its certificate.
type Import struct {
	ImportOptions
	File                      []byte
	Password, Key, PrivateKey Secret
}

// ImportReport is the result of an import. If rows are refused, nothing was changed.
type ImportReport struct {
	DryRun  bool            `json:"dryRun,omitempty"`
	Done    []ImportedToken `json:"done"`
	Refused []Refusal       `json:"refused"`
}

// ImportedToken is one accepted row; a dry run of new tokens has no ids.
type ImportedToken struct {
	Line   int    `json:"line"`
	ID     string `json:"id,omitempty"`
	Serial string `json:"serial"`
}

// Refusal says why one row is refused.
type Refusal struct {
	Line   int    `json:"line"`
	Serial string `json:"serial,omitempty"`
	Reason string `json:"reason"`
}

// ImportEvent is one line of the answer to an import with progress: how many rows are
// done, or finally the report or the problem.
type ImportEvent struct {
	Done    int           `json:"done,omitempty"`
	Total   int           `json:"total,omitempty"`
	Report  *ImportReport `json:"report,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// EventsType is the media type of lines of JSON. A client that accepts it gets the
// progress.
const EventsType = "application/x-ndjson"

// MaxImport is the maximal size in bytes of a file to import.
const MaxImport = 32 << 20

// EventInterval is the minimal time between two reports of progress.
const EventInterval = 200 * time.Millisecond
