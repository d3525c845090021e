#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many tenants on one daemon: nobody sees another's, each has its folder, they come and go while
# requests run, and what one does to its folder or its connections is no other one's trouble.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# as TENANT COMMAND..: a function of the helpers on the tenant's own socket.
as() {
	local SOCK=$T/run/tenants/$1/holdfast.sock
	shift
	"$@"
}

config() { # PROVIDER LINE..
	PROVIDER=$1
	shift
	write_config "provider = \"$PROVIDER\"" "$@"
}

# with PROVIDER LINE..: a daemon with these tenants, all of them opened.
with() {
	if [[ $1 == tpm ]]; then
		start_swtpm
	fi
	config "$@"
	start_daemon
}

all_opened() {
	admin GET /v1/admin/tenants
	expect 200
	[[ $(field '[.tenants[].fault | select(. != null and contains("being opened"))] | length') == 0 ]]
}

admin_json() { # METHOD PATH JSON
	local SOCK=$ADMIN
	api_json "$@"
}

add() { # NAME [MEMBERS]
	admin_json POST /v1/admin/tenants "{\"name\":\"$1\"${2:+,$2}}"
}

reload() {
	admin_json POST /v1/admin/reload '{}'
}

fault_of() {
	admin GET "/v1/admin/tenants/$1"
	field .fault
}

serves() { # TENANT
	as "$1" api GET /v1/status
	[[ $CODE == 200 && $(field .tenant) == "$1" ]]
}

inode() {
	stat -c %i "$1"
}

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
	wait_until 20 all_opened
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
		wait_until 20 all_opened
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

# --- by command ---

@test "tenants by command: added, kept, shown, removed" {
	with legacy 'tenant conf { }'
	ends 0 tenant add web --operation seal --operation key --keys 7 --rate 0
	grep -q "$T/run/tenants/web" "$T/out"
	serves web
	as web put a x
	expect 201
	as web api_json POST /v1/random '{"bytes":8}'
	expect 403 forbidden
	ends 0 tenant list
	grep -Eq '^web +command +/' "$T/out"
	grep -Eq '^conf +configuration +/' "$T/out"
	grep -Eq '^host +configuration +/' "$T/out"
	ends 0 --json tenant list
	[[ $(jq -r '.tenants[] | select(.name == "web").source' "$T/out") == command ]]
	ends 0 tenant show web
	grep -Eq '^may +seal +seal and unseal' "$T/out"
	grep -Eq '^ +key +create' "$T/out"
	grep -Eq '^keys +0, at most 7$' "$T/out"
	grep -Eq '^requests a second +as many' "$T/out"
	ends 0 --json tenant show web
	[[ $(jq -c '[.operations, .keys, .rate]' "$T/out") == '[["seal","key"],{"limit":7,"used":0},0]' ]]
	stop_daemon
	start_daemon
	wait_until 20 all_opened
	as web get a
	expect 200
	ends 0 --json tenant show web
	[[ $(jq -r '.source' "$T/out") == command ]]
	[[ $(jq '.stored.used > 0' "$T/out") == true ]]
	ends 2 tenant remove web
	grep -q -- --yes "$T/err"
	ends 0 tenant remove web --yes
	[[ ! -e $T/run/tenants/web && ! -e $T/state/tenants/web ]]
	ends 1 tenant show web
	grep -q not_found "$T/err"
	stop_daemon
	start_daemon
	ends 1 tenant show web
}

