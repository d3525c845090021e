#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# F4 and F5 with engines: podman's service where it runs, and a stand-in that misbehaves as it is told.
# Archives are made by docker's rules in tests/docker, and sealed by our tool.

load helpers
load loader
load docker

APP=registry.test/app:1.2
DB=registry.test:5000/team/db:1.2

# One stand-in for all tests, and archives made once: $T/images.good is new.tar sealed, and $T/ids has
# the ids of APP and DB in it, and of the APP before.
setup_file() {
	scene_begin
	start_origin
	make_images "$T/new.tar" new "$APP" "$DB" --each >"$T/ids"
	make_images "$T/old.tar" old "$APP" >>"$T/ids"
	seal_as "$T/new.tar" images.good
	start_engine
	echo "$ENGINE_PID" >"$T/pids/engine"
}

teardown_file() {
	scene_end
}

scene_mend() {
	local ids
	mapfile -t ids <"$T/ids"
	APP_ID=${ids[0]} DB_ID=${ids[1]} OLD_ID=${ids[2]}
	ENGINE_SOCKET=$T/docker.sock
	misbehave
	engine_forget "$APP" "$DB"
	cp "$T/images.good" "$T/images.enc"
	: >"$T/engine.log"
}

teardown() {
	local log
	stop loader KILL
	stop_helpers
	# Shown by bats when the test failed.
	for log in "$T"/*.log; do
		echo "-- ${log##*/}"
		tail -n 15 "$log"
	done
	rm -f "$T"/images.enc* "$T/images.tar"
	[[ ! -d $T/podman ]] || chmod -R u+rwx "$T/podman"
	rm -rf "$T/podman"
}

seal_as() { # archive, file, [words of holdfast artifact archive..]
	local in=$1 out=$2
	shift 2
	"$HOLDFAST" artifact archive --in "$in" --out "$T/$out" --fragment "$T/origin/key-fragment" "$@"
}

seal() { # [words of holdfast artifact archive..]
	seal_as "$T/new.tar" images.enc "$@"
}

# An image of the release before, under the name of APP; there is none of DB.
older() {
	engine_load "$T/old.tar"
	[[ $(engine_id "$APP") == "$OLD_ID" ]]
	: >"$T/engine.log"
}

# loader [LINE..]: with the images as they must be.
loader() {
	start_loader loader "images_path = \"$T/images.enc\"" "docker_socket = \"$ENGINE_SOCKET\"" \
		"images = { \"$APP=$APP_ID\", \"$DB=$DB_ID\" }" "$@"
}

unlock() { # [email [password]]
	front_json POST /unlock "$(credentials "$@")"
}

# It is polled, so no program is run to look at it.
state_is() { # state or states
	curl -s -m 10 -o "$T/unlock" "$FRONT/unlock/status"
	[[ $(<"$T/unlock") == *'"state":"'@($1)'"'* ]]
}

has_ended() {
	state_is 'ready|error'
}

begins() {
	unlock
	answers 200
	[[ $(<"$T/body") == '{"state":"authenticating"}' ]]
	wait_until has_ended
	cat "$T/unlock"
}

gets_ready() {
	begins
	[[ $(jq -cS . "$T/unlock") == '{"error":null,"state":"ready"}' ]]
	[[ $(engine_id "$APP") == "$APP_ID" ]]
	[[ $(engine_id "$DB") == "$DB_ID" ]]
}

# fails CODE [ID]: APP names what older() left or, where all was loaded, nothing: it is not the id that
# it must name.
fails() {
	begins
	state_is error
	[[ $(<"$T/unlock") != *docker:80* ]]
	code_is "$1"
	[[ $(engine_id "$APP") == "${2-$OLD_ID}" ]]
	[[ $(engine_id "$DB") == none ]]
}

code_is() {
	curl -s -m 10 "$FRONT/v2/status" >"$T/status"
	[[ $(jq -r .unlock.error.code "$T/status") == "$1" ]] || {
		cat "$T/status"
		return 1
	}
}

