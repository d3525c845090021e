# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The Debian packages: ./do package [--arch NAME]. Sourced by ./do.
#
# They are built in a copy of the tree, build-deb/NAME/source, by whoever calls; only a package that
# the build needs is installed as root. For another processor the build runs in a Debian of its own,
# made for that and gone afterwards, so that this one never has packages of two processors.

# shellcheck source=tools/debian-root.sh
. tools/debian-root.sh

PACKAGE_PACKAGES=(
	build-essential debhelper dpkg-dev fakeroot lintian meson ninja-build pkg-config scdoc
	libconfuse-dev libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev libseccomp-dev libssl-dev
	libtss2-dev libyaml-dev
)
PACKAGE_CROSS=(mmdebstrap debian-archive-keyring)

# What git knows, or would take.
package_copy() { # folder
	rm -rf "$1"
	mkdir -p "$1/source"
	if [ -e .git ]; then
		git ls-files -z --cached --others --exclude-standard |
			while IFS= read -r -d '' file; do
				[ ! -e "$file" ] || printf '%s\0' "$file"
			done | tar --null -T - -c
	else
		tar --exclude='./build*' -c .
	fi | tar -x -C "$1/source"
}

package_here() { # folder
	(cd "$1/source" && dpkg-buildpackage -us -uc -b)
}

# Where this machine has the packages of its own release from; roots are of the same.
package_sources() {
	local file
	for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
		[ ! -s "$file" ] || {
			printf '%s\n' "$file"
			return
		}
	done
	die "the sources of apt name no archive"
}

# Everything happens in one run of mmdebstrap, as root or in a user namespace; of the root that it
# makes nothing is kept but the packages.
package_cross() { # folder, architecture
	local release sources
	release=$(own_release)
	sources=$(package_sources)
	# shellcheck disable=SC2016
	mmdebstrap --variant=apt --architectures="$(dpkg --print-architecture),$2" \
		--include="build-essential,crossbuild-essential-$2,debhelper" \
		--customize-hook='mkdir -p "$1/build/source"' \
		--customize-hook="sync-in '$1/source' /build/source" \
		--customize-hook='chroot "$1" apt-get -qy -a'"$2"' build-dep --no-install-recommends /build/source' \
		--customize-hook='chroot "$1" sh -c "cd /build/source && dpkg-buildpackage -us -uc -b -a'"$2"'"' \
		--customize-hook='rm -rf "$1/build/source"' \
		--customize-hook="sync-out /build '$1'" \
		"$release" - "$sources" >/dev/null
}

# package_build ARCHITECTURE: into build-deb/ARCHITECTURE, anew.
package_build() {
	local folder=$root/build-deb/$1
	package_copy "$folder"
	if [ "$1" = "$(dpkg --print-architecture)" ]; then
		quietly "dpkg-buildpackage" package_here "$folder" || return 1
	else
		quietly "the cross build" package_cross "$folder" "$1" || return 1
	fi
	rm -rf "$folder/source"
}

do_package() {
	local arch
	command -v dpkg >/dev/null || die "packages are made on a Debian"
	arch=$(dpkg --print-architecture)
	if [ "${1:-}" = --arch ] && [ $# -eq 2 ]; then
		arch=$2
		shift 2
	fi
	[ $# -eq 0 ] || die "package takes no argument but --arch NAME"
	[[ $arch =~ ^(amd64|arm64)$ ]] || die "packages are made for amd64 and arm64, not for $arch"
	if [ "$arch" = "$(dpkg --print-architecture)" ]; then
		need_packages "${PACKAGE_PACKAGES[@]}"
	else
		need_packages "${PACKAGE_CROSS[@]}"
	fi
	package_build "$arch"
	say "Built in build-deb/$arch:"
	(cd "build-deb/$arch" && printf '  %s\n' ./*.deb)
}
