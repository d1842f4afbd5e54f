package cryptoki

import (
	"fmt"
	"slices"
	"strings"
)

// Version is the version of the standard that brought a function. Each has a
// function list that goes on after the end of the one before.
type Version int

// The versions that brought functions.
const (
	V2_40 Version = iota
	V3_0
	V3_2
)

var versions = [...]string{"2.40", "3.0", "3.2"}

// String is the version as the standard writes it.
func (v Version) String() string { return versions[v] }

// Answer says where a call goes after the arguments were checked.
type Answer int

// Who answers a call.
const (
	ToGo        Answer = iota // the Go edge, generated
	ToGoByHand                // the Go edge, whose body is written by hand
	ByHand                    // the whole C function is written by hand
	Unsupported               // CKR_FUNCTION_NOT_SUPPORTED
	NotParallel               // CKR_FUNCTION_NOT_PARALLEL
)

var answers = map[string]Answer{
	"@toGoByHand": ToGoByHand, "@byHand": ByHand, "@unsupported": Unsupported, "@notParallel": NotParallel,
}

// Function is one C_ function.
type Function struct {
	Name   string
	Params []Param
	Answer Answer
	Since  Version
	// Ends says that an error of the function ends an operation of its session, or the message
	// under way: all that continue or end one.
	Ends bool
}

// Param is one or more C parameters that mean one thing: its kind is a word that
// generators know, its names are those of the standard.
type Param struct {
	Kind  string
	Names []string
}

// Functions reads the table.
func Functions() ([]Function, error) {
	var list []Function
	since := Version(-1)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if fields[0] == "--" {
			since = Version(slices.Index(versions[:], fields[1]))
			continue
		}
		if since < 0 {
			return nil, fmt.Errorf("%s stands below no version that there is", fields[0])
		}
		f := Function{Name: fields[0], Since: since}
		for _, field := range fields[1:] {
			if err := f.add(field); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		list = append(list, f)
	}
	return list, nil
}

func (f *Function) add(field string) error {
	if field == "@ends" {
		f.Ends = true
		return nil
	}
	if a, ok := answers[field]; ok {
		f.Answer = a
		return nil
	}
	kind, names, ok := strings.Cut(field, ":")
	if !ok {
		return fmt.Errorf("%q is neither an answer nor a parameter", field)
	}
	f.Params = append(f.Params, Param{kind, strings.Split(names, ",")})
	return nil
}
