package attack

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestInputsThatCostMore sends files of a few hundred bytes to several megabytes that
// ask for work without end: 2^63 rounds inside of what is encrypted with one, rounds
// that are seen, nesting, entities, rows. Each is refused, several at a time, and the
// daemon has hardly worked.
func TestInputsThatCostMore(t *testing.T) {
	t.Parallel()
	d := start(t)
	root, err := harness.Root()
	require.NoError(t, err)
	require.NoError(t, d.NewUser("mallory"))
	id, err := d.Vtoken("token", "create", "--user", "mallory", "--label", "empty", "--quiet")
	require.NoError(t, err)
	file := func(name, text string) string {
		path := filepath.Join(d.Dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	password := file("password", "correct-horse")
	const head = `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">`
	pfx := func(name string) []string {
		return []string{"token", "import", id, "--pfx", filepath.Join(root, "provisioning/testdata/pfx", name+".p12"), "--pfx-password-file", password}
	}
	for _, name := range []string{"hostile-inner", "hostile-scrypt", "openssl-iter-3m"} {
		require.FileExists(t, pfx(name)[4])
	}
	seeds := func(name, text string) []string {
		return []string{"import", "pskc", file(name, text)}
	}
	hostile := map[string][]string{
		"2^63 rounds inside": pfx("hostile-inner"),
		"scrypt inside":      pfx("hostile-scrypt"),
		"many rounds":        pfx("openssl-iter-3m"),
		"entities":           seeds("entities.xml", `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>`+head+`&a;</KeyContainer>`),
		"depth":              seeds("depth.xml", head+strings.Repeat("<a>", 300_000)),
		"rows":               seeds("rows.xml", head+strings.Repeat("<KeyPackage/>", 100_001)+`</KeyContainer>`),
	}
	before := processorTime(t, d)
	var wg sync.WaitGroup
	for name, args := range hostile {
		for range 3 {
			wg.Go(func() {
				out, err := d.Vtoken(args...)
				if err == nil {
					t.Errorf("%s was taken: %s", name, out)
				} else if !strings.Contains(err.Error(), "exit status 1") || strings.Contains(err.Error(), "something went wrong") {
					t.Errorf("%s was not refused by the daemon: %v", name, err)
				}
			})
		}
	}
	wg.Wait()
	used := processorTime(t, d) - before
	t.Logf("the daemon used %v of the processors for %d files", used, 3*len(hostile))
	require.Less(t, used, 30*time.Second)
	// It works as before.
	_, err = d.Vtoken(pfx("openssl-p256")...)
	require.NoError(t, err)
}
