package main

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"vtoken/daemon/config"
)

// logs is the daemon's log, whose level and format change while it runs.
type logs struct {
	*slog.Logger
	level slog.LevelVar
	json  atomic.Bool
}

// newLogs makes the log of a valid configuration.
func newLogs(cfg config.Config, w io.Writer) *logs {
	l := &logs{}
	opts := &slog.HandlerOptions{Level: &l.level}
	l.Logger = slog.New(&formats{asJSON: &l.json, text: slog.NewTextHandler(w, opts), json: slog.NewJSONHandler(w, opts)})
	l.set(cfg)
	return l
}

// set applies the level and the format to all loggers that were made of this one.
func (l *logs) set(cfg config.Config) {
	level, _ := cfg.Level() // Validate has seen it
	l.level.Set(level)
	l.json.Store(cfg.LogFormat == "json")
}

// formats is a handler that writes in one of two formats.
type formats struct {
	asJSON     *atomic.Bool
	text, json slog.Handler
}

func (f *formats) now() slog.Handler {
	if f.asJSON.Load() {
		return f.json
	}
	return f.text
}

// Enabled is the same in both formats.
func (f *formats) Enabled(ctx context.Context, level slog.Level) bool {
	return f.text.Enabled(ctx, level)
}

// Handle writes in the format of now.
func (f *formats) Handle(ctx context.Context, r slog.Record) error { return f.now().Handle(ctx, r) }

// WithAttrs adds to both.
func (f *formats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &formats{asJSON: f.asJSON, text: f.text.WithAttrs(attrs), json: f.json.WithAttrs(attrs)}
}

// WithGroup adds to both.
func (f *formats) WithGroup(name string) slog.Handler {
	return &formats{asJSON: f.asJSON, text: f.text.WithGroup(name), json: f.json.WithGroup(name)}
}
