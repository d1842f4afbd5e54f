package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// dialectsJSON is written by tools/gen/dialects from the dialects' own descriptions.
//
//go:embed dialects.json
var dialectsJSON []byte

// dialect is what the command knows of a dialect.
type dialect struct {
	Name string
	// APIKeys is set where clients use the keys of the native API.
	APIKeys bool
	// ClientCertificate and PublicKey say that a credential can have one.
	ClientCertificate, PublicKey bool
	// Help and Example are for apikey create; both may be empty.
	Help, Example string
	Imports       []dialectImport
}

// dialectImport is a command below import.
type dialectImport struct {
	Format, Title, Help, Example string
}

// dialects returns the list.
func dialects() []dialect {
	var file struct {
		Comment  string
		Dialects []dialect
	}
	if err := json.Unmarshal(dialectsJSON, &file); err != nil {
		panic(fmt.Sprintf("dialects.json, which is part of this program: %v", err))
	}
	return file.Dialects
}

// dialectNames returns the names of the dialects that have something.
func dialectNames(has func(dialect) bool) []string {
	var names []string
	for _, d := range dialects() {
		if has(d) {
			names = append(names, d.Name)
		}
	}
	return names
}

func anyDialect(dialect) bool               { return true }
func takesAPIKeys(d dialect) bool           { return d.APIKeys }
func takesClientCertificate(d dialect) bool { return d.ClientCertificate }
func takesPublicKey(d dialect) bool         { return d.PublicKey }

// apiKeyDialect returns the dialect whose clients use API keys.
func apiKeyDialect() string { return dialectNames(takesAPIKeys)[0] }

// orList returns "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
