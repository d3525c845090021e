#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# FAPI through the service: the probe's say in the choice, and objects both ways with the stock
# tools. What the helper does by itself is in fapi-helper.bats.

bats_require_minimum_version 1.5.0
load helpers

JSON=(-H 'Content-Type: application/json')

fapi() { # verb of a POST, [body]
	admin POST "/v1/admin/fapi/$1" "${JSON[@]}" -d "${2:-{\}}"
}

open_object() { # path, [curl option..]
	local path=$1
	shift
	api GET "/v1/fapi/object?path=$path" "$@"
}

# stock_tools [TCTI:]: tss2_*, pytss and tpm2_* get at this store; at the chip by the host's socket
# while the service runs, else by themselves.
stock_tools() {
	local way=${1:-}$TCTI
	[[ ! -S $T/run/tpm.sock ]] || way=swtpm:path=$T/run/tpm.sock
	jq --arg tcti "$way" '.tcti = $tcti' "$T/state/fapi/fapi-config.json" >"$T/fapi.json"
	export TSS2_FAPICONF=$T/fapi.json TPM2TOOLS_TCTI=$TCTI TSS2_LOG=all+NONE
}

# The interpreter that Debian's python3-tpm2-pytss belongs to.
with_pytss() {
	/usr/bin/python3 - "$@"
}

cost() {
	local before
	before=$(commands_sent)
	"$@" >/dev/null
	COST=$(($(commands_sent) - before))
}

provisioned() {
	start_swtpm
	start_daemon
	fapi provision
	expect 200
}

warnings() {
	grep -c '^<4>' "$T/log"
}

# Under a service manager each line tells how serious it is.
as_service() {
	: >"$T/log"
	export JOURNAL_STREAM
	JOURNAL_STREAM=$(stat -c '%d:%i' "$T/log")
}

fell_back() { # text of the reason
	[[ $(jq -r .provider "$T/status") == legacy ]]
	[[ $(jq -r .reason "$T/status") == 'the TPM opens, but FAPI does not: '*"$1"* ]]
	[[ $(jq -r .fapi.probe "$T/status") == failed ]]
	[[ $(jq -r .fapi.detail "$T/status") == *"$1"* ]]
	[[ $(warnings) == 1 ]]
	grep '^<4>' "$T/log" | grep -q "security provider legacy .*$1"
	FALLS=$((${FALLS:-0} + 1))
	put "a$FALLS" x
	expect 201
	[[ $(field .protection) == software ]]
}

# --- the probe ---

@test "AC-1: the TPM opens and FAPI connects: the tpm provider, and no warning" {
	start_swtpm
	as_service
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .reason "$T/status") == 'the TPM opens and FAPI connects' ]]
	[[ $(jq -c .fapi "$T/status") == '{"probe":"succeeded","detail":null}' ]]
	[[ $(warnings) == 0 ]]
	# Its folder is the service's own, and its sockets are gone.
	[[ $(stat -c %a "$T/state/fapi") == 700 ]]
	[[ ! -e $T/run/fapi/tpm.sock ]]
	put a x
	expect 201
	[[ $(field .protection) == tpm ]]
}

@test "AC-5: FAPI does not connect: legacy, with exactly one warning that names the step" {
	start_swtpm
	start_daemon
	stop_daemon
	echo '{"profile_name": "P_NONE"' >"$T/state/fapi/fapi-config.json"
	as_service
	start_daemon
	fell_back 'configuration'
	# The chip was left in order.
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	[[ -z $(TPM2TOOLS_TCTI=$TCTI tpm2_getcap handles-transient) ]]
	[[ -z $(TPM2TOOLS_TCTI=$TCTI tpm2_getcap handles-loaded-session) ]]
}

@test "AC-5: FAPI itself refuses: the step is one of its functions" {
	start_swtpm
	start_daemon
	stop_daemon
	jq '.profile_dir = "/nonexistent"' "$T/state/fapi/fapi-config.json" >"$T/c"
	cp "$T/c" "$T/state/fapi/fapi-config.json"
	as_service
	start_daemon
	fell_back 'Fapi_Initialize'
}

@test "AC-5: no helper program, one that fails, and one that is killed" {
	start_swtpm
	with_helper
	as_service
	start_daemon
	fell_back 'holdfast-fapi is not there'
	grep -q 'probe = false' "$T/log"
	stop_daemon
	with_helper 'exit 7'
	as_service
	start_daemon
	fell_back 'holdfast-fapi'
	stop_daemon
	with_helper kill
	as_service
	start_daemon
	fell_back 'holdfast-fapi'
}

