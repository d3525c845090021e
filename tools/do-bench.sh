# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Figures: ./do bench (docs/BENCH.md). Sourced by ./do.

# The peers, beside what building takes. tpm2-abrmd is not among them: where there is a TPM its
# package starts a service that takes it. Its rows are measured where it is installed.
BENCH_PACKAGES=(tpm2-tools python3 python3-tpm2-pytss dbus-daemon dbus-bin binutils
	libtpm2-pkcs11-1 opensc tpm2-openssl)

do_bench() {
	need_packages "${BUILD_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
	# Wrong arguments are told before minutes of building.
	/usr/bin/python3 "$root/bench/run.py" --check "$@" || exit
	case " $* " in
	*" -h "* | *" --help "*) return 0 ;;
	esac
	compile "$root/build-bench" -Dbench=true -Dtests=disabled
	# Not the first python3 of the path: pytss is Debian's.
	/usr/bin/python3 "$root/bench/run.py" --build "$root/build-bench" "$@"
}
