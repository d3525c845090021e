#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A chip that is cleared, swapped, away, slow, silent or locked under the service: what status says,
# which code and which way out a request gets, and that nothing but the chip has to come back.

bats_require_minimum_version 1.5.0
load helpers

# A sealed blob, a secret and a key, made while all is well.
things() {
	on tpm
	seal_text sealed "$T/blob"
	put s secret
	expect 201
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	head -c 32 /dev/urandom | base64 -w0 >"$T/digest"
}

# uses_answer CODE [PROBLEM]: everything that takes a key of ours.
uses_answer() {
	api_file POST /v1/unseal "$T/blob"
	expect "$@"
	get s
	expect "$@"
	api_json POST /v1/keys/k/sign "{\"digest\":\"$(cat "$T/digest")\"}"
	expect "$@"
	printf x >"$T/x"
	api_file POST /v1/seal "$T/x"
	expect "$@"
	api_json POST /v1/keys "{\"name\":\"n${EPOCHREALTIME/[.,]/}\",\"type\":\"ecc-p256\"}"
	[[ $1 == 200 ]] || expect "$@"
}

# What needs no chip works on.
names_are_listed() {
	api GET /v1/keys
	expect 200
	[[ $(field '.keys[0].name') == k ]]
	api GET /v1/keys/k
	expect 200
	api GET /v1/secrets
	expect 200
	api GET /metrics
	expect 200
}

# chip_is FAULT: and it is the TPM that is in use, whatever is the matter with it.
chip_is() {
	api GET /v1/status
	expect 200
	[[ $(field .provider) == tpm && $(field .protection) == tpm ]]
	[[ $(field .tpm.fault) == "$1" ]]
}

works_again() {
	api_file POST /v1/unseal "$T/blob"
	[[ $CODE == 200 ]]
}

same_daemon() {
	[[ $DAEMON_PID == "$1" ]]
	refute is_gone "$1"
}

# SECONDS that a stop takes are left in $TOOK.
timed_stop() {
	local before
	before=$(date +%s%N)
	stop_daemon TERM
	TOOK=$(($(date +%s%N) - before))
}

hold_chip() {
	kill -STOP "$SWTPM_PID"
}

release_chip() {
	kill -CONT "$SWTPM_PID"
}

@test "cleared under the service: tpm_changed for every use, with the way out, until it is accepted" {
	things
	local pid=$DAEMON_PID
	tools tpm2_clear -Q
	uses_answer 503 tpm_changed
	[[ $(field .remedy) == *'original TPM'* && $(field .remedy) == *'tpm accept'* ]]
	chip_is tpm_changed
	names_are_listed
	# Nothing was made on it.
	[[ -z $(tools tpm2_getcap handles-persistent) ]]
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{}'
	expect 200
	chip_is null
	api_file POST /v1/unseal "$T/blob"
	expect 422 wrong_tpm
	api_json POST /v1/keys/k/sign "{\"digest\":\"$(cat "$T/digest")\"}"
	expect 422 wrong_tpm
	names_are_listed
	same_daemon "$pid"
}

@test "swapped under the service and put back: works again by itself" {
	things
	local pid=$DAEMON_PID
	stop_swtpm
	mv "$T/tpm" "$T/first"
	rm -f "$T"/tpm.sock*
	start_swtpm
	uses_answer 503 tpm_changed
	chip_is tpm_changed
	names_are_listed
	[[ -z $(tools tpm2_getcap handles-persistent) ]]
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock*
	mv "$T/first" "$T/tpm"
	start_swtpm
	wait_until works_again
	uses_answer 200
	chip_is null
	same_daemon "$pid"
}

@test "away: tpm_failed, no software in its place, and it works again when it is back" {
	things
	local pid=$DAEMON_PID
	stop_swtpm
	rm -f "$T"/tpm.sock*
	uses_answer 503 tpm_failed
	[[ -n $(field .remedy) ]]
	chip_is tpm_failed
	names_are_listed
	# Names can be deleted as well.
	api DELETE /v1/secrets/s
	expect 204
	start_swtpm
	wait_until works_again
	chip_is null
	same_daemon "$pid"
}

