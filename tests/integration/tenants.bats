#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many tenants on one daemon: nobody sees another's, each has its folder, they come and go while
# requests run, and what one does to its folder or its connections is no other one's trouble.

bats_require_minimum_version 1.5.0
load helpers
load tenants

HOLDFAST=$(program holdfast)

# --- nobody sees another's ---

same_names() {
	with "$1" 'tenant web { }' 'tenant db { }'
	local one
	for one in web db; do
		as "$one" put a "secret of $one"
		expect 201
		as "$one" api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
		expect 201
		field .public >"$T/$one.pem"
		as "$one" seal_text "sealed for $one" "$T/$one.blob"
		expect 200
	done
	refute cmp -s "$T/web.pem" "$T/db.pem"
	for one in web db; do
		as "$one" get a
		expect 200
		[[ $(cat "$T/body") == "secret of $one" ]]
		as "$one" api_json POST /v1/keys/k/sign '{"message":"aGk="}'
		expect 200
		field .signature | base64 -d >"$T/sig"
		printf hi | openssl dgst -sha256 -verify "$T/$one.pem" -signature "$T/sig" >/dev/null
	done
	as web put only-web x
	as web api GET /v1/secrets
	[[ $(field '[.secrets[].name] | join(" ")') == 'a only-web' ]]
	as db api GET /v1/secrets
	[[ $(field '[.secrets[].name] | join(" ")') == a ]]
	as db get only-web
	expect 404 not_found
	as db api DELETE /v1/secrets/only-web
	expect 404 not_found
	api GET /v1/keys
	[[ $(field '.keys | length') == 0 ]]
	# What was sealed is its tenant's alone, whoever holds the bytes.
	as db api_file POST /v1/unseal "$T/web.blob"
	expect 403 wrong_tenant
	api_file POST /v1/unseal "$T/web.blob"
	expect 403 wrong_tenant
	as web api_file POST /v1/unseal "$T/web.blob"
	expect 200
	# A record that was moved in the state folder is not another tenant's either.
	stop_daemon
	cp "$T/state/tenants/web/secrets/a" "$T/state/tenants/db/secrets/stolen"
	start_daemon
	wait_until all_opened
	as db get stolen
	[[ $CODE != 200 && $(field .code) == wrong_* ]]
	as db api DELETE /v1/secrets/a
	expect 204
	as web get a
	expect 200
}

@test "two tenants with the same names, on a TPM" {
	same_names tpm
}

@test "two tenants with the same names, in software" {
	same_names legacy
}

@test "folders and sockets have the modes that keep the host's other users away" {
	with legacy 'tenant web { }'
	[[ $(stat -c %a "$T/run/tenants") == 710 ]]
	[[ $(stat -c %a "$T/run/tenants/web") == 755 ]]
	[[ $(stat -c %a "$T/run/tenants/web/holdfast.sock") == 666 ]]
	chmod 755 "$T" "$T/run"
	run -7 setpriv --reuid nobody --regid nogroup --clear-groups \
		curl -s --unix-socket "$T/run/tenants/web/holdfast.sock" http://h/v1/status
	serves web
}

@test "rights, rate and users of a section hold for that tenant alone" {
	with legacy 'tenant web { operations = {"random"} }' \
		"tenant db { peers = {\"uid:$(($(id -u) + 1))\"} }" 'tenant slow { rate = 1 }'
	as web api_json POST /v1/random '{"bytes":8}'
	expect 200
	as web put a x
	expect 403 forbidden
	[[ $(field .detail) == *"tenant web"*seal* ]]
	as web api GET /metrics
	expect 403 forbidden
	as db api GET /v1/status
	expect 403 forbidden
	put a x
	expect 201
	local codes='' i
	for i in 1 2 3 4; do
		as slow api GET /v1/status
		codes+=" $CODE"
	done
	[[ $codes == *429* ]]
	api GET /metrics
	grep -qx 'holdfast_tenant_requests_total{tenant="web"} 1' "$T/body"
	grep -qx 'holdfast_tenant_requests_total{tenant="db"} 0' "$T/body"
}

# --- folders under a mount ---

# inside ARGUMENT..: a container, of bubblewrap, that runs the lines it gets through a pipe; $IN.
inside() {
	mkfifo "$T/in" "$T/out"
	# shellcheck disable=SC2016
	bwrap --unshare-pid --ro-bind / / --dev /dev --proc /proc --tmpfs /run "$@" \
		bash -c 'while read -r line; do eval "$line" 2>&1; s=$?; echo; echo "= $s"; done' \
		<"$T/in" >"$T/out" 2>/dev/null 3>&- &
	HELPERS+=($!)
	exec 7>"$T/in" 8<"$T/out"
}

