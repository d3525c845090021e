# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ThreadSanitizer: ./do tsan. Sourced by ./do.
#
# The unit tests of the rooms that threads pass through, whole programs with the requests of many
# clients, and the random test, all on a build that notices unsynchronised accesses. Each report is
# a failure, also where the test that met it passed. What is no race is in tests/tsan/suppressions.

TSAN_SUITES=(base jobs store keystore provider http service server tenant)
TSAN_BATS=(api tenants stream parsec-spots)
TSAN_BITS=28 # of randomness in addresses: its map of the memory has no room for more

tsan_build() { # folder
	local object=$1.d/threads.o
	mkdir -p "$1.d"
	[ -f "$1/build.ninja" ] ||
		quietly "the compiler" cc -c -O1 -fPIC -o "$object" tests/tsan/threads.c || return 1
	compile "$1" -Db_sanitize=thread -Db_lundef=false "-Dc_link_args=$object"
}

# Where the kernel randomises more, no program of this build starts.
tsan_can_run() {
	local bits
	bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null) || return 0
	[ "$bits" -le "$TSAN_BITS" ]
}

tsan_reports() { # files..
	[ -e "$1" ] || return 0
	cat "$@"
	return 1
}

test_tsan() { # folder, bats files..
	local folder=$1
	shift
	local -x TSAN_OPTIONS="suppressions=$root/tests/tsan/suppressions log_path=$folder/tsan/report"
	part "build with ThreadSanitizer"
	(tsan_build "$folder") >"$results/out" 2>&1 || {
		tools/tally "$results/totals" "build, threads" --tap "$results/out" 1
		return 0
	}
	rm -rf "$folder/tsan"
	mkdir "$folder/tsan"
	part "unit tests, threads"
	unit_tests "$folder" "${TSAN_SUITES[@]/#/--suite=}"
	part "integration tests, threads"
	integration_tests "$folder" "$@"
	HOLDFAST_BUILD=$folder tally_one "random test" tests/soak/random.sh 5
	tally_one "no report of ThreadSanitizer" tsan_reports "$folder"/tsan/*
}

do_tsan() {
	[ $# -eq 0 ] || die "tsan takes no argument"
	tsan_can_run || die "ThreadSanitizer wants at most $TSAN_BITS bits of randomness:" \
		"sysctl vm.mmap_rnd_bits=$TSAN_BITS"
	do_deps
	results_folder
	test_tsan "$root/build-tsan" "${TSAN_BATS[@]}"
	test_sum
}
