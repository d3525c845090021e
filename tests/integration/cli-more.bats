#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line's streams, its line of progress, the doctor, and how verbs for the administrator
# end where there is nobody to ask.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# on_terminal COMMAND..: a shell command with a terminal of its own, whose screen is $T/screen.
on_terminal() {
	HOLDFAST_SOCKET=$SOCK script -qefc "$*" "$T/screen" >/dev/null
}

# --- streams ---

# Lengths around a piece, from files and from pipes, to files and to pipes.
round_trips() {
	local size
	on "$1"
	for size in 0 1 65535 65536 65537 131072 1048576; do
		head -c "$size" /dev/urandom >"$T/plain"
		hf seal --in "$T/plain" --out "$T/blob"
		hf unseal --in "$T/blob" | cmp - "$T/plain"
		# shellcheck disable=SC2002 # a pipe is what is meant
		cat "$T/plain" | hf seal | cat >"$T/blob"
		# shellcheck disable=SC2002
		cat "$T/blob" | hf unseal --out "$T/back"
		cmp "$T/back" "$T/plain"
		[[ $(stat -c %a "$T/back") == 600 ]]
	done
	hf seal <"$T/plain" | hf unseal | cmp - "$T/plain"
	{
		read -rn 1 <&3
		hf seal <&3
	} 3< <(printf 'xrest') | hf unseal >"$T/back"
	[[ $(cat "$T/back") == rest ]]
}

@test "what is sealed by a stream opens by a stream (tpm)" { round_trips tpm; }
@test "what is sealed by a stream opens by a stream (legacy)" { round_trips legacy; }

@test "streams and JSON make the same blobs" {
	on legacy
	printf 'same' >"$T/plain"
	hf seal --json --in "$T/plain" | jq -r .blob | base64 -d | hf unseal | cmp - "$T/plain"
	hf seal --in "$T/plain" --out "$T/blob"
	[[ $(hf unseal --json --in "$T/blob" | jq -r .data | base64 -d) == same ]]
	hf seal --json --in "$T/plain" --out "$T/blob" >"$T/out"
	jq -e '.bytes > 4 and .protection == "software"' "$T/out"
	[[ $(hf unseal --in "$T/blob") == same ]]
}

@test "a damaged blob gives nothing, and leaves the file that was there" {
	on legacy
	head -c 200000 /dev/urandom >"$T/plain"
	hf seal --in "$T/plain" --out "$T/blob"
	printf 'old' >"$T/back"
	for at in 3 100 150000; do
		cp "$T/blob" "$T/bad"
		flip "$T/bad" "$at"
		ends 1 unseal --in "$T/bad" --out "$T/back"
		[[ $(cat "$T/back") == old ]]
		ends 1 unseal --in "$T/bad"
		[[ ! -s $T/out ]]
	done
	head -c 150000 "$T/blob" >"$T/bad"
	ends 1 unseal --in "$T/bad" --out "$T/back"
	[[ $(cat "$T/back") == old ]]
	wait_until nothing_half "$T"
}

@test "over 64 MiB nothing is sent; a name and JSON take 1 MiB" {
	on legacy
	truncate -s 67108865 "$T/most"
	printf 'old' >"$T/blob"
	ends 1 seal --in "$T/most" --out "$T/blob"
	grep -q "^holdfast: too_large: .* 64 MiB of plaintext" "$T/err"
	grep -q "^  try: .*seal that key" "$T/err"
	[[ $(cat "$T/blob") == old ]]
	truncate -s 1048577 "$T/most"
	ends 1 seal --name s --in "$T/most"
	grep -q "1 MiB of plaintext" "$T/err"
	ends 1 seal --json --in "$T/most"
	jq -e '.code == "too_large"' "$T/out"
}

@test "a terminal gets no blob, and no more than a person can read" {
	on legacy
	printf 'short\n' >"$T/plain"
	refute on_terminal "$HOLDFAST" seal --in "$T/plain"
	grep -q "no text for a terminal" "$T/screen"
	hf seal --in "$T/plain" --out "$T/blob"
	on_terminal "$HOLDFAST" unseal --in "$T/blob"
	grep -q short "$T/screen"
}

# --- progress ---

# Pieces of an input that goes on until the screen shows progress, within the service's limits.
slow_input() {
	local i
	for ((i = 0; i < 600; i++)); do
		head -c 1000 /dev/zero
		grep -q sealing "$T/screen" && return
		sleep 0.02
	done
}