@test "what cannot be added or removed, and why" {
	with legacy 'tenant conf { }'
	add host
	expect 400 invalid
	add admin
	expect 400 invalid
	add conf
	expect 409 conflict
	[[ $(field .detail) == *configuration* ]]
	add Web
	expect 400 invalid
	add web '"operations":["fly"]'
	expect 400 invalid
	[[ $(field .detail) == '/operations/0: '* ]]
	add web '"broker":"provision"'
	expect 400 invalid
	add web
	expect 201
	add web
	expect 409 conflict
	admin DELETE /v1/admin/tenants/host
	expect 403 forbidden
	admin DELETE /v1/admin/tenants/conf
	expect 409 conflict
	[[ $(field .remedy) == *reload* ]]
	admin DELETE /v1/admin/tenants/nobody
	expect 404 not_found
	# Data without a socket: of a section that is gone. They are nobody else's.
	as conf put a x
	config legacy
	reload
	add conf
	expect 409 conflict
	[[ $(field .detail) == *earlier* ]]
	admin GET /v1/admin/tenants/conf
	expect 200
	[[ $(field '[.source, .stored.used > 0] | join(" ")') == 'none true' ]]
	admin DELETE /v1/admin/tenants/conf
	expect 204
	add conf
	expect 201
	as conf get a
	expect 404 not_found
	# Nobody but the administrator may ask.
	api GET /v1/admin/tenants
	expect 403 forbidden
	as web api_json POST /v1/admin/tenants '{"name":"more"}'
	expect 403 forbidden
}

# nothing_of TENANT: .. is in the state folder.
nothing_of() {
	[[ -z $(find "$T/state" -path "*$1*") ]]
}

removed_and_made_again() {
	with "$1"
	add web
	as web put a x
	expect 201
	as web api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	as web api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 200
	as web seal_text old "$T/blob"
	as web get a
	expect 200
	cp -r "$T/state/tenants/web" "$T/stolen"
	admin DELETE /v1/admin/tenants/web
	expect 204
	# Its folder is gone at once; what it had is deleted while nobody waits.
	[[ ! -e $T/state/tenants/web ]]
	wait_until 10 nothing_of web
	add web
	expect 201
	# Also from the cache nothing comes back.
	as web get a
	expect 404 not_found
	as web api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 404 not_found
	as web api_file POST /v1/unseal "$T/blob"
	expect 403 wrong_tenant
	as web api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	cp "$T/stolen/secrets/a" "$T/state/tenants/web/secrets/a"
	as web get a
	expect 403 wrong_tenant
}

@test "a removed tenant's name is made again with nothing of the old one, on a TPM" {
	removed_and_made_again tpm
}

@test "a removed tenant's name is made again with nothing of the old one, in software" {
	removed_and_made_again legacy
}

@test "removing ends what is at work, and leaves the others alone" {
	with legacy 'tenant db { }'
	add web
	helper socat -u "UNIX-CONNECT:$T/run/tenants/web/holdfast.sock" -
	curl -s -m 60 --unix-socket "$T/run/tenants/web/holdfast.sock" -o "$T/made" \
		-H 'Content-Type: application/json' -d '{"name":"k","type":"rsa-3072"}' \
		http://h/v1/keys 3>&- &
	local client=$!
	wait_until 10 two_open
	admin DELETE /v1/admin/tenants/web
	expect 204
	refute wait "$client"
	refute serves web
	serves db
	[[ ! -e $T/state/tenants/web ]]
	add web
	expect 201
	as web api GET /v1/keys
	[[ $(field '.keys | length') == 0 ]]
}

# Requests of web so far, as the metrics count them when they were admitted.
requests_of_web() {
	curl -s --unix-socket "$ADMIN" http://h/metrics |
		awk '$1 == "holdfast_tenant_requests_total{tenant=\"web\"}" { print $2 }'
}

one_more() { # BEFORE
	[[ $(requests_of_web) -gt $1 ]]
}

# stuck_and_dropped: web's request to make a key stands before a chip that sleeps, and its section
# goes by a reload. Its client is left in $CLIENT.
stuck_and_dropped() {
	local before
	with tpm 'tenant web { }' 'tenant db { }'
	as web put a x
	expect 201
	before=$(requests_of_web)
	kill -STOP "$SWTPM_PID"
	curl -s -m 20 --unix-socket "$T/run/tenants/web/holdfast.sock" -o "$T/made" \
		-H 'Content-Type: application/json' -d '{"name":"late","type":"ecc-p256"}' \
		http://h/v1/keys 3>&- &
	CLIENT=$!
	wait_until 10 one_more "$before"
	config tpm 'tenant db { }'
	reload
	[[ $(field .removed) == 1 ]]
}

