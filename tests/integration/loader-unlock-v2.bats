#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Images as an artifact of version 2: from the publisher to an engine that has them, or has none.

bats_require_minimum_version 1.5.0
load helpers
load loader
load artifact
load docker

APP=registry.test/app:1.2
DB=registry.test:5000/team/db:1.2

setup_file() {
	scene_begin
	signing
	device_start one
	start_origin
	known one
	make_images "$T/new.tar" new "$APP" "$DB" --each >"$T/ids"
	make_images "$T/old.tar" old "$APP" >>"$T/ids"
	start_engine
	echo "$ENGINE_PID" >"$T/pids/engine"
}

teardown_file() {
	scene_end
}

# Each test publishes an artifact of its own name, for the one device.
scene_mend() {
	local ids
	mapfile -t ids <"$T/ids"
	APP_ID=${ids[0]} DB_ID=${ids[1]} OLD_ID=${ids[2]}
	ENGINE_SOCKET=$T/docker.sock
	misbehave
	engine_forget "$APP" "$DB"
	: >"$T/engine.log"
	rm -rf "$T/loader.cache"
}

# publish_images NAME [WORD..]: new.tar, with both images unless words name some.
publish_images() {
	local name=$1
	shift
	[[ " $* " == *' --image '* ]] || set -- --image "$APP=$APP_ID" --image "$DB=$DB_ID" "$@"
	publish_v2 "$name" "$T/new.tar" --folder images --type docker-archive "$@"
}

# loader NAME [LINE..]: that gets the artifact's images.
loader() {
	local name=$1
	shift
	start_loader loader "$(at_device one)" "manifest_anchors = \"$T/ca.pem\"" \
		"docker_socket = \"$ENGINE_SOCKET\"" "images_artifact = \"images/$name\"" "$@"
}

# An image of the release before, under the name of APP; there is none of DB.
older() {
	engine_load "$T/old.tar"
	[[ $(engine_id "$APP") == "$OLD_ID" ]]
	: >"$T/engine.log"
}

has_ended() {
	curl -s -m 10 -o "$T/unlock" "$FRONT/unlock/status"
	[[ $(<"$T/unlock") == *'"state":"'@(ready|error)'"'* ]]
}

begins() {
	front_json POST /unlock "$(credentials)"
	answers 200
	[[ $(<"$T/body") == '{"state":"authenticating"}' ]]
	wait_until has_ended
	cat "$T/unlock"
}

is_ready() {
	[[ $(jq -cS . "$T/unlock") == '{"error":null,"state":"ready"}' ]]
	[[ $(engine_id "$APP") == "$APP_ID" ]]
	[[ $(engine_id "$DB") == "$DB_ID" ]]
}

# is_refused CODE [ID]: APP names what older() left, or that id.
is_refused() {
	jq -e --arg code "$1" '.state == "error" and (.error | startswith($code + ": "))' "$T/unlock"
	[[ $(engine_id "$APP") == "${2-$OLD_ID}" ]]
	[[ $(engine_id "$DB") == none ]]
}

# Verbs need the port in the configuration.
listens_at_its_port() {
	sed "s/^listen = .*/listen = \"127.0.0.1:$(port loader)\"/" "$T/loader.conf" >"$T/verb.conf"
	chmod 600 "$T/verb.conf"
}

cached_payloads() {
	find "$T/loader.cache" -name '*.payload*'
}

nothing_was_loaded() {
	[[ $(grep -c '^POST .*/load' "$T/engine.log") -eq 0 ]]
}

