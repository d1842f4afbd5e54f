package p11rpc

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

var update = flag.Bool("update", false, "write testdata/wire.golden again")

// contract is a file with everything that both ends must agree on beyond the form of values:
// the numbers and signatures of calls, and the form in which attributes and parameters travel.
const contract = "testdata/wire.golden"

// The peer may be p11-kit, or a library or a daemon of an older release. So a difference is a
// fault, unless a new version of the protocol was meant.
func TestContract(t *testing.T) {
	var b strings.Builder
	writeCalls(&b)
	writeAttributes(&b)
	writeMechanisms(&b)
	if *update {
		require.NoError(t, os.WriteFile(contract, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(contract)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(b.String(), "\n"))
}

func writeCalls(b *strings.Builder) {
	b.WriteString("# calls: number, name, request, response, whether its first value is a session\n")
	for _, c := range calls {
		if c.Name != "" {
			fmt.Fprintf(b, "%d %s %q %q %t\n", c.ID, c.Name, c.Request, c.Response, c.ID.FirstIsSession())
		}
	}
}

func writeAttributes(b *strings.Builder) {
	names := map[ck.ValueKind]string{
		ck.KindBytes: "bytes", ck.KindBool: "bool", ck.KindUlong: "number", ck.KindMechanisms: "mechanisms",
		ck.KindTemplate: "template",
	}
	b.WriteString("\n# attributes: number, form in each version\n")
	listed := maps.Clone(wireKinds)
	for _, t := range []ck.AttributeType{ck.CKA_ENCAPSULATE_TEMPLATE, ck.CKA_DECAPSULATE_TEMPLATE, ck.CKA_VALUE} {
		listed[t] = ck.KindOf(t) // which only our own version may know
	}
	for _, t := range slices.SortedFunc(maps.Keys(listed), cmp.Compare[ck.AttributeType]) {
		fmt.Fprintf(b, "%#x", uint64(t))
		for _, version := range Versions() {
			fmt.Fprintf(b, " %s", names[wireKind(t, version)])
		}
		b.WriteString("\n")
	}
}

func writeMechanisms(b *strings.Builder) {
	names := map[form]string{
		formRefused: "refused", formUnread: "unread", formNothing: "nothing", formEmpty: "empty", formBytes: "bytes",
		formMemory: "memory", formFields: "fields",
	}
	listed := maps.Clone(paramlessSet)
	for t := range stockKinds {
		listed[t] = true
	}
	b.WriteString("\n# mechanisms of p11-kit's lists: number, form in each version, kind of parameter\n")
	for _, t := range slices.SortedFunc(maps.Keys(listed), cmp.Compare[ck.MechanismType]) {
		fmt.Fprintf(b, "%#x", uint64(t))
		var kind ck.ParameterKind
		for _, version := range Versions() {
			var f form
			f, kind = wireForm(t, version)
			fmt.Fprintf(b, " %s", names[f])
		}
		fmt.Fprintf(b, " %v\n", kind)
	}
}
