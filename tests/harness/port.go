package harness

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// holdPort keeps a port of 127.0.0.1 from everybody who asks for any free port, while the
// daemon that has it is away: it comes back with the same one. The socket is bound and does
// not listen, so that it is not in the way of the daemon, which names the port and sets
// SO_REUSEADDR. It is nil where the port cannot be held.
func holdPort(port string) *os.File {
	number, err := strconv.Atoi(port)
	if err != nil || number == 0 {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	held := os.NewFile(uintptr(fd), "held port "+port)
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) != nil ||
		unix.Bind(fd, &unix.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}) != nil {
		held.Close()
		return nil
	}
	return held
}
