#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (a minute where unset).
# It finds the targets by itself, so that no list of them can grow old. The
# time goes into new inputs rather than into making interesting ones small.
set -euo pipefail
cd "$(dirname "$0")/../.."
fuzztime=${FUZZTIME:-1m}

targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort)
if [ -z "$targets" ]; then
	echo "there is no fuzz target: every decoder needs one" >&2
	exit 1
fi

count=0
while IFS=: read -r file func; do
	name=${func#func }
	echo "== $name in $(dirname "$file"), $fuzztime"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x "./$(dirname "${file#./}")"
	count=$((count + 1))
done <<<"$targets"
echo "$count fuzz targets ran for $fuzztime each without a finding"