@test "AC-5: a helper that never ends is ended after ten seconds" {
	start_swtpm
	with_helper hang
	as_service
	launch_daemon
	wait_until listens "$SOCK"
	api GET /v1/status
	[[ $(field .provider) == deciding ]]
	within 40 decided
	fell_back 'in time'
	[[ $(pgrep -P "$DAEMON_PID") == "$(starter_of "$DAEMON_PID")" ]]
	refute pgrep -P "$(starter_of "$DAEMON_PID")"
}

@test "a disk that is slow while the folder is made tells nothing of FAPI" {
	! is_sanitized "$HOLDFASTD" || skip "the helper's LeakSanitizer does not work under strace"
	start_swtpm
	# strace knows the folder by a path that is there.
	mkdir -m 0700 "$T/state" "$T/state/fapi"
	# Longer than the helper may take.
	WRAP=(strace -D -f -qq -o "$T/trace" -P "$T/state/fapi" -e trace=fsync
		-e inject=fsync:delay_enter=11s:when=1)
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
	grep -q DELAYED "$T/trace"
}

@test "a stop does not wait for the helper" {
	start_swtpm
	with_helper begin hang
	launch_daemon
	wait_until test -e "$T/state/fapi/begun"
	before=$SECONDS
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
	# It would be ended after ten.
	((SECONDS - before <= 8))
	within 3 refute pgrep -f "$T/bin/holdfast-fapi"
	within 3 refute pgrep -f "$T/bin/holdfastd"
}

@test "a daemon that is killed takes the starter and the helper with it" {
	start_swtpm
	with_helper begin hang
	launch_daemon
	wait_until test -e "$T/state/fapi/begun"
	starter=$(starter_of "$DAEMON_PID")
	helper=$(pgrep -P "$starter")
	stop_daemon KILL
	wait_until is_gone "$starter"
	wait_until is_gone "$helper"
}

@test "a starter that is killed: an error that says what to do, at once, and a restart helps" {
	start_swtpm
	start_daemon
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
	kill -KILL "$(starter_of "$DAEMON_PID")"
	within 3 refute pgrep -P "$DAEMON_PID" -r S,R,D
	# It is told by itself, once, and again to who wants it.
	wait_until grep -q 'FAPI: the process that starts holdfast-fapi is gone' "$T/log"
	admin POST /v1/admin/fapi/probe -H 'Content-Type: application/json' -d '{}'
	[[ $(field .detail) == *'the process that starts holdfast-fapi is gone'* ]]
	[[ $(field .remedy) == 'Restart holdfastd.' ]]
	put a x
	expect 201
	[[ $(grep -c 'FAPI: the process that starts' "$T/log") == 1 ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	start_daemon
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
	stop_daemon
	# A stop is none of its.
	[[ $(grep -c 'FAPI: the process that starts' "$T/log") == 1 ]]
}

@test "signals for all of a terminal or a unit leave the starter until the daemon has ended" {
	start_swtpm
	start_daemon
	starter=$(starter_of "$DAEMON_PID")
	kill -TERM "$starter"
	kill -INT "$starter"
	kill -HUP "$starter"
	kill -USR2 "$starter"
	admin POST /v1/admin/fapi/probe -H 'Content-Type: application/json' -d '{}'
	expect 200
	[[ $(starter_of "$DAEMON_PID") == "$starter" ]]
	# Nothing of the daemon but a socket: its own, /dev/null, the log, and the daemon's end.
	[[ $(ls "/proc/$starter/fd" | wc -l) == 5 ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	wait_until is_gone "$starter"
}

@test "AC-4: legacy by wish starts no helper" {
	start_swtpm
	with_helper begin
	SECURITY_PROVIDER=legacy start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	[[ $(jq -r .fapi.probe "$T/status") == off ]]
	[[ ! -e $T/state/fapi ]]
}

@test "a TPM that is demanded is used whatever FAPI says: a warning only" {
	start_swtpm
	with_helper 'exit 7'
	as_service
	SECURITY_PROVIDER=tpm start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .fapi.probe "$T/status") == failed ]]
	[[ $(warnings) == 1 ]]
	grep -q '^<4>the probe of FAPI failed' "$T/log"
	put a x
	expect 201
	[[ $(field .protection) == tpm ]]
}

@test "fapi { probe = false } asks nobody" {
	start_swtpm
	with_helper begin 'exit 7'
	write_config 'fapi { probe = false }'
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .reason "$T/status") == 'the TPM opens' ]]
	[[ $(jq -r .fapi.probe "$T/status") == off ]]
	[[ ! -e $T/state/fapi/begun ]]
}

