#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The one door: everything that is done with this tree is done here, on a Debian 12 that may be
# bare. Each verb is a function of its own in tools/do-*.sh; they share what stands below.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$root"
build=$root/build
asan=$root/build-asan

usage() {
	cat <<'TEXT'
usage: ./do VERB

  run [--keep]   show the main job on a TPM emulator and in software; --keep leaves it running
  test [--twice] install, build and run every test; the last line counts them. --twice: each on
                 both builds, plain and with sanitizers, not on one of them
  test --suite NAME
                 one that is not in the whole run: package (the Debian packages, in a Debian that
                 is booted), trixie (all on Debian 13, in a root of its own)
  test --arch arm64
                 a cross-build for 64-bit ARM and its tests, under qemu
  package [--arch arm64]
                 the Debian packages, into build-deb/
  fuzz [SECONDS] [TARGET..]
                 feed hostile bytes to every parser (60 s each) and tell how much they reach
  bench [ROW..]  measure the rows of docs/BENCH.md against their peers (--help)
  soak [N [S]]   kill the daemon N times (200) while clients write and look for what was lost;
                 10,000 seeds of faults; 40 keys and 40 secrets at random for S seconds (600);
                 1,000 rounds of stock TPM software by eight tenants at once;
                 50 kills of the loader while it loads 4 GiB
  tsan           what threads share, on a build that notices unsynchronised accesses
  fault [N [M]]  repeat seed N of the faults, or M seeds from it on
  build          install what the build needs and put the programs into build/, without unit tests
  check          the static checks, clang-tidy among them
  deps           install the Debian packages that building and testing need
TEXT
}

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'do: %s\n' "$*" >&2
	exit 1
}

# Runs a command silently; what it printed is shown only when it fails.
quietly() { # title, command..
	local title=$1 log
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/do.XXXXXX")
	if ! "$@" >"$log" 2>&1 </dev/null; then
		printf '%s failed:\n' "$title" >&2
		tail -n 200 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# Waits until a command succeeds, looking every 20 ms, for at most so many seconds.
wait_for() { # seconds, command..
	local tries=$(($1 * 50))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.02
	done
}

# shellcheck source=tools/do-build.sh
. tools/do-build.sh
# shellcheck source=tools/do-run.sh
. tools/do-run.sh
# shellcheck source=tools/do-run-loader.sh
. tools/do-run-loader.sh
# shellcheck source=tools/do-run-artifact.sh
. tools/do-run-artifact.sh
# shellcheck source=tools/do-test.sh
. tools/do-test.sh
# shellcheck source=tools/do-suites.sh
. tools/do-suites.sh
# shellcheck source=tools/do-package.sh
. tools/do-package.sh
# shellcheck source=tools/do-tsan.sh
. tools/do-tsan.sh
# shellcheck source=tools/do-fuzz.sh
. tools/do-fuzz.sh
# shellcheck source=tools/do-bench.sh
. tools/do-bench.sh

main() {
	local verb=${1:-help}
	[ $# -eq 0 ] || shift
	case $verb in
	run) do_run "$@" ;;
	test) do_test "$@" ;;
	package) do_package "$@" ;;
	soak) do_soak "$@" ;;
	fuzz) do_fuzz "$@" ;;
	bench) do_bench "$@" ;;
	fault) do_fault "$@" ;;
	tsan) do_tsan "$@" ;;
	build) do_build "$@" ;;
	check) do_check "$@" ;;
	deps) do_deps "$@" ;;
	help | -h | --help) usage ;;
	*)
		usage >&2
		exit 2
		;;
	esac
}

main "$@"
