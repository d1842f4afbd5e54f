package api

import "encoding/json"

// AuditLines are lines of the audit log. Package daemon/audit describes their members.
// They are byte for byte as they were written, so that their signatures match.
type AuditLines struct {
	Items []json.RawMessage `json:"items"`
	// Last is the number of the last line. Send it as "after" to read on.
	Last uint64 `json:"last"`
}

// AuditReport is the result of verifying the audit log.
type AuditReport struct {
	Files uint64 `json:"files"`
	Lines uint64 `json:"lines"`
	// First is the number of the first line: greater than 1 where older files
	// are kept elsewhere, or lost.
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	// Archived is the number up to which lines are kept elsewhere on purpose.
	Archived uint64 `json:"archived"`
	// Problems are defects, one sentence each.
	Problems []string `json:"problems"`
	// Notes are observations that are no defects, such as times that run backwards.
	Notes []string `json:"notes"`
}

// AuditArchive says up to which number lines are kept elsewhere.
type AuditArchive struct {
	// Through is the number of the last line of a file; 0 is that of the newest file before
	// the one that is written.
	Through uint64 `json:"through"`
}
