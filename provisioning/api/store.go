package api

// Check is the result of checking all records.
type Check struct {
	// Records counts everything that was authenticated; the others say what that is.
	Records    uint64 `json:"records"`
	Recipients uint64 `json:"recipients"`
	Tenants    uint64 `json:"tenants"`
	Users      uint64 `json:"users"`
	Groups     uint64 `json:"groups"`
	APIKeys    uint64 `json:"apiKeys"`
	// PendingKeys are keys that wait for their certificates, or got them recently.
	PendingKeys uint64 `json:"pendingKeys"`
	Tokens      uint64 `json:"tokens"`
	Objects     uint64 `json:"objects"`
	// Problems are defects, one sentence each. A sound store has none.
	Problems []string `json:"problems"`
}

// MetricsType is the media type of metrics: the text format of Prometheus.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// BackupType is the media type of a backup, whose format package
// keystore/backup describes.
const BackupType = "application/vnd.vtoken.backup"
