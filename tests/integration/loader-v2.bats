#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Version 2 from publisher to client: for this device, for others, without a TPM, without a network.

bats_require_minimum_version 1.5.0
load helpers
load loader
load artifact

# In front of the origin are two proxies, so that API and CDN fail apart.
setup_file() {
	scene_begin
	signing
	device_start one
	start_origin
	start_proxy api "127.0.0.1:$(port origin)"
	start_proxy cdn "127.0.0.1:$(port origin)"
	known one
	start_loader loader "$(by_proxy api)" "$(by_proxy cdn)" "$(at_device one)" \
		"manifest_anchors = \"$T/ca.pem\"" "import_dir = \"$T/import\""
	logged_in
}

teardown_file() {
	scene_end
}

scene_mend() {
	rules api
	rules cdn
	lead api "127.0.0.1:$(port origin)"
	lead cdn "127.0.0.1:$(port origin)"
	stand_up
}

by_proxy() { # api | cdn
	if [[ $1 == api ]]; then
		echo "api_url = \"http://127.0.0.1:$(port api)\""
	else
		echo "cdn_url = \"http://127.0.0.1:$(port cdn)/cdn\""
	fi
}

# another NAME [LINE..]: a loader beside the file's, on the same origin; logged in.
another() {
	local name=$1
	shift
	start_loader "$name" "$(by_proxy api)" "$(by_proxy cdn)" "manifest_anchors = \"$T/ca.pem\"" "$@"
	logged_in
}

@test "what was published and wrapped opens here, of any size" {
	local size
	for size in 0 1 65535 65536 65537 131072 1000003; do
		plain "$size" >"$T/plain"
		publish_v2 "size$size" "$T/plain"
		opens "size$size" "$T/plain"
		# Again, from the cache.
		opens "size$size" "$T/plain"
	done
	[[ $(payload_asked cdn) == 7 ]]
	# Nothing that was opened is on the disk.
	plain 1000003 >"$T/plain"
	refute grep -rqF "$(head -c 48 "$T/plain" | tr -d '\0\n' | head -c 16)" "$T/loader.cache"
}

@test "what the manifest says is told" {
	plain 5000 >"$T/plain"
	publish_v2 told "$T/plain" --version '7.1 beta' --serial 41 --expires 2090-01-01
	prepare told
	answers 200
	jq -e '.name == "told" and .folder == "models" and .type == "file" and .version == "7.1 beta" and
		.serial == 41 and .size == 5000 and .protection == "tpm" and .expires > 3000000000 and
		(.manifest | test("^[0-9a-f]{64}$"))' "$T/body"
	[[ $(jq -r .manifest "$T/body") == "$(manifest told | openssl dgst -sha256 -r | cut -d' ' -f1)" ]]
	opens told "$T/plain"
	grep -qi "^etag: \"$(manifest told | openssl dgst -sha256 -r | cut -d' ' -f1)\"" "$T/head"
}

@test "F2 gives it too, once it was seen" {
	plain 70000 >"$T/plain"
	publish_v2 legacy-path "$T/plain"
	load_named legacy-path
	answers 404 not_found
	opens legacy-path "$T/plain"
	gives legacy-path "$T/plain"
	# It is version 2 for good: neither an upload nor parts of version 1 change that.
	front POST /upload/legacy-path -F "data=@$T/plain" -F folder=models
	answers 500 policy_denied
	plain 70000 9 >"$T/other"
	publish legacy-path "$T/other"
	gives legacy-path "$T/plain"
}

@test "ranges, from any byte" {
	local range first last
	plain 300000 >"$T/plain"
	publish_v2 ranges "$T/plain"
	while read -r range first last; do
		artifact ranges models -H "Range: bytes=$range"
		[[ $CODE == 206 ]]
		tail -c +$((first + 1)) "$T/plain" | head -c $((last - first + 1)) | cmp - "$T/body"
		grep -qi "^content-range: bytes $first-$last/300000" "$T/head"
	done <<-'END'
		0-0 0 0
		65535-65536 65535 65536
		65536- 65536 299999
		200000-200009 200000 200009
		299999- 299999 299999
		-5 299995 299999
	END
}

@test "each device has a key of its own, and no use of another's" {
	device_start two
	plain 200000 >"$T/plain"
	publish_v2 mine "$T/plain"
	opens mine "$T/plain"
	another loader-two "$(at_device two)"
	refuses mine 403 policy_denied
	known two
	refuses mine 404 no_device_key
	# With all that the first device has.
	cp -r "$T/loader.cache/models" "$T/loader-two.cache/"
	refuses mine 404 no_device_key
	lead api 127.0.0.1:1
	refuses mine 502 upstream_unreachable
	lead api "127.0.0.1:$(port origin)"
	stop loader-two
	wrap_v2 mine
	another loader-two "$(at_device two)"
	opens mine "$T/plain"
	at loader
	opens mine "$T/plain"
	[[ $(wc -l <"$(keys_of mine)") == 2 ]]
	stop loader-two
	device_stop two
}

@test "a load from the cache takes the TPM one command" {
	local before
	plain 1000 >"$T/plain"
	publish_v2 counted "$T/plain"
	opens counted "$T/plain"
	opens counted "$T/plain"
	before=$(chip_commands one)
	opens counted "$T/plain"
	[[ $(chip_commands one) -eq $((before + 1)) ]]
	# The service forgets what it has imported when it restarts.
	stop one-daemon
	daemon_start one
	opens counted "$T/plain"
}

