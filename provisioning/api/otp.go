package api

import "time"

// OTP is how a token makes one-time passwords, and what their verification
// remembers.
type OTP struct {
	// Type is hotp (by counter) or totp (by time).
	Type   string `json:"type"`
	Hash   string `json:"hash"` // SHA1, SHA256 or SHA512
	Digits int    `json:"digits"`
	Period int    `json:"period,omitempty"` // seconds
	// Counter is the next one of HOTP that is taken.
	Counter uint64 `json:"counter"`
	// Drift is how many time steps the token's clock is ahead.
	Drift int `json:"drift,omitempty"`
	// Failed counts the wrong passwords in a row. Locked: no more are taken.
	Failed int  `json:"failed,omitempty"`
	Locked bool `json:"locked,omitempty"`
}

// NewOTP is what the one-time passwords of a new token are to be.
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
	// User is the holder whose it is to be; empty is any.
	User string `json:"user,omitempty"`
}

// Codes are two one-time passwords in a row.
type Codes struct {
	First Secret `json:"first"`
	Next  Secret `json:"next"`
	// Activate ends the activation of the token as well.
	Activate bool `json:"activate,omitempty"`
}

// ResetCounter unlocks the passwords of a token, and sets its counter if there is
// one.
type ResetCounter struct {
	Counter *uint64 `json:"counter,omitempty"`
}

// NewEnrolment asks for what an authenticator app is set up with.
type NewEnrolment struct {
	Issuer  string `json:"issuer,omitempty"`  // empty is the tenant's name
	Account string `json:"account,omitempty"` // empty is the holder's login
	// Device is what it goes to; the same device may ask again. Without it, nobody
	// may until the token is released.
	Device string `json:"device,omitempty"`
}

// Enrolment is the answer: a secret that is seen this once.
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
	// DryRun only tells what would be refused.
	DryRun bool
	// CreateUsers makes users that there are not; Inactive leaves the activation of
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

// ImportReport is what became of an import. Where rows are refused, nothing was
// changed.
type ImportReport struct {
	DryRun  bool            `json:"dryRun,omitempty"`
	Done    []ImportedToken `json:"done"`
	Refused []Refusal       `json:"refused"`
}

// ImportedToken is one row that was taken; a dry run of new tokens has no ids.
type ImportedToken struct {
	Line   int    `json:"line"`
	ID     string `json:"id,omitempty"`
	Serial string `json:"serial"`
}

// Refusal is why one row is refused.
type Refusal struct {
	Line   int    `json:"line"`
	Serial string `json:"serial,omitempty"`
	Reason string `json:"reason"`
}

// ImportEvent is one line of the answer to an import that tells of its progress:
// how many rows are done, or at last the report or the problem.
type ImportEvent struct {
	Done    int           `json:"done,omitempty"`
	Total   int           `json:"total,omitempty"`
	Report  *ImportReport `json:"report,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// EventsType is the media type of lines of JSON. A client that accepts it is told
// of the progress.
const EventsType = "application/x-ndjson"

// MaxImport is the size in bytes that a file to import may have.
const MaxImport = 32 << 20

// EventInterval is how often progress is told, at most.
const EventInterval = 200 * time.Millisecond