@test "slow at the start: it is waited for, not passed over" {
	start_swtpm
	hold_chip
	launch_daemon
	wait_until listens "$SOCK"
	api GET /v1/status
	[[ $(field .provider) == deciding ]]
	api_json POST /v1/random '{"bytes":8}'
	expect 503 starting
	# Longer than a probe or a single look.
	waited() {
		api GET /v1/status
		[[ $(field .uptime) -ge 4 ]]
	}
	wait_until waited
	[[ $(field .provider) == deciding ]]
	release_chip
	wait_until decided
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

@test "silent at the start: a stop does not wait for it" {
	start_swtpm
	hold_chip
	launch_daemon
	wait_until listens "$SOCK"
	api GET /v1/status
	[[ $(field .provider) == deciding ]]
	timed_stop
	[[ $DAEMON_STATUS == 0 ]]
	echo "took $((TOOK / 1000000)) ms"
	((TOOK < 7000000000))
	grep -q 'leaving without it' "$T/log"
	[[ ! -e $SOCK && ! -e $ADMIN ]]
	# Nothing was lost by that.
	release_chip
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

@test "silent at the start, in auto: legacy after twenty seconds, and a stop in order" {
	start_swtpm
	hold_chip
	launch_daemon
	wait_until listens "$SOCK"
	wait_until decided
	[[ $(jq -r .uptime "$T/status") -ge 18 && $(jq -r .uptime "$T/status") -le 50 ]]
	[[ $(jq -r .provider "$T/status") == legacy ]]
	[[ $(jq -r .reason "$T/status") == *'does not answer'* ]]
	put a x
	expect 201
	[[ $(field .protection) == software ]]
	timed_stop
	[[ $DAEMON_STATUS == 0 ]]
	((TOOK < 7000000000))
	start_daemon_in_software() {
		SECURITY_PROVIDER=legacy start_daemon
	}
	start_daemon_in_software
	get a
	expect 200
}

@test "silent at the start, demanded: none, and taken into use when it answers" {
	start_swtpm
	hold_chip
	write_config 'provider = "tpm"'
	launch_daemon
	wait_until listens "$SOCK"
	wait_until decided
	[[ $(jq -r .provider "$T/status") == none ]]
	local pid=$DAEMON_PID
	api_json POST /v1/random '{"bytes":8}'
	[[ $CODE == 503 ]]
	release_chip
	in_use() {
		decided && [[ $(jq -r .provider "$T/status") == tpm ]]
	}
	within 60 in_use
	put a x
	expect 201
	same_daemon "$pid"
}

@test "silent while nobody asks: a stop in order all the same, and all is there afterwards" {
	things
	hold_chip
	timed_stop
	[[ $DAEMON_STATUS == 0 ]]
	echo "took $((TOOK / 1000000)) ms"
	((TOOK < 7000000000))
	grep -q 'leaving without it' "$T/log"
	release_chip
	start_daemon
	uses_answer 200
	api GET /v1/status
	[[ $(field .tpm.lockout.counter) == 0 ]]
}

# Nothing of it is at the chip, whose closing has its own limit all the same.
@test "silent, with a client that takes its time: a stop in order as well" {
	on tpm
	head -c 8000000 /dev/zero >"$T/large"
	helper curl -s -m 60 --unix-socket "$SOCK" --limit-rate 500K -o "$T/slow.body" \
		-H 'Content-Type: application/octet-stream' --data-binary "@$T/large" \
		http://h/v1/seal
	keeps() {
		[[ -n $(find "/proc/$DAEMON_PID/fd" -lname "$T/state/spool/*" 2>/dev/null) ]]
	}
	wait_until keeps
	hold_chip
	timed_stop
	[[ $DAEMON_STATUS == 0 ]]
	echo "took $((TOOK / 1000000)) ms"
	((TOOK < 20000000000))
	grep -q 'leaving without it' "$T/log"
	release_chip
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

# lockout_password: a chip whose lockout hierarchy has a password, and a daemon that has it.
lockout_password() {
	tools tpm2_changeauth -Q -c lockout lockpass
	printf 'lockpass\n' >"$T/lockout"
	chmod 600 "$T/lockout"
}

# A key of the stock tools that the chip guards against guessing.
guarded_key() {
	tools tpm2_create -Q -C 0x81000001 -G ecc -p right -u "$T/key.pub" -r "$T/key.priv" \
		-a 'sign|userwithauth|fixedtpm|fixedparent|sensitivedataorigin'
	tools tpm2_flushcontext -t
	/usr/bin/python3 - "$T" <<-'PY'
		import base64, sys
		def der(tag, body):
		    size = len(body)
		    head = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
		    return bytes([tag]) + head + body
		folder = sys.argv[1]
		public, private = (open(folder + "/key." + half, "rb").read() for half in ("pub", "priv"))
		oid = bytes.fromhex("0606678105 0a0103".replace(" ", ""))
		parent = der(2, bytes.fromhex("0081000001"))
		whole = der(0x30, oid + parent + der(4, public) + der(4, private))
		text = base64.encodebytes(whole).decode()
		open(folder + "/key.pem", "w").write(
		    "-----BEGIN TSS2 PRIVATE KEY-----\n" + text + "-----END TSS2 PRIVATE KEY-----\n")
	PY
}

import_with() { # name, passphrase
	jq -n --arg name "$1" --arg passphrase "$2" --rawfile pem "$T/key.pem" \
		'{name: $name, pem: $pem, passphrase: $passphrase}' >"$T/import"
	api POST /v1/keys -H 'Content-Type: application/json' --data-binary "@$T/import"
}

@test "locked: what is ours works, what the chip guards is tpm_lockout with the way out" {
	things
	guarded_key
	tools tpm2_dictionarylockout -Q -s -n 2 -t 1000 -l 1000
	import_with guess1 wrong
	expect 403 auth_failed
	import_with guess2 wrong
	[[ $CODE == 403 || $CODE == 503 ]]
	import_with guarded right
	expect 503 tpm_lockout
	[[ $(field .remedy) == *lockout* ]]
	grep -qi '^retry-after: [1-9]' "$T/head"
	api GET /v1/status
	[[ $(field .tpm.lockout.in_lockout) == true ]]
	uses_answer 200
	chip_is null
	tools tpm2_dictionarylockout -Q -c
	import_with guarded right
	expect 201
}

@test "with the lockout password the counter is reset before it locks" {
	start_swtpm
	start_daemon
	stop_daemon
	guarded_key
	tools tpm2_dictionarylockout -Q -s -n 3 -t 1000 -l 1000
	lockout_password
	write_config 'provider = "tpm"'
	sed -i "s|^tpm {|tpm { lockout_auth_file = \"$T/lockout\" |" "$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $output != *lockout_auth_file* ]]
	start_daemon
	for i in 1 2 3 4 5 6; do
		import_with "guess$i" wrong
		expect 403 auth_failed
	done
	api GET /v1/status
	[[ $(field .tpm.lockout.in_lockout) == false ]]
	[[ $(field .tpm.lockout.resets) -ge 1 && $(field .tpm.lockout.password_refused) == false ]]
	import_with guarded right
	expect 201
}

@test "a wrong lockout password is told, and does no more harm" {
	start_swtpm
	start_daemon
	stop_daemon
	guarded_key
	tools tpm2_dictionarylockout -Q -s -n 3 -t 1000 -l 1000
	lockout_password
	printf 'nolockpass' >"$T/lockout"
	write_config 'provider = "tpm"'
	sed -i "s|^tpm {|tpm { lockout_auth_file = \"$T/lockout\" |" "$T/conf"
	start_daemon
	for i in 1 2 3; do
		import_with "guess$i" wrong
	done
	api GET /v1/status
	[[ $(field .tpm.lockout.password_refused) == true && $(field .tpm.lockout.resets) == 0 ]]
	seal_text works "$T/blob"
	expect 200
}

@test "a lockout password that is not there is a fault of ours, not of the TPM" {
	start_swtpm
	write_config
	sed -i "s|^tpm {|tpm { lockout_auth_file = \"$T/none\" |" "$T/conf"
	start_daemon
	[[ $(jq -r .provider "$T/status") == none ]]
	[[ $(jq -r .reason "$T/status") == *lockout_auth_file* ]]
}

@test "restarted under the service: counted, and nothing is lost" {
	things
	api GET /v1/status
	before=$(field .tpm.reset_count)
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
	wait_until works_again
	uses_answer 200
	api GET /v1/status
	[[ $(field .tpm.reset_count) -gt $before ]]
}
