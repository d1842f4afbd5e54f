#!/usr/bin/env bash
# The main job, end to end, with real programs and nothing prepared: an
# administrator creates a token over the provisioning API, and the user's
# application signs with it. Every step is said in plain words and shown as the
# command that does it.
#
# Everything happens in a temporary folder, as the current user. Nothing of it
# is left behind, unless DEMO_KEEP is set: then folder and daemon stay.
#
# KEK says what opens the store: file (a key file, the default), passphrase, tpm2
# (a software TPM, swtpm), tpm2-pcrs (with a policy of PCRs), pkcs11 (an AES key in
# SoftHSM) or pkcs11-rsa (an RSA key there).
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$PWD/bin
export PATH="$bin:$PATH"

dir=$(mktemp -d "${TMPDIR:-/tmp}/vtoken-demo.XXXXXX")
daemon=
tpm=
cleanup() {
	status=$?
	if [ $status -ne 0 ] && [ -s "$dir/daemon.log" ]; then
		echo "the demo stopped with status $status; the end of the daemon's log:" >&2
		tail -n 20 "$dir/daemon.log" >&2
	fi
	if [ -n "${DEMO_KEEP:-}" ] && [ $status -eq 0 ]; then
		return
	fi
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || true
		wait "$daemon" 2>/dev/null || true
	fi
	if [ -n "$tpm" ]; then
		kill "$tpm" 2>/dev/null || true
		wait "$tpm" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir"

module=$bin/vtoken-pkcs11.so
step=0
say() {
	step=$((step + 1))
	printf '\n%d. %s\n' "$step" "$1"
}
# show prints a command, with names for what is long.
show() {
	local text=$1
	[ -z "${item:-}" ] || text=${text//"$item"/'$card'}
	[ -z "${users:-}" ] || text=${text//"$users"/'$users'}
	text=${text//"$module"/'$module'}
	printf '   $ %s\n' "$text"
}
# run shows a command and runs it; what it prints is indented.
run() {
	local word line=
	for word in "$@"; do
		[[ $word != *[' ;&']* ]] || word="'$word'"
		line="$line${line:+ }$word"
	done
	show "$line"
	"$@" 2>&1 | sed 's/^/     /'
}

umask 077
export VTOKEN_P11_SOCKET=$dir/run/p11.sock VTOKEN_ADMIN_SOCKET=$dir/run/admin.sock
user=$(id -un)

# start_daemon starts the daemon and waits for its one line on standard output,
# which it prints when its sockets accept.
start_daemon() {
	show "vtokend --data-dir data --p11-socket run/p11.sock --admin-socket run/admin.sock --api-listen 127.0.0.1:0${*:+ $*} &"
	: >ready
	vtokend --data-dir data --p11-socket "$VTOKEN_P11_SOCKET" --admin-socket "$VTOKEN_ADMIN_SOCKET" \
		--api-listen 127.0.0.1:0 "$@" >ready 2>>daemon.log &
	daemon=$!
	until [ -s ready ]; do
		kill -0 "$daemon" 2>/dev/null || { echo "the daemon ended before it was ready" >&2; exit 1; }
		sleep 0.05
	done
	sed 's/^/     /' ready
}

KEK=${KEK:-file}
case $KEK in
file)
	say "Start the daemon on its defaults, with everything in a temporary folder ($dir)."
	start_daemon
	;;
passphrase)
	say "Write a passphrase into a file, and start the daemon with it, with everything in a temporary folder ($dir)."
	show "openssl rand -base64 24 >words"
	openssl rand -base64 24 >words
	start_daemon --kek "passphrase:file=$dir/words"
	;;
tpm2 | tpm2-pcrs)
	say "Start a software TPM, in a temporary folder ($dir). On real hardware this is /dev/tpmrm0."
	show "swtpm socket --tpm2 --tpmstate dir=tpm --server type=unixio,path=tpm/sock --flags not-need-init,startup-clear &"
	mkdir tpm
	swtpm socket --tpm2 --tpmstate dir=tpm --server type=unixio,path=tpm/sock --flags not-need-init,startup-clear \
		--pid file=tpm/pid >tpm/log 2>&1 &
	tpm=$!
	until [ -s tpm/pid ]; do
		kill -0 "$tpm" 2>/dev/null || { cat tpm/log >&2; exit 1; }
		sleep 0.05
	done
	if [ "$KEK" = tpm2 ]; then
		say "Start the daemon with a store that only this TPM opens."
		start_daemon --kek "tpm2:unix=$dir/tpm/sock"
	else
		say "Start the daemon with a store that only this TPM opens, while its PCR 7 and 11 are as they are now."
		start_daemon --kek "tpm2:unix=$dir/tpm/sock?pcrs=7+11"
	fi
	;;
pkcs11 | pkcs11-rsa)
	say "Make a token in SoftHSM, which stands for an HSM, in a temporary folder ($dir)."
	mkdir softhsm
	echo "directories.tokendir = $dir/softhsm" >softhsm.conf
	export SOFTHSM2_CONF=$dir/softhsm.conf
	hsm=/usr/lib/softhsm/libsofthsm2.so
	printf '98765432' >hsm.pin
	show "softhsm2-util --init-token --free --label hsm --pin ... --so-pin ..."
	softhsm2-util --init-token --free --label hsm --pin "$(cat hsm.pin)" --so-pin 12345678 >/dev/null
	say "Start the daemon, and have the HSM make the key that opens the store. The key file goes."
	start_daemon
	key="object=vtoken"
	[ "$KEK" = pkcs11 ] || key="$key;type=private"
	uri="pkcs11:token=hsm;$key?module-path=$hsm&pin-source=file:$dir/hsm.pin"
	run vtoken kek add --generate "$uri"
	run vtoken kek remove file:kek.key --yes
	run rm data/kek.key
	say "Start it again, to see that the HSM opens the store. A module is loaded only where flags or configuration name it."
	kill "$daemon"
	wait "$daemon"
	start_daemon --kek "$uri"
	;;
