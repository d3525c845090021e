#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Links that are slow, drop or lie: a load ends right or not at all, and what has come is not asked
# for again.

bats_require_minimum_version 1.5.0
load helpers
load loader

setup_file() {
	scene_begin
	start_origin
	authority ca
	signer publisher ca
	certificate web ca subjectAltName=IP:127.0.0.1,DNS:localhost
	plain 1000000 >"$T/plain"
	start_proxy cdn "127.0.0.1:$(port origin)"
	start_loader unsigned "$(by_proxy)" 'downloads = 16'
	logged_in
	start_loader loader "$(by_proxy)" 'downloads = 16' \
		"trust_anchors = \"$T/ca.pem\"" 'resource_max = 67108864'
	logged_in
}

teardown_file() {
	scene_end
}

scene_mend() {
	rules cdn
	stand_up
}

by_proxy() {
	echo "cdn_url = \"http://127.0.0.1:$(port cdn)/cdn\""
}

signed() { # name [file]
	publish "$1" "${2:-$T/plain}" --sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem"
}

# lie NAME JSON-MEMBERS: a rule for the big part of a resource.
lie() {
	printf '{"match": "GET .*/%s.big", %s}\n' "$1" "$2"
}

# continues NAME: each request but the first began where the ones before had ended, to the byte.
continues() {
	local path="/$1.big$" sent start
	mapfile -t starts < <(starts cdn "$path")
	mapfile -t sent < <(jq -r --arg path "$path" 'select(.path // "" | test($path)) | .sent' \
		"$T/cdn.requests")
	local i at=0
	for i in "${!starts[@]}"; do
		[[ ${starts[i]} == "$at" ]] || {
			echo "request $i asks from ${starts[i]}, not $at"
			return 1
		}
		at=$((at + sent[i]))
	done
	[[ $at == "$(stat -c %s "$T/origin/models/$1.big")" ]]
}

@test "a link that drops every 300 kB still delivers, and nothing is asked for twice" {
	signed drops
	rules cdn "$(lie drops '"drop_bytes": 300000')"
	gives drops "$T/plain"
	continues drops
	[[ $(seen cdn '(.path | endswith("drops.big")) and .status == 206') == 3 ]]
}

@test "one with little more than nothing, 64 kB/s, and one that drops every second as well" {
	plain 96000 >"$T/small.bin"
	signed slow "$T/small.bin"
	signed poor "$T/small.bin"
	rules cdn "$(lie slow '"rate": 64000')" "$(lie poor '"rate": 64000, "drop_seconds": 1')"
	begin_load poor
	gives slow "$T/small.bin"
	[[ $(seen cdn '.path | endswith("slow.big")') == 1 ]]
	ended poor
	answers 200
	cmp "$T/small.bin" "$T/body"
	(($(sent cdn poor.big) <= 120000))
}

@test "lies that are told once: it ends right" {
	local name names=(whole offset nowhere shift total total206 short long etag etag206 unknown)
	local list=() first
	for name in "${names[@]}"; do
		signed "once-$name"
		first='"drop_first": 300000,'
		[[ $name != @(short|long|unknown) ]] || first=
		list+=("$(lie "once-$name" "$first \"lie\": \"$name\", \"times\": 2")")
	done
	rules cdn "${list[@]}"
	for name in "${names[@]}"; do
		begin_load "once-$name"
	done
	for name in "${names[@]}"; do
		echo "lie: $name"
		ended "once-$name"
		# What fails for good is mended by asking again.
		if [[ $CODE != 200 ]]; then
			answers 500
			never_wrong "once-$name"
			load_named "once-$name"
		fi
		answers 200
		cmp "$T/plain" "$T/body"
		never_wrong "once-$name"
	done
}

# It has ended, or one lie too many has been met, and the next pause would be long.
is_settled() {
	[[ -e $T/at.$1.models.code ]] ||
		progress "$1" 'select(.state == "waiting" and .attempts >= 2 and .error)' >/dev/null
}

@test "lies that never end: nothing is given, the folder does not grow" {
	local name names=(offset nowhere shift total206 short long endless) list=() first used
	for name in "${names[@]}"; do
		signed "ever-$name"
		first='"drop_first": 300000,'
		[[ $name != @(short|long|endless) ]] || first=
		list+=("$(lie "ever-$name" "$first \"lie\": \"$name\"")")
	done
	rules cdn "${list[@]}"
	for name in "${names[@]}"; do
		begin_load "ever-$name"
	done
	for name in "${names[@]}"; do
		echo "lie: $name"
		wait_until is_settled "ever-$name"
		front DELETE "/v2/artifacts/ever-$name?folder=models"
		ended "ever-$name"
		# Who lies about ranges only may be asked for all of it.
		if [[ $CODE == 200 ]]; then
			cmp "$T/plain" "$T/body"
		else
			answers 500
			jq -r .code "$T/body" |
				grep -Ex 'upstream_unreachable|signature_invalid|too_large|decrypt_failed|cancelled'
		fi
		never_wrong "ever-$name"
	done
	used=$(du -sm "$T/loader.cache" | cut -f1)
	((used < 150))
}

