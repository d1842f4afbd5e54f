#!/usr/bin/env bash
# Makes a folder with an OpenSSH client of version 10.1 or later, the first that
# knows Ed25519 keys on tokens, beside the one that is installed:
#
#   tools/sh/openssh.sh DIR CACHE
#
# DIR gets the programs ssh, ssh-add, ssh-agent and ssh-keygen. Where the installed
# ones are new enough, they are these. Else they are those of Debian 13's backports,
# by way of CACHE.
set -euo pipefail

dir=$(mkdir -p "$1" && cd "$1" && pwd)
programs="ssh ssh-add ssh-agent ssh-keygen"

version=$(ssh -V 2>&1 | sed -n 's/^OpenSSH_\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"${version:-0 0}"
if [ "$major" -gt 10 ] || { [ "$major" -eq 10 ] && [ "$minor" -ge 1 ]; }; then
	for p in $programs; do ln -sf "$(command -v "$p")" "$dir/$p"; done
	exit 0
fi

cache=$2/openssh-client
start=$("$(dirname "$0")/trixie.sh" "$cache" -t trixie-backports openssh-client)
run() {
	printf '#!/bin/sh\n%sexec %s %s "$@"\n' "$2" "$start" "$cache/root/$1" >"$dir/$(basename "$1")"
	chmod 755 "$dir/$(basename "$1")"
}
run usr/lib/openssh/ssh-pkcs11-helper ""
for p in $programs; do
	run "usr/bin/$p" "export SSH_PKCS11_HELPER=$dir/ssh-pkcs11-helper; "
done