@test "what the TPM sealed stays tpm_required while FAPI fails, and opens afterwards" {
	start_swtpm
	start_daemon
	seal_text content "$T/blob"
	stop_daemon
	mv "$T/state/fapi/fapi-config.json" "$T/kept"
	echo broken >"$T/state/fapi/fapi-config.json"
	start_daemon
	[[ $(jq -r .provider "$T/status") == legacy ]]
	api_file POST /v1/unseal "$T/blob"
	expect 503 tpm_required
	stop_daemon
	mv "$T/kept" "$T/state/fapi/fapi-config.json"
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 200
	[[ $(cat "$T/body") == content ]]
}

@test "a changed chip is not asked, and not taken for one that FAPI cannot reach" {
	start_swtpm
	start_daemon
	seal_text content "$T/blob"
	stop_daemon
	TPM2TOOLS_TCTI=$TCTI tpm2_clear -Q
	with_helper 'exit 7'
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .tpm.fault "$T/status") == tpm_changed ]]
	[[ $(jq -r .fapi.probe "$T/status") == off ]]
	api_file POST /v1/unseal "$T/blob"
	expect 503 tpm_changed
}

@test "a folder of FAPI that cannot be made says nothing of the TPM" {
	start_swtpm
	start_daemon
	seal_text content "$T/blob"
	stop_daemon
	rm -r "$T/state/fapi"
	as_service
	WRAP=(prlimit --fsize=250)
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	[[ $(jq -r .fapi.probe "$T/status") == failed ]]
	[[ $(warnings) == 1 ]]
	api_file POST /v1/unseal "$T/blob"
	expect 200
}

# --- the administrator's verbs ---

@test "probe, provision, seal, list, delete; and what they refuse" {
	start_swtpm
	start_daemon
	fapi probe
	expect 200
	[[ $(field .connects) == true && $(field .provisioned) == false && $(field .ok) == null ]]
	fapi seal '{"path":"/HS/SRK/early","data":"aGVsbG8="}'
	[[ $CODE != 201 ]]
	fapi provision
	expect 200
	[[ $(field .srk) == adopted && $(field .already) == false ]]
	fapi provision
	expect 200
	[[ $(field .already) == true ]]
	fapi seal '{"path":"/HS/SRK/x","data":"aGVsbG8="}'
	expect 201
	[[ $(jq -c . "$T/body") == '{"path":"/HS/SRK/x"}' ]]
	fapi seal '{"path":"/HS/SRK/x","data":"aGVsbG8="}'
	expect 409 conflict
	[[ $(field .remedy) == 'Choose another name, or delete the existing object first.' ]]
	fapi seal '{"path":"/HE/EK/x","data":"aGVsbG8="}'
	expect 400 invalid
	admin GET /v1/admin/fapi/objects
	expect 200
	[[ $(jq -c . "$T/body") == '{"objects":["/HS/SRK/x"]}' ]]
	admin DELETE '/v1/admin/fapi/object?path=/HS/SRK/x'
	expect 204
	admin DELETE '/v1/admin/fapi/object?path=/HS/SRK/x'
	expect 404 not_found
	grep '"operation":"fapi.seal","object":"/HS/SRK/x","result":"ok"' "$T/log" |
		grep -q '"tenant":"admin"'
	refute grep -q aGVsbG8 "$T/log"
	# Nothing was left in the chip but what is ours.
	stop_daemon
	[[ -z $(TPM2TOOLS_TCTI=$TCTI tpm2_getcap handles-transient) ]]
	[[ -z $(TPM2TOOLS_TCTI=$TCTI tpm2_getcap handles-loaded-session) ]]
}