@test "a server that is ill is asked again, as it says" {
	signed ill
	rules cdn "$(lie ill '"status": 503, "retry_after": 2, "times": 1')"
	local begin=${EPOCHREALTIME/[.,]/}
	gives ill "$T/plain"
	((${EPOCHREALTIME/[.,]/} - begin >= 2000000))
	[[ $(seen cdn '.path | endswith("ill.big")') == 2 ]]
	signed gone
	rm "$T/origin/models/gone.big"
	load_named gone
	[[ $CODE == 404 || $CODE == 500 ]]
}

@test "redirects of the CDN: from https to https, without credentials, and in no circle" {
	local here there
	start_proxy tls "127.0.0.1:$(port origin)" --cert "$T/web.pem" --key "$T/web.key"
	start_proxy away "127.0.0.1:$(port origin)" --cert "$T/web.pem" --key "$T/web.key"
	start_loader knows "cdn_url = \"https://127.0.0.1:$(port tls)/cdn\"" "ca_file = \"$T/ca.pem\""
	logged_in
	signed there
	signed round
	signed bounced
	there=https://localhost:$(port away)/cdn/models/there.big
	here=http://127.0.0.1:$(port cdn)/cdn/models/bounced.big
	rules tls "$(lie there "\"location\": \"$there\"")" "$(lie round '"location": "self"')" \
		"$(lie bounced "\"location\": \"$here\"")"
	gives there "$T/plain"
	[[ $(seen away '.path == "/cdn/models/there.big" and .status == 200') == 1 ]]
	[[ $(seen away '.authorization or .s3') == 0 ]]
	waits_for round upstream_unreachable
	(($(seen tls '.path | endswith("round.big")') < 30))
	# To http it does not go.
	waits_for bounced upstream_unreachable
	[[ $(seen cdn '.path | endswith("bounced.big")') == 0 ]]
	stop knows
	stop away
	stop tls
}

@test "a certificate that nobody knows is none" {
	signed secure
	start_proxy tls "127.0.0.1:$(port origin)" --cert "$T/web.pem" --key "$T/web.key"
	start_loader knows "cdn_url = \"https://127.0.0.1:$(port tls)/cdn\"" "ca_file = \"$T/ca.pem\""
	logged_in
	gives secure "$T/plain"
	stop knows
	: >"$T/tls.requests" >"$T/tls.requests.begun"
	start_loader knows-not "cdn_url = \"https://127.0.0.1:$(port tls)/cdn\""
	logged_in
	waits_for secure upstream_unreachable
	[[ $(seen tls '.path | endswith("secure.big")') == 0 ]]
	stop knows-not
	stop tls
}

@test "plain http without dev is refused at the start, and with it beyond the loopback" {
	loader_config undeveloped 'dev = false'
	run timeout 60 "$LOADER" --config "$T/undeveloped.conf"
	((status != 0 && status != 124))
	loader_config beyond 'cdn_url = "http://192.0.2.1/cdn"'
	run timeout 60 "$LOADER" --config "$T/beyond.conf"
	((status != 0 && status != 124))
}

@test "a link on which nothing comes: others are served, and a cancel ends it" {
	signed stalls
	signed beside
	rules cdn "$(lie stalls '"stall": 200000')"
	begin_load stalls
	wait_until has_come stalls 150000
	gives beside "$T/plain"
	front DELETE '/v2/artifacts/stalls?folder=models'
	answers 204
	ended stalls
	answers 500 cancelled
	rules cdn
	gives stalls "$T/plain"
}

