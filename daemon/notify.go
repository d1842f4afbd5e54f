package main

import (
	"net"
)

// notify tells the service manager a state, such as "READY=1", where it asked
// to be told (sd_notify(3)): address is the value of NOTIFY_SOCKET, or empty.
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
