# SPDX-License-Identifier: Apache-2.0
# A machine: a Debian in a folder, booted with its own systemd by systemd-nspawn, without a network.
# One for each file of tests; its tests follow each other, as days of a machine do.
#
# HOLDFAST_MACHINE is a folder with root.tar, a Debian where what our packages depend on lies at hand
# (tools/do-suite-package.sh), HOLDFAST_PACKAGES that of our packages.

# One that is hung is given up.
BOOT_S=120
INSIDE_S=180

# wait_until SECONDS COMMAND..: polls every 50 ms, at least once.
wait_until() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		if ((${EPOCHREALTIME/[.,]/} >= end)); then
			echo "waited in vain for: $*"
			return 1
		fi
		sleep 0.05
	done
}

# A command that must fail; a plain `!` would not end a test.
refute() {
	if "$@"; then
		echo "succeeded, and must not: $*"
		return 1
	fi
}

machine_new() {
	M=$(mktemp -d /tmp/hm-XXXXXX)
	mkdir "$M/root"
	tar -x --numeric-owner -C "$M/root" -f "$HOLDFAST_MACHINE/root.tar"
	find "$HOLDFAST_PACKAGES" -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$M/root/packages" {} +
	export M
}

# Finds the machine's first process, which is process 1 of namespaces of its own. A child that only
# prepares them, and ends, comes before it.
machine_has_leader() {
	local pid
	for pid in $(pgrep -P "$(cat "$M/nspawn")"); do
		awk '$1 == "NSpid:" { exit !(NF > 2 && $NF == 1) }' "/proc/$pid/status" 2>/dev/null || continue
		echo "$pid" >"$M/leader"
		return
	done
	return 1
}

machine_is_up() {
	inside systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'
}

machine_boot() {
	unshare -m "$BATS_TEST_DIRNAME/pure-cgroup2" systemd-nspawn -q -b -D "$M/root" \
		--register=no --keep-unit --private-network --console=pipe \
		</dev/null >"$M/console" 2>&1 3>&- &
	echo $! >"$M/nspawn"
	wait_until 20 machine_has_leader || {
		cat "$M/console"
		return 1
	}
	wait_until "$BOOT_S" machine_is_up || {
		tail -n 40 "$M/console"
		return 1
	}
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

machine_off() {
	local pid
	pid=$(cat "$M/nspawn")
	inside systemctl poweroff >/dev/null 2>&1 || true
	wait_until 60 is_gone "$pid" || kill -KILL "$(cat "$M/leader")" "$pid"
}

machine_end() {
	[[ -n ${M:-} ]] || return 0
	[[ ! -s $M/nspawn ]] || machine_off
	rm -rf "$M"
}

# inside COMMAND..: as root of the machine.
inside() {
	timeout "$INSIDE_S" nsenter --target "$(cat "$M/leader")" --mount --uts --ipc --net --pid \
		--cgroup --root --wd -- env -i LC_ALL=C.UTF-8 HOME=/root TERM=dumb \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# as USER COMMAND..: with the groups that the user has.
as() {
	local user=$1
	shift
	inside runuser -u "$user" -- "$@"
}

# login USER TEXT: what a login shell of the user makes of a text.
login() {
	inside su -l -s /bin/bash "$1" -c "$2"
}

property() { # unit, name
	inside systemctl show --value --property="$2" "$1"
}

has_property() { # unit, name, value
	[[ $(property "$1" "$2") == "$3" ]]
}

is_active() {
	inside systemctl --quiet is-active "$1"
}

# apt_install NAME..: ours or others, from what lies in the machine, with what they depend on. A name
# with a slash is a file of the machine.
apt_install() {
	local name file files=()
	for name; do
		file=$(cd "$M/root" && find packages -name "${name}_*.deb")
		files+=("${file:+/}${file:-$name}")
	done
	inside env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends \
		install "${files[@]}"
}

provider_is() {
	[[ $(inside holdfast status --json | jq -r .provider) == "$1" ]]
}

# Shown by bats when a test failed.
machine_tell() {
	[[ -s $M/leader ]] || return 0
	inside journalctl --no-pager -n 60 -o cat 2>/dev/null || true
	inside systemctl --no-pager --failed 2>/dev/null || true
}