@test "a refusal by FAPI comes with the remedy for it" {
	start_swtpm
	# A key that is no SRK of Holdfast's, at the handle that both would use.
	export TPM2TOOLS_TCTI=$TCTI
	tpm2_createprimary -Q -C o -G ecc256:aes128cfb -g sha256 -c "$T/srk.ctx" \
		-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'
	tpm2_evictcontrol -Q -C o -c "$T/srk.ctx" 0x81000001
	tpm2_flushcontext -t
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	fapi seal '{"path":"/HS/SRK/x","data":"aGVsbG8="}'
	expect 404 not_found
	[[ $(field .remedy) == 'Provision FAPI first.' ]]
	fapi provision
	expect 409 conflict
	[[ $(field .detail) == *'0x81000001'* ]]
	[[ $(field .remedy) == 'Choose the FAPI profile'* ]]
	HOLDFAST_SOCKET=$SOCK run -1 "$(program holdfast)" fapi provision
	[[ $output == *'try: Choose the FAPI profile'* ]]
}

@test "the host may open objects, and nothing else of FAPI" {
	start_swtpm
	start_daemon
	for verb in probe provision seal; do
		api POST "/v1/admin/fapi/$verb" "${JSON[@]}" -d '{}'
		expect 403 forbidden
	done
	api GET /v1/admin/fapi/objects
	expect 403 forbidden
	admin GET '/v1/fapi/object?path=/HS/SRK/x'
	expect 403 forbidden
	# Not provisioned: nothing is there.
	open_object /HS/SRK/x
	expect 404 not_found
	open_object /HS/SRK
	expect 400 invalid
}

@test "without a store an object is not found; in software a TPM is required" {
	start_swtpm
	write_config 'fapi { probe = false }'
	start_daemon
	[[ ! -e $T/state/fapi ]]
	open_object /HS/SRK/x
	expect 404 not_found
	stop_daemon
	SECURITY_PROVIDER=legacy start_daemon
	open_object /HS/SRK/x
	expect 503 tpm_required
	fapi provision
	expect 503 tpm_required
}

@test "keys and objects of ours work as ever while FAPI is at work" {
	local i pids=()
	provisioned
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	for i in 1 2 3; do
		curl -s -m 60 --unix-socket "$ADMIN" "${JSON[@]}" -o /dev/null -w '%{http_code}' \
			-d "{\"path\":\"/HS/SRK/s$i\",\"data\":\"aGk=\"}" \
			http://h/v1/admin/fapi/seal >"$T/code.$i" 3>&- &
		pids+=($!)
	done
	for i in {1..20}; do
		api_json POST /v1/keys/k/sign '{"message":"aGk="}'
		expect 200
	done
	for i in 1 2 3; do
		wait "${pids[i - 1]}"
		[[ $(cat "$T/code.$i") == 201 ]]
	done
}

# --- both ways ---

@test "AC-2: sealed by the service, opened by tss2_unseal and by pytss, byte for byte" {
	need_pytss_fapi
	provisioned
	head -c 128 /dev/urandom >"$T/data"
	fapi seal "{\"path\":\"/HS/SRK/big\",\"data\":\"$(base64 -w0 <"$T/data")\"}"
	expect 201
	stock_tools
	tss2_unseal -p /HS/SRK/big -o "$T/opened"
	cmp "$T/data" "$T/opened"
	with_pytss "$T/data" <<-'PY'
		import sys
		from tpm2_pytss import FAPI
		with FAPI() as fapi:
		    assert fapi.unseal("/HS/SRK/big") == open(sys.argv[1], "rb").read()
	PY
	# .. and by the service.
	open_object /HS/SRK/big "${OCTETS[@]}"
	expect 200
	cmp "$T/data" "$T/body"
	grep -qi '^holdfast-protection: tpm' "$T/head"
}

@test "sealed by tss2_createseal and pytss, opened by the service with one command" {
	need_pytss_fapi
	provisioned
	stock_tools
	printf 'from tools' >"$T/data"
	tss2_createseal -p /HS/SRK/tools -t noda -a '' -i "$T/data"
	with_pytss <<-'PY'
		from tpm2_pytss import FAPI
		with FAPI() as fapi:
		    fapi.create_seal("/HS/SRK/python", data=b"from python", type_="noda")
	PY
	for name in tools python; do
		open_object "/HS/SRK/$name"
		expect 200
		[[ $(field .data | base64 -d) == "from $name"* ]]
		[[ $(field .protection) == tpm ]]
		cost open_object "/HS/SRK/$name"
		[[ $CODE == 200 && $COST == 1 ]]
	done
	# Both stay loaded beside each other, and survive a power cut of the chip.
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
	for name in tools python; do
		open_object "/HS/SRK/$name"
		expect 200
		[[ $(field .data | base64 -d) == "from $name"* ]]
	done
	stop_daemon
	start_daemon
	open_object /HS/SRK/tools
	expect 200
}

