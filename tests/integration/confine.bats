#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2030,SC2031,SC2154

# What each program has given up, shown by code of somebody else's that runs in it: the program is the
# one that is installed, and begins to be tried once it serves (tests/confine/intruder.c).

load helpers.bash
load device.bash

INTRUDER=$BUILD/tests/confine/intruder.so

# Numbers of errno.
EPERM=1 EACCES=13 ENOSYS=38 EAFNOSUPPORT=97 ECONNREFUSED=111

# intrude FOLDER: what to preload, for a program that may write FOLDER.
intrude() {
	mkdir -p "$T/outside" "$1" "$T/sock"
	chmod 700 "$1"
	echo secret >"$T/outside/file"
	echo open >"$1/intruder.inside"
	cp "$(type -P true)" "$1/intruder.program"
	cp "$(type -P true)" "$T/outside/program"
	REPORT=$1/intruder.report
	INTRUDE=(
		env "LD_PRELOAD=$INTRUDER" "INTRUDER_REPORT=$REPORT" "INTRUDER_OUTSIDE=$T/outside/file"
		"INTRUDER_INSIDE=$1/intruder.inside" "INTRUDER_PROGRAM=$1/intruder.program"
		"INTRUDER_OUTSIDE_PROGRAM=$T/outside/program" "INTRUDER_HELPER=$(program holdfast-fapi)"
	)
}

# write_salts: invented, as all salts here.
write_salts() {
	printf '%s = "%s"\n' prefix p hw h api a resource r >"$T/salts"
	chmod 600 "$T/salts"
}

# trigger PID
trigger() {
	kill -USR2 "$1"
	wait_until grep -qx end "$REPORT"
	cat "$REPORT"
}

# tried NAME ERRNO..: how the try ended is one of these.
tried() {
	local name=$1 was errno
	was=$(sed -n "s/^$name //p" "$REPORT")
	shift
	for errno in "$@"; do
		[[ $was != "$errno" ]] || return 0
	done
	echo "$name ended with '$was' instead of $*"
	return 1
}

# needs_kernel LOG: what the kernel has, the program has used.
needs_kernel() {
	local missing
	missing=$("$BUILD/tests/confine/kernel") || skip "$missing"
	grep -q 'confined: Landlock ABI [1-9][0-9]*, [1-9][0-9]* system calls' "$1"
}

# What holds for all of them.
is_confined() {
	tried read_outside $EACCES
	tried write_outside $EACCES
	tried list_root $EACCES
	tried read_by_link $EACCES
	tried read_inside 0
	tried empty_outside $EPERM
	tried trace_parent $EPERM
	tried be_traced $EPERM
	tried read_parent $EPERM
	tried new_namespace $EPERM
	tried clone_namespace $EPERM
	tried gain_privileges $EPERM
	tried mount $EPERM
	tried bpf $EPERM
	tried keyctl $EPERM
	tried io_uring $EPERM
	tried memfd $EPERM
	tried code_to_write $EPERM
	tried data_to_code $EPERM
	tried unknown_call $ENOSYS
	tried raw_socket $EAFNOSUPPORT
	tried signal_parent $EPERM
	tried signal_parent_thread $ENOSYS
	tried signal_all $EPERM
	tried make_process $ENOSYS
	tried link_system $ENOSYS
	tried link_outside $ENOSYS
	tried link_inside $ENOSYS
	tried execute_self $EPERM
	tried execute_helper $EPERM
	tried execute_linker $EPERM
	tried execute_own $EPERM
	tried execute_shell $EPERM
}

# What holds for all but holdfastd.
changes_no_mode() {
	tried change_outside $EPERM
	tried give_away_outside $EPERM
}

