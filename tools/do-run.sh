# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The tour: ./do run. It starts a TPM emulator and the daemon in a private folder, does what the
# service is for, first with the TPM and then in software, and stops everything again. Sourced by
# ./do.

tour=        # the private folder; nothing of ours lies outside it
socket=      # of the daemon that is being shown
swtpm_pid=   # the TPM emulator
daemon_pid=  # the daemon that is being shown
keep_pid=    # the one that --keep leaves running, and its socket
keep_socket=
kept=        # yes: the folder and what runs in it are the user's now

do_run() {
	local keep=no
	case "${1:-}" in
	"") ;;
	--keep) keep=yes ;;
	*) die "run takes --keep or nothing" ;;
	esac
	do_build
	umask 077
	tour_folder
	trap tour_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	swtpm_start
	tour_of tpm
	if [ "$keep" = yes ]; then
		keep_daemon
	else
		daemon_stop
	fi
	tour_of legacy
	daemon_stop
	say
	say "Times are those of whole commands: each step starts a program of its own."
	if [ "$keep" = yes ]; then
		tour_kept
	fi
}

# A Unix socket's path ends after 107 bytes: the folder must not lie deep.
tour_folder() {
	local base=${TMPDIR:-/tmp}
	[ "${#base}" -le 60 ] || base=/tmp
	tour=$(mktemp -d "$base/holdfast.XXXXXX")
}

# Ends a process that we started, in an orderly way if it lets us.
stop_process() { # pid, name
	[ -n "$1" ] || return 0
	kill -TERM "$1" 2>/dev/null || return 0
	if ! wait_for 15 process_gone "$1"; then
		kill -KILL "$1" 2>/dev/null || true
		say "$2 did not stop by itself and was killed." >&2
		return 1
	fi
}

process_gone() {
	! kill -0 "$1" 2>/dev/null
}

tour_end() {
	local status=$?
	trap - EXIT
	if [ "$kept" = yes ]; then
		exit "$status"
	fi
	other_stop || status=1
	loader_stop || status=1
	daemon_stop || status=1
	stop_process "$keep_pid" holdfastd || status=1
	stop_process "$swtpm_pid" swtpm || status=1
	if [ "$status" -eq 1 ]; then
		cat "$tour"/{tpm,legacy}/log 2>/dev/null | tail -n 40 >&2 || true
		loader_logs
	fi
	rm -rf "$tour"
	exit "$status"
}

swtpm_start() {
	mkdir "$tour/chip"
	swtpm socket --tpm2 --tpmstate dir="$tour/chip" \
		--server type=unixio,path="$tour/chip/sock" \
		--ctrl type=unixio,path="$tour/chip/sock.ctrl" \
		--flags not-need-init,startup-clear --pid file="$tour/chip/pid" --daemon \
		</dev/null >/dev/null 2>&1
	wait_for 10 test -s "$tour/chip/pid" || die "swtpm did not start"
	swtpm_pid=$(cat "$tour/chip/pid")
	# Its file is there a moment before it takes connections (flag 10000).
	wait_for 10 grep -qE "00010000 .* $tour/chip/sock.ctrl\$" /proc/net/unix ||
		die "swtpm does not listen"
}

daemon_start() { # folder
	local folder=$1
	mkdir "$folder"
	cat >"$folder/holdfast.conf" <<CONF
# A private instance: its own folders, and a TPM emulator in the place of /dev/tpm0.
paths {
	state = "$folder/state"
	run   = "$folder/run"
}
tpm {
	tcti = "swtpm:path=$tour/chip/sock"
	wait = 0
}
CONF
	socket=$folder/run/holdfast.sock
	"$build/holdfastd" --config "$folder/holdfast.conf" \
		</dev/null >"$folder/log" 2>&1 &
	daemon_pid=$!
	wait_for 10 daemon_ready || die "holdfastd did not come up"
}

daemon_ready() {
	case "$(status_member .provider)" in
	tpm | legacy | none) ;;
	*) return 1 ;;
	esac
}

daemon_stop() {
	local pid=$daemon_pid
	daemon_pid=
	stop_process "$pid" holdfastd
}

keep_daemon() {
	disown "$daemon_pid"
	keep_pid=$daemon_pid
	keep_socket=$socket
	daemon_pid=
}

hf() {
	"$build/holdfast" --socket "$socket" "$@"
}

status_member() { # jq filter
	hf --json status | jq -er "$1"
}

