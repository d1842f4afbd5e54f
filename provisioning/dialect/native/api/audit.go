package api

import "encoding/json"

// AuditLines are lines of the audit log. Their members are described in package
// daemon/audit; they are as they were written, so that a signature still fits.
type AuditLines struct {
	Items []json.RawMessage `json:"items"`
	// Last is the number of the last line that was read: what to ask for as
	// "after" to read on.
	Last uint64 `json:"last"`
}

// AuditReport is what the verification of the audit log found.
type AuditReport struct {
	Files uint64 `json:"files"`
	Lines uint64 `json:"lines"`
	// First is the number of the first line: greater than 1 where older files
	// are kept elsewhere, or lost.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Problems are what is wrong, one sentence each.
	Problems []string `json:"problems"`
}