@test "what takes over a second shows its progress on a terminal, and removes it" {
	on legacy
	: >"$T/screen"
	mkfifo "$T/pipe"
	slow_input >"$T/pipe" 3>&- &
	on_terminal "$HOLDFAST" seal --out "$T/blob" "<$T/pipe"
	wait $!
	grep -q "sealing  [0-9.]* KiB  [0-9.]* .*B/s" "$T/screen"
	# Blanks over the line, and the cursor in front of them.
	[[ $(tr '\r' '\n' <"$T/screen" | grep -c sealing) -ge 1 ]]
	tr '\r' '\n' <"$T/screen" | grep -A 1 sealing | tail -n 1 | grep -qE '^ +$'
	hf unseal --in "$T/blob" >/dev/null
}

@test "no progress where standard error is no terminal, or with --json" {
	on legacy
	: >"$T/screen"
	{
		head -c 1000 /dev/zero
		sleep 1.2
		head -c 100000 /dev/zero
	} | hf seal --out "$T/blob" 2>"$T/err"
	[[ ! -s $T/err ]]
	mkfifo "$T/pipe"
	{
		head -c 1000 /dev/zero
		sleep 1.2
		head -c 1000 /dev/zero
	} >"$T/pipe" 3>&- &
	on_terminal "$HOLDFAST" --json seal --out "$T/blob" "<$T/pipe"
	wait $!
	refute grep -q sealing "$T/screen"
}

# --- the administrator ---

@test "verbs for the administrator look for admin.sock beside the socket" {
	local verb
	mkdir "$T/none"
	for verb in "fapi probe" "fapi provision" "fapi list" "fapi delete --name /HS/SRK/x" \
		"tpm accept --yes"; do
		# shellcheck disable=SC2086 # words
		ends 1 --socket "$T/none/some.sock" $verb
		grep -qxF "holdfast: internal: no service answers at $T/none/admin.sock" "$T/err"
	done
	printf 'x' >"$T/data"
	ends 1 --socket "$T/none/some.sock" fapi seal --name /HS/SRK/x --in "$T/data"
	grep -qF "$T/none/admin.sock" "$T/err"
	truncate -s 129 "$T/data"
	ends 1 --socket "$T/none/some.sock" fapi seal --name /HS/SRK/x --in "$T/data"
	grep -q "^holdfast: too_large: .*128 bytes" "$T/err"
	: >"$T/data"
	ends 1 --socket "$T/none/some.sock" fapi seal --name /HS/SRK/x --in "$T/data"
	grep -q "^holdfast: invalid: " "$T/err"
}

@test "paths of FAPI are paths, and names are names" {
	local path
	for path in x HS/SRK/x / /HS/ /HS//x /HS/../x "/HS/a b" "/HS/%2e" ""; do
		ends 2 fapi seal --name "$path"
		ends 2 fapi delete --name "$path"
	done
	for path in /HS/../x /HS/ "a b" .x a/b ""; do
		ends 2 unseal --name "$path"
	done
	ends 2 seal --name /HS/SRK/x
	grep -q "holdfast fapi seal" "$T/err"
	ends 2 fapi seal
	ends 2 fapi delete
	ends 2 unseal --name /HS/SRK/x --in "$T/blob"
	ends 1 unseal --name /HS/SRK/x
	grep -q "no service answers" "$T/err"
}

@test "accepting a TPM asks, and is refused where nobody can answer" {
	mkdir "$T/none"
	ends 2 --socket "$T/none/some.sock" tpm accept
	grep -q -- "--yes is needed" "$T/err"
	SOCK=$T/none/some.sock
	for answer in no y '' YES 'yes please'; do
		refute on_terminal "$HOLDFAST" tpm accept <<<"$answer"
		grep -q "stay closed" "$T/screen"
		grep -q "Nothing was changed." "$T/screen"
		refute grep -q admin.sock "$T/screen"
	done
	refute on_terminal "$HOLDFAST" tpm accept <<<yes
	grep -q "no service answers at $T/none/admin.sock" "$T/screen"
	for group in fapi tpm; do
		ends 0 help "$group"
		[[ $(grep -c '^  [a-z]' "$T/out") == $(grep -c "^  $group " "$T/out") ]]
	done
}

# --- doctor ---

