package api

// Check is what the check of all records found.
type Check struct {
	// Records counts everything that was authenticated, the others what it is.
	Records    uint64 `json:"records"`
	Recipients uint64 `json:"recipients"`
	Tenants    uint64 `json:"tenants"`
	Users      uint64 `json:"users"`
	Groups     uint64 `json:"groups"`
	APIKeys    uint64 `json:"apiKeys"`
	// PendingKeys are those that wait for their certificates, or got them lately.
	PendingKeys uint64 `json:"pendingKeys"`
	Tokens      uint64 `json:"tokens"`
	Objects     uint64 `json:"objects"`
	// Problems are what is wrong, one sentence each. Empty is a sound store.
	Problems []string `json:"problems"`
}

// MetricsType is the media type of metrics: the text format of Prometheus.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// BackupType is the media type of a backup, whose format package
// keystore/backup describes.
const BackupType = "application/vnd.vtoken.backup"
