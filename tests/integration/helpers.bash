# SPDX-License-Identifier: Apache-2.0
# Lines that every configuration of a file has beside its own are in its FILE_CONFIG.
# What every suite needs: a private folder, a TPM of its own, a daemon, and requests to it.
# Waiting is polling with a limit; nothing sleeps for a fixed time to be "surely ready".

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=${HOLDFAST_BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD

program() {
	if [[ -x $BUILD/$1 && ! -d $BUILD/$1 ]]; then
		echo "$BUILD/$1"
	else
		echo "$BUILD/src/cmd/$1/$1"
	fi
}
HOLDFASTD=$(program holdfastd)

setup() {
	# Short, because paths of sockets are.
	T=$(mktemp -d /tmp/hd-XXXXXX)
	SOCK=$T/run/holdfast.sock
	ADMIN=$T/run/admin.sock
	DAEMON_PID=
	SWTPM_PID=
	MEMORY= # a folder in /dev/shm, of a test that wants one
	TCTI=
	WRAP=()
	HELPERS=()
	CONFIG=("${FILE_CONFIG[@]}")
	unset SECURITY_PROVIDER NOTIFY_SOCKET LISTEN_FDS LISTEN_PID
}

teardown() {
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	# Shown by bats when the test failed.
	if [[ -f $T/log ]]; then
		tail -n 40 "$T/log"
	fi
	if mountpoint -q "$T/state" 2>/dev/null; then
		umount "$T/state"
	fi
	chmod -R u+rwx "$T" 2>/dev/null || true
	rm -rf "$T" ${MEMORY:+"$MEMORY"}
}

# within SECONDS COMMAND..: until it does, every 20 ms, at least once. Where the time is what is tested.
within() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@"; do
		if ((${EPOCHREALTIME/[.,]/} >= end)); then
			echo "waited in vain for: $*"
			return 1
		fi
		sleep 0.02
	done
}

# wait_until COMMAND..: where it is not: a machine whose disk and processors are busy takes its time,
# and a test that fails may take it too.
wait_until() {
	within 120 "$@"
}

# nothing_half FOLDER: no temporary file lies there; HALF are those that do. To wait for: a daemon
# makes its device's identity beside its clients and writes files of its own meanwhile, and what a
# killed writer left stays.
nothing_half() {
	HALF=$(find "$1" -name '.tmp-*')
	[[ -z $HALF ]]
}

# is_sanitized PROGRAM: its memory says nothing about what it needs.
is_sanitized() {
	grep -qaF __asan_init "$1"
}

# A command that must fail; a plain `!` would not end a test.
refute() {
	if "$@"; then
		echo "succeeded, and must not: $*"
		return 1
	fi
}

