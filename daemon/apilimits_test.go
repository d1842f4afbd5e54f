package main

import (
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublicURL(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	for _, c := range []struct {
		told   string
		listen net.TCPAddr
		want   string
	}{
		{"", net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8443}, "https://127.0.0.1:8443"},
		{"", net.TCPAddr{IP: net.IPv6loopback, Port: 8443}, "https://[::1]:8443"},
		{"", net.TCPAddr{IP: net.IPv4zero, Port: 8443}, "https://" + name + ":8443"},
		{"", net.TCPAddr{IP: net.IPv6unspecified, Port: 8443}, "https://" + name + ":8443"},
		{"https://tokens.example/", net.TCPAddr{IP: net.IPv4zero, Port: 8443}, "https://tokens.example"},
	} {
		if got := publicURL(c.told, &c.listen); got != c.want {
			t.Errorf("%q on %v: %s, want %s", c.told, &c.listen, got, c.want)
		}
	}
}
