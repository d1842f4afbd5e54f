package tpm

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vtoken/keystore/kek"
)

// Scheme is the scheme of the URIs.
const Scheme = "tpm2"

// numPCRs is how many PCRs a TPM of a PC has (TCG PC Client Platform TPM
// Profile section 4.6).
const numPCRs = 24

// target is what a URI says.
type target struct {
	network string // "device", "unix" or "tcp"
	address string
	pcrs    []uint8 // ascending
	auth    string  // path of the file, or empty
}

// within is the target where relative paths start in a folder.
func (t target) within(dir string) target {
	if t.network != "tcp" {
		t.address = kek.Env{Dir: dir}.Path(t.address)
	}
	return t
}

// machineTPM is a device of the kernel's TPM driver, with or without its resource manager.
var machineTPM = regexp.MustCompile(`^/dev/tpm(?:rm)?([0-9]+)$`)

// same reports whether both are the same TPM, as far as their addresses tell.
func (t target) same(other target) bool {
	if t.network != other.network {
		return false
	}
	a, b := machineTPM.FindStringSubmatch(t.address), machineTPM.FindStringSubmatch(other.address)
	return t.address == other.address || a != nil && b != nil && a[1] == b[1]
}

// parse reads a URI. It fails with [kek.ErrURI].
func parse(uri kek.URI) (target, error) {
	network, address, ok := strings.Cut(uri.Opaque, "=")
	if !ok || address == "" || !slices.Contains([]string{"device", "unix", "tcp"}, network) {
		return target{}, fmt.Errorf("%w: %s is not of the form tpm2:device=/dev/tpmrm0, tpm2:unix=/path or tpm2:tcp=host:port", kek.ErrURI, uri)
	}
	t := target{network: network, address: address}
	params, err := url.ParseQuery(strings.ReplaceAll(uri.Query, "+", "%2B"))
	if err != nil {
		return target{}, fmt.Errorf("%w: %s: %w", kek.ErrURI, uri, err)
	}
	for name, values := range params {
		if len(values) != 1 || values[0] == "" {
			return target{}, fmt.Errorf("%w: %s has %s without a value, or twice", kek.ErrURI, uri, name)
		}
		if err := t.set(name, values[0]); err != nil {
			return target{}, fmt.Errorf("%w: %s: %w", kek.ErrURI, uri, err)
		}
	}
	return t, nil
}

// set takes a parameter from after the question mark.
func (t *target) set(name, value string) (err error) {
	switch name {
	case "pcrs":
		t.pcrs, err = parsePCRs(value)
	case "auth-file":
		t.auth = value
	default:
		err = fmt.Errorf("it has %q after the question mark; pcrs and auth-file are known", name)
	}
	return err
}

// parsePCRs reads a list such as "7+11".
func parsePCRs(list string) (pcrs []uint8, err error) {
	for text := range strings.SplitSeq(list, "+") {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || n >= numPCRs || slices.Contains(pcrs, uint8(n)) {
			return nil, fmt.Errorf("%q is not a list of different PCRs from 0 to %d, such as 7+11", list, numPCRs-1)
		}
		pcrs = append(pcrs, uint8(n))
	}
	slices.Sort(pcrs)
	return pcrs, nil
}
