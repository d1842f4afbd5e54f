package kek

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// Reach is what opening a KEK does outside of the data folder. Anyone who can write to the data
// folder can put a URI into the store, so the reach of a URI decides whether the store obeys
// it.
type Reach int

// The reaches, the least first.
const (
	// Inside is a file in the data folder itself, or the machine's TPM.
	Inside Reach = iota
	// Reads is a file elsewhere, of which some thousand bytes are read.
	Reads
	// Acts is everything else: a module is loaded, a connection is made, or a secret
	// is sent to hardware that counts wrong ones.
	Acts
)

// machineTPM are the devices of the kernel's TPM driver.
var machineTPM = regexp.MustCompile(`^device=/dev/tpm(rm)?[0-9]+$`)

// Reach is what opening the URI does, where dir is the data folder. A scheme that is
// not known here acts.
func (u URI) Reach(dir string) Reach {
	switch u.Scheme {
	case "file":
		return reachOfFile(u.Opaque, dir)
	case "passphrase":
		if attrs, err := Attributes(u.Opaque); err == nil && attrs["file"] != "" {
			return reachOfFile(attrs["file"], dir)
		}
	case "tpm2":
		params, err := url.ParseQuery(strings.ReplaceAll(u.Query, "+", "%2B"))
		delete(params, "pcrs")
		if err == nil && len(params) == 0 && machineTPM.MatchString(u.Opaque) {
			return Inside
		}
	}
	return Acts
}

// reachOfFile is of a file. One in a folder within the data folder is elsewhere,
// because that folder may be a link.
func reachOfFile(path, dir string) Reach {
	path = Env{Dir: dir}.Path(path)
	if filepath.Dir(path) == filepath.Clean(dir) {
		return Inside
	}
	return Reads
}

// TakesSecret reports whether the URI names a secret that the hardware asks for.
func (u URI) TakesSecret() bool { return strings.Contains(u.Query, "auth-file=") }
