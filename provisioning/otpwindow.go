package provisioning

// MaxWindow is the largest window that a token may have.
const MaxWindow = 120
