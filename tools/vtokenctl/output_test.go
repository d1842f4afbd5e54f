package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"plain ü日 12":           "plain ü日 12",
		"a\x1b[31mb\r\nc":       `a\u001b[31mb\u000d\nc`,
		"card\u202e4321":        `card\u202e4321`,
		"ro\u200bot":            `ro\u200bot`,
		"ca\u034frd\ufe0f":      `ca\u034frd\ufe0f`,
		"a\u3164b":              `a\u3164b`,
		"card-\u0661\U0001d7ce": `card-\u0661\U0001d7ce`,
		"a\u00a0b\u2028c":       `a\u00a0b\u2028c`,
		"\xff\ufffd":            `\xff\ufffd`,
	} {
		require.Equal(t, want, printable(text), "%q", text)
	}
}

// TestCells: a text fills one column, whatever is in it, and what is shown says which
// text it is.
func TestCells(t *testing.T) {
	shown := map[string]string{}
	for _, text := range []string{
		"", "-", `"-"`, "plain text", "a  b", " a", "a ", "a\tb", `a\tb`, `"a\tb"`, "a\nb", "a\u202eb", `a\u202eb`, `"a"`, `a"b`, `a\b`,
	} {
		one := cell(text)
		require.NotContains(t, one, "\t")
		require.NotContains(t, one, "\n")
		require.Empty(t, shown[one], "%q and %q look the same", text, shown[one])
		shown[one] = text
		if one != text && text != "" {
			require.True(t, strings.HasPrefix(one, `"`) && strings.HasSuffix(one, `"`), one)
		}
	}
	var b bytes.Buffer
	require.NoError(t, writeTable(&b, []string{"LOGIN", "ROLE"}, [][]string{{"mallory  admin\nroot", "viewer"}}))
	require.Equal(t, 2, strings.Count(b.String(), "\n"))
	require.Contains(t, b.String(), `"mallory  admin\nroot"`)
}

// TestAuditTextForgesNothing: no text of a record looks like a field of the line.
func TestAuditTextForgesNothing(t *testing.T) {
	const evil = "x  ok  caller=root\nlocked \u202e uid=0"
	line, err := json.Marshal(map[string]any{
		"time": "2026-11-30T12:00:00Z", "event": evil, "result": evil, "caller": evil, "from": evil, "token": evil, "serial": evil, "role": evil, "detail": evil, "request": evil,
		"process": map[string]any{"uid": 1000, "pid": 4, "exe": evil}, "object": map[string]any{"class": evil, "id": evil},
	})
	require.NoError(t, err)
	text, err := auditText(line)
	require.NoError(t, err)
	require.NotContains(t, text, "\n")
	require.NotContains(t, text, "\u202e")
	outside := true
	var rest strings.Builder // what is not within quotes
	for _, r := range text {
		if r == '"' {
			outside = !outside
		} else if outside {
			rest.WriteRune(r)
		}
	}
	require.True(t, outside)
	require.Equal(t, []string{"detail=", "caller=", "uid=1000", "pid=4", "exe=", "from=", "token=", "serial=", "role=", "object=", "request="},
		strings.Fields(rest.String())[2:])

	text, err = auditText([]byte(`{"time":"2026-11-30T12:00:00Z","event":"sealed","seq":4}`))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(text, "  sealed"), text)
}
