#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The administrator's socket, and what only he may do: accept another TPM.

bats_require_minimum_version 1.5.0
load helpers

accept_tpm() {
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{}'
}

# Another chip at the same address; the old one's state stays in $T/NAME.
swap_chip() {
	stop_swtpm
	mv "$T/tpm" "$T/$1"
	rm -f "$T"/tpm.sock*
	start_swtpm
}

swap_back() {
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock*
	mv "$T/$1" "$T/tpm"
	start_swtpm
}

unseal_answers() {
	api_file POST /v1/unseal "$T/blob"
	expect "$@"
}

new_seals_work() {
	seal_text new "$T/new"
	expect 200
	api_file POST /v1/unseal "$T/new"
	expect 200
	[[ $(cat "$T/body") == new ]]
	api_json POST /v1/keys '{"name":"new","type":"ecc-p256"}'
	expect 201
	api_json POST /v1/keys/new/sign '{"message":"aGk="}'
	expect 200
}

# member FILE MEMBER: of a record in the state folder, behind the line of a twin file.
member() {
	tail -n +2 "$T/state/$1" | jq -r ".$2"
}

@test "admin.sock is the owner's alone, and goes with the daemon" {
	on legacy
	[[ $(stat -c '%a %u' "$ADMIN") == "600 $(id -u)" ]]
	admin GET /v1/status
	expect 200
	[[ $(field .tenant) == admin ]]
	stop_daemon
	[[ ! -e $ADMIN ]]
	[[ $DAEMON_STATUS == 0 ]]
	# One that was left behind is replaced.
	start_daemon
	stop_daemon KILL
	[[ -S $ADMIN ]]
	start_daemon
	admin GET /v1/status
	expect 200
}

@test "another user is refused, even where he can connect" {
	on legacy
	chmod 755 "$T" "$T/run"
	run -7 setpriv --reuid nobody --regid nogroup --clear-groups \
		curl -s --unix-socket "$ADMIN" http://h/v1/status
	chmod 666 "$ADMIN"
	for request in 'GET /v1/status' 'GET /metrics' 'POST /v1/admin/tpm/accept'; do
		run -0 setpriv --reuid nobody --regid nogroup --clear-groups \
			curl -s --unix-socket "$ADMIN" -X "${request% *}" -w '\n%{http_code}' \
			-H 'Content-Type: application/json' "http://h${request#* }"
		[[ ${lines[-1]} == 403 ]]
		[[ $output == *'"code":"forbidden"'* ]]
	done
	grep '"tenant":"admin"' "$T/log" | grep '"operation":"refused"' | grep -q "\"uid\":$(id -u nobody)"
}

@test "the administrator's routes are his alone, and he has no tenant's" {
	on tpm
	api_json POST /v1/admin/tpm/accept '{}'
	expect 403 forbidden
	[[ $(field .remedy) == *admin.sock* ]]
	admin GET /metrics
	expect 200
	admin GET /v1/secrets
	expect 403 forbidden
	admin POST /v1/random -H 'Content-Type: application/json' -d '{"bytes":8}'
	expect 403 forbidden
	admin POST /v1/seal -H 'Content-Type: application/octet-stream' -d x
	expect 403 forbidden
	admin GET /v1/admin/nothing
	expect 404 not_found
	admin POST /v1/admin/tpm/accept -H 'Content-Type: application/json' -d '{"force":true}'
	expect 400 invalid
}

@test "nothing to accept: conflict, and all goes on" {
	on tpm
	seal_text old "$T/blob"
	before=$(sha256sum <"$T/state/tpm.state")
	shown=$(hf --json status | jq -c '[.reason, .fapi]')
	accept_tpm
	expect 409 conflict
	[[ $(field .detail) == *'nothing to accept'* ]]
	[[ $(hf --json status | jq -c '[.reason, .fapi]') == "$shown" ]]
	[[ $(sha256sum <"$T/state/tpm.state") == "$before" ]]
	[[ $(find "$T/state" -name 'tpm.state.2*') == '' ]]
	unseal_answers 200
	new_seals_work
	grep '"operation":"tpm.accept"' "$T/log" | grep '"tenant":"admin"' | grep -q '"result":"conflict"'
}

@test "accept after a swap: new objects work, old ones are of another TPM, the record is kept" {
	on tpm
	seal_text old "$T/blob"
	put a old
	id=$(sha256sum <"$T/state/tenants/host/id")
	srk=$(member tpm.state srk_name)
	hsk=$(member tpm.state hsk_name)
	swap_chip first
	# No use of the chip came before: the service finds out by itself.
	accept_tpm
	expect 200
	[[ $(field '.accepted') == true ]]
	[[ $(field '.previous.srk') == "$srk" && $(field '.previous.hsk') == "$hsk" ]]
	[[ $(field .srk) == "$(member tpm.state srk_name)" && $(field .srk) != "$srk" ]]
	[[ $(field .hsk) == "$(member tpm.state hsk_name)" && $(field .hsk) != "$hsk" ]]
	kept=$(field .kept_as)
	[[ $kept =~ ^tpm\.state\.[0-9]{8}T[0-9]{6}Z$ ]]
	[[ $(member "$kept" hsk_name) == "$hsk" ]]
	cmp "$T/state/$kept" "$T/state/$kept.copy"
	api GET /v1/status
	[[ $(field .provider) == tpm && $(field .tpm.fault) == null ]]
	[[ $(sha256sum <"$T/state/tenants/host/id") == "$id" ]]
	grep '"operation":"tpm.accept"' "$T/log" | grep -q '"result":"ok","tpm_commands":[1-9]'
	unseal_answers 422 wrong_tpm
	get a
	expect 422 wrong_tpm
	new_seals_work
	accept_tpm
	expect 409 conflict
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	start_daemon
	api_file POST /v1/unseal "$T/new"
	expect 200
	unseal_answers 422 wrong_tpm
	# The way back: the old chip with the kept record.
	stop_daemon
	swap_back first
	cp "$T/state/$kept" "$T/state/tpm.state"
	cp "$T/state/$kept.copy" "$T/state/tpm.state.copy"
	start_daemon
	unseal_answers 200
	[[ $(cat "$T/body") == old ]]
	get a
	expect 200
}

