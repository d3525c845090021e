# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Roots of another Debian, or of another processor's, for packages and for the suites that need one.
# Sourced by tools/do-package.sh.
#
# A root is made anew each time, from where this machine has its own packages, and is gone with the
# results. What mounts or runs in it has namespaces of its own, so that nothing stays behind
# however the run ends.

ROOT_PACKAGES=(mmdebstrap debian-archive-keyring)
ROOT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

tether= # the process that must end before the results are removed

root_deps() { # packages..
	[ "$(id -u)" -eq 0 ] || die "this suite makes the root of a Debian, which takes root"
	need_packages "${ROOT_PACKAGES[@]}" "$@"
	[ -n "$(mirror)" ] || quietly "apt-get update" apt-get -q update
	[ -n "$(mirror)" ] || die "the sources of apt name no archive of this machine's own release"
}

own_release() {
	. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}"
}

# Where this machine has its own packages from: the archive has all releases.
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v own="$(own_release)" '$1 == own && $2 == "main" { print $3; exit }'
}

# In place of the trap of results_folder(): first ends what still runs.
root_begin() {
	trap root_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

root_end() {
	if [ -n "$tether" ]; then
		kill -KILL "$tether" 2>/dev/null || true
		wait "$tether" 2>/dev/null || true
	fi
	# The last of its processes may still write for a moment.
	wait_for 20 rm -rf --one-file-system "$results" || say "cannot remove $results"
}

# Runs a command so that a signal to us is seen at once, and ends it.
tethered() { # command..
	local status=0
	"$@" &
	tether=$!
	wait "$tether" || status=$?
	tether=
	return "$status"
}

# Its processes end with it, and its mounts with them.
root_make() { # release, folder, options of mmdebstrap..
	local release=$1 folder=$2
	shift 2
	tethered unshare --mount --pid --fork --kill-child --mount-proc \
		mmdebstrap --mode=root --format=directory "$@" "$release" "$folder" \
		"deb [signed-by=$ROOT_KEYRING] $(mirror) $release main"
}

# What root_run runs first: it enters the root, and collects who loses a parent there.
# shellcheck disable=SC2016
ROOT_ENTER='
	set -e
	mount --bind "$1" "$1"
	mount --rbind /dev "$1/dev"
	mount --rbind /sys "$1/sys"
	mount -t tmpfs tmpfs "$1/run"
	mount -t proc proc "$1/proc"
	cd "$1"
	pivot_root . mnt
	cd "$2"
	umount -l /mnt
	shift 2
	status=0
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@" || status=$?
	exit "$status"'

# Runs a command in a root, as a container with all rights would: with the devices, the network and
# the control groups of this machine, and processes and mounts of its own. Not by bwrap, under which
# no program gains privileges (no_new_privs): tests of what confines a program begin without that.
root_run() { # root, folder in it, command..
	tethered unshare --mount --pid --ipc --uts --fork --kill-child sh -c "$ROOT_ENTER" root "$@"
}

# Counts what is left out as skipped, with its name and the reason.
left_out() { # name, reason
	say "  $1: left out: $2"
	printf '0 0 1\n' >>"$results/totals"
}
