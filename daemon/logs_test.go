package main

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/config"
)

// Loggers that were made before take on the level and the format, with their attributes.
func TestLogsChange(t *testing.T) {
	var out bytes.Buffer
	l := newLogs(config.Config{LogLevel: "info", LogFormat: "text"}, &out)
	made := l.With("uid", 7).WithGroup("g")
	written := func(level slog.Level) string {
		out.Reset()
		made.Log(t.Context(), level, "hello", "a", 1)
		return out.String()
	}
	require.Contains(t, written(slog.LevelInfo), "level=INFO msg=hello uid=7 g.a=1\n")
	require.Empty(t, written(slog.LevelDebug))
	l.set(config.Config{LogLevel: "debug", LogFormat: "json"})
	require.Contains(t, written(slog.LevelDebug), `"level":"DEBUG","msg":"hello","uid":7,"g":{"a":1}}`)
	l.set(config.Config{LogLevel: "error", LogFormat: "text"})
	require.Empty(t, written(slog.LevelWarn))
	require.Contains(t, written(slog.LevelError), "level=ERROR msg=hello uid=7 g.a=1\n")
}
