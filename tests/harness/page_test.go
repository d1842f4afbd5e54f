package harness

import (
	"strings"
	"testing"
)

const examplePage = "# A page\n" +
	"```sh\necho first\n# no heading\n```\n" +
	"```\nwhat is printed\n```\n" +
	"## Serve\n" +
	"```sh server 5556\nlisten\n```\n" +
	"```sh\nask\n```\n"

func TestPageScript(t *testing.T) {
	for _, c := range []struct {
		heading  string
		has      []string
		hasNot   []string
		mustFail bool
	}{
		{heading: "", has: []string{"echo first\n# no heading\n", "{\nlisten\n} &\n", "/dev/tcp/127.0.0.1/5556)", "unshare --net", "ask\n"}, hasNot: []string{"printed", "```", "## Serve"}},
		{heading: "Serve", has: []string{"{\nlisten\n} &\n", "/dev/tcp/127.0.0.1/5556)", "unshare --net", "ask\n"}, hasNot: []string{"first"}},
		{heading: "A page", has: []string{"echo first"}, hasNot: []string{"ask", "unshare"}},
		{heading: "Absent", mustFail: true},
	} {
		script, err := PageScript(examplePage, c.heading)
		if (err != nil) != c.mustFail {
			t.Errorf("heading %q: error %v", c.heading, err)
		}
		for _, want := range c.has {
			if !strings.Contains(script, want) {
				t.Errorf("heading %q: nothing says %q in\n%s", c.heading, want, script)
			}
		}
		for _, not := range c.hasNot {
			if strings.Contains(script, not) {
				t.Errorf("heading %q: %q is in\n%s", c.heading, not, script)
			}
		}
	}
}