@test "a program that is not confined can do it all: the tries are good ones" {
	intrude "$T/free"
	"${INTRUDE[@]}" INTRUDER_FREE=yes sleep 1000 3>&- &
	HELPERS+=($!)
	has_begun() {
		tr '\0' ' ' </proc/${HELPERS[0]}/cmdline | grep -q '^sleep '
	}
	wait_until has_begun
	# The handler is there before main() is.
	catches() {
		[[ $((0x$(sed -n 's/^SigCgt:\t//p' "/proc/${HELPERS[0]}/status") & 0x800)) != 0 ]]
	}
	wait_until catches
	kill -USR2 "${HELPERS[0]}"
	# It becomes another program, and that ends.
	wait_until is_gone "${HELPERS[0]}"
	cat "$REPORT"
	tried read_outside 0
	tried write_outside 0
	tried list_root 0
	tried ip_socket 0
	tried signal_parent 0
	tried gain_privileges 0
	tried memfd 0
	tried change_outside 0
	tried give_away_outside 0
	tried empty_outside 0
	tried map_inside 0
	tried signal_parent_thread 0
	tried link_system 0
	tried link_outside 0
	tried link_inside 0
	tried signal_all 0
	tried make_process 0
	tried code_to_write 0
	tried data_to_code 0
	refute grep -q execute_ "$REPORT"
}

@test "holdfastd: its folders, no program at all, and still FAPI is asked" {
	start_swtpm
	intrude "$T/state"
	mkdir -p "$T/etc"
	write_config
	mv "$T/conf" "$T/etc/conf"
	"${INTRUDE[@]}" "$HOLDFASTD" --config "$T/etc/conf" 2>>"$T/log" 3>&- &
	DAEMON_PID=$!
	wait_until decided
	[[ $(grep -c confined "$T/log") == 1 ]]
	needs_kernel "$T/log"
	trigger "$DAEMON_PID"
	is_confined
	tried ip_socket $EAFNOSUPPORT
	# It serves on, and has the helper started.
	api GET /v1/status
	[[ $(field .reason) == 'the TPM opens and FAPI connects' ]]
	admin POST /v1/admin/fapi/probe -H 'Content-Type: application/json' -d '{}'
	expect 200
	put a x
	expect 201
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
}

@test "holdfastd without a filter of system calls: its files alone let it execute nothing" {
	start_swtpm
	intrude "$T/state"
	write_config
	"${INTRUDE[@]}" INTRUDER_OLD=calls INTRUDER_FREE=yes "$HOLDFASTD" --config "$T/conf" \
		2>>"$T/log" 3>&- &
	DAEMON_PID=$!
	wait_until decided
	missing=$("$BUILD/tests/confine/kernel") || skip "$missing"
	grep -q 'confined: Landlock ABI [1-9][0-9]*, all system calls' "$T/log"
	trigger "$DAEMON_PID"
	tried make_process 0
	for try in link_{system,outside,inside} execute_{self,helper,linker,own,shell}; do
		tried "$try" $EACCES
	done
	admin POST /v1/admin/fapi/probe -H 'Content-Type: application/json' -d '{}'
	expect 200
}

@test "the starter: what it starts reads neither the configuration nor what else the daemon may" {
	start_swtpm
	mkdir -p "$T/persist" "$T/run"
	with_helper "shut $T/conf" "shut $T/persist" "shut $T/run" 'shut /etc/shells' \
		begin 'say {"ok":true}'
	write_config "device { persist_dir = \"$T/persist\" config_dir = \"$T/persist\" }"
	start_daemon
	needs_kernel "$T/log"
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
	[[ -e $T/state/fapi/begun ]]
	stop_daemon
	# The same words fail where a file is open to it.
	with_helper "shut $T/state/fapi/begun" 'say {"ok":true}'
	start_daemon
	[[ $(jq -r .fapi.probe "$T/status") == failed ]]
}

@test "holdfastd on a file system that is noexec, as its unit has it: what it wrote is no code" {
	[[ $EUID == 0 ]] || skip "only root mounts"
	start_swtpm
	intrude "$T/state"
	write_config
	# shellcheck disable=SC2016
	"${INTRUDE[@]}" unshare -m --propagation private sh -c '
		mount --bind "$1" "$1" && mount -o remount,bind,noexec "$1" && exec "$2" --config "$3"' \
		sh "$T/state" "$HOLDFASTD" "$T/conf" 2>>"$T/log" 3>&- &
	DAEMON_PID=$!
	wait_until decided
	needs_kernel "$T/log"
	trigger "$DAEMON_PID"
	tried map_inside $EPERM
}

