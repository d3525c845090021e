#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A chip that misbehaves by a seed (tests/fault/fault_tcti.h) under a running daemon: every answer
# is right or says that the TPM is in trouble, and when the trouble is over the daemon serves again
# without a restart.

bats_require_minimum_version 1.5.0
load helpers

# What chips and the way to them do by themselves; and answers that are well-formed lies.
FAILURES=delay+retry+yielded+testing+nv_rate+object_memory+session_memory+memory+failure+break+die+drop+random
LIES=cut+long+tag+size+body+bit+replay

# start_with KINDS: swtpm behind the module, and a daemon. The module goes by the name of swtpm's
# own, so that the daemon takes the chip for what it is, a bare one.
start_with() {
	start_swtpm
	SEED=$(($(date +%s) ^ $$))
	echo "seed $SEED"
	mkdir "$T/lib"
	cp "$BUILD/tests/fault/libtss2-tcti-fault.so" "$T/lib/swtpm"
	WRAP=(env "LD_LIBRARY_PATH=$T/lib")
	TCTI="swtpm:seed=$SEED,kinds=$1,control=$T/rate,log=$T/state/faults:libtss2-tcti-swtpm.so.0:path=$T/tpm.sock"
	faults 0
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .tpm.resource_manager "$T/status") == none ]]
	prepare
}

# faults N: of a thousand commands so many go wrong from now on.
faults() {
	echo "$1" >"$T/rate.new"
	mv "$T/rate.new" "$T/rate"
}

prepare() {
	local i
	for i in 1 2 3 4; do
		api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		expect 201
		field .public >"$T/k$i.pem"
		put "s$i" "secret $i"
		expect 201
		seal_text "sealed $i" "$T/blob$i"
		expect 200
	done
}

sign() { # key: the signature goes to $T/signature
	api_json POST "/v1/keys/$1/sign" '{"message":"aGVsbG8="}'
	[[ $CODE == 200 ]] || return 1
	field .signature | base64 -d >"$T/signature"
}

verifies() { # key
	printf hello >"$T/message"
	openssl dgst -sha256 -verify "$T/$1.pem" -signature "$T/signature" "$T/message" >/dev/null
}

# one_of I OPERATION: 0 and counted as served when it was right, 0 and counted as refused when the
# answer was one of $ALLOWED, and 1 for everything else.
one_of() {
	case $2 in
	0) sign "k$1" && CODE=200 ;;
	1) get "s$1" ;;
	2) api_file POST /v1/unseal "$T/blob$1" ;;
	esac
	if [[ $CODE == 200 ]]; then
		case $2 in
		0) verifies "k$1" ;;
		1) [[ $(cat "$T/body") == "secret $1" ]] ;;
		2) [[ $(cat "$T/body") == "sealed $1" ]] ;;
		esac || {
			echo "operation $2 on $1 was answered wrongly"
			return 1
		}
		SERVED=$((SERVED + 1))
		return 0
	fi
	REFUSED=$((REFUSED + 1))
	[[ " $ALLOWED " == *" $(field .code) "* ]] || {
		echo "operation $2 on $1: $CODE $(cat "$T/body")"
		return 1
	}
}

# clients SERVED FAULTS: goes on until so much was served and so much went wrong.
clients() {
	local round i
	SERVED=0
	REFUSED=0
	for ((round = 0; round < 400; round++)); do
		for i in 1 2 3 4; do
			one_of "$i" $((round % 3)) || return 1
		done
		if [[ $SERVED -ge $1 && $(wc -l <"$T/state/faults") -ge $2 ]]; then
			return 0
		fi
	done
	echo "served $SERVED, refused $REFUSED, faults $(wc -l <"$T/state/faults")"
	return 1
}

serves_all() {
	local i operation
	for i in 1 2 3 4; do
		for operation in 0 1 2; do
			REFUSED=0
			one_of "$i" $operation && [[ $REFUSED == 0 ]] || return 1
		done
	done
}

