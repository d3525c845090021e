# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# ./do test --suite package: the Debian packages in a Debian 12 that is booted, the images, and the texts of
# deploy/. Sourced by tools/do-suites.sh.
#
# The machine is a root made by mmdebstrap with little in it; the packages, and what they depend on
# by name, are installed in it when it runs, by apt and without a network.

SUITE_PACKAGES=(bats mmdebstrap debian-archive-keyring systemd-container jq procps)
# .. and the images.
SUITE_PACKAGES+=(
	binutils buildah catatonit conmon curl docker-compose nodejs podman python3 python3-yaml runc swtpm
)

# What the machine has before our packages come; and what is at hand in it for later.
MACHINE_HAS=(systemd systemd-sysv dbus udev libpam-systemd man-db groff-base swtpm libtss2-tcti-swtpm0)
MACHINE_TAKES=(
	tpm2-tools tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-1 libtpm2-pkcs11-tools opensc p11-kit
	p11-kit-modules openssl
)

suite_package_deps() {
	[ "$(id -u)" -eq 0 ] || die "the suite package boots a machine, which takes root"
	need_packages "${PACKAGE_PACKAGES[@]}" "${SUITE_PACKAGES[@]}"
}

machine_root() { # folder with the packages, tar to make
	local release sources
	release=$(own_release)
	sources=$(package_sources)
	# shellcheck disable=SC2016
	mmdebstrap --variant=minbase --skip=cleanup/apt \
		--dpkgopt='path-include=/usr/share/man/*' --dpkgopt='path-include=/usr/share/doc/*' \
		--include="$(IFS=, && echo "${MACHINE_HAS[*]}")" \
		--customize-hook='mkdir "$1/packages"' \
		--customize-hook="copy-in $(find "$1" -name '*.deb' ! -name '*-dbgsym_*' -printf '%p ') /packages" \
		--customize-hook='chroot "$1" sh -c "apt-get -qy --download-only --no-install-recommends install /packages/*.deb '"${MACHINE_TAKES[*]}"'"' \
		--customize-hook='rm "$1"/packages/*' \
		--customize-hook='echo machine >"$1/etc/hostname"' \
		"$release" "$2" "$sources"
}

# As an image has it: without documentation, and with what this machine's apt needs to reach its sources.
image_base() { # tar to make
	local release sources
	release=$(own_release)
	sources=$(package_sources)
	apt-config dump | grep -E '^Acquire::(Check-|https?)' >"$results/apt.conf" || true
	mmdebstrap --variant=minbase --aptopt="$results/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$release" "$1" "$sources"
}

packages_are_clean() { # folder
	lintian --profile debian --fail-on error,warning "$1"/*.changes
}

# The machines are booted one at a time: a machine is a lot for two processors.
suite_package() {
	local arch folder
	arch=$(dpkg --print-architecture)
	folder=$root/build-deb/$arch
	part "packages"
	tally_one "packages" package_build "$arch"
	tally_one "lintian" packages_are_clean "$folder"
	part "a Debian 12"
	tally_one "mmdebstrap" machine_root "$folder" "$results/root.tar"
	tally_one "mmdebstrap, for images" image_base "$results/base.tar"
	part "on a machine that is booted, and in containers"
	HOLDFAST_MACHINE=$results HOLDFAST_PACKAGES=$folder \
		bats_files "$build" 1 tests/package/*.bats
	part "end"
}
