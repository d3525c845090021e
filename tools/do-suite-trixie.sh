# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ./do test --suite trixie: build, unit and contract tests and integration tests on Debian 13, with
# its compiler and its libraries. Sourced by tools/do-suites.sh.
#
# On a Debian 13 it runs where it is, without root; elsewhere in a root that mmdebstrap makes, with
# a copy of this tree. The static checks are about the text and not run, nor are the programs with
# sanitizers.

# What installs as part of something else on Debian 12.
TRIXIE_MORE=(ca-certificates diffutils mount)

# Integration tests that cannot run there, each with its reason.
declare -A TRIXIE_LEFT_OUT=()

TRIXIE_SUM='[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?'

# clang is there for the checks alone.
trixie_packages() {
	printf '%s\n' "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${TRIXIE_MORE[@]}" | grep -v '^clang-'
}

suite_trixie_deps() {
	local packages
	mapfile -t packages < <(trixie_packages)
	if [ "$(own_release)" = trixie ]; then
		need_packages "${packages[@]}"
	else
		root_deps
	fi
}

suite_trixie() {
	if [ "$(own_release)" = trixie ]; then
		trixie_here
	else
		trixie_in_root
	fi
}

trixie_here() {
	local names name
	part "build"
	tally_build "build" compile "$build" || return 0
	part "unit and contract tests"
	unit_tests "$build"
	part "integration tests"
	for name in "${!TRIXIE_LEFT_OUT[@]}"; do
		left_out "$name" "${TRIXIE_LEFT_OUT[$name]}"
	done
	mapfile -t names < <(integration_names_but "${!TRIXIE_LEFT_OUT[@]}")
	integration_tests "$build" "${names[@]}"
}

# The tree as it is, but for what git ignores.
trixie_tree() { # folder
	mkdir -p "$1"
	git ls-files -z --cached --others --exclude-standard --deduplicate |
		(xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' files) |
		tar -c --null --no-recursion -T - | tar -x -C "$1"
}

trixie_in_root() {
	local folder=$results/root packages
	root_begin
	packages=$(trixie_packages | paste -sd ,)
	part "a Debian 13"
	if ! root_make trixie "$folder" --variant=minbase --include="$packages" \
		--dpkgopt=force-unsafe-io >"$results/out" 2>&1; then
		tools/tally "$results/totals" "mmdebstrap" --tap "$results/out" 1
		return 0
	fi
	tally_one "tree" trixie_tree "$folder/holdfast"
	# Its last line has its counts, which become ours.
	root_run "$folder" /holdfast ./do test --suite trixie \
		> >(tee "$results/inside" | grep --line-buffered -Ev "^$TRIXIE_SUM\$") 2>&1 || true
	trixie_counts "$results/inside"
}

trixie_counts() { # what it printed
	grep -E "^$TRIXIE_SUM\$" "$1" | awk '
		{ passed = $1; failed = $3; skipped = $5 }
		END { print passed + 0, (NR ? failed : 1), skipped + 0 }' >>"$results/totals"
}
