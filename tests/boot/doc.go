// Package boot tries the Debian package in a machine that is booted: a container with Debian 12
// whose first process is systemd. What the units, the maintainer scripts and the documents say
// about systemd is held against systemd itself, while applications sign.
//
// The container is systemd-nspawn's, with no network but its own loopback. Its tree comes from
// the machine's mirror of Debian (mmdebstrap), once, and is kept with what tests download.
package boot