@test "the units leave nothing executable but their program and the libraries" {
	local name
	for name in holdfastd holdfast-loader holdfast-origin; do
		grep -qx 'NoExecPaths=/' "$BUILD/deploy/systemd/$name.service"
		grep -Eq "^ExecPaths=/[^ ]*/$name (/[^ ]*/holdfast-fapi /bin/sh )?/usr/lib( -/[^ ]+)*\$" \
			"$BUILD/deploy/systemd/$name.service"
	done
}

@test "a configuration that is a link is read again" {
	start_swtpm
	mkdir "$T/etc" "$T/real"
	write_config
	mv "$T/conf" "$T/real/conf"
	ln -s ../real/conf "$T/etc/conf"
	"$HOLDFASTD" --config "$T/etc/conf" 2>>"$T/log" 3>&- &
	DAEMON_PID=$!
	wait_until decided
	needs_kernel "$T/log"
	kill -HUP "$DAEMON_PID"
	wait_until grep -qi 'reload\|read anew\|read again' "$T/log"
	cat "$T/log"
	refute grep -q 'Permission denied' "$T/log"
}

@test "holdfast-fapi: less than the daemon" {
	start_swtpm
	start_daemon
	needs_kernel "$T/log"
	stop_daemon
	intrude "$T/state/fapi"
	jq --arg tcti "$TCTI" '.tcti = $tcti' "$T/state/fapi/fapi-config.json" >"$T/c"
	cp "$T/c" "$T/state/fapi/fapi-config.json"
	TSS2_FAPICONF=$T/state/fapi/fapi-config.json "${INTRUDE[@]}" "$(program holdfast-fapi)" probe \
		>"$T/answer"
	cat "$T/answer" "$REPORT"
	is_confined
	tried ip_socket $EAFNOSUPPORT
	changes_no_mode
	[[ $(jq -r .ok "$T/answer") == true && $(jq -r .confined "$T/answer") == true ]]
}

