#!/usr/bin/env bash
# Installs the Debian packages that are missing, of those that the named sets
# hold; does nothing where all are there.
#
#   tools/sh/packages.sh make        make alone
#   tools/sh/packages.sh build       what `make build` needs beside Go
#   tools/sh/packages.sh demo        and what `make demo` needs
#   tools/sh/packages.sh demo-tpm2   and with a software TPM; demo-pkcs11: with SoftHSM
#   tools/sh/packages.sh test        and what `make test` and `make bench` need
set -euo pipefail

build="make gcc libc6-dev libssl-dev"
demo="$build openssl curl ca-certificates opensc"
consumers="iproute2 libnss3-tools openjdk-17-jdk-headless nodejs npm g++ python3 oathtool jq knot knot-dnssecutils knot-dnsutils postgresql openvpn"
test="$demo stunnel4 python3-pykcs11 softhsm2 p11-kit p11-kit-modules gnutls-bin binutils passwd util-linux libengine-pkcs11-openssl openssh-client groff-base procps nginx apache2-bin openssh-server osslsigncode git strace swtpm systemd systemd-container mmdebstrap zbar-tools $consumers"

case "${1:-}" in
make) want="make" ;;
build) want=$build ;;
demo | demo-file | demo-passphrase) want=$demo ;;
demo-tpm2 | demo-tpm2-pcrs) want="$demo swtpm" ;;
demo-pkcs11 | demo-pkcs11-rsa) want="$demo softhsm2" ;;
test) want=$test ;;
*)
	echo "usage: $0 make|build|demo|demo-tpm2|demo-pkcs11|test" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "this is no Debian system: install the counterparts of these packages by hand: $want" >&2
	exit 0
fi

# What a package provides counts, too: npm comes with some packages of nodejs.
have=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | sed -n 's/^installed //p' | tr -s ', ' '\n')
missing=
for p in $want; do
	grep -qxF "$p" <<<"$have" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "these packages are missing; install them as root: apt-get install$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
echo "installing the missing packages:$missing"
export DEBIAN_FRONTEND=noninteractive

# Some of them are servers. They are wanted for their programs; Debian would
# start them as services on all addresses, so it is told not to.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
	trap '$sudo rm -f "$policy"' EXIT
fi

$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
