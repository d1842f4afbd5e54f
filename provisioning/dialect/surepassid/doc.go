// Package surepassid serves the device API of SurePassID: one endpoint, whose
// body says with its "type" which method is meant, and who calls. A device is a
// token for one-time passwords. DIVERGENCES.md says what differs.
package surepassid