@test "accept after a clear, which was noticed before" {
	on tpm
	seal_text old "$T/blob"
	tools tpm2_clear -Q
	unseal_answers 503 tpm_changed
	[[ $(field .remedy) == *accept* ]]
	api GET /v1/status
	[[ $(field .tpm.fault) == tpm_changed ]]
	accept_tpm
	expect 200
	unseal_answers 422 wrong_tpm
	new_seals_work
}

@test "accept at once twice, a chip each, keeps both records" {
	on tpm
	swap_chip first
	accept_tpm
	expect 200
	one=$(field .kept_as)
	swap_chip second
	accept_tpm
	expect 200
	two=$(field .kept_as)
	[[ $one != "$two" ]]
	[[ $(member "$one" hsk_name) != "$(member "$two" hsk_name)" ]]
}

record_gone() { # how, remaining name of the old record
	on tpm
	seal_text old "$T/blob"
	stop_daemon
	"$1"
	start_daemon
	[[ $(jq -r .provider "$T/status") == none ]]
	unseal_answers 500 unreadable
	accept_tpm
	expect 200
	[[ $(field .previous.srk) == null && $(field .previous.hsk) == null ]]
	kept=$(field .kept_as)
	# It is the same chip, and its storage root key is.
	unseal_answers 422 wrong_tpm
	new_seals_work
	stop_daemon
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	api_file POST /v1/unseal "$T/new"
	expect 200
}

tear() {
	echo torn >"$T/state/tpm.state"
	echo worn >"$T/state/tpm.state.copy"
}

lose() {
	rm "$T"/state/tpm.state*
}

@test "accept with a torn record: it is put aside as it is" {
	record_gone tear
	[[ $(cat "$T/state/$kept") == torn && $(cat "$T/state/$kept.copy") == worn ]]
}

@test "accept with a lost record" {
	record_gone lose
	[[ $kept == null ]]
}

@test "accept with no chip that answers: its error, and nothing changes" {
	on tpm
	seal_text old "$T/blob"
	before=$(sha256sum <"$T/state/tpm.state")
	stop_swtpm
	accept_tpm
	[[ $CODE == 503 ]]
	[[ $(field .code) == tpm_failed || $(field .code) == tpm_required ]]
	[[ $(sha256sum <"$T/state/tpm.state") == "$before" ]]
	# In auto too there is no software instead.
	printf x >"$T/x"
	api_file POST /v1/seal "$T/x"
	[[ $CODE == 503 ]]
	rm -f "$T"/tpm.sock*
	start_swtpm
	back() {
		api_file POST /v1/unseal "$T/blob"
		[[ $CODE == 200 ]]
	}
	wait_until back
}

@test "accept where the new record cannot be written: the old one stays, and works with its chip" {
	start_swtpm
	start_daemon
	seal_text old "$T/blob"
	stop_daemon
	before=$(sha256sum <"$T/state/tpm.state")
	swap_chip first
	WRAP=(prlimit --fsize=250)
	start_daemon
	accept_tpm
	expect 507 disk_full
	changed() {
		api_file POST /v1/unseal "$T/blob"
		[[ $CODE == 503 && $(field .code) == tpm_changed ]]
	}
	wait_until changed
	stop_daemon
	[[ $(sha256sum <"$T/state/tpm.state") == "$before" ]]
	WRAP=()
	swap_back first
	start_daemon
	unseal_answers 200
}

@test "with software in use there is nothing to accept" {
	on legacy
	accept_tpm
	expect 503 tpm_required
	new_seals_work
}

@test "requests at work end before their TPM is closed, later ones wait" {
	local i pids=()
	on tpm
	# What is at work has ten seconds to end, and the identity is made in one go.
	wait_until identity_decided
	for i in {1..4}; do
		curl -s -m 60 --unix-socket "$SOCK" -H 'Content-Type: application/json' \
			-d "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}" -o /dev/null \
			-w '%{http_code}' http://h/v1/keys >"$T/code.$i" 3>&- &
		pids+=($!)
	done
	accept_tpm
	expect 409 conflict
	for i in {1..4}; do
		wait "${pids[i - 1]}"
		[[ $(cat "$T/code.$i") == 201 || $(cat "$T/code.$i") == 503 ]]
	done
	new_seals_work
}