@test "kill -9 while it comes: what had come is not asked for again" {
	local i size=4000000 come=0 had=() starts
	plain $size >"$T/large"
	signed killed "$T/large"
	rules cdn "$(lie killed '"stall": 1000000')"
	for i in 1 2 3; do
		begin_load killed
		come=$((come + 1000000))
		wait_until is_kept killed "$come"
		had+=("$(progress killed .done)")
		stop loader KILL
		ended killed
		[[ $CODE == 000 ]]
		[[ ! -e $(cached killed) ]]
		run_loader loader
		logged_in
	done
	rules cdn
	gives killed "$T/large"
	never_wrong killed
	mapfile -t starts < <(starts cdn '/killed.big$')
	echo "had ${had[*]}, asked from ${starts[*]}"
	[[ ${#starts[@]} == 4 && ${starts[0]} == 0 ]]
	for i in 0 1 2; do
		((starts[i + 1] >= had[i]))
	done
	rm "$T/large"
}

@test "what a half download was of is looked at: another release begins anew" {
	plain 1000000 7 >"$T/next"
	signed moving
	rules cdn "$(lie moving '"stall": 400000')"
	begin_load moving
	wait_until is_kept moving 400000
	stop loader KILL
	ended moving
	signed moving "$T/next"
	rules cdn
	run_loader loader
	logged_in
	gives moving "$T/next"
	never_wrong moving
}

# release NAME FILE: unsigned, with the first bytes of each release alike: what has the same plain
# beginning has the same small part.
release() {
	openssl enc -aes-256-cbc -K "$(fleet_key)" -iv "$(printf '%032x' 9)" -in "$2" -out "$T/blob"
	{
		printf '%032x' 9 | xxd -r -p
		cat "$T/blob"
	} >"$T/published"
	head -c 3072 "$T/published" >"$T/origin/models/$1.small"
	# As another file, so that nobody reads the rest of this one.
	tail -c +3073 "$T/published" >"$T/origin/models/.$1.big"
	mv "$T/origin/models/.$1.big" "$T/origin/models/$1.big"
}

@test "unsigned: without a word that it is the same release, a half is never gone on with" {
	local how list=()
	{
		head -c 10000 "$T/plain"
		plain 990000 8
	} >"$T/next"
	at unsigned
	for how in bare blind young; do
		release "mix-$how" "$T/plain"
		list+=("$(lie "mix-$how" "\"lie\": \"$how\", \"stall\": 300000")")
	done
	rules cdn "${list[@]}"
	for how in bare blind young; do
		begin_load "mix-$how"
	done
	list=()
	for how in bare blind young; do
		wait_until has_come "mix-$how" 300000
		release "mix-$how" "$T/next"
		list+=("$(lie "mix-$how" "\"lie\": \"$how\"")")
	done
	rules cdn "${list[@]}"
	for how in bare blind young; do
		echo "how: $how"
		ended "mix-$how"
		answers 200
		cmp "$T/next" "$T/body"
		never_wrong "mix-$how"
	done
}

@test "an import that is not taken costs no half of a download" {
	start_loader imports "$(by_proxy)" "import_dir = \"$T/import\"" "trust_anchors = \"$T/ca.pem\""
	logged_in
	signed half
	rules cdn "$(lie half '"stall": 600000')"
	begin_load half
	wait_until is_kept half 600000
	stop imports KILL
	ended half
	mkdir -p "$T/import/models"
	head -c "$(stat -c %s "$T/origin/models/half.big")" /dev/zero >"$T/import/models/half.big"
	rules cdn
	run_loader imports
	logged_in
	gives half "$T/plain"
	mapfile -t starts < <(starts cdn '/half.big$')
	echo "asked from ${starts[*]}"
	[[ ${#starts[@]} == 2 && ${starts[1]} -ge 600000 ]]
	stop imports
}

@test "anchors for a cache that had none: the signature is fetched, the rest is there" {
	start_loader grows "$(by_proxy)"
	logged_in
	signed grown
	publish bare "$T/plain"
	gives grown "$T/plain"
	stop grows
	start_loader grows "$(by_proxy)" "trust_anchors = \"$T/ca.pem\"" 'legacy { unsigned = "deny" }'
	logged_in
	gives grown "$T/plain"
	cmp "$T/origin/models/grown.sig" "$T/grows.cache/models/grown.sig"
	[[ $(seen cdn '.path | endswith("/grown.big")') == 1 ]]
	# And a big part that no signature can let pass is not asked for.
	load_named bare
	answers 500 signature_invalid
	[[ $(seen cdn '.path | endswith("/bare.big")') == 0 ]]
	stop grows
}

@test "state files of a download that are damaged cost a download, no more" {
	local file
	signed torn
	rules cdn "$(lie torn '"stall": 500000')"
	begin_load torn
	wait_until is_kept torn 400000
	stop loader KILL
	ended torn
	while IFS= read -r file; do
		flip "$file" 5
	done < <(find "$T/loader.cache/models" -name '.torn*')
	rules cdn
	run_loader loader
	logged_in
	gives torn "$T/plain"
	never_wrong torn
}

@test "a full disk: said before the first byte, and what was there stays" {
	[[ $(id -u) == 0 ]] || skip "mounting takes root"
	mkdir -m 700 "$T/full.mount"
	mount -t tmpfs -o size=20m,mode=700 none "$T/full.mount"
	plain 8000000 >"$T/large"
	signed fits
	signed too-much "$T/large"
	start_loader full "cache_dir = \"$T/full.mount\"" "$(by_proxy)" "trust_anchors = \"$T/ca.pem\""
	logged_in
	gives fits "$T/plain"
	load_named too-much
	answers 500 disk_full
	(($(sent cdn too-much.big) < 4000000))
	gives fits "$T/plain"
	[[ $(find "$T/full.mount" -size +1500k | wc -l) == 0 ]]
	# An upload has to lie there too.
	truncate -s 24M "$T/large"
	front POST /upload/too-much -F "data=@$T/large"
	answers 500 disk_full
	stop full
	umount "$T/full.mount"
	rmdir "$T/full.mount"
}
