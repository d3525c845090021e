#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The packages beside the service: the loader and its origin, the library, what it is built with.

load machine.bash

setup_file() {
	machine_new
	machine_boot
}

teardown_file() {
	machine_end
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || machine_tell
}

@test "install: loader and origin are there, neither enabled nor started" {
	local unit
	apt_install holdfast-loader libholdfast0
	for unit in holdfast-loader holdfast-origin; do
		refute is_active "$unit.service"
		[[ $(inside systemctl is-enabled "$unit.service") == disabled ]]
		[[ $(inside id -gn "$unit") == "$unit" ]]
	done
	[[ " $(inside id -Gn holdfast-loader) " == *" holdfast "* ]]
	[[ " $(inside id -Gn holdfast-origin) " != *" holdfast "* ]]
	inside systemd-sysusers --dry-run /usr/lib/sysusers.d/holdfast-loader.conf >"$M/out" 2>&1
	refute grep -i creating "$M/out"
	inside man -w 8 holdfast-loader
	inside man -w 8 holdfast-origin
	inside man -w 5 holdfast-loader.conf
}

@test "units: systemd knows every word in them, and they reach at most 2.0" {
	local out unit
	for unit in holdfast-loader holdfast-origin; do
		out=$(inside systemd-analyze verify --man=yes --recursive-errors=no \
			"/lib/systemd/system/$unit.service" 2>&1)
		refute grep holdfast <<<"$out"
		inside systemd-analyze security --no-pager --threshold=20 "$unit.service" >/dev/null
	done
}

@test "start: without a configuration they are passed over, and have not failed" {
	local unit
	for unit in holdfast-loader holdfast-origin; do
		inside systemctl start "$unit.service"
		has_property "$unit.service" ConditionResult no
		refute is_active "$unit.service"
	done
}

minimal() {
	inside sh -c '
		set -e
		umask 077
		mkdir -p /etc/holdfast
		chmod 755 /etc/holdfast
		printf "prefix = \"p\"\nhw = \"h\"\napi = \"a\"\nresource = \"r\"\n" >/etc/holdfast/loader.salts
		cp /etc/holdfast/loader.salts /etc/holdfast/origin.salts
		printf "ann@example.org:correct horse\n" >/etc/holdfast/origin.users
		echo "a machine" >/etc/holdfast/loader.fingerprint
		cat >/etc/holdfast/holdfast-loader.conf <<-END
			api_url = "http://127.0.0.1:8090"
			dev = true
			cdn_url = "http://127.0.0.1:8090/cdn"
			salts_file = "/etc/holdfast/loader.salts"
			fingerprint_file = "/etc/holdfast/loader.fingerprint"
		END
		chown holdfast-loader /etc/holdfast/loader.* /etc/holdfast/holdfast-loader.conf
		chown holdfast-origin /etc/holdfast/origin.*'
}

@test "start: with a minimal one both are ready, and the loader logs in at the origin" {
	minimal
	inside systemctl start holdfast-origin.service holdfast-loader.service
	is_active holdfast-origin.service
	is_active holdfast-loader.service
	printf 'correct horse\n' | as holdfast-loader holdfast-loader login --password-file - ann@example.org
	as holdfast-loader holdfast-loader status --json | jq -e . >/dev/null
	[[ $(inside stat -c '%U %a' /var/cache/holdfast-loader) == "holdfast-loader 700" ]]
	inside systemctl restart holdfast-loader.service
	is_active holdfast-loader.service
}

@test "sandbox: it is in force in both" {
	local unit pid status
	for unit in holdfast-loader holdfast-origin; do
		pid=$(property "$unit.service" MainPID)
		status=$(inside cat "/proc/$pid/status")
		grep -qE '^CapBnd:\s+0+$' <<<"$status"
		grep -qE '^Seccomp:\s+2$' <<<"$status"
		refute inside nsenter --target "$pid" --mount -- touch /usr/x
	done
}

@test "purge: what can be fetched again is gone, what was published stays" {
	inside env DEBIAN_FRONTEND=noninteractive apt-get -qy purge holdfast-loader
	refute inside test -e /var/cache/holdfast-loader
	inside test -d /var/lib/holdfast-origin
}
