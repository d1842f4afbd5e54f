#!/usr/bin/env bash
# Makes a folder with an OpenSSH client of version 10.1 or later, the first that
# knows Ed25519 keys on tokens, beside the one that is installed:
#
#   tools/sh/openssh.sh DIR CACHE
#
# DIR gets the programs ssh, ssh-add, ssh-agent and ssh-keygen. Where the installed
# ones are new enough, they are these. Else they come from Debian 13's backports,
# with the libraries that they need, by way of CACHE; nothing is installed for it,
# and the machine's lists of packages stay as they are.
set -euo pipefail

dir=$(mkdir -p "$1" && cd "$1" && pwd)
programs="ssh ssh-add ssh-agent ssh-keygen"

version=$(ssh -V 2>&1 | sed -n 's/^OpenSSH_\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"${version:-0 0}"
if [ "$major" -gt 10 ] || { [ "$major" -eq 10 ] && [ "$minor" -ge 1 ]; }; then
	for p in $programs; do ln -sf "$(command -v "$p")" "$dir/$p"; done
	exit 0
fi

# One folder for all who ask, filled once.
cache=$2/openssh
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
root=$cache/root
if [ ! -e "$root/complete" ]; then
	rm -rf "$root" "$cache/apt"
	mkdir -p "$root" "$cache/apt/lists/partial" "$cache/apt/archives/partial"
	: >"$cache/apt/status" # as if nothing were installed, so that all libraries come along
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	for suite in trixie trixie-backports; do
		echo "deb [signed-by=$key] http://deb.debian.org/debian $suite main"
	done >"$cache/apt/sources.list"
	apt=(apt-get -qq -o "Dir::Etc::SourceList=$cache/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$cache/apt/lists" -o "Dir::State::Status=$cache/apt/status"
		-o "Dir::Cache=$cache/apt" -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
		-o APT::Sandbox::User=root -o Debug::NoLocking=1)
	"${apt[@]}" update
	"${apt[@]}" install -y --no-install-recommends --download-only -t trixie-backports openssh-client >/dev/null
	for deb in "$cache"/apt/archives/*.deb; do dpkg-deb -x "$deb" "$root"; done
	rm -rf "$cache/apt"
	touch "$root/complete"
fi

loader=$(echo "$root"/usr/lib*/ld-linux-*.so.*)
libraries=$(dirname "$(echo "$root"/usr/lib/*/libc.so.6)")
run() {
	printf '#!/bin/sh\n%sexec %s --library-path %s %s "$@"\n' "$2" "$loader" "$libraries" "$root/$1" >"$dir/$(basename "$1")"
	chmod 755 "$dir/$(basename "$1")"
}
run usr/lib/openssh/ssh-pkcs11-helper ""
for p in $programs; do
	run "usr/bin/$p" "export SSH_PKCS11_HELPER=$dir/ssh-pkcs11-helper; "
done
