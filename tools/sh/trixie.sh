#!/usr/bin/env bash
# Fetches packages of Debian 13 (trixie) whose programs are to run on this machine
# without being installed:
#
#   tools/sh/trixie.sh CACHE [-t SUITE] PACKAGE...
#
# CACHE/root gets what the packages hold, with all the libraries that they need. It
# is filled once, for all who ask. Nothing is installed for it, and the machine's
# lists of packages stay as they are. SUITE is trixie-backports where the packages
# shall come from there. What it prints is how a program of CACHE/root is started:
# the loader that came along, and where it finds the libraries.
set -euo pipefail

mkdir -p "$1"
cache=$(cd "$1" && pwd)
shift
suite=trixie
if [ "$1" = -t ]; then
	suite=$2
	shift 2
fi

exec 9>"$cache/lock"
flock 9
root=$cache/root
if [ "$(cat "$root/complete" 2>/dev/null)" != "$suite $*" ]; then
	rm -rf "$root" "$cache/apt"
	mkdir -p "$root" "$cache/apt/lists/partial" "$cache/apt/archives/partial"
	: >"$cache/apt/status" # as if nothing were installed, so that all libraries come along
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	for s in trixie trixie-backports; do
		echo "deb [signed-by=$key] http://deb.debian.org/debian $s main"
	done >"$cache/apt/sources.list"
	apt=(apt-get -qq -o "Dir::Etc::SourceList=$cache/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$cache/apt/lists" -o "Dir::State::Status=$cache/apt/status"
		-o "Dir::Cache=$cache/apt" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
		-o APT::Sandbox::User=root -o Debug::NoLocking=1)
	"${apt[@]}" update >&2
	"${apt[@]}" install -y --no-install-recommends --download-only -t "$suite" "$@" >/dev/null
	for deb in "$cache"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$root"; done
	rm -rf "$cache/apt"
	echo "$suite $*" >"$root/complete"
fi

echo "$(echo "$root"/usr/lib*/ld-linux-*.so.*) --library-path $(dirname "$(echo "$root"/usr/lib/*/libc.so.6)")"