# Commands that the TPM got since the daemon's start; nothing in software.
tpm_commands() {
	status_member '.tpm.commands // ""' || true
}

# One line of the table: what was done, what it cost the chip, how long it took.
step() { # what, command..
	local what=$1 before after began took cost=-
	shift
	before=$(tpm_commands)
	began=${EPOCHREALTIME/./}
	"$@" >/dev/null || die "this step failed: $what"
	took=$((${EPOCHREALTIME/./} - began))
	after=$(tpm_commands)
	[ -z "$after" ] || cost=$((after - before))
	printf '  %-62s %8s %8d.%d\n' "$what" "$cost" $((took / 1000)) $((took / 100 % 10))
}

tour_of() { # tpm|legacy
	local folder=$tour/$1
	if [ "$1" = legacy ]; then
		SECURITY_PROVIDER=legacy daemon_start "$folder"
	else
		unset SECURITY_PROVIDER
		daemon_start "$folder"
	fi
	[ "$(status_member .provider)" = "$1" ] ||
		die "the provider is $(status_member .provider): $(status_member .reason)"
	say
	say "Provider $1, protection \"$(status_member .protection)\""
	say "  why: $(status_member .reason)"
	status_member '.tpm // empty | "  chip: \(.manufacturer) \(.firmware), \(.tcti)"' || true
	say
	printf '  %-62s %8s %10s\n' "what was done" "TPM cmds" "ms"
	tour_secrets "$folder"
	tour_keys "$folder" ecc-p256
	tour_keys "$folder" rsa-2048
	tour_loader "$1" "$folder"
}

# Unseals into a file and fails unless it is the original.
unseal_same() { # original, options of unseal..
	local original=$1
	shift
	hf unseal "$@" --out "$original.opened" && cmp "$original" "$original.opened"
}

tour_secrets() { # folder
	local d=$1 size
	printf 'correct horse battery staple\n' >"$d/secret"
	head -c 1048576 /dev/urandom >"$d/large"
	size=$(stat -c %s "$d/secret")
	step "random: 32 bytes" hf random 32
	step "sealed a secret of $size bytes" hf seal --in "$d/secret" --out "$d/blob"
	step "unsealed it: the same bytes" unseal_same "$d/secret" --in "$d/blob"
	step "unsealed it again" unseal_same "$d/secret" --in "$d/blob"
	step "stored it as the named secret db-password" hf seal --name db-password --in "$d/secret"
	step "read db-password: the same bytes" unseal_same "$d/secret" --name db-password
	step "sealed a file of 1 MiB, by envelope" hf seal --in "$d/large" --out "$d/large.blob"
	step "unsealed it: the same bytes" unseal_same "$d/large" --in "$d/large.blob"
}

tour_keys() { # folder, type
	local d=$1 key=tour-$2
	step "created the key $key" hf key create "$key" --type "$2"
	step "fetched its public half" hf key public "$key" --out "$d/$key.pem"
	step "signed README.md with it" hf sign --key "$key" --in README.md --out "$d/$key.sig"
	step "signed README.md again" hf sign --key "$key" --in README.md --out "$d/$key.sig"
	step "the stock openssl verified the signature" \
		openssl dgst -sha256 -verify "$d/$key.pem" -signature "$d/$key.sig" README.md
}

# --keep: everything stays up, and a script in the folder ends it.
tour_kept() {
	cat >"$tour/stop" <<STOP
#!/bin/bash
# Ends the daemon and the TPM emulator of this folder, then removes it.
folder=${tour@Q}

# A pid alone may be another process by now; ours name a path in the folder.
ours() { # pid
	tr '\0' '\n' <"/proc/\$1/cmdline" | grep -qF "\$folder/"
} 2>/dev/null

end() { # pid
	local signal i
	for signal in TERM KILL; do
		ours "\$1" || return 0
		kill -\$signal "\$1" 2>/dev/null
		for ((i = 0; i < 500; i++)); do
			ours "\$1" || return 0
			sleep 0.02
		done
	done
	echo "process \$1 does not end; \$folder is left as it is" >&2
	return 1
}

end $keep_pid && end $swtpm_pid && rm -rf "\$folder"
STOP
	chmod 700 "$tour/stop"
	kept=yes
	cat <<TEXT

Left running, with the TPM emulator:
  socket   $keep_socket
  log      $tour/tpm/log
  try      export HOLDFAST_SOCKET=$keep_socket
           build/holdfast status
           curl --unix-socket $keep_socket http://localhost/v1/status
  stop     $tour/stop
TEXT
}