@test "holdfast-loader: its cache, and no program at all" {
	intrude "$T/cache"
	cat >"$T/loader.conf" <<-EOF
		listen = "unix:$T/sock/loader.sock"
		cache_dir = "$T/cache"
		salts_file = "$T/salts"
		holdfast_socket = "$T/none.sock"
		api_url = "https://localhost:1"
	EOF
	write_salts
	chmod 600 "$T/loader.conf"
	"${INTRUDE[@]}" "$(program holdfast-loader)" --config "$T/loader.conf" 2>"$T/loader.log" 3>&- &
	HELPERS+=($!)
	wait_until listens "$T/sock/loader.sock" || {
		cat "$T/loader.log"
		return 1
	}
	[[ $(grep -c confined "$T/loader.log") == 1 ]]
	needs_kernel "$T/loader.log"
	trigger "${HELPERS[0]}"
	is_confined
	tried ip_socket 0
	tried connect_out $ECONNREFUSED
	changes_no_mode
	[[ $(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/sock/loader.sock" http://localhost/) != 000 ]]
}

@test "holdfast-origin: what it serves, and it calls nobody" {
	intrude "$T/root"
	printf 'a@b.c:word\n' >"$T/users"
	write_salts
	chmod 600 "$T/users"
	"${INTRUDE[@]}" "$(program holdfast-origin)" --root "$T/root" --users "$T/users" \
		--salts "$T/salts" --listen "unix:$T/sock/origin.sock" 2>"$T/origin.log" 3>&- &
	HELPERS+=($!)
	wait_until listens "$T/sock/origin.sock" || {
		cat "$T/origin.log"
		return 1
	}
	[[ $(grep -c confined "$T/origin.log") == 1 ]]
	needs_kernel "$T/origin.log"
	trigger "${HELPERS[0]}"
	is_confined
	tried ip_socket 0
	if (($(sed -n 's/.*Landlock ABI \([0-9]*\).*/\1/p' "$T/origin.log") >= 4)); then
		tried connect_out $EACCES
	fi
	changes_no_mode
}

@test "a reset with other folders in the file: it ends, and the next start has them" {
	enabled
	needs_kernel "$T/log"
	sed -i "s|run = \"$T/run\"|run = \"$T/moved\"|" "$T/conf"
	hf --timeout 2 device reset --factory --yes || true
	wait_until is_gone "$DAEMON_PID"
	stop_daemon
	[[ $DAEMON_STATUS == 1 ]]
	grep -q 'when this process confined itself; start it again' "$T/log"
	[[ ! -e $T/moved ]]
	SOCK=$T/moved/holdfast.sock ADMIN=$T/moved/admin.sock
	start_daemon
	wait_until identity_settled
	is_mode enabled
	remember second
	[[ -s $T/first.pub ]]
	refute cmp -s "$T/first.pub" "$T/second.pub"
}

@test "a reset without the starter: it ends, and takes no software in the place of the TPM" {
	enabled
	sed -i 's/^provider = .*/provider = "auto"/' "$T/conf"
	kill -KILL "$(starter_of "$DAEMON_PID")"
	hf --timeout 2 device reset --factory --yes || true
	wait_until is_gone "$DAEMON_PID"
	stop_daemon
	[[ $DAEMON_STATUS == 1 ]]
	grep -q 'the process that starts holdfast-fapi is gone' "$T/log"
	refute grep -q 'security provider legacy' "$T/log"
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

@test "a daemon without standard files has none of its sockets there" {
	local starter
	start_swtpm
	write_config 'provider = "tpm"'
	WRAP=(sh -c 'exec "$@" 2>&-' sh)
	start_daemon
	starter=$(starter_of "$DAEMON_PID")
	[[ -n $starter ]]
	[[ $(readlink "/proc/$DAEMON_PID/fd/2") == /dev/null ]]
}

@test "a program that was replaced is not started any more, and the remedy tells" {
	start_swtpm
	with_helper 'exit 7'
	write_config 'provider = tpm'
	start_daemon
	needs_kernel "$T/log"
	cp "$(program holdfast-fapi)" "$T/bin/new"
	mv "$T/bin/new" "$T/bin/holdfast-fapi"
	admin POST /v1/admin/fapi/probe -H 'Content-Type: application/json' -d '{}'
	[[ $(field .detail) == *'may not be started'* && $(field .remedy) == 'Restart holdfastd'* ]]
	stop_daemon
	start_daemon
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
}

@test "a kernel with the first Landlock: it holds who moves nothing between folders" {
	missing=$("$BUILD/tests/confine/kernel") || skip "$missing"
	intrude "$T/root"
	printf 'a@b.c:word\n' >"$T/users"
	write_salts
	chmod 600 "$T/users"
	"${INTRUDE[@]}" INTRUDER_OLD=abi1 "$(program holdfast-origin)" --root "$T/root" \
		--users "$T/users" --salts "$T/salts" --listen "unix:$T/sock/origin.sock" \
		2>"$T/origin.log" 3>&- &
	HELPERS+=($!)
	wait_until listens "$T/sock/origin.sock"
	grep -q 'confined: Landlock ABI 1,' "$T/origin.log"
	trigger "${HELPERS[0]}"
	tried read_outside $EACCES
	tried read_inside 0
}

@test "a kernel that has neither: one warning, and it serves" {
	start_swtpm
	write_config
	export JOURNAL_STREAM
	: >"$T/log"
	JOURNAL_STREAM=$(stat -c '%d:%i' "$T/log")
	WRAP=(env INTRUDER_OLD=yes "LD_PRELOAD=$INTRUDER")
	start_daemon
	[[ $(grep -c '^<4>' "$T/log") == 1 ]]
	grep -q '^<4>confined: no Landlock .*, all system calls' "$T/log"
	put a x
	expect 201
}
