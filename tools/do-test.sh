# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests: ./do test, ./do check, ./do soak, ./do fault. Sourced by ./do.
#
# Every part hands its output to tools/tally, which adds to one file of totals, so that the last
# line counts single tests: each case of a unit test, each bats test, each check.

CHECKS=(check-layers check-headers check-banned check-format check-man check-docs)

# How the programs that notice are built: optimised less, which takes two thirds of the time.
# GCC follows values less far then, and warns of what it would else know to be good.
SANITIZED=(
	"-Db_sanitize=address,undefined" -Db_lundef=false
	-Doptimization=1 "-Dc_args=-Wno-format-truncation -Wno-maybe-uninitialized"
)

# Integration tests that run on those; all others run on the programs as they are installed. Each
# runs once, and on both with "./do test --twice": these show the most of what hostile input meets.
ON_SANITIZED=(
	api attest bad-input broker-attacks cli-aik cli-keys device device-attacks device-orders fapi keys origin
	origin-v2 raw stream tenants-change unwrap
)

# Never on those: our code stands in other suites too, and what runs it here are others' programs.
UNSANITIZED=(
	client-static confine containers examples fetch-tls interop loader-nginx loader-s3 loader-unlock tls tls-device
	tls-nginx
)

# Unit tests run on those, where hostile bytes and our own mistakes show the most; but for these,
# which start thousands of processes, each of which a sanitizer makes ten times slower.
UNIT_UNSANITIZED=(identity-cut identity-record stack-apply_faults)

# Sanitizers stand in the way of these: system calls that are shut, memory as it is.
UNIT_PLAIN=(base-secret host-cage host-confine host-syscalls "${UNIT_UNSANITIZED[@]}")

# Files of integration tests, and unit tests: each waits for about half of its time.
AT_ONCE=$((2 * $(nproc)))

twice=false

results= # a folder for outputs; the totals are in its file "totals"

do_test() {
	case ${1:-} in
	--suite | --arch)
		do_suite "$@"
		return
		;;
	esac
	[ "$*" = --twice ] && twice=true && shift
	[ $# -eq 0 ] || die "test takes no argument but --twice, --suite NAME or --arch NAME"
	exec </dev/null
	if ! (do_deps); then
		say "0 passed, 1 failed"
		exit 1
	fi
	results_folder
	test_plain
	test_checks
	test_sanitized
	test_soak
	test_sum
}

results_folder() {
	results=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-test.XXXXXX")
	trap 'rm -rf "$results"' EXIT
	: >"$results/totals"
}

