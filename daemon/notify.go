package main

import (
	"net"
)

// notify sends a state such as "READY=1" to the service manager (sd_notify(3)). address is the
// value of NOTIFY_SOCKET; if it is empty, notify does nothing.
func notify(address, state string) error {
	if address == "" {
		return nil
	}
	c, err := net.Dial("unixgram", address) // a leading @ is Linux's abstract name space
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return err
}