# tell COMMAND: runs it in there; its output is in $SAID, its status in $STATUS.
tell() {
	local line
	SAID=
	echo "$1" >&7
	while read -r -t 20 line <&8; do
		if [[ $line == '= '* ]]; then
			STATUS=${line#= }
			return 0
		fi
		SAID+=$line
	done
	echo "no answer from inside"
	return 1
}

CURL='curl -s -m 10 --unix-socket /run/holdfast/holdfast.sock http://h/v1/status'

@test "a mounted folder finds the socket of a restarted daemon" {
	with legacy 'tenant web { }'
	local before
	before=$(inode "$T/run/tenants/web")
	inside --ro-bind "$T/run/tenants/web" /run/holdfast
	tell "$CURL"
	[[ $SAID == *'"tenant":"web"'* ]]
	stop_daemon
	[[ $(inode "$T/run/tenants/web") == "$before" ]]
	tell "$CURL"
	[[ $STATUS == 7 ]]
	start_daemon
	tell "$CURL"
	[[ $SAID == *'"tenant":"web"'* ]]
	# Nor does a kill, or the section that goes and comes back.
	stop_daemon KILL
	start_daemon
	tell "$CURL"
	[[ $SAID == *'"tenant":"web"'* ]]
	config legacy
	reload
	[[ $(field .removed) == 1 ]]
	tell "$CURL"
	[[ $STATUS == 7 ]]
	config legacy 'tenant web { }'
	reload
	tell "$CURL"
	[[ $SAID == *'"tenant":"web"'* ]]
	# Read-only as it is, nobody in there can touch it.
	tell 'rm /run/holdfast/holdfast.sock'
	[[ $STATUS != 0 ]]
	exec 7>&- 8<&-
}

@test "what a container does to a writable folder is its own trouble" {
	with legacy 'tenant web { }' 'tenant db { }'
	inside --bind "$T/run/tenants/web" /run/holdfast
	echo precious >"$T/precious"
	chmod 640 "$T/precious"
	local trick
	for trick in "ln -sfn '$T/precious' holdfast.sock" "ln -sfn /nowhere holdfast.sock" \
		'rm -f holdfast.sock; echo > holdfast.sock' 'rm -f holdfast.sock; mkfifo holdfast.sock' \
		'rm -f holdfast.sock; chmod 777 .'; do
		tell "cd /run/holdfast; $trick"
		stop_daemon
		start_daemon
		wait_until all_opened
		serves web
		serves db
		[[ $(cat "$T/precious") == precious && $(stat -c %a "$T/precious") == 640 ]]
		[[ $(stat -c %a "$T/run/tenants/web") == 755 ]]
	done
	# Only a folder in its place keeps it from being served; and nobody else.
	tell 'rm -f holdfast.sock; mkdir -p holdfast.sock/x'
	stop_daemon
	start_daemon
	serves db
	[[ $(fault_of web) == *holdfast.sock* ]]
	grep -q 'tenant web is not served' "$T/log"
	# Where it is away, a reload is enough.
	tell 'rm -r holdfast.sock; echo mine > file'
	reload
	expect 200
	[[ $(fault_of web) == null ]]
	tell "$CURL"
	[[ $SAID == *'"tenant":"web"'* ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	[[ -f $T/run/tenants/web/file ]]
	exec 7>&- 8<&-
}

# --- reload ---

@test "reload adds, changes and removes; a wrong file changes nothing" {
	with legacy 'tenant web { }' 'tenant db { keys = 1 }'
	config legacy 'tenant web { operations = {"random"} }' 'tenant new { }' 'tenant host { rate = 77 }'
	reload
	expect 200
	[[ $(jq -c . "$T/body") == '{"added":1,"removed":1,"changed":2}' ]]
	serves new
	refute serves db
	as web put a x
	expect 403 forbidden
	admin GET /v1/admin/tenants/host
	[[ $(field .rate) == 77 ]]
	reload
	[[ $(jq -c . "$T/body") == '{"added":0,"removed":0,"changed":0}' ]]
	echo 'tenant more { rate = fast }' >>"$T/conf"
	reload
	expect 400 invalid
	[[ $(field .detail) == "$T/conf:7: rate = "* ]]
	serves web
	refute serves more
	kill -HUP "$DAEMON_PID"
	wait_until grep -q "not reloaded.*$T/conf:7" "$T/log"
	rm "$T/conf"
	reload
	expect 404 not_found
	serves new
	config legacy 'tenant db { }' 'device { handle = 0x81000200 }'
	kill -HUP "$DAEMON_PID"
	wait_until serves db
	refute serves web
	wait_until grep -q "differs in 'handle', which takes a restart" "$T/log"
}

@test "what is at work when its tenant goes is finished, and nothing after it" {
	with legacy 'tenant web { }'
	as web api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	dd if=/dev/zero of="$T/big" bs=1M count=24 status=none
	curl -s -m 60 --unix-socket "$T/run/tenants/web/holdfast.sock" --limit-rate 24M \
		-H 'Content-Type: application/octet-stream' -H 'Expect:' --data-binary "@$T/big" \
		-o "$T/sealed" -w '%{http_code}' http://h/v1/seal >"$T/code" 3>&- &
	local client=$!
	wait_until open_of web
	config legacy
	reload
	[[ $(field .removed) == 1 ]]
	refute serves web
	wait "$client"
	[[ $(cat "$T/code") == 200 ]]
	config legacy 'tenant web { }'
	reload
	wait_until all_opened
	as web api_file POST /v1/unseal "$T/sealed" "${OCTETS[@]}"
	expect 200
	cmp "$T/big" "$T/body"
}

# ask_on SOCKET FILE: requests until $T/enough is there; a line for each that was not answered 200.
ask_on() {
	local code count=0
	while [[ ! -e $T/enough ]]; do
		code=$(curl -s -m 60 --unix-socket "$1" -H 'Content-Type: application/json' \
			-d '{"data":"aGk="}' -o /dev/null -w '%{http_code}' http://h/v1/seal) || true
		[[ $code == 200 ]] || echo "$code" >>"$2.bad"
		count=$((count + 1))
	done
	echo "$count" >"$2"
}

@test "reload under load drops no request" {
	local i pids=()
	with legacy 'tenant web { rate = 0 }' 'tenant db { rate = 0 }'
	for i in web db; do
		ask_on "$T/run/tenants/$i/holdfast.sock" "$T/asked.$i" 3>&- &
		pids+=($!)
	done
	ask_on "$SOCK" "$T/asked.host" 3>&- &
	pids+=($!)
	for i in {1..40}; do
		config legacy "tenant web { rate = 0 keys = $i }" 'tenant db { rate = 0 }' "tenant t$i { }"
		reload
		expect 200
		[[ $(field .changed) == 1 && $(field .added) == 1 ]]
	done
	touch "$T/enough"
	wait "${pids[@]}"
	for i in web db host; do
		[[ ! -e $T/asked.$i.bad ]]
		[[ $(cat "$T/asked.$i") -gt 5 ]]
	done
	[[ $(inode "$T/run/tenants/web") -gt 0 ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
}

@test "the configuration counts, not what was added by command" {
	with legacy
	add web '"keys":5'
	as web put a x
	config legacy 'tenant web { keys = 9 }'
	reload
	[[ $(field .changed) == 1 ]]
	grep -q 'tenant web: the configuration counts' "$T/log"
	admin GET /v1/admin/tenants/web
	[[ $(field '[.source, .keys.limit] | join(" ")') == 'configuration 9' ]]
	as web get a
	expect 200
	admin DELETE /v1/admin/tenants/web
	expect 409 conflict
	stop_daemon
	start_daemon
	wait_until all_opened
	admin GET /v1/admin/tenants/web
	[[ $(field '[.source, .keys.limit] | join(" ")') == 'configuration 9' ]]
	config legacy
	reload
	admin GET /v1/admin/tenants/web
	[[ $(field '[.source, .keys.limit] | join(" ")') == 'command 5' ]]
	as web get a
	expect 200
}

# --- audit ---

@test "the audit remembers who asked for what" {
	with legacy 'tenant web { }' 'tenant db { }'
	as web put a x
	as db put b x
	as web api_json POST /v1/random '{"bytes":0}'
	admin GET '/v1/admin/audit?tenant=web'
	expect 200
	[[ $(jq -c '[.events[] | [.operation, .object, .result]]' "$T/body") == \
		'[["secret.put","a","ok"],["random","","invalid"]]' ]]
	[[ $(jq -r '.events[0] | [.uid, .gid, .pid > 1] | join(" ")' "$T/body") == "$(id -u) $(id -g) true" ]]
	admin GET '/v1/admin/audit?limit=1'
	[[ $(field '.events | length') == 1 ]]
	[[ $(field '.events[0].operation') == random ]]
	# The same as in the log.
	grep -qF "$(jq -c '.events[0]' "$T/body")" "$T/log"
	as web api GET /v1/admin/audit
	expect 403 forbidden
}

@test "many refusals of a tenant are few lines that tell them all" {
	with legacy 'tenant web { rate = 0 }' 'tenant db { }'
	as db put b x
	curl -s --unix-socket "$T/run/tenants/web/holdfast.sock" -o /dev/null \
		'http://h/v1/secrets/n[1-300]'
	curl -s --unix-socket "$T/run/tenants/web/holdfast.sock" -o /dev/null \
		'http://h/v1/admin/audit?limit=[1-300]'
	admin GET '/v1/admin/audit?tenant=web&limit=1000'
	[[ $(field '[.events[] | .refusals // 1] | add') == 600 ]]
	[[ $(field '.events | length') -le 64 ]]
	[[ $(field '.events[-1] | [.operation, .result, .uid] | join(" ")') == "refusals forbidden $(id -u)" ]]
	admin GET '/v1/admin/audit?tenant=db'
	[[ $(field '.events[-1].operation') == secret.put ]]
	# What was not told yet is told soon, also when nobody does anything, in the log ..
	curl -s --unix-socket "$T/run/tenants/web/holdfast.sock" -o /dev/null \
		'http://h/v1/secrets/l[1-300]'
	within 30 told_in_log 900
	# .. and at the end at once.
	curl -s --unix-socket "$T/run/tenants/web/holdfast.sock" -o /dev/null \
		'http://h/v1/secrets/m[1-300]'
	stop_daemon
	told_in_log 1200
}

told_in_log() { # COUNT: of web's refusals
	[[ $(sed -n 's/.*audit {/{/p' "$T/log" |
		jq -s '[.[] | select(.tenant == "web") | .refusals // 1] | add') == "$1" ]]
}

# --- many ---

many() { # N: sections of the configuration
	local i
	for ((i = 0; i < $1; i++)); do
		echo "tenant t$i { rate = 0 }"
	done
}

@test "1,024 tenants start, and each is served" {
	local i
	# All in memory: the number is what counts here, and a new tenant takes a dozen syncs.
	MEMORY=$(mktemp -d /dev/shm/hd-XXXXXX)
	SOCK=$MEMORY/run/holdfast.sock ADMIN=$MEMORY/run/admin.sock
	config legacy "$(many 1024)"
	sed -i "s|\"$T/\([a-z]*\)\"|\"$MEMORY/\1\"|g" "$T/conf"
	mkdir "$MEMORY/run" "$MEMORY/state"
	chmod 700 "$MEMORY/state"
	start_daemon
	wait_until all_opened
	for i in 0 1 511 1023; do
		(SOCK=$MEMORY/run/tenants/t$i/holdfast.sock && put a "x$i" && expect 201)
	done
	for i in 1023 0; do
		(SOCK=$MEMORY/run/tenants/t$i/holdfast.sock && get a && expect 200 && [[ $(cat "$T/body") == "x$i" ]])
	done
	add more
	expect 429 quota
	admin GET '/v1/admin/tenants?limit=1000'
	[[ $(field '.tenants | length') == 1000 && $(field .next) != null ]]
	ends 0 tenant list
	[[ $(wc -l <"$T/out") == 1025 ]]
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	# The second start only reads.
	start_daemon
	wait_until all_opened
	stop_daemon
	# Too few descriptors are told before anything goes wrong.
	WRAP=(prlimit --nofile=1000:1000)
	launch_daemon
	wait_until is_gone "$DAEMON_PID"
	grep -q '1024 tenants take .* descriptors, and this process may have 1000' "$T/log"
}

@test "descriptors are enough for a request on every connection" {
	# 128 for all else, one of the tenant, two of the host's raw commands, 64 connections with one
	# and one of its request.
	config legacy 'tenant web { }'
	WRAP=(prlimit --nofile=259:259)
	start_daemon
	serves web
	stop_daemon
	WRAP=(prlimit --nofile=258:258)
	launch_daemon
	wait_until is_gone "$DAEMON_PID"
	grep -q '1 tenants take 259 descriptors, and this process may have 258' "$T/log"
}

@test "tenants that take all connections they get leave places for others" {
	with legacy "$(many 17)"
	python3 - "$T" <<-'PYTHON' 3>&- &
		import socket, sys, time
		held = []
		for tenant in range(16):
		    for _ in range(64):
		        one = socket.socket(socket.AF_UNIX)
		        one.connect(f"{sys.argv[1]}/run/tenants/t{tenant}/holdfast.sock")
		        held.append(one)
		open(f"{sys.argv[1]}/full", "w").close()
		time.sleep(60)
	PYTHON
	HELPERS+=($!)
	wait_until test -e "$T/full"
	serves t16
	api GET /v1/status
	expect 200
	admin GET /v1/status
	expect 200
}
