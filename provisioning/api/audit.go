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
	// Archived is the number up to which lines are kept elsewhere on purpose.
	Archived uint64 `json:"archived"`
	// Problems are what is wrong, one sentence each.
	Problems []string `json:"problems"`
	// Notes are what is sound and to be known: where the time runs backwards.
	Notes []string `json:"notes"`
}

// AuditArchive says up to which number lines are kept elsewhere.
type AuditArchive struct {
	// Through is the number of the last line of a file; 0 is that of the newest file before
	// the one that is written.
	Through uint64 `json:"through"`
}