answered() {
	[[ -s $T/later ]]
}

@test "a removal waits for what a tenant has at work whose section is gone" {
	stuck_and_dropped
	curl -s -m 60 --unix-socket "$ADMIN" -X DELETE -w '%{http_code}' -o /dev/null \
		http://h/v1/admin/tenants/web >"$T/later" 3>&- &
	local removal=$!
	# It gives up the request, whose client learns it; a removal that does not wait answers first.
	refute wait "$CLIENT"
	refute answered
	[[ -e $T/state/tenants/web ]]
	kill -CONT "$SWTPM_PID"
	wait "$removal"
	[[ $(cat "$T/later") == 204 ]]
	# One after it on the chip, and nothing came back meanwhile.
	as db api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	[[ ! -e $T/state/tenants/web ]]
	add web
	expect 201
	as web api GET /v1/keys
	[[ $(field '.keys | length') == 0 ]]
}

@test "a name is not free while something of it is at work" {
	stuck_and_dropped
	# By hand, as nobody should: only what is at work knows of the tenant now.
	rm -r "$T/state/tenants/web"
	curl -s -m 60 --unix-socket "$ADMIN" -H 'Content-Type: application/json' -d '{"name":"web"}' \
		-w '%{http_code}' -o /dev/null http://h/v1/admin/tenants >"$T/later" 3>&- &
	local addition=$!
	wait_until 10 queued
	# It gives up the request, but not before the chip's answer the name is free.
	refute wait "$CLIENT"
	wait_until 10 grep -q 'a change waits for a request of tenant web to end' "$T/log"
	refute answered
	kill -CONT "$SWTPM_PID"
	wait "$addition"
	[[ $(cat "$T/later") == 201 ]]
	[[ $(grep -c 'a change waits for a request' "$T/log") == 1 ]]
	as web api GET /v1/keys
	[[ $(field '.keys | length') == 0 ]]
}

# The addition was begun: a reload stands behind it.
queued() {
	local status=0
	curl -s -m 1 --unix-socket "$ADMIN" -H 'Content-Type: application/json' -d '{}' \
		http://h/v1/admin/reload >/dev/null || status=$?
	[[ $status == 28 ]]
}

two_open() {
	admin GET /v1/admin/tenants/web
	[[ $(field .connections.open) == 2 ]]
}

open_of() {
	admin GET "/v1/admin/tenants/$1"
	[[ $(field .connections.open) -gt 0 ]]
}

# kill_in CALL N: a daemon that is killed in the N-th CALL of a removal.
kill_in() {
	local tracer
	strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" -p "$DAEMON_PID" \
		2>"$T/strace" 3>&- &
	tracer=$!
	wait_until 10 is_traced
	admin DELETE /v1/admin/tenants/web
	# One whose removal has fewer of these calls ends it as ever.
	[[ $CODE == 000 || $CODE == 204 ]]
	if [[ $CODE == 204 ]]; then
		wait_until 10 deleted_or_gone
		kill "$tracer" 2>/dev/null || true
	fi
	wait "$tracer" || true
	stop_daemon KILL
}

is_traced() {
	[[ $(awk '$1 == "TracerPid:" { print $2 }' "/proc/$DAEMON_PID/status") != 0 ]]
}

deleted_or_gone() {
	is_gone "$DAEMON_PID" || all_deleted
}

all_deleted() {
	[[ -z $(find "$T/state/removed" -mindepth 1 2>/dev/null) ]]
}