@test "a failing chip: right answers or tpm_busy, tpm_failed, timeout; then all is well again" {
	ALLOWED="tpm_busy tpm_failed timeout"
	start_with "$FAILURES"
	faults 80
	clients 40 30
	faults 0
	wait_until serves_all
	serves_all
	refute is_gone "$DAEMON_PID"
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
}

# What it concludes from a lie the daemon believes for some seconds, then it looks again.
@test "a lying chip: never a wrong plaintext or signature, and the lie is forgotten" {
	ALLOWED="tpm_busy tpm_failed timeout tpm_changed owner_auth_required not_supported damaged
		invalid conflict auth_failed"
	ALLOWED=$(echo $ALLOWED)
	start_with "$LIES"
	faults 60
	clients 20 10
	faults 0
	wait_until serves_all
	serves_all
	refute is_gone "$DAEMON_PID"
}

# Where the configuration demands the TPM; else software takes over, until the next start.
@test "a chip that fails while the daemon starts: the daemon tries again until it serves" {
	ALLOWED="tpm_busy tpm_failed timeout starting"
	start_with "$FAILURES"
	stop_daemon
	write_config 'provider = "tpm"'
	faults 1000
	launch_daemon
	wait_until decided
	[[ $(jq -r .provider "$T/status") == none ]]
	faults 0
	within 60 uses_tpm
	serves_all
	refute is_gone "$DAEMON_PID"
}

uses_tpm() {
	decided && [[ $(jq -r .provider "$T/status") == tpm ]]
}

# --- power cuts under load ---

# Signs without end; the count of what it got is in $T/signed.N, what was wrong in $T/wrong.
sign_for_ever() { # key
	local count=0 code dir=$T/client.$1
	mkdir "$dir"
	while :; do
		code=$(curl -s -m 20 --unix-socket "$SOCK" -o "$dir/body" -w '%{http_code}' \
			-H 'Content-Type: application/json' -d '{"message":"aGVsbG8="}' \
			"http://h/v1/keys/$1/sign") || true
		case $code in
		200)
			jq -r .signature "$dir/body" | base64 -d >"$dir/signature"
			openssl dgst -sha256 -verify "$T/$1.pem" -signature "$dir/signature" \
				"$T/message" >/dev/null 2>&1 || echo "$1: a bad signature" >>"$T/wrong"
			count=$((count + 1))
			echo $count >"$dir/count"
			;;
		503 | 504)
			jq -e '.code | IN("tpm_failed", "tpm_busy", "timeout")' "$dir/body" \
				>/dev/null || cat "$dir/body" >>"$T/wrong"
			;;
		*) echo "$1: status $code" >>"$T/wrong" ;;
		esac
	done
}

signed_more_than() { # key, count
	[[ $(cat "$T/client.$1/count" 2>/dev/null || echo 0) -gt $2 ]]
}

@test "six kills of the TPM in a row while signing: no lockout, every key usable, same daemon" {
	start_swtpm
	start_daemon
	prepare
	printf hello >"$T/message"
	pid=$DAEMON_PID
	for i in 1 2 3; do
		sign_for_ever "k$i" 3>&- &
		HELPERS+=($!)
	done
	for round in 1 2 3 4 5 6; do
		for i in 1 2 3; do
			count=$(cat "$T/client.k$i/count" 2>/dev/null || echo 0)
			wait_until signed_more_than "k$i" $((count + 2))
		done
		stop_swtpm # kill -9, at whatever it does
		rm -f "$T"/tpm.sock*
		start_swtpm
	done
	for i in 1 2 3; do
		count=$(cat "$T/client.k$i/count")
		wait_until signed_more_than "k$i" "$count"
	done
	stop_helpers
	[[ ! -s $T/wrong ]] || { cat "$T/wrong"; return 1; }
	refute is_gone "$pid"
	ALLOWED=
	serves_all
	[[ $(curl -s --unix-socket "$SOCK" http://h/v1/status | jq -r .provider) == tpm ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	TPM2TOOLS_TCTI=$TCTI tpm2_getcap properties-variable |
		grep -q 'TPM2_PT_LOCKOUT_COUNTER: 0x0$'
}
