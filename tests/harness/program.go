package harness

import (
	"os"
	"syscall"
)

// WriteProgram writes a program that is to be run. Another test that starts a process meanwhile
// would leave that process the open file for a moment, and the kernel runs no file that
// somebody has open for writing (ETXTBSY): so nothing is started until it is written.
func WriteProgram(path string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, content, 0o755)
}
