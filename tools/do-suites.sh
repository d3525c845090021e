# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Suites beside the whole run: ./do test --suite NAME, and --arch NAME for a processor's. Sourced by ./do.
#
# They want what not every machine can give (root, another Debian, another processor), install
# what they need themselves, and keep nothing. A suite stands in a file of its own,
# tools/do-suite-NAME.sh, which is read only when it is asked for and has two functions:
#   suite_NAME_deps   installs its packages; what it cannot do without, it ends with die
#   suite_NAME        runs the tests; each part goes to tally_one, bats_files or unit_tests

suite_names() {
	local file
	for file in tools/do-suite-*.sh; do
		[ -e "$file" ] || continue
		file=${file#tools/do-suite-}
		printf '%s\n' "${file%.sh}"
	done
}

do_suite() { # option, name
	local name=${2:-}
	[ $# -eq 2 ] || die "test takes one name with $1, and nothing else"
	grep -qxF -- "$name" < <(suite_names) ||
		die "there is no suite $name; there are: $(suite_names | paste -sd ' ')"
	exec </dev/null
	# shellcheck source=/dev/null
	. "tools/do-suite-$name.sh"
	if ! ("suite_${name}_deps"); then
		say "0 passed, 1 failed"
		exit 1
	fi
	results_folder
	"suite_$name"
	test_sum suite
}