@test "without a TPM: tpm_required before a byte is fetched, and v1 goes on" {
	local asked how
	plain 90000 >"$T/plain"
	publish_v2 needs-tpm "$T/plain"
	publish plain-v1 "$T/plain"
	asked=$(payload_asked cdn)
	device_start none 'provider = "legacy"'
	for how in no-service told-legacy software; do
		case $how in
		no-service) another "$how" "holdfast_socket = \"$T/nobody.sock\"" ;;
		told-legacy) SECURITY_PROVIDER=legacy another "$how" "$(at_device one)" ;;
		software) another "$how" "$(at_device none)" ;;
		esac
		refuses needs-tpm 503 tpm_required
		# Its manifest was seen, and ends version 1.
		load_named needs-tpm
		answers 500 tpm_required
		gives plain-v1 "$T/plain"
		stop "$how"
	done
	device_stop none
	[[ $(payload_asked cdn) == "$asked" ]]
}

@test "a device that loses its TPM says so, and has it again" {
	plain 1000 >"$T/plain"
	publish_v2 lost "$T/plain"
	opens lost "$T/plain"
	stop one-tpm KILL
	artifact lost
	[[ $CODE == 503 ]]
	[[ $(jq -r .code "$T/body") == tpm_* ]]
	chip_start one
	wait_until lost_opens
}

lost_opens() {
	artifact lost
	[[ $CODE == 200 ]]
}

@test "protection software: wrapped for a machine without a TPM, where the publisher says so" {
	device_start soft 'provider = "legacy"'
	plain 100000 >"$T/plain"
	device soft device storage-key --format json --out "$T/soft.json"
	run -1 publish_v2 strict "$T/plain" --device "$T/soft.json"
	"$HOLDFAST" artifact enrol --origin "$T/origin" --device "$T/soft.json"
	rm -f "$T/lenient.key"
	"$HOLDFAST" artifact publish --format v2 --name lenient --in "$T/plain" --origin "$T/origin" \
		--sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem" --version 1 \
		--content-key "$T/lenient.key" --protection software --device "$T/soft.json" \
		--device "$T/one.json"
	rm "$T/origin/devices/$(jq -r .name "$T/soft.json").json"
	"$HOLDFAST" artifact enrol --origin "$T/origin" --device "$T/soft.json"
	another soft-loader "$(at_device soft)"
	opens lenient "$T/plain"
	prepare lenient
	[[ $(jq -r .protection "$T/body") == software ]]
	stop soft-loader
	at loader
	opens lenient "$T/plain"
	rm "$T/origin/devices/$(jq -r .name "$T/soft.json").json"
	device_stop soft
}

@test "offline: what is here goes on to open, until it expires" {
	plain 80000 >"$T/plain"
	publish_v2 offline "$T/plain"
	publish_v2 short "$T/plain" --expires 25s
	publish_v2 never-seen "$T/plain"
	opens offline "$T/plain"
	opens short "$T/plain"
	lead api 127.0.0.1:1
	lead cdn 127.0.0.1:1
	opens offline "$T/plain"
	refuses never-seen 502 upstream_unreachable
	wait_until short_expired
	answers 403 expired
	# Also for a loader that starts without a link, where nobody can log in.
	stop loader
	run_loader loader
	opens offline "$T/plain"
	refuses never-seen 401 not_logged_in
}

short_expired() {
	artifact short
	[[ $CODE != 200 ]]
}

@test "the next release takes the place of the one before, whose payload goes" {
	local old
	plain 150000 1 >"$T/plain"
	plain 160000 2 >"$T/next"
	publish_v2 again "$T/plain"
	opens again "$T/plain"
	old=$(basename "$(payload_of again)")
	[[ -e $T/loader.cache/models/$old ]]
	publish_v2 again "$T/next"
	opens again "$T/next"
	[[ ! -e $T/loader.cache/models/$old ]]
	[[ $(find "$T/loader.cache/models" -name "$(basename "$(payload_of again)")" | wc -l) == 1 ]]
}

@test "from a stick" {
	local file
	plain 120000 >"$T/plain"
	publish_v2 stick "$T/plain"
	mkdir -p "$T/import/models"
	for file in "$(payload_of stick)" "$(keys_of stick)" "$T/origin/models/stick.manifest"; do
		cp "$file" "$T/import/models/"
	done
	lead api 127.0.0.1:1
	lead cdn 127.0.0.1:1
	opens stick "$T/plain"
	rm -r "$T/import/models"
}

@test "a download goes on where it was, also behind a kill" {
	plain 20000000 >"$T/plain"
	publish_v2 large "$T/plain"
	stop loader
	loader_config limited "$(by_proxy api)" "$(by_proxy cdn)" "manifest_anchors = \"$T/ca.pem\"" \
		"$(at_device one)" 'rate_limit = 8000000'
	run_loader limited
	logged_in
	helper curl -s -m 60 -o /dev/null "$FRONT/v2/artifacts/large?folder=models"
	wait_until has_come large 4000000
	stop limited KILL
	run_loader limited
	logged_in
	opens large "$T/plain"
	(($(starts cdn '[.]payload' | sort -n | tail -n 1) > 3000000))
	(($(sent cdn "$(basename "$(payload_of large)")") < 29000000))
	stop limited
}

@test "who is not known to the API gets no key; a session that it has forgotten is made again" {
	device_start stranger
	plain 1000 >"$T/plain"
	publish_v2 forgotten "$T/plain"
	another stranger-loader "$(at_device stranger)"
	refuses forgotten 403 policy_denied
	stop stranger-loader
	device_stop stranger
	at loader
	opens forgotten "$T/plain"
	# Its sessions are in its memory: with the login's token it forgets the device's.
	stop origin
	start_origin
	lead api "127.0.0.1:$(port origin)"
	lead cdn "127.0.0.1:$(port origin)"
	plain 1001 >"$T/plain"
	publish_v2 forgotten "$T/plain"
	opens forgotten "$T/plain"
}
