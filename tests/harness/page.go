package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// A page of docs/consumers is the script that its test runs, so that what
// people paste is what was tested. Only its blocks marked "sh" are run, and
// those marked "sh server PORT", which a reader runs in a second terminal: they
// go into the background, and the page goes on when something listens at PORT.
// A page with a server has a network of its own, where nobody else listens or
// connects, however many addresses the server takes.

// pageStart comes before the commands of a page. What still runs at the end is
// ended, by the id of its process group.
const pageStart = `set -meuo pipefail
trap 'for job in $(jobs -p); do kill -- -$job || :; done; wait' EXIT
`

// pageServer comes after a server.
const pageServer = `until (: <>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null; do kill -0 $!; sleep 0.02; done
`

// PageScript is the bash script of the commands of a page, or of the part of it
// below one heading. It is an error if there are none.
func PageScript(page, heading string) (string, error) {
	var script strings.Builder
	script.WriteString(pageStart)
	within, block, commands := heading == "", "", 0
	for line := range strings.Lines(page) {
		text := strings.TrimSpace(line)
		switch {
		case block == "" && strings.HasPrefix(text, "#") && heading != "":
			within = strings.TrimSpace(strings.TrimLeft(text, "#")) == heading
		case block == "" && strings.HasPrefix(text, "```"):
			block = text
			if within && block == "```sh server" {
				script.WriteString("{\n")
			}
		case text == "```":
			if within && block == "```sh server" {
				script.WriteString("} &\n" + pageServer)
			}
			block = ""
		case within && (block == "```sh" || block == "```sh server"):
			script.WriteString(line)
			commands++
		}
	}
	if commands == 0 {
		return "", fmt.Errorf("looking for commands below the heading %q: the page has none; a block of commands begins with ```sh", heading)
	}
	return script.String(), nil
}

func pageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: page NAME [HEADING]")
	}
	root, err := Root()
	ts.Check(err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "consumers", args[0]+".md"))
	ts.Check(err)
	heading := ""
	if len(args) == 2 {
		heading = args[1]
	}
	script, err := PageScript(string(page), heading)
	ts.Check(err)
	ts.Check(ts.Exec("bash", "-c", script))
}

// portCommand names a port of the loopback address that nobody listens at.
func portCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Check(l.Close())
}
