package process

import (
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSweeper: a note has the garbage collector run, and one that comes while
// it runs is not lost.
func TestSweeper(t *testing.T) {
	collections := func() int64 {
		var stats debug.GCStats
		debug.ReadGCStats(&stats)
		return stats.NumGC
	}
	s := NewSweeper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run()
	}()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for range 2 {
		before := collections()
		s.Note()
		s.Note()
		for collections() < before+int64(len(pauses)) {
			<-again.C
		}
	}
	s.Stop()
	<-ended
}

// What an administrator set stays as it is; the settings that are missing come to it,
// and a start that has them is not begun again.
func TestSettingsOfTheRuntime(t *testing.T) {
	for had, want := range map[string][]string{
		"":                                {clobberSetting, preemptSetting},
		"http2client=0":                   {"http2client=0", clobberSetting, preemptSetting},
		clobberSetting:                    {clobberSetting, preemptSetting},
		"asyncpreemptoff=0,clobberfree=0": {"asyncpreemptoff=0", "clobberfree=0"},
	} {
		got := withSettings(had)
		list := strings.Split(got, ",")
		slices.Sort(list)
		slices.Sort(want)
		require.Equal(t, want, list, "%q becomes %q, want %q", had, got, want)
		if again := withSettings(got); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
	}
}

// The package's unit has the settings, so that the daemon is not started twice.
func TestUnitHasTheSettings(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/vtokend.service")
	require.NoError(t, err)
	_, text, found := strings.Cut(string(unit), "\nEnvironment=GODEBUG=")
	require.True(t, found)
	settings, _, _ := strings.Cut(text, "\n")
	require.Equal(t, settings, withSettings(settings))
	require.Contains(t, settings, clobberSetting)
	require.Contains(t, settings, preemptSetting)
}