row() { # STATE NAME FOUND
	grep -Eq "^$1 +$2 +.*$3" "$T/out" || {
		echo "no row $*"
		cat "$T/out"
		return 1
	}
}

@test "doctor: a service with a TPM is well" {
	on tpm
	ends 0 doctor
	row ok socket "$SOCK opens"
	row ok service answers
	row ok provider "the TPM: "
	row ok use "random bytes"
	row ok tpm "swtpm:path="
	row ok "resource-manager" "alone"
	row ok lockout "none of [0-9]+ failed attempts"
	row "(ok|warn)" "memory-lock" "secrets"
	refute grep -q "^fail" "$T/out"
	ends 0 --json doctor
	jq -e '.good and .speed == null and (.checks | length) > 7 and
		(.checks | all(.id and .state and .found and has("remedy")))' "$T/out"
}

@test "doctor: software, none, and no service" {
	on legacy
	ends 0 doctor
	row "(info|warn)" provider "software"
	stop_daemon
	rm -rf "$T/state"
	TCTI=swtpm:path=$T/nowhere write_config 'provider = "tpm"'
	start_daemon
	ends 1 doctor
	row fail provider "none: "
	row fail use "tpm_"
	grep -A 1 "^fail  provider" "$T/out" | grep -q "^ *try: "
	ends 1 --json doctor
	jq -e '(.good | not) and any(.checks[]; .state == "fail" and (.remedy | length > 0))' "$T/out"
	stop_daemon
	ends 1 doctor
	row fail socket "$SOCK"
	ends 1 doctor --speed
	ends 1 --socket "$T/conf" doctor
	row fail socket "is no socket"
}

@test "doctor: somebody who may not open the socket learns which group it takes" {
	[[ $(id -u) == 0 ]] || return 0
	on legacy
	chmod 711 "$T" "$T/run"
	chgrp daemon "$SOCK"
	chmod 660 "$SOCK"
	# A copy, since another user may not reach the tree.
	cp "$HOLDFAST" "$(ldd "$(readlink -f "$HOLDFAST")" | awk '/libholdfast/ { print $3 }')" "$T"
	chmod 755 "$T/holdfast" "$T"/libholdfast.so*
	LD_LIBRARY_PATH=$T refute setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$T/holdfast" --socket "$SOCK" doctor >"$T/out"
	row fail socket "for group daemon, of which this user is not"
	grep -q "usermod -aG daemon" "$T/out"
}

@test "doctor --speed measures the chip and leaves no key" {
	on tpm
	ends 0 doctor --speed
	[[ $(grep -cE '^sign +[a-z0-9-]+ +[0-9.]+ ms +[0-9.]+ ms' "$T/out") -ge 3 ]]
	grep -Eq '^unseal +[0-9.]+ ms' "$T/out"
	grep -Eq '^For signing: (ecc-p256|rsa-2048)' "$T/out"
	grep -Eq '^Seal and unseal in under 500 ms each:' "$T/out"
	[[ -z $(hf key list) ]]
	ends 0 --json doctor --speed
	jq -e '.speed.chip and .speed.runs == 20 and .speed.signing.type and
		.speed.bound.limit_us == 500000 and
		([.speed.operations[] | select(.measured)] | all(.longest_us >= .median_us))' "$T/out"
	[[ -z $(hf key list) ]]
}

@test "doctor --speed: in software no chip was measured" {
	on legacy
	ends 0 doctor --speed
	grep -q "no chip was measured" "$T/out"
	refute grep -q "For signing" "$T/out"
	ends 0 --json doctor --speed
	jq -e '.speed.chip == false and .speed.bound == null' "$T/out"
	[[ -z $(hf key list) ]]
}

key_shows() {
	is_gone "$1" || hf key list | grep -q '^doctor-speed-'
}

@test "doctor --speed that is ended deletes its key" {
	local pid status try
	on tpm
	hf key create mine
	# It may be done before the signal comes; not five times.
	for try in 1 2 3 4 5; do
		# No function: the signal is for the program, and no shell in between.
		HOLDFAST_SOCKET=$SOCK "$HOLDFAST" doctor --speed >"$T/out" 2>&1 3>&- &
		pid=$!
		wait_until key_shows "$pid"
		kill -TERM "$pid" 2>/dev/null || true
		status=0
		wait "$pid" || status=$?
		[[ $(hf key list) == mine ]]
		[[ $status != 143 ]] || break
	done
	[[ $status == 143 && $try -le 5 ]]
}
