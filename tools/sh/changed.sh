#!/usr/bin/env bash
# Prints the packages whose files differ from a branch, committed or not, without those
# of whole programs (tests/). Where the branch is where we stand, that is what the last
# commit changed.
#
#   tools/sh/changed.sh [BRANCH]     main where none is named
set -euo pipefail
cd "$(dirname "$0")/../.."

base=$(git merge-base HEAD "${1:-main}")
files() {
	git diff --name-only "$1"
	git ls-files --others --exclude-standard
}
list=$(files "$base")
[ -n "$list" ] || list=$(files HEAD~1)

while read -r file; do
	case $file in
	go.mod | go.sum)
		go list ./... | grep -v '/tests/'
		continue
		;;
	tests/*) continue ;;
	esac
	dir=$(dirname "$file") # testdata belongs to the package above it
	while [ "$dir" != . ] && ! compgen -G "$dir/*.go" >/dev/null; do
		dir=$(dirname "$dir")
	done
	[ "$dir" = . ] || go list "./$dir"
done <<<"$list" | sort -u