# flip FILE OFFSET [MASK]: changes bits of one byte, all of them unless a mask is given; a negative
# offset counts from the end. A value written over it would be no change once in 256 times.
flip() {
	local at=$2 byte
	if ((at < 0)); then
		at=$(($(stat -c %s "$1") + at))
	fi
	byte=$(od -An -tu1 -j "$at" -N 1 "$1")
	printf "$(printf '\\x%02x' $((byte ^ ${3:-255})))" |
		dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# pads_badly KEY BLOB: stock openssl finds no padding in a v1 blob under that key. To spoil the padding
# of one for certain, flip -17 with 0x40: no byte of a padding has that bit.
pads_badly() {
	local said
	said=$(openssl enc -d -aes-256-cbc -K "$1" -iv "$(head -c 16 "$2" | xxd -p)" \
		-in <(tail -c +17 "$2") 2>&1 >/dev/null) && return 1
	[[ $said == *'bad decrypt'* ]]
}

# cannot_open KEY BLOB COMMAND..: runs what makes a v1 blob under another key until it does not
# open under this one. Once in 256 times it has a padding there by luck, and no reader can tell.
cannot_open() {
	local key=$1 blob=$2 _
	shift 2
	for _ in {1..16}; do
		"$@" || return
		! pads_badly "$key" "$blob" || return 0
	done
	return 1
}

# helper COMMAND..: runs in the background until the test ends.
helper() {
	"$@" >/dev/null 2>&1 3>&- &
	HELPERS+=($!)
}

stop_helpers() {
	local pid
	for pid in "${HELPERS[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	HELPERS=()
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

# listens PATH: a socket is there and takes connections. Its file is there a moment earlier, and one
# who connects then is refused.
listens() {
	# Num RefCount Protocol Flags Type St Inode Path; 10000 is __SO_ACCEPTCON.
	awk -v path="$1" '$8 == path && $4 == "00010000" { found = 1 } END { exit !found }' \
		/proc/net/unix
}

# --- the TPM ---

# start_swtpm [NAME]: a chip of its own, with state in $T/NAME.
start_swtpm() {
	local name=${1:-tpm}
	mkdir -p "$T/$name"
	swtpm socket --tpm2 --tpmstate "dir=$T/$name" \
		--server "type=unixio,path=$T/$name.sock" \
		--ctrl "type=unixio,path=$T/$name.sock.ctrl" \
		--flags not-need-init,startup-clear >"$T/$name.log" 2>&1 3>&- &
	SWTPM_PID=$!
	wait_until listens "$T/$name.sock"
	wait_until listens "$T/$name.sock.ctrl"
	TCTI=swtpm:path=$T/$name.sock
}

stop_swtpm() {
	if [[ -n $SWTPM_PID ]]; then
		kill -9 "$SWTPM_PID" 2>/dev/null || true
		wait "$SWTPM_PID" 2>/dev/null || true
	fi
	SWTPM_PID=
}

# A stock tool, straight to the chip.
tools() {
	TSS2_LOG=all+NONE TPM2TOOLS_TCTI=$TCTI "$@"
}

# Skips the test where pytss has no FAPI: that of Debian 13 does not know the version of its tss2.
need_pytss_fapi() {
	/usr/bin/python3 -c 'import tpm2_pytss.FAPI' 2>/dev/null || skip "this pytss has no FAPI"
}

# need_program NAME..: the rest of the test asks it. `./do deps` installs all of them, but for tpm2-abrmd
# on a machine with a TPM, which it would take.
need_program() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null && continue
		[[ $program != tpm2-abrmd || ! -e /dev/tpm0 ]] || skip "tpm2-abrmd would take this machine's TPM"
		echo "$program is not installed; ./do deps installs it"
		return 1
	done
}

# --- the daemon ---

# write_config [LINE..]: its own folders, and the TPM that start_swtpm() made, if it did.
write_config() {
	{
		printf 'paths { state = "%s"  run = "%s" }\n' "$T/state" "$T/run"
		printf 'tpm { tcti = "%s"  wait = 0 }\n' "${TCTI:-}"
		printf '%s\n' "$@" "${CONFIG[@]}"
	} >"$T/conf"
}

# launch_daemon: starts it and does not wait. WRAP is a command around it that keeps its process id.
launch_daemon() {
	if [[ ! -f $T/conf ]]; then
		write_config
	fi
	"${WRAP[@]}" "$HOLDFASTD" --config "$T/conf" 2>>"$T/log" 3>&- &
	DAEMON_PID=$!
}

decided() {
	is_gone "$DAEMON_PID" && return 0
	[[ -S $SOCK ]] &&
		curl -s -m 5 --unix-socket "$SOCK" http://h/v1/status -o "$T/status" 2>/dev/null &&
		[[ $(<"$T/status") != *'"provider":"deciding"'* ]]
}

identity_decided() {
	curl -s -m 5 --unix-socket "$SOCK" http://h/v1/status -o "$T/status-said" &&
		jq -e '.device.mode != null' "$T/status-said" >/dev/null
}

# A tenant answers `starting` until its id was read, a moment after the provider is decided.
tenants_opened() {
	is_gone "$DAEMON_PID" && return 0
	curl -s -m 5 --unix-socket "$ADMIN" http://h/v1/admin/tenants -o "$T/tenants" 2>/dev/null &&
		jq -e 'all(.tenants[]; .fault // "" | contains("being opened") | not)' \
			"$T/tenants" >/dev/null
}

# start_daemon: .. until the provider is decided, and whoever has a section can ask. A disk that
# several tests share may take its time for what a new tenant has synced.
start_daemon() {
	launch_daemon
	wait_until decided
	if grep -Eo '^ *tenant +[a-z0-9-]+' "$T/conf" | grep -Eqv ' host$'; then
		wait_until tenants_opened
	fi
	if is_gone "$DAEMON_PID"; then
		echo "the daemon ended"
		cat "$T/log"
		return 1
	fi
}

# copy_program FROM TO: and what an emulator runs in its place (tests/support/emulated.c).
copy_program() {
	local from
	from=$(readlink -f "$1")
	cp "$from" "$2"
	[[ ! -e $from.arm64 ]] || cp "$from.arm64" "$2.arm64"
}

# with_helper [LINE..]: a copy of the daemon, with a stand-in for FAPI's helper beside it that does what
# the lines say (tests/fapi/fapi_stand_in.c), or with none. Its mark is $T/state/fapi/begun.
with_helper() {
	mkdir -p "$T/bin"
	[[ -e $T/bin/holdfastd ]] || copy_program "$HOLDFASTD" "$T/bin/holdfastd"
	HOLDFASTD=$T/bin/holdfastd
	rm -f "$T/bin/holdfast-fapi"
	if [[ $# -gt 0 ]]; then
		copy_program "$BUILD/tests/fapi/fapi_stand_in" "$T/bin/holdfast-fapi"
		printf '%s\n' '' '--- does ---' "$@" >>"$T/bin/holdfast-fapi"
	fi
}

# starter_of PID: the process beside that daemon.
starter_of() {
	pgrep -P "$1" -x holdfast-start
}

# stop_daemon [SIGNAL]: its exit status is left in $DAEMON_STATUS.
stop_daemon() {
	DAEMON_STATUS=
	if [[ -n $DAEMON_PID ]]; then
		kill "-${1:-TERM}" "$DAEMON_PID" 2>/dev/null || true
		DAEMON_STATUS=0
		wait "$DAEMON_PID" 2>/dev/null || DAEMON_STATUS=$?
	fi
	DAEMON_PID=
}

# on tpm|legacy: a fresh daemon with that provider.
on() {
	PROVIDER=$1
	if [[ $1 == tpm ]]; then
		PROTECTION=tpm
		start_swtpm
	else
		PROTECTION=software
	fi
	write_config "provider = \"$1\""
	start_daemon
	[[ $(jq -r .provider "$T/status") == "$1" ]]
}

# --- requests ---

# api METHOD PATH [CURL OPTION..]: leaves the status in $CODE, the body in $T/body, the header of
# the answer in $T/head. CODE is 000 when there was no answer.
api() {
	local method=$1 path=$2
	shift 2
	CODE=$(curl -s -m 60 --path-as-is --unix-socket "$SOCK" -X "$method" -D "$T/head" \
		-o "$T/body" -w '%{http_code}' "$@" "http://h$path") || true
}

# admin METHOD PATH [CURL OPTION..]: the same on the administrator's socket.
admin() {
	local SOCK=$ADMIN
	api "$@"
}

# api_json METHOD PATH JSON [CURL OPTION..]
api_json() {
	local method=$1 path=$2 json=$3
	shift 3
	printf '%s' "$json" >"$T/request"
	api "$method" "$path" -H 'Content-Type: application/json' --data-binary "@$T/request" "$@"
}

# api_file METHOD PATH FILE [CURL OPTION..]: as octets.
api_file() {
	local method=$1 path=$2 file=$3
	shift 3
	api "$method" "$path" -H 'Content-Type: application/octet-stream' \
		--data-binary "@$file" "$@"
}

OCTETS=(-H 'Accept: application/octet-stream')

# expect CODE: and for a problem, its code.
expect() {
	if [[ $CODE != "$1" ]]; then
		echo "status $CODE instead of $1"
		head -c 600 "$T/body" 2>/dev/null
		return 1
	fi
	if [[ -n ${2:-} ]]; then
		expect_problem "$2"
	fi
}

# A whole problem document, with the code given and a status that is the answer's own.
expect_problem() {
	jq -e --arg code "$1" --argjson status "$CODE" \
		'.code == $code and .status == $status and (.title | length > 0) and
		 (.detail | length > 0) and (.remedy | length > 0) and (.type | length > 0)' \
		"$T/body" >/dev/null || {
		echo "no problem document with code $1:"
		head -c 600 "$T/body"
		return 1
	}
	grep -qi '^content-type: application/problem+json' "$T/head"
}

field() {
	jq -r "$1" "$T/body"
}

# put NAME TEXT: a named secret.
put() {
	printf '%s' "$2" >"$T/put"
	api_file PUT "/v1/secrets/$1" "$T/put"
}

# get NAME: its content goes to $T/body.
get() {
	api GET "/v1/secrets/$1" "${OCTETS[@]}"
}

# seal_text TEXT BLOB-FILE
seal_text() {
	printf '%s' "$1" >"$T/plain"
	api_file POST /v1/seal "$T/plain"
	cp "$T/body" "$2"
}

# The device's identity is made and proven beside the first requests; its commands are none of theirs.
commands_sent() {
	wait_until identity_decided
	jq -r '.tpm.commands' "$T/status-said"
}

# The command line, $HOLDFAST, on the daemon of this test.
hf() {
	HOLDFAST_SOCKET=$SOCK "$HOLDFAST" "$@"
}

# ends STATUS WORD..: stdout goes to $T/out, stderr to $T/err.
ends() {
	local expected=$1 status=0
	shift
	hf "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
	if [[ $status != "$expected" ]]; then
		echo "exit $status instead of $expected: $*"
		cat "$T/out" "$T/err"
		return 1
	fi
}