walk() {
	older
	publish_images "$1"
	loader "$1"
	begins
	is_ready
	curl -s "$FRONT/v2/status" | jq -e '.unlock.done == .unlock.total and .unlock.done > 0'
	refute grep -q 'no signature' "$T/loader.log"
	[[ $(grep -cF "$PASSWORD" "$T/loader.log") -eq 0 ]]
	# Nothing of it is in the clear on the disk, and another start has nothing to load.
	refute grep -rqF "$(tar -tf "$T/new.tar" | head -n 1)" "$T/loader.cache"
	stop loader
	: >"$T/engine.log"
	run_loader loader
	begins
	is_ready
	[[ $ENGINE_SOCKET != "$T/docker.sock" ]] || nothing_was_loaded
	stop loader
}

@test "the stand-in gets the images of an artifact" {
	walk stand-in
}

@test "podman gets the images of an artifact" {
	have_podman || skip "there is no podman"
	start_podman
	walk podman
	chmod -R u+rwx "$T/podman"
}

@test "by its name, without credentials; what is no archive is told" {
	publish_images named
	plain 1000 >"$T/plain"
	publish_v2 file "$T/plain" --folder images
	start_loader loader "$(at_device one)" "manifest_anchors = \"$T/ca.pem\"" \
		"docker_socket = \"$ENGINE_SOCKET\""
	prepare named images
	answers 401 not_logged_in
	logged_in
	prepare named images
	answers 202
	jq -e '.state == "downloading_key"' "$T/body"
	wait_until has_ended
	is_ready
	# It is no file, and a file is none.
	artifact named images
	answers 422 invalid
	prepare file images
	answers 200
	jq -e '.type == "file"' "$T/body"
	# By the verb as well, which waits.
	engine_forget "$APP" "$DB"
	listens_at_its_port
	"$LOADER" --config "$T/verb.conf" artifact images/named
	has_ended
	is_ready
	stop loader
}

@test "wrong credentials load nothing" {
	publish_images strangers
	loader strangers
	front_json POST /unlock "$(credentials nobody@example.net wrong)"
	answers 200
	wait_until has_ended
	older
	is_refused auth_failed
	nothing_was_loaded
	stop loader
}

@test "images that the manifest does not name, or names otherwise, are undone" {
	older
	# The archive brings DB too.
	publish_images unnamed --image "$APP=$APP_ID"
	loader unnamed
	begins
	jq -e '.error | contains("registry.test:5000/team/db:1.2, which is not named")' "$T/unlock"
	is_refused digest_mismatch none
	stop loader
	older
	publish_images otherwise --image "$APP=$DB_ID" --image "$DB=$DB_ID"
	loader otherwise
	begins
	is_refused digest_mismatch none
	stop loader
	# The configuration's list must hold as well; that the two differ is known before the load.
	older
	publish_images both
	loader both "images = { \"$APP=$OLD_ID\", \"$DB=$APP_ID\" }"
	begins
	is_refused digest_mismatch
	nothing_was_loaded
	stop loader
	loader both "images = { \"$APP=$APP_ID\", \"$DB\" }"
	begins
	is_ready
	stop loader
}

@test "a payload that somebody has changed goes to no engine" {
	older
	publish_images changed
	flip "$(payload_of changed images)" 20000
	loader changed
	begins
	is_refused decrypt_failed
	nothing_was_loaded
	stop loader
}

@test "without holdfastd it is tpm_required, and nothing is fetched" {
	older
	publish_images without
	loader without "holdfast_socket = \"$T/nobody.sock\""
	begins
	is_refused tpm_required
	nothing_was_loaded
	[[ -z $(cached_payloads) ]]
	stop loader
	export SECURITY_PROVIDER=legacy
	loader without
	unset SECURITY_PROVIDER
	begins
	is_refused tpm_required
	stop loader
}

@test "an API that does not answer is no matter for what is cached" {
	publish_images offline
	start_proxy api "127.0.0.1:$(port origin)"
	loader offline "api_url = \"http://127.0.0.1:$(port api)\""
	begins
	is_ready
	stop loader
	[[ -n $(cached_payloads) ]]
	engine_forget "$APP" "$DB"
	stop api
	run_loader loader
	begins
	is_ready
	stop loader
}
