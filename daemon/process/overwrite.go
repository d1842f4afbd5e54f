package process

import (
	"os"
	"strings"
	"syscall"
)

// Go's heap keeps what was in it until the memory is used again: numbers that the
// standard library copied, requests that were decoded, records that were opened.
// The runtime has a setting that makes its garbage collector overwrite what it
// frees ("Environment Variables" of package runtime). It was made for finding
// faults, and costs a write to each freed byte. It has to be there when the process
// starts.
const (
	clobber        = "clobberfree="
	clobberSetting = clobber + "1"
)

// The runtime interrupts goroutines by signals, and the system then writes the
// processor's registers, which may hold half of a private number, to a stack for
// signals, where they stay until the next one. This setting has goroutines interrupted
// where they call functions instead, which those of the daemon do often enough.
const (
	preempt        = "asyncpreemptoff="
	preemptSetting = preempt + "1"
)

// OverwriteFreed starts this program again, in the same process, with these settings, unless
// GODEBUG names them already. If that fails, it returns.
func OverwriteFreed() {
	had := os.Getenv("GODEBUG")
	want := withSettings(had)
	path, err := os.Executable()
	if err != nil || want == had {
		return
	}
	_ = os.Setenv("GODEBUG", want)
	_ = syscall.Exec(path, os.Args, os.Environ()) // returns only where it failed
	_ = os.Setenv("GODEBUG", had)
}

// withSettings adds the settings that a GODEBUG does not name.
func withSettings(godebug string) string {
	for name, setting := range map[string]string{clobber: clobberSetting, preempt: preemptSetting} {
		if !strings.Contains(godebug, name) {
			godebug = strings.TrimPrefix(godebug+","+setting, ",")
		}
	}
	return godebug
}

// OverwritesFreed reports whether the process has the settings.
func OverwritesFreed() bool {
	has := os.Getenv("GODEBUG")
	return strings.Contains(has, clobberSetting) && strings.Contains(has, preemptSetting)
}