nothing_was_loaded() {
	[[ $(grep -c '^POST .*/load' "$T/engine.log") -eq 0 ]]
}

# --- both engines ---

walk() {
	older
	loader
	gets_ready
	curl -s "$FRONT/v2/status" | jq -e '.unlock.done == .unlock.total and .unlock.done > 0'
	grep -q 'images/images.enc: no signature' "$T/loader.log"
	# Another time they are there, and nobody need be asked.
	unlock nobody@example.net wrong
	answers 200
	[[ $(<"$T/body") == '{"state":"ready"}' ]]
	[[ $(grep -cF "$PASSWORD" "$T/loader.log") -eq 0 ]]
	stop loader
}

# Three archives that must be undone: one of which somebody has changed a byte, which CBC opens, one
# that is none, and one whose images are others than the configuration names. The last in the end, as
# an engine that has its layers once looks at them no more.
undone() {
	older
	loader
	flip "$T/images.enc" $(($(stat -c %s "$T/images.enc") / 4))
	fails docker_failed
	head -c 100000 /dev/zero >"$T/images.tar"
	seal_as "$T/images.tar" images.enc
	fails docker_failed
	stop loader
	cp "$T/images.good" "$T/images.enc"
	loader "images = { \"$APP=$APP_ID\", \"$DB=$APP_ID\" }"
	fails digest_mismatch none
	grep -q 'the images were not loaded: digest_mismatch: ' "$T/loader.log"
	stop loader
	# The archive brings an image that nobody has configured.
	loader "images = { \"$APP=$APP_ID\" }"
	begins
	code_is digest_mismatch
	jq -e '.error | contains("registry.test:5000/team/db:1.2, which is not configured")' "$T/unlock"
	[[ $(engine_id "$APP") == none ]]
	[[ $(engine_id "$DB") == none ]]
	stop loader
}

@test "the stand-in gets the images that it must have, and no others" {
	undone
	walk
}

@test "podman gets the images that it must have, and no others" {
	have_podman || skip "there is no podman"
	start_podman
	undone
	walk
}

# Killed between the load and the look behind it: the next attempt puts nothing of that back.
@test "a wrong image that a killed loader has left is taken away" {
	make_images "$T/images.tar" wrong "$APP" "$DB" >"$T/wrong.ids"
	engine_load "$T/images.tar"
	loader
	misbehave wrong-id
	fails digest_mismatch none
	misbehave
	gets_ready
}

# --- engines that misbehave ---

@test "an engine that fails in a load is undone" {
	local how code left
	loader
	while read -r how code left; do
		echo "== $how"
		misbehave
		older
		misbehave "$how"
		fails "$code" "${left:-$OLD_ID}"
		grep -q '^POST .*/load' "$T/engine.log"
	done <<-'END'
		error-in-stream docker_failed
		error-after-load docker_failed none
		refuse docker_failed
		refuse-early docker_failed
		close-early docker_failed
		close-late docker_failed
		no-json docker_failed none
		huge-answer docker_failed none
		missing-tag digest_mismatch none
		wrong-id digest_mismatch none
	END
	misbehave
	gets_ready
}

@test "an engine that does not describe images as it should gets nothing" {
	local how
	older
	loader
	for how in huge-inspect inspect-no-id; do
		echo "== $how"
		: >"$T/engine.log"
		misbehave "$how"
		begins
		code_is docker_failed
		nothing_was_loaded
	done
	misbehave
	gets_ready
}

@test "a tag that cannot be put back is told of" {
	older
	loader
	misbehave wrong-id keep-tags
	begins
	code_is digest_mismatch
	[[ $(grep -c 'its tag could not be put back' "$T/loader.log") -eq 2 ]]
}

@test "an engine that is down is no failure of the request, and may come later" {
	ENGINE_SOCKET=$T/late.sock
	loader
	begins
	code_is docker_failed
	start_engine
	gets_ready
}

