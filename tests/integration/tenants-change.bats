#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tenants that are added and removed by command, also by a daemon that is killed meanwhile: each is
# whole or gone, and what an earlier one of the name had is not the next one's.

bats_require_minimum_version 1.5.0
load helpers
load tenants

HOLDFAST=$(program holdfast)

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
	wait_until all_opened
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
	wait_until nothing_of web
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
	# One key after the other: the last one is not made yet when the first requests are seen.
	local i client
	for i in {1..6}; do
		curl -s -m 60 --unix-socket "$T/run/tenants/web/holdfast.sock" -o "$T/made" \
			-H 'Content-Type: application/json' -d "{\"name\":\"k$i\",\"type\":\"rsa-3072\"}" \
			http://h/v1/keys 3>&- &
		client=$!
	done
	wait_until all_seven_open
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
	wait_until one_more "$before"
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
	wait_until queued
	# It gives up the request, but not before the chip's answer the name is free.
	refute wait "$CLIENT"
	wait_until grep -q 'a change waits for a request of tenant web to end' "$T/log"
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

all_seven_open() {
	admin GET /v1/admin/tenants/web
	[[ $(field .connections.open) == 7 ]]
}

# kill_in CALL N: a daemon that is killed in the N-th CALL of a removal.
kill_in() {
	local tracer
	strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" -p "$DAEMON_PID" \
		2>"$T/strace" 3>&- &
	tracer=$!
	wait_until is_traced
	admin DELETE /v1/admin/tenants/web
	# One whose removal has fewer of these calls ends it as ever.
	[[ $CODE == 000 || $CODE == 204 ]]
	if [[ $CODE == 204 ]]; then
		wait_until deleted_or_gone
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
		wait_until all_opened
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
		wait_until all_deleted
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
		wait_until is_traced
		add web
		[[ $CODE == 000 || $CODE == 201 ]]
		stop_daemon KILL
		wait
		start_daemon
		wait_until all_opened
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
	wait_until all_opened
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
	wait_until all_opened
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
	wait_until all_opened
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
