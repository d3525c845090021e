#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docs/MIGRATION.md, step by step: a fleet that has version 1 alone, both, version 2 alone, and halfway
# back. Three loaders: one of a device with a TPM, one without, and one that knows nothing of
# manifests, as those in the field.

bats_require_minimum_version 1.5.0
load helpers
load loader
load artifact

setup_file() {
	scene_begin
	signing
	device_start one
	start_origin
	known one
	plain 100000 1 >"$T/r-one"
	plain 100000 2 >"$T/r-two"
	plain 100000 3 >"$T/r-three"
	start_loader old
	logged_in
	start_loader bare 'load_form = "newest"' "manifest_anchors = \"$T/ca.pem\"" \
		"holdfast_socket = \"$T/nobody.sock\""
	logged_in
	start_loader loader 'load_form = "newest"' "$(at_device one)" "manifest_anchors = \"$T/ca.pem\""
	logged_in
}

teardown_file() {
	scene_end
}

# all_give NAME FILE LOADER..: F2 of these gives it.
all_give() {
	local name=$1 file=$2 who
	shift 2
	for who; do
		at "$who"
		gives "$name" "$file"
	done
	at loader
}

withdraw() { # name
	rm "$T/origin/models/$1.manifest"
}

@test "the way: version 1, both, version 2" {
	# Version 1 alone.
	publish net "$T/r-one"
	all_give net "$T/r-one" old bare loader
	refuses net 404 not_found
	# Both, and version 1 may go on.
	publish_v2 net "$T/r-two" --min-format 1
	all_give net "$T/r-one" old bare
	all_give net "$T/r-two" loader
	opens net "$T/r-two"
	# Raised: who has seen it never goes back.
	publish_v2 net "$T/r-three" --min-format 2
	all_give net "$T/r-three" loader
	all_give net "$T/r-one" old
	at bare
	load_named net
	answers 500 tpm_required
	at loader
	# Version 2 alone.
	rm "$T/origin/models/net".{small,big}
	all_give net "$T/r-three" loader
	# Version 1 comes back, from whoever has the server, and the manifest is gone.
	publish net "$T/r-one"
	withdraw net
	load_named net
	[[ $CODE != 200 ]] || cmp "$T/r-three" "$T/body"
	refute cmp "$T/r-one" "$T/body"
	at bare
	load_named net
	refute cmp "$T/r-one" "$T/body"
}

@test "halfway back: a name that was not raised is version 1 again" {
	publish back "$T/r-one"
	publish_v2 back "$T/r-two" --min-format 1
	all_give back "$T/r-two" loader
	withdraw back
	all_give back "$T/r-one" old bare loader
	# .. and forward once more, by a higher serial.
	publish_v2 back "$T/r-three" --min-format 1 --serial 9
	all_give back "$T/r-three" loader
	# Another name is none of its business.
	publish other "$T/r-one"
	all_give other "$T/r-one" old bare loader
}

@test "at the end: version 2 alone" {
	publish ended "$T/r-one"
	publish_v2 kept "$T/r-two"
	stop loader
	start_loader strict 'load_form = "v2"' "$(at_device one)" "manifest_anchors = \"$T/ca.pem\""
	logged_in
	load_named ended
	answers 404 not_found
	gives kept "$T/r-two"
	stop strict
	run_loader loader
	logged_in
}

@test "without a word about it nothing changes" {
	publish plain "$T/r-one"
	publish_v2 plain "$T/r-two" --min-format 1
	start_loader quiet "$(at_device one)" "manifest_anchors = \"$T/ca.pem\""
	logged_in
	gives plain "$T/r-one"
	opens plain "$T/r-two"
	# A release that leaves version 1 alone does not raise the name.
	gives plain "$T/r-one"
	stop quiet
	at loader
}

@test "the two counterparts: an origin that is not ours" {
	publish_v2 foreign "$T/r-two"
	publish foreign-v1 "$T/r-one"
	start other "$TOOLS/origin.py" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--log "$T/other.requests"
	start_loader elsewhere 'load_form = "newest"' "$(at_device one)" \
		"manifest_anchors = \"$T/ca.pem\"" "api_url = \"http://127.0.0.1:$(port other)\"" \
		"cdn_url = \"http://127.0.0.1:$(port other)/cdn\""
	logged_in
	opens foreign "$T/r-two"
	gives foreign-v1 "$T/r-one"
	stop elsewhere
	stop other
	at loader
}
