#!/usr/bin/env bash
# Makes a folder with an OpenSSL 3.5 that has pkcs11-provider, and with a curl and an
# nginx that use it, beside the ones that are installed:
#
#   tools/sh/openssl.sh DIR CACHE [SUITE]
#
# DIR gets the programs openssl, curl and nginx. They are those of Debian 13, by way of
# CACHE; with trixie-backports as SUITE curl and the provider are newer ones.
set -euo pipefail

dir=$(mkdir -p "$1" && cd "$1" && pwd)
suite=${3:-trixie}
cache=$2/openssl-$suite
start=$("$(dirname "$0")/trixie.sh" "$cache" -t "$suite" openssl pkcs11-provider curl nginx)
for p in bin/openssl bin/curl sbin/nginx; do
	# Providers and engines are theirs, not those of this machine.
	cat >"$dir/${p#*/}" <<END
#!/bin/sh
export OPENSSL_MODULES=$(echo "$cache"/root/usr/lib/*/ossl-modules)
export OPENSSL_ENGINES=$cache/root/no-engines
exec $start $cache/root/usr/$p "\$@"
END
	chmod 755 "$dir/${p#*/}"
done