# The last line of the whole run; a suite's has what it left out, too.
test_sum() { # [suite]
	local passed failed skipped also=
	read -r passed failed skipped < <(
		awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$results/totals"
	)
	if [ "$skipped" -gt 0 ]; then
		[ "${1:-}" = suite ] && also=", $skipped skipped" || say "$skipped skipped"
	fi
	say "$passed passed, $failed failed$also"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

part() { # title
	say "== $1 (after ${SECONDS} s)"
}

# Something that passes or fails as a whole.
tally_one() { # name, command..
	local name=$1 status=0
	shift
	"$@" >"$results/out" 2>&1 || status=$?
	"$root/tools/tally" "$results/totals" "$name" --tap "$results/out" "$status"
}

# The same for several that do not disturb each other.
tally_at_once() { # how many, "name: command"..
	local many=$1 out=$results/at-once each name
	shift
	rm -rf "$out"
	mkdir "$out"
	for each in "$@"; do
		: >"$out/${each%%: *}.tap"
	done
	# shellcheck disable=SC2016
	[ $# -eq 0 ] || printf '%s\0' "$@" |
		out=$out xargs -0 -r -n 1 -P "$many" bash -c '
			name=${1%%: *}
			bash -c "${1#*: }" >"$out/$name.tap" 2>&1
			echo $? >"$out/$name.status"' at-once
	for each in "$@"; do
		name=${each%%: *}
		tools/tally "$results/totals" "$name" --tap "$out/$name.tap" \
			"$(cat "$out/$name.status" 2>/dev/null || echo 1)"
	done
}

tally_build() { # title, compile or compile_to_use, build folder, options of meson setup..
	local title=$1
	shift
	# In a shell of its own, since a build that fails must not end the count.
	("$@") >"$results/out" 2>&1 && return 0
	"$root/tools/tally" "$results/totals" "$title" --tap "$results/out" 1
	return 1
}

test_plain() {
	local names
	part "build"
	if $twice; then
		tally_build "build" compile "$build" || return 0
	else
		tally_build "build" compile_to_use "$build" || return 0
	fi
	tally_one "names of unit tests" unit_names_there "$build" "${UNIT_PLAIN[@]}"
	part "unit and contract tests$($twice || echo " of the plain build alone")"
	if $twice; then unit_tests "$build"; else unit_tests "$build" "${UNIT_PLAIN[@]}"; fi
	part "integration tests"
	mapfile -t names < <($twice && integration_names || integration_names_but "${ON_SANITIZED[@]}")
	integration_tests "$build" "${names[@]}"
}

test_checks() {
	local check
	part "checks"
	for check in "${CHECKS[@]}"; do
		HOLDFAST_BUILD=$build tally_one "$check" "tools/$check"
	done
	tally_one "test-checks" tools/test-checks
}

# All tests once more, on programs that notice bad memory accesses, leaks and undefined behaviour.
test_sanitized() {
	local names units=()
	local -x ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
	local -x UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	part "build with AddressSanitizer and UndefinedBehaviorSanitizer"
	tally_build "build, sanitized" compile "$asan" "${SANITIZED[@]}" || return 0
	part "unit and contract tests, sanitized"
	$twice || mapfile -t units < <(unit_names_but "$asan" "${UNIT_UNSANITIZED[@]}")
	unit_tests "$asan" "${units[@]}"
	part "integration tests, sanitized"
	names=("${ON_SANITIZED[@]}")
	! $twice || mapfile -t names < <(integration_names_but "${UNSANITIZED[@]}")
	integration_tests "$asan" "${names[@]}"
}

# The short forms of what ./do soak runs; the seeds of faults are among the unit tests.
test_soak() {
	local -x HOLDFAST_BUILD=$build
	part "kill tests, random test, raw commands and power cuts, short"
	tally_at_once "$AT_ONCE" "power cuts: tests/fault/powercut.py --every $SHORT_CUTS" \
		"kill test: tests/soak/kill.sh 10" \
		"random test: tests/soak/random.sh 10" \
		"raw commands: tests/soak/broker.sh 48" \
		"loader's kill test: tests/soak/loader.sh 5 64" \
		"loader's kill test, version 2: tests/soak/loader.sh 5 64 v2"
}

unit_names() { # build folder
	meson test -C "$1" --no-rebuild --list 2>/dev/null | sed -n 's|.* / ||p'
}

unit_names_but() { # build folder, names
	unit_names "$1" | grep -vxF -f <(printf '%s\n' "${@:2}")
}

# meson runs those that it knows, without a word of the others.
unit_names_there() { # build folder, names
	local names name missing=0
	names=$(unit_names "$1")
	for name in "${@:2}"; do
		grep -qxF -- "$name" <<<"$names" && continue
		say "there is no unit test $name"
		missing=1
	done
	return "$missing"
}

unit_tests() { # build folder [options and names of meson test..; else all]
	local folder=$1 log=$1/meson-logs/testlog.json
	shift
	rm -f "$log"
	CMOCKA_MESSAGE_OUTPUT=TAP HOLDFAST_BUILD=$folder \
		meson test -C "$folder" --num-processes "$AT_ONCE" --timeout-multiplier 4 "$@" \
		>"$results/out" 2>&1 || true
	if [ -s "$log" ]; then
		tools/tally "$results/totals" "unit and contract" --meson "$log"
	else
		tools/tally "$results/totals" "unit and contract" --tap "$results/out" 1
	fi
}

integration_names() {
	find tests/integration -name '*.bats' -printf '%f\n' | sed 's/\.bats$//' | sort
}

integration_names_but() { # names
	integration_names | grep -vxF -f <(printf '%s\n' "$@")
}

integration_tests() { # build folder [names; else all]
	local folder=$1 files
	shift
	[ $# -gt 0 ] || mapfile -t files < <(integration_names)
	[ $# -eq 0 ] || files=("$@")
	files=("${files[@]/#/tests/integration/}")
	bats_files "$folder" "$AT_ONCE" "${files[@]/%/.bats}"
}

# Each test has its own folder, its own emulator and its own daemon.
bats_files() { # build folder, how many at a time, files..
	local file commands=()
	for file in "${@:3}"; do
		commands+=("$(basename "$file" .bats): bats --tap ${file@Q}")
	done
	HOLDFAST_BUILD=$1 tally_at_once "$2" "${commands[@]}"
}

SOAK_KILLS=200
SOAK_SECONDS=600
SOAK_SEEDS=10000
SOAK_RAW=1000
SOAK_LOADER=(50 4096) # kills, MiB of the resource: twice that on the disk
SHORT_CUTS=199 # each so many-th point; ./do soak cuts at all of them
SOAK_TLS=60

all_numbers() {
	local word
	for word in "$@"; do
		[[ $word =~ ^[1-9][0-9]{0,17}$ ]] || return 1
	done
}

# One line of figures for each of them; the seeds run where bad memory accesses and leaks show.
do_soak() {
	local kills=${1:-$SOAK_KILLS} seconds=${2:-$SOAK_SECONDS}
	{ [ $# -le 2 ] && all_numbers "$@"; } || die "soak takes two numbers at most: kills and seconds"
	do_deps
	compile_to_use "$build"
	HOLDFAST_BUILD=$build tests/soak/kill.sh "$kills"
	do_fault 1 "$SOAK_SEEDS"
	HOLDFAST_BUILD=$build tests/soak/random.sh "$seconds"
	HOLDFAST_BUILD=$build tests/soak/broker.sh "$SOAK_RAW"
	HOLDFAST_BUILD=$build tests/soak/loader.sh "${SOAK_LOADER[@]}"
	HOLDFAST_BUILD=$build tests/soak/loader.sh "${SOAK_LOADER[@]}" v2
	HOLDFAST_BUILD=$build tests/fault/powercut.py
	HOLDFAST_BUILD=$build HOLDFAST_TLS_SECONDS=$SOAK_TLS \
		bats --filter '8 clients' tests/integration/tls-nginx.bats
}

# A seed that failed, alone, or so many from it on: a chip remembers what earlier seeds did to it.
do_fault() { # [seed [count]]
	{ [ $# -le 2 ] && all_numbers "$@"; } || die "fault takes two numbers at most: a seed and how many"
	do_deps
	compile "$asan" "${SANITIZED[@]}"
	"$asan/tests/fault/fault" "$@" >"$asan/fault.log" 2>&1 || {
		cat "$asan/fault.log"
		return 1
	}
	grep '^fault: ' "$asan/fault.log"
}

do_check() {
	local check failed=0
	[ $# -eq 0 ] || die "check takes no argument"
	do_deps
	compile "$build"
	for check in "${CHECKS[@]}" test-checks check-tidy; do
		say "== $check"
		HOLDFAST_BUILD=$build "tools/$check" >"$build/check.log" 2>&1 && continue
		cat "$build/check.log"
		failed=1
	done
	return "$failed"
}
