#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a container uses: the groups and the network of this machine as they are. containers.bats has
# the same inside real containers.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# Removed at the end of a test, once what is in them has ended; of one that failed, at the very end.
GROUPS_MADE=()
teardown_file() {
	[[ ! -e $BATS_FILE_TMPDIR/groups ]] || xargs rmdir <"$BATS_FILE_TMPDIR/groups" 2>/dev/null || true
}

remove_groups() {
	local group
	for group in "${GROUPS_MADE[@]}"; do
		wait_until rmdir "$group"
	done
	GROUPS_MADE=()
}

# make_group NAME: a group of that name wherever this machine counts, with a limit of processes;
# leaves their folders in GROUPS_MADE. A machine where that is not allowed skips the test.
make_group() {
	local base group
	for base in /sys/fs/cgroup /sys/fs/cgroup/{memory,cpu,cpuacct,pids}; do
		[[ $base != /sys/fs/cgroup || -e $base/cgroup.controllers ]] || continue
		[[ -d $base && ! -e $base/../cgroup.controllers ]] || continue
		group=$base/$1
		mkdir "$group" 2>/dev/null || continue
		GROUPS_MADE+=("$group")
		echo "$group" >>"$BATS_FILE_TMPDIR/groups"
		if [[ -e $group/pids.max ]]; then
			echo 50 >"$group/pids.max"
		fi
	done
	for group in "${GROUPS_MADE[@]}"; do
		[[ ! -e $group/pids.max ]] || return 0
	done
	remove_groups
	skip "no control group that counts processes can be made here"
}

# A command behind these words joins the groups, and keeps its process id.
# shellcheck disable=SC2016
INSIDE=(bash -c 'for group in $HD_GROUPS; do echo $$ >"$group/cgroup.procs"; done; exec "$@"' inside)

@test "the verb and the route tell the same, with a provider and without" {
	write_config 'provider = "tpm"'
	start_daemon
	api GET /v1/usage
	expect 200
	jq -e '.network.interfaces | map(.name) | index("lo") != null' "$T/body"
	jq -e '(.cgroup == null) or (.cgroup.path | startswith("/"))' "$T/body"
	hf usage --json >"$T/json"
	[[ $(jq -S 'map_values(type)' "$T/json") == $(jq -S 'map_values(type)' "$T/body") ]]
	hf usage >"$T/text"
	grep -q '^network     lo: received [0-9.]* [KMGT]*i*B in [0-9]* packets, sent' "$T/text"
	grep -q '"operation":"usage","object":"","result":"ok","tpm_commands":0' "$T/log"
	api GET /metrics
	grep -q '^holdfast_requests_total{operation="usage"} [1-9]' "$T/body"
}

@test "the group is that of the process that asks" {
	local id
	on legacy
	id=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	make_group "$id"
	HD_GROUPS=${GROUPS_MADE[*]} HOLDFAST_SOCKET=$SOCK "${INSIDE[@]}" "$HOLDFAST" usage --json \
		>"$T/usage"
	hf usage --json >"$T/other"
	remove_groups
	jq -e --arg id "$id" '.container == $id and .pids.current >= 1 and .pids.limit == 50' \
		"$T/usage"
	jq -e --arg id "$id" '.container != $id' "$T/other"
}

@test "the group is the one that the configuration names" {
	on legacy
	make_group "hd-$$-named"
	stop_daemon
	write_config 'provider = "legacy"' "tenant a { cgroup = \"/hd-$$-named\" }"
	start_daemon
	SOCK=$T/run/tenants/a/holdfast.sock
	export HD_GROUPS=${GROUPS_MADE[*]}
	helper "${INSIDE[@]}" sleep 60
	wait_until grep -qx sleep "/proc/${HELPERS[0]}/comm"
	api GET /v1/usage
	stop_helpers
	remove_groups
	expect 200
	jq -e --arg path "/hd-$$-named" '.cgroup.path == $path and .pids.current == 1 and
		.pids.limit == 50 and .network != null' "$T/body"
}

# As on a host with version 2 alone, which for the daemon this one becomes. What version 1 has here
# is then counted by nobody.
@test "version 2: the group of the process, and what is counted there" {
	local group=/sys/fs/cgroup/unified/hd-$$-v2
	[[ -e /sys/fs/cgroup/unified/cgroup.controllers ]] ||
		skip "this machine has version 2 alone, or none: the other tests are about what it has"
	mkdir "$group" 2>"$T/need" || skip "no control group can be made here: $(cat "$T/need")"
	GROUPS_MADE=("$group")
	echo "$group" >>"$BATS_FILE_TMPDIR/groups"
	# shellcheck disable=SC2016
	WRAP=(unshare -m sh -c 'umount -l -R /sys/fs/cgroup &&
		mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh)
	write_config 'provider = "legacy"'
	start_daemon
	HD_GROUPS=$group HOLDFAST_SOCKET=$SOCK "${INSIDE[@]}" "$HOLDFAST" usage --json >"$T/usage"
	remove_groups
	cat "$T/usage"
	jq -e --arg path "/hd-$$-v2" '.cgroup == {version: 2, path: $path} and .cpu.usage_us > 0 and
		.network != null' "$T/usage"
}

# A process that connects, leaves the socket to another and ends: its number may be anybody's soon.
@test "who has ended is nobody: nothing is told, and nothing fails" {
	on legacy
	python3 - "$SOCK" >"$T/answer" <<-'END'
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		child = os.fork()
		if child == 0:
		    s.connect(sys.argv[1])
		    os._exit(0)
		os.waitpid(child, 0)
		s.sendall(b"GET /v1/usage HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		while True:
		    piece = s.recv(65536)
		    if not piece:
		        break
		    sys.stdout.buffer.write(piece)
	END
	head -n 1 "$T/answer" | grep -q ' 200 '
	tail -n 1 "$T/answer" | jq -e '.cgroup == null and .memory == null and .network == null and
		(.remarks[0] | startswith("all: "))'
}

# As a service that runs as a user of its own, where /proc shows nobody else.
@test "a service that may not see its peer says so, and nothing fails" {
	[[ $(id -u) == 0 ]] || skip "needs root"
	unshare -m mount -t proc -o hidepid=2 proc /proc 2>"$T/need" ||
		skip "no mount namespace here: $(cat "$T/need")"
	mkdir -p "$T/run" "$T/state"
	chmod 755 "$T"
	chown 65534:65534 "$T/run" "$T/state"
	chmod 700 "$T/state"
	# shellcheck disable=SC2016
	WRAP=(unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' sh)
	write_config 'provider = "legacy"'
	start_daemon
	api GET /v1/usage
	expect 200
	jq -e '.cgroup == null and .network == null and (.remarks | length > 0)' "$T/body"
	hf usage >"$T/text"
	grep -q '^remark ' "$T/text"
}

@test "a tenant without the right is told so" {
	write_config 'provider = "legacy"' 'tenant a { operations = {"random"} }'
	start_daemon
	SOCK=$T/run/tenants/a/holdfast.sock
	api GET /v1/usage
	expect 403 forbidden
	field .detail | grep -q "'usage'"
}
