#!/usr/bin/env bash
# Measures our module beside SoftHSM in process and SoftHSM behind p11-kit
# server (which isolates keys from applications, as we do), one after the other
# in one run, and prints a table with the ratios against the goals.
#
#   BENCH_TIME=2s    how long each row runs
#   BENCH_RUN=Sign   only the rows that match
#   BENCH_LARGE=1    find among 100,000 objects, too (our module only)
#   BENCH_OUT=dir    where the figures go, for benchstat (bin/bench)
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$PWD/bin
out=${BENCH_OUT:-$bin/bench}
mkdir -p "$out"
out=$(cd "$out" && pwd)
softhsm=/usr/lib/softhsm/libsofthsm2.so
client=$(echo /usr/lib/*/pkcs11/p11-kit-client.so)
server=/usr/libexec/p11-kit/p11-kit-server

dir=$(mktemp -d "${TMPDIR:-/tmp}/vtoken-bench.XXXXXX")
pids=()
cleanup() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap cleanup EXIT
umask 077

# wait_for waits until a file holds a pattern, as long as the process lives.
wait_for() {
	until grep -q "$2" "$1" 2>/dev/null; do
		kill -0 "$3" 2>/dev/null || { echo "process $3 ended before it was ready: see above" >&2; exit 1; }
		sleep 0.05
	done
}

printf 12345678 >"$dir/pin"
printf 000102030405060708090A0B0C0D0E0F1011121314151617 >"$dir/so-pin"
mkdir "$dir/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir/tokens" >"$dir/softhsm2.conf"
export SOFTHSM2_CONF=$dir/softhsm2.conf XDG_RUNTIME_DIR=$dir
softhsm2-util --init-token --free --label bench --pin 12345678 --so-pin 12345678 >/dev/null

measure() { # name module [flags]
	local name=$1 module=$2
	shift 2
	"$bin/p11bench" --label "$name" --module "$module" --token bench --pin-file "$dir/pin" \
		--time "${BENCH_TIME:-2s}" --run "${BENCH_RUN:-}" "$@" >"$out/$name.txt"
}

measure softhsm "$softhsm"

"$server" --foreground --name "$dir/p11-kit.sock" --provider "$softhsm" "pkcs11:" >"$dir/p11-kit.ready" &
pids+=($!)
wait_for "$dir/p11-kit.ready" P11_KIT_SERVER_PID "${pids[-1]}"
P11_KIT_SERVER_ADDRESS=unix:path=$dir/p11-kit.sock measure softhsm-p11-kit "$client"

"$bin/vtokend" --data-dir "$dir/data" --p11-socket "$dir/run/p11.sock" --admin-socket "$dir/run/admin.sock" \
	>"$dir/vtokend.ready" &
pids+=($!)
wait_for "$dir/vtokend.ready" . "${pids[-1]}"
export VTOKEN_P11_SOCKET=$dir/run/p11.sock VTOKEN_ADMIN_SOCKET=$dir/run/admin.sock
"$bin/vtoken" token create --user "$(id -un)" --label bench --complete \
	--user-pin-file "$dir/pin" --so-pin-file "$dir/so-pin" --quiet >/dev/null
if [ -n "${BENCH_LARGE:-}" ]; then
	"$bin/vtoken" tenant policy default --max-objects 200000 --max-objects-per-user 200000
fi
measure vtoken "$bin/vtoken-pkcs11.so" ${BENCH_LARGE:+--large}
P11_KIT_SERVER_ADDRESS=unix:path=$VTOKEN_P11_SOCKET measure vtoken-p11-kit-client "$client"

echo
"$bin/p11bench" table "$out/softhsm.txt" "$out/softhsm-p11-kit.txt" "$out/vtoken-p11-kit-client.txt" "$out/vtoken.txt"
echo
echo "The figures are in $out, in Go's benchmark format."