@test "an object that FAPI made anew under the same name is the new one" {
	provisioned
	stock_tools
	for text in first second; do
		printf '%s' "$text" >"$T/data"
		tss2_createseal -p /HS/SRK/x -t noda -a '' -i "$T/data"
		open_object /HS/SRK/x
		[[ $(field .data | base64 -d) == "$text" ]]
		tss2_delete -p /HS/SRK/x
	done
	open_object /HS/SRK/x
	expect 404 not_found
}

@test "objects with a password or a policy, and keys, are FAPI's own to use" {
	need_pytss_fapi
	provisioned
	stock_tools
	printf x >"$T/data"
	tss2_createseal -p /HS/SRK/locked -t noda -a password -i "$T/data"
	tss2_createkey -p /HS/SRK/key -t noda,sign -a ''
	with_pytss <<-'PY'
		import json
		from tpm2_pytss import FAPI
		policy = {"description": "", "policy": [{"type": "POLICYPCR", "currentPCRs": [16]}]}
		with FAPI() as fapi:
		    fapi.import_object("/policy/pcr", json.dumps(policy))
		    fapi.create_seal("/HS/SRK/bound", data=b"x", type_="noda", policy_path="/policy/pcr")
	PY
	for name in locked bound key; do
		cost open_object "/HS/SRK/$name"
		expect 422 not_supported
		[[ $COST == 0 ]]
	done
	open_object /HS/SRK/bound
	[[ $(field .remedy) == *tss2_unseal* ]]
}

@test "an object of another chip is of another chip, a torn one is damaged" {
	provisioned
	fapi seal '{"path":"/HS/SRK/x","data":"aGVsbG8="}'
	file=$(find "$T/state/fapi/user" -path '*/SRK/x/object.json')
	cp "$file" "$T/kept"
	truncate -s 100 "$file"
	open_object /HS/SRK/x
	expect 422 damaged
	cp "$T/kept" "$file"
	open_object /HS/SRK/x
	expect 200
	stop_daemon
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock* "$T"/state/tpm.*
	start_swtpm
	start_daemon
	open_object /HS/SRK/x
	expect 422 wrong_tpm
}

# commands_in FILE: of a capture, those that a chip was sent.
commands_of_unseal() {
	local all idle
	rm -f "$T/capture"
	TCTI_PCAP_FILE=$T/capture tss2_list >/dev/null
	idle=$(count_commands)
	rm -f "$T/capture"
	TCTI_PCAP_FILE=$T/capture tss2_unseal -p "$1" -o "$T/opened" -f
	all=$(count_commands)
	echo $((all - idle))
}

# Of the capture's packets those that begin as a command does: a tag, a size of less than 4096, a
# code of the first page (TCG TPM 2.0 Part 2, 6.5.2), and went towards port 2321.
count_commands() {
	with_pytss "$T/capture" <<-'PY'
		import struct, sys
		data, at, count = open(sys.argv[1], "rb").read(), 0, 0
		while at < len(data):
		    kind, size = struct.unpack_from("<II", data, at)
		    if kind == 6:
		        length = struct.unpack_from("<I", data, at + 20)[0]
		        packet = data[at + 28:at + 28 + length]
		        if struct.unpack_from(">H", packet, 22)[0] == 2321 and len(packet) > 40:
		            count += 1
		    at += size
		print(count)
	PY
}

@test "FAPI's own unseal costs six commands with an SRK that the service made" {
	provisioned
	fapi seal '{"path":"/HS/SRK/six","data":"aGVsbG8="}'
	stop_daemon
	stock_tools pcap:
	[[ $(commands_of_unseal /HS/SRK/six) == 6 ]]
	[[ $(cat "$T/opened") == hello ]]
}

@test "FAPI's own unseal costs six commands with an SRK that FAPI made" {
	start_swtpm
	start_daemon
	stop_daemon
	# The chip as it was before, with this store: FAPI comes first.
	stock_tools
	tpm2_clear -Q
	rm "$T"/state/tpm.*
	tss2_provision
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
	fapi provision
	expect 200
	[[ $(field .srk) == made && $(field .already) == true ]]
	fapi seal '{"path":"/HS/SRK/six","data":"aGVsbG8="}'
	expect 201
	open_object /HS/SRK/six
	expect 200
	stop_daemon
	stock_tools pcap:
	[[ $(commands_of_unseal /HS/SRK/six) == 6 ]]
	[[ $(cat "$T/opened") == hello ]]
}
