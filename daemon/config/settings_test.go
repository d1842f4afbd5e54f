package config

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// Each option has one row in the table, and each row is of an option and of its field.
func TestEveryOptionIsASetting(t *testing.T) {
	rows := map[string]int{}
	for _, s := range settings() {
		rows[s.flag]++
	}
	var c Config
	var file string
	flags := c.flags(&file)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "config" && f.Name != "version" {
			require.Equal(t, 1, rows[f.Name], "settings() has one row for --%s, which says whether a reload applies it", f.Name)
			delete(rows, f.Name)
		}
	})
	require.Empty(t, rows, "settings() has rows without an option")
	require.Len(t, settings(), fields(reflect.TypeFor[Config]()), "a field of Config has no row")
	for _, s := range settings() {
		value := "7"
		if s.flag == "init" {
			value = "true"
		}
		before := reflect.ValueOf(s.within(&c)).Elem().Interface()
		require.NoError(t, flags.Set(s.flag, value))
		require.NotEqual(t, before, reflect.ValueOf(s.within(&c)).Elem().Interface(), "the row of --%s is of another field", s.flag)
	}
}

// fields counts the fields that somebody can set.
func fields(of reflect.Type) (n int) {
	for f := range of.Fields() {
		switch {
		case f.Anonymous:
			n += fields(f.Type)
		case f.Name != "File":
			n++
		}
	}
	return n
}

// A reload takes what may change, keeps the rest, and names both.
func TestReloaded(t *testing.T) {
	running := Default(0, env(nil))
	next := running
	next.DataDir, next.KEKs, next.AuditRecipients = "/elsewhere", []string{"file:/k"}, []string{}
	next.LogLevel, next.MaxMemory, next.Dialects = "debug", 256, []string{"entrust", "idprime"}
	got, changed, restart := running.Reloaded(next)
	require.Equal(t, []string{"--max-memory", "--dialect", "--log-level"}, changed)
	require.Equal(t, []string{"--data-dir", "--kek"}, restart)
	want := running
	want.LogLevel, want.MaxMemory, want.Dialects, want.AuditRecipients = next.LogLevel, next.MaxMemory, next.Dialects, next.AuditRecipients
	require.Equal(t, want, got)

	again, changed, restart := got.Reloaded(next)
	require.Empty(t, changed, "what changed already")
	require.Equal(t, []string{"--data-dir", "--kek"}, restart, "what was refused once still differs")
	require.Equal(t, got, again)
}

// A value of the wrong type is an error that names its key.
func TestWrongTypeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	for key, text := range map[string]string{
		"api-rate": "log-level: debug\napi-rate: many\n",
		"dialects": "dialects:\n  name: idprime\nlog-level: info\n",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		var c Config
		require.ErrorContains(t, c.ReadFile(file), key)
	}
}

// Load says which file it read, so that a reload notices when it is gone.
func TestLoadTellsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	c, err := Load([]string{"--config", file}, 1000, env(nil))
	require.NoError(t, err)
	require.Equal(t, file, c.File)
	c, err = Load(nil, 1000, env(nil))
	require.NoError(t, err)
	require.Empty(t, c.File)
}