@test "killed anywhere in a removal: the tenant is whole, or gone for good" {
	local call n gone=0 whole=0
	with legacy
	for call in fsync:1 fsync:2 fsync:3 fsync:4 renameat2:1 unlinkat:1 unlinkat:2 unlinkat:5; do
		n=${call#*:}
		add web
		expect 201
		as web put a x
		as web put b y
		as web seal_text old "$T/blob"
		kill_in "${call%:*}" "$n"
		start_daemon
		wait_until 20 all_opened
		admin GET /v1/admin/tenants/web
		if [[ $CODE == 200 ]]; then
			whole=$((whole + 1))
			as web get a
			expect 200
			as web api_file POST /v1/unseal "$T/blob"
			expect 200
			admin DELETE /v1/admin/tenants/web
			expect 204
		else
			gone=$((gone + 1))
			expect 404 not_found
		fi
		wait_until 10 all_deleted
		add web
		expect 201
		as web api_file POST /v1/unseal "$T/blob"
		expect 403 wrong_tenant
		as web get b
		expect 404 not_found
		admin DELETE /v1/admin/tenants/web
		expect 204
	done
	echo "whole $whole, gone $gone"
	[[ $whole -gt 0 && $gone -gt 0 ]]
}

@test "killed anywhere in an addition: the tenant works, or the name is free" {
	local call n
	with legacy
	for call in renameat2:1 renameat2:2 renameat2:3 fsync:1 fsync:3 fsync:8 fsync:14; do
		n=${call#*:}
		strace -f -qq -o /dev/null -e "trace=${call%:*}" \
			-e "inject=${call%:*}:signal=KILL:when=$n" -p "$DAEMON_PID" 2>"$T/strace" 3>&- &
		wait_until 10 is_traced
		add web
		[[ $CODE == 000 || $CODE == 201 ]]
		stop_daemon KILL
		wait
		start_daemon
		wait_until 20 all_opened
		admin GET /v1/admin/tenants/web
		if [[ $CODE == 200 && $(field .source) == command ]]; then
			[[ $(field .fault) == null ]]
			as web put a x
			expect 201
		fi
		admin DELETE /v1/admin/tenants/web
		[[ $CODE == 204 || $CODE == 404 ]]
		add web
		expect 201
		admin DELETE /v1/admin/tenants/web
		expect 204
	done
}

# free_for N: all but N names that the disk has room for are taken by others.
free_for() {
	local i
	rm -f "$T"/state/filler.*
	for ((i = 0; ; i++)); do
		(: >"$T/state/filler.$i") 2>/dev/null || break
	done
	for ((i = 0; i < $1; i++)); do
		rm "$T/state/filler.$i"
	done
}

@test "an addition that fails on a full disk does not come back" {
	local n refused=0
	mkdir -m 700 "$T/state"
	mount -t tmpfs -o size=4m,nr_inodes=100,mode=0700 tmpfs "$T/state" ||
		skip "no right to mount"
	with legacy
	# From no file on until it has all that it takes.
	for n in {0..20}; do
		free_for "$n"
		add web
		if [[ $CODE == 201 ]]; then
			break
		fi
		expect 507 disk_full
		refused=$((refused + 1))
		stop_daemon
		rm -f "$T"/state/filler.*
		start_daemon
		admin GET /v1/admin/tenants/web
		expect 404 not_found
	done
	expect 201
	[[ $refused -gt 5 ]]
	serves web
}

@test "a policy that cannot be read is one tenant's trouble, and not taken for none" {
	with legacy
	add web
	add db
	as web put a x
	stop_daemon
	echo torn >"$T/state/tenants/web/policy"
	echo torn >"$T/state/tenants/web/policy.copy"
	start_daemon
	wait_until 20 all_opened
	serves db
	refute serves web
	grep -q 'tenant web is not served' "$T/log"
	[[ $(fault_of web) != null ]]
	[[ $(field .source) == command ]]
	add web
	expect 409 conflict
	[[ $(cat "$T/state/tenants/web/policy") == torn ]]
	# A section takes its place; without it again there is still nothing to go by.
	config legacy 'tenant web { }'
	reload
	wait_until 20 all_opened
	as web get a
	expect 200
	config legacy
	reload
	refute serves web
	admin DELETE /v1/admin/tenants/web
	expect 204
	add web
	expect 201
}

@test "an id that cannot be read is one tenant's trouble" {
	with legacy 'tenant web { }' 'tenant db { }'
	as web put a x
	stop_daemon
	cp "$T/state/tenants/web/id" "$T/id"
	rm "$T/state/tenants/web/id" "$T/state/tenants/web/id.copy"
	start_daemon
	wait_until 20 all_opened
	as db put a x
	expect 201
	as web get a
	expect 500 unreadable
	[[ $(fault_of web) == *id* ]]
	cp "$T/id" "$T/state/tenants/web/id"
	reload
	as web get a
	expect 200
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
	wait_until 5 grep -q "not reloaded.*$T/conf:7" "$T/log"
	rm "$T/conf"
	reload
	expect 404 not_found
	serves new
	config legacy 'tenant db { }' 'device { handle = 0x81000200 }'
	kill -HUP "$DAEMON_PID"
	wait_until 5 serves db
	refute serves web
	wait_until 5 grep -q "differs in 'handle', which takes a restart" "$T/log"
}

@test "what is at work when its tenant goes is finished, and nothing after it" {
	with legacy 'tenant web { }'
	as web api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	dd if=/dev/zero of="$T/big" bs=1M count=24 status=none
	curl -s -m 60 --unix-socket "$T/run/tenants/web/holdfast.sock" --limit-rate 24M \
		-H 'Content-Type: application/octet-stream' -H 'Expect:' --data-binary "@$T/big" \
		-o "$T/sealed" -w '%{http_code}' http://h/v1/seal >"$T/code" 3>&- &
	local client=$!
	wait_until 10 open_of web
	config legacy
	reload
	[[ $(field .removed) == 1 ]]
	refute serves web
	wait "$client"
	[[ $(cat "$T/code") == 200 ]]
	config legacy 'tenant web { }'
	reload
	wait_until 20 all_opened
	as web api_file POST /v1/unseal "$T/sealed" "${OCTETS[@]}"
	expect 200
	cmp "$T/big" "$T/body"
}

# ask_on SOCKET FILE: requests until $T/enough is there; a line for each that was not answered 200.
ask_on() {
	local code count=0
	while [[ ! -e $T/enough ]]; do
		code=$(curl -s -m 20 --unix-socket "$1" -H 'Content-Type: application/json' \
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
	wait_until 20 all_opened
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
	wait_until 5 told_in_log 900
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
	# As /run is: in memory.
	RUN=$(mktemp -d /dev/shm/hd-XXXXXX)
	SOCK=$RUN/holdfast.sock ADMIN=$RUN/admin.sock
	config legacy "$(many 1024)"
	sed -i "s|run = \"[^\"]*\"|run = \"$RUN\"|" "$T/conf"
	start_daemon
	wait_until 60 all_opened
	for i in 0 1 511 1023; do
		(SOCK=$RUN/tenants/t$i/holdfast.sock && put a "x$i" && expect 201)
	done
	for i in 1023 0; do
		(SOCK=$RUN/tenants/t$i/holdfast.sock && get a && expect 200 && [[ $(cat "$T/body") == "x$i" ]])
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
	wait_until 20 all_opened
	stop_daemon
	# Too few descriptors are told before anything goes wrong.
	WRAP=(prlimit --nofile=1000:1000)
	launch_daemon
	wait_until 20 is_gone "$DAEMON_PID"
	grep -q '1024 tenants take .* descriptors, and this process may have 1000' "$T/log"
	rm -rf "$RUN"
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
	wait_until 20 is_gone "$DAEMON_PID"
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
	wait_until 20 test -e "$T/full"
	serves t16
	api GET /v1/status
	expect 200
	admin GET /v1/status
	expect 200
}
