# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Packages and programs: ./do deps, ./do build. Sourced by ./do.

# What building and the tour need, and what testing needs beyond that. uuid-dev is for the libtss2-dev
# of Debian 13, which asks pkg-config for it and does not depend on it.
BUILD_PACKAGES=(
	gcc libc6-dev meson ninja-build pkg-config scdoc libcmocka-dev
	libtss2-dev libtss2-tcti-swtpm0 libtss2-tcti-device0
	libmicrohttpd-dev libjansson-dev libconfuse-dev libyaml-dev libssl-dev libcurl4-openssl-dev
	uuid-dev libseccomp-dev
	swtpm openssl curl jq
)
TEST_PACKAGES=(
	bats swtpm-tools tpm2-tools tpm2-openssl python3-tpm2-pytss strace socat procps xxd python3 python3-cryptography python3-yaml
	python3-jsonschema git python3-swift
	bubblewrap runc podman busybox-static
	libtpm2-pkcs11-1 libtpm2-pkcs11-tools opensc dbus-daemon dbus-bin dbus-system-bus-common
	nginx-light python3-botocore binutils
	zsh fish systemd udev p11-kit
	clang-format clang-tidy
)
# Where there is a TPM, its package starts a service that takes it; those tests are skipped there.
[ -e /dev/tpm0 ] || TEST_PACKAGES+=(tpm2-abrmd libtss2-tcti-tabrmd0)

# Names those of the packages that are not installed, one a line.
missing_packages() {
	local installed package
	installed=$(
		dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
			sed -n 's/^installed //p'
	) || true
	for package in "$@"; do
		grep -qxF -- "$package" <<<"$installed" || printf '%s\n' "$package"
	done
}

need_packages() {
	local missing as_root=()
	if ! command -v dpkg-query >/dev/null; then
		say "This is no Debian: the packages $* must be there already."
		return 0
	fi
	mapfile -t missing < <(missing_packages "$@")
	[ "${#missing[@]}" -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
		as_root=(sudo)
	fi
	say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
	quietly "apt-get update" "${as_root[@]}" apt-get -q update
	quietly "apt-get install" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qy install --no-install-recommends "${missing[@]}"
}

do_deps() {
	[ $# -eq 0 ] || die "deps takes no argument"
	need_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
}

# Meson puts a program where its source is; people look for it in the build folder itself.
link_programs() { # build folder
	local program path
	for program in holdfastd holdfast holdfast-client holdfast-fapi holdfast-loader holdfast-origin; do
		path=$(find "$1/src/cmd" -type f -name "$program" -perm -u+x | head -n 1)
		[ -n "$path" ] || die "the build made no $program"
		ln -sfn "${path#"$1"/}" "$1/$program"
	done
	for program in genaik pubgetaik sign; do
		ln -sfn holdfast "$1/eve_tools_tpm2_$program"
	done
}

# A folder of ours whose options are others now is made anew.
configure() { # build folder, options of meson setup..
	local folder=$1 options="${*:2}"
	if [ -f "$folder/build.ninja" ]; then
		[ -f "$folder/options" ] || return 0
		[ "$(cat "$folder/options")" != "$options" ] || return 0
	fi
	rm -rf "$folder"
	quietly "meson setup" meson setup "$@" || return 1
	printf '%s\n' "$options" >"$folder/options"
}

# All but the unit tests, which are a good half, by the names of their programs and fixtures.
targets_to_use() { # build folder
	meson introspect "$1" --targets |
		jq -r --arg folder "$(readlink -f "$1")/" '.[]
			| select(.type != "run" and (.name | test("^((test|replay|fuzz)(_|$)|fault$)") | not))
			| .filename[] | ltrimstr($folder)'
}

# Unit tests are built when they are run.
compile_to_use() { # build folder, options of meson setup..
	local folder=$1 listed targets
	configure "$@" || return 1
	# The list is of the files of meson as they are now.
	quietly "meson" ninja -C "$folder" build.ninja || return 1
	listed=$(targets_to_use "$folder") && [ -n "$listed" ] || die "what is there to build in $folder?"
	mapfile -t targets <<<"$listed"
	quietly "the build in ${folder##*/}" ninja -C "$folder" "${targets[@]}" || return 1
	link_programs "$folder"
}

compile() { # build folder, options of meson setup..
	local folder=$1
	configure "$@" || return 1
	quietly "the build in ${folder##*/}" ninja -C "$folder" || return 1
	link_programs "$folder"
}

do_build() {
	[ $# -eq 0 ] || die "build takes no argument"
	need_packages "${BUILD_PACKAGES[@]}"
	compile_to_use "$build"
	say "Built in build/: holdfastd, holdfast, holdfast-client, holdfast-fapi, holdfast-loader, holdfast-origin"
}