*)
	echo "KEK is file, passphrase, tpm2, tpm2-pcrs, pkcs11 or pkcs11-rsa, not $KEK" >&2
	exit 2
	;;
esac
if [ "$KEK" != file ]; then
	run vtoken kek list
fi
api=https://$(grep -o '127\.0\.0\.1:[0-9]*' ready | head -n 1)

say "Take an API key for the provisioning system. It is shown once; here it goes to a file."
show "vtoken apikey create demo >api.key"
vtoken apikey create demo >api.key
show "vtoken tenant list"
vtoken tenant list | tee tenants | sed 's/^/     /'
tenant=$(awk '$1 == "default" { print $2 }' tenants)
show 'printf "header = \"Authorization: %s\"\n" "$(cat api.key)" >curl.conf; echo "cacert = data/api.crt" >>curl.conf'
printf 'header = "Authorization: %s"\n' "$(cat api.key)" >curl.conf
printf 'cacert = %s\nsilent\nshow-error\nfail-with-body\n' data/api.crt >>curl.conf

say "Make a key and a certificate for the user, and pack them into a PFX file, with openssl."
run openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem
run openssl req -x509 -new -key key.pem -out cert.pem -days 30 -subj "/CN=$user/O=vtoken demo"
printf 'pfx-password' >pfx.password
run openssl pkcs12 -export -in cert.pem -inkey key.pem -name "$user" -passout file:pfx.password -out user.pfx
show "rm key.pem"
rm key.pem

users="$api/IDPrimeVirtual/Provisioning/V2.0/Tenants/$tenant/Users/$user/Tokens"

say "Create a token for $user over HTTPS, in the way of the IDPrime Virtual API. The answer is its id."
printf '   $ users=%s\n' "$users"
show "curl -K curl.conf -X POST $users"
token=$(curl -K curl.conf -X POST "$users" | tr -d '"\r\n')
echo "     $token"
item="$api/IDPrimeVirtual/Provisioning/V1.0/Tenants/$tenant/Users/$user/Tokens/$token"
printf '   $ card=%s\n' "$item"

say "Import the PFX file. The answer is the serial number of the certificate."
show "printf 'X-IDPrimeVirtual-CertificatePassword: %s\n' \"\$(cat pfx.password)\" >pfx.header"
printf 'X-IDPrimeVirtual-CertificatePassword: %s\n' "$(cat pfx.password)" >pfx.header
run curl -K curl.conf --header @pfx.header -F pfxCertificate=@user.pfx "$item/Certificate"

say "Set a label and the user's PIN, then complete the token: from now on it is the user's."
run curl -K curl.conf -X PUT "$item/Label/demo"
pin=24681357
show "printf '\"$pin\"' >pin.json"
printf '"%s"' "$pin" >pin.json
run curl -K curl.conf -X POST --header 'Content-Type: application/json' --data @pin.json "$item/Role/User/ResetPin"
run curl -K curl.conf -X PUT "$item/Complete"

say "The user's side: a stock PKCS#11 program sees the token as a slot."
printf '   $ module=%s\n' "$module"
run pkcs11-tool --module "$module" -L

say "It lists the objects, and with the PIN the private key as well."
run pkcs11-tool --module "$module" --token-label demo --login --pin "$pin" -O

say "Sign a message with the key that never leaves the daemon."
echo "signed by a virtual smart card" >message
id=$(pkcs11-tool --module "$module" --token-label demo -O --type cert 2>/dev/null | awk '/ID:/ { print $2; exit }')
run pkcs11-tool --module "$module" --token-label demo --login --pin "$pin" \
	--sign --mechanism SHA256-RSA-PKCS --id "$id" --input-file message --output-file message.sig

say "Verify the signature with openssl and the certificate."
run openssl x509 -in cert.pem -noout -pubkey -out cert.pub
run openssl dgst -sha256 -verify cert.pub -signature message.sig message

cat <<END

That was the whole way: API, store, daemon, socket, module, application.

What to type next, to have a daemon of your own that stays:
   export PATH=$bin:\$PATH
   vtokend --api-listen 127.0.0.1:8443 &
   vtoken token create --user $user --label mine --complete --user-pin-file FILE
   pkcs11-tool --module $module --token-label mine --login --keypairgen --key-type EC:prime256v1
README.md has the rest. DEMO_KEEP=1 make demo keeps this demo's daemon running.
END
if [ -n "${DEMO_KEEP:-}" ]; then
	cat <<END

The demo's daemon (process $daemon) goes on; its folder is $dir.
   export VTOKEN_P11_SOCKET=$VTOKEN_P11_SOCKET VTOKEN_ADMIN_SOCKET=$VTOKEN_ADMIN_SOCKET
   pkcs11-tool --module $module --token-label demo --login --pin $pin -O
   kill $daemon $tpm && rm -r $dir        when you are done
END
	disown -a
fi