@test "an engine that reads slowly gets all of it, and who asks meanwhile hears where it is" {
	misbehave slow
	mapfile -t ids < <(make_images "$T/images.tar" new "$APP" "$DB" --each --pad 500000)
	APP_ID=${ids[0]} DB_ID=${ids[1]}
	seal_as "$T/images.tar" images.enc
	loader
	unlock
	answers 200
	wait_until state_is loading_images
	unlock
	answers 200
	[[ $(jq -r .state "$T/body") == @(loading_images|ready) ]]
	wait_until has_ended
	state_is ready
	[[ $(grep -c '^POST .*/load' "$T/engine.log") -eq 1 ]]
}

@test "a loader that is killed in a load leaves the engine without images" {
	misbehave slow
	APP_ID=$(make_images "$T/images.tar" new "$APP" --pad 4000000)
	seal_as "$T/images.tar" images.enc
	loader "images = { \"$APP\" }"
	unlock
	wait_until grep -q '^POST .*/load' "$T/engine.log"
	stop loader KILL
	wait_until grep -q '^cut ' "$T/engine.log"
	[[ $(engine_id "$APP") == none ]]
	misbehave
	run_loader loader
	begins
	state_is ready
	[[ $(engine_id "$APP") == "$APP_ID" ]]
}

# --- archives ---

@test "neither archive nor images are 404, images alone are ready" {
	rm "$T/images.enc"
	loader
	state_is idle
	unlock
	answers 404 not_found
	state_is idle
	engine_load "$T/new.tar"
	unlock
	answers 200
	[[ $(jq -r .state "$T/body") == ready ]]
	state_is ready
}

@test "what does not open is given to nobody" {
	older
	loader
	size=$(stat -c %s "$T/images.enc")
	# The padding, the length, nothing at all, another fragment's.
	flip "$T/images.enc" -17 0x40
	fails decrypt_failed
	head -c $((size - 5)) "$T/images.good" >"$T/images.enc"
	fails decrypt_failed
	: >"$T/images.enc"
	fails decrypt_failed
	cannot_open "$(fragment_key)" "$T/images.enc" "$HOLDFAST" artifact archive --in "$T/new.tar" \
		--out "$T/images.enc" --fragment "$T/images.fragment"
	fails decrypt_failed
	nothing_was_loaded
	cp "$T/images.good" "$T/images.enc"
	gets_ready
}

@test "signatures of archives" {
	authority root
	authority stranger
	signer publisher root
	signer other stranger
	older
	loader "trust_anchors = \"$T/root.pem\"" 'legacy { unsigned = "deny" }'
	fails signature_invalid
	seal --sign-key "$T/other.key" --sign-cert "$T/other.pem"
	[[ -s $T/images.enc.sig ]]
	fails signature_invalid
	# One of the same archive, sealed another time.
	seal --sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem"
	mv "$T/images.enc.sig" "$T/images.sig"
	seal
	mv "$T/images.sig" "$T/images.enc.sig"
	fails signature_invalid
	nothing_was_loaded
	seal --sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem"
	gets_ready
	[[ $(grep -c 'no signature:' "$T/loader.log") -eq 0 ]]
}

# --- the API ---

@test "who cannot log in gets no images" {
	older
	loader
	unlock "$EMAIL" wrong
	answers 200
	wait_until has_ended
	code_is auth_failed
	nothing_was_loaded
	gets_ready
}

@test "members that are missing are 422" {
	loader
	front_json POST /unlock '{"email": "a@b.c"}'
	answers 422 invalid
	front_json POST /unlock '{"email": "a@b.c", "password": 7}'
	answers 422 invalid
	state_is idle
	[[ ! -s $T/engine.log ]]
}

# --- memory ---

memory() {
	sed -nE 's/^VmHWM:[[:space:]]*([0-9]+) kB/\1/p' "/proc/$(pid_of loader)/status"
}

@test "memory does not grow with the archive" {
	APP_ID=$(make_images "$T/images.tar" new "$APP" --pad 48000000)
	seal_as "$T/images.tar" images.enc
	loader "images = { \"$APP=$APP_ID\" }"
	begins
	state_is ready
	echo "peak $(memory) kB"
	is_sanitized "$LOADER" || (($(memory) < 32768))
}
