# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ./do test --arch arm64: the tree cross-built for 64-bit ARM, its unit and contract tests, and
# integration tests of its programs, all under qemu. Sourced by tools/do-suites.sh.
#
# The libraries are those of a root that mmdebstrap unpacks and nobody enters. Programs name its
# loader and its libraries by their full paths, so that qemu needs no -L: that option would show
# them parts of the root, "/" itself among them, in place of the machine's. TPM emulator, stock tools
# and what else the tests start are the machine's own.

ARM64=aarch64-linux-gnu
ARM64_PACKAGES=("gcc-$ARM64" qemu-user-static)

# Of BUILD_PACKAGES, those that are linked.
ARM64_LIBRARIES='^(libc6-dev|uuid-dev|lib.*-dev|libtss2-tcti-.*)$'

# The integration tests: of the daemon, the command line, the broker, the device and artifacts, with
# what a processor could change.
ARM64_BATS=(api cli-keys keys raw broker device origin loader-cli)

# Why others are left out, where it is not for the time alone.
declare -A ARM64_LEFT_OUT=(
	[confine]="qemu has neither seccomp nor Landlock"
	[containers]="programs in a container would need qemu there"
	[client-static]="programs in a container would need qemu there"
	[interop]="our OpenSSL module would be loaded by programs of this machine's processor"
	[tls-nginx]="our OpenSSL module would be loaded by programs of this machine's processor"
)
ARM64_SLOW="for the time: an emulator is some ten times slower"

suite_arm64_deps() {
	root_deps "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${ARM64_PACKAGES[@]}"
}

suite_arm64() {
	local -x HOLDFAST_EMULATED=yes
	local sysroot=$results/sysroot folder=$results/build names name
	root_begin
	part "libraries of arm64"
	if ! arm64_sysroot "$sysroot" >"$results/out" 2>&1; then
		tools/tally "$results/totals" "mmdebstrap" --tap "$results/out" 1
		return 0
	fi
	part "build"
	arm64_cc "$sysroot" >"$results/cc"
	chmod 755 "$results/cc"
	arm64_cross_file "$sysroot" "$results/cc" >"$results/cross.ini"
	tally_build "build" compile "$folder" --cross-file "$results/cross.ini" || return 0
	arm64_wrappers "$folder"
	part "unit and contract tests"
	# Some ten times slower than on the processor itself.
	unit_tests "$folder" --timeout-multiplier 20
	part "integration tests"
	while read -r name; do
		left_out "$name" "${ARM64_LEFT_OUT[$name]:-$ARM64_SLOW}"
	done < <(integration_names_but "${ARM64_BATS[@]}")
	mapfile -t names < <(printf "tests/integration/%s.bats\n" "${ARM64_BATS[@]}")
	bats_files "$folder" 2 "${names[@]}"
}

arm64_sysroot() { # folder
	local libraries
	libraries=$(printf '%s\n' "${BUILD_PACKAGES[@]}" | grep -E "$ARM64_LIBRARIES" | paste -sd ,)
	root_make "$(own_release)" "$1" --variant=extract --architectures=arm64 --include="$libraries" || return 1
	# Meson puts these before ours on the way to programs.
	rm -rf "$1/usr/bin" "$1/usr/sbin"
}

# The compiler. A static program must not name libraries: that of glibc 2.36 would end at its start.
arm64_cc() { # sysroot
	local lib=$1/usr/lib/$ARM64
	cat <<TEXT
#!/bin/sh
case " \$* " in
*" -static-pie "*) exec $ARM64-gcc "--sysroot=$1" "\$@" ;;
esac
exec $ARM64-gcc "--sysroot=$1" "\$@" -Wl,--disable-new-dtags "-Wl,-rpath,$1/lib/$ARM64:$lib" \\
	"-Wl,--dynamic-linker=$1/lib/ld-linux-aarch64.so.1"
TEXT
}

arm64_cross_file() { # sysroot, compiler
	cat <<TEXT
[binaries]
c = '$2'
ar = '$ARM64-ar'
strip = '$ARM64-strip'
pkgconfig = 'pkg-config'
exe_wrapper = 'qemu-aarch64-static'

[properties]
sys_root = '$1'
pkg_config_libdir = ['$1/usr/lib/$ARM64/pkgconfig', '$1/usr/share/pkgconfig']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
TEXT
}

# In the place of each program stands one that runs it, so that bats, and programs that start one
# another, need to know nothing of it. What meson runs itself, it runs by qemu.
arm64_wrappers() { # build folder
	local program
	gcc -Wall -Werror -O2 "-DEMULATOR=\"$(command -v qemu-aarch64-static)\"" \
		-o "$results/emulated" tests/support/emulated.c || die "cannot build what runs emulated programs"
	while IFS= read -r -d '' program; do
		# ELF, of the machine 183 (AArch64).
		[ "$(od -An -tx1 -N 4 "$program")" = ' 7f 45 4c 46' ] || continue
		[ "$(od -An -tu1 -j 18 -N 2 "$program")" = ' 183   0' ] || continue
		mv "$program" "$program.arm64"
		cp "$results/emulated" "$program"
	done < <(find "$1/src" "$1/tests" -type f -perm -u+x \
		! -name '*.so*' ! -name 'test_*' ! -name '*.arm64' ! -name fault -print0)
}
