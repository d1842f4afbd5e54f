package version

import (
	_ "embed"
	"fmt"
	"strings"

	"vtoken/vtoken/ck"
)

//go:embed VERSION
var file string

// String returns the version as "X.Y.Z" (semver.org).
func String() string { return strings.TrimSpace(file) }

// Line returns the line that a program prints for --version.
func Line(program string) string { return program + " v" + String() }

// Library returns major and minor, which are all that CK_VERSION has room for.
func Library() ck.Version {
	var v ck.Version
	var patch byte
	if _, err := fmt.Sscanf(String(), "%d.%d.%d", &v.Major, &v.Minor, &patch); err != nil {
		panic(fmt.Sprintf("the file VERSION has %q, which is not X.Y.Z: %v", file, err)) // a test reads it
	}
	return v
}
