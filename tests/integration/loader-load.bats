#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The v1 flow from publisher to client: with every provider, with our origin and with one that is not
# ours, from the network, the cache and a folder.

bats_require_minimum_version 1.5.0
load helpers
load loader

SIZES=(0 1 15 16 3000 10206 10240 262144 1000003)

# In front of the origin are two proxies, so that API and CDN fail apart.
setup_file() {
	scene_begin
	start_origin
	start_proxy api "127.0.0.1:$(port origin)"
	start_proxy cdn "127.0.0.1:$(port origin)"
	start_loader loader "$(by_proxy api)" "$(by_proxy cdn)" "import_dir = \"$T/import\"" \
		'legacy { unsigned_import = "allow" }'
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

# loads PREFIX SIZE..
loads() {
	local prefix=$1 size
	shift
	for size in "$@"; do
		plain "$size" >"$T/plain"
		"${PUBLISH:-publish}" "${prefix}s$size" "$T/plain"
		gives "${prefix}s$size" "$T/plain"
	done
}

# It asks the service first, which may be making its device's identity.
provider_is() { # tpm | legacy
	wait_until grep -q 'holdfast-loader: .*provider ' "$T/$AT.log"
	front GET /status
	jq -e --arg provider "$1" '.provider == $provider and (.providerReason | length > 0)' "$T/body"
}

@test "no TPM and no holdfastd: legacy, and everything loads" {
	provider_is legacy
	loads "" "${SIZES[@]}"
	# Once more, now from the cache.
	plain 1000003 >"$T/plain"
	gives s1000003 "$T/plain"
	[[ $(seen cdn '.path | endswith("s1000003.big")') == 1 ]]
}

@test "SECURITY_PROVIDER=legacy beside a TPM: legacy, and everything loads" {
	on tpm
	SECURITY_PROVIDER=legacy start_loader told-legacy
	provider_is legacy
	logged_in
	loads legacy- 3000 262144
	stop told-legacy
}

@test "with a TPM: tpm, and everything loads; its end is no end of v1" {
	on tpm
	start_loader with-tpm
	provider_is tpm
	logged_in
	loads tpm- 3000 262144
	stop_daemon KILL
	plain 3000 >"$T/plain"
	gives tpm-s3000 "$T/plain"
	stop with-tpm
	grep -q 'tpm' "$T/with-tpm.log"
}

@test "SECURITY_PROVIDER=tpm without one: a warning, and v1 works" {
	SECURITY_PROVIDER=tpm start_loader wants-tpm
	provider_is legacy
	grep -i 'tpm' "$T/wants-tpm.log"
	logged_in
	plain 3000 >"$T/plain"
	publish wants-tpm.bin "$T/plain"
	gives wants-tpm.bin "$T/plain"
	stop wants-tpm
}

@test "formula v1-nohw; and the two do not speak to each other" {
	start nohw "$ORIGIN_BIN" --root "$T/origin" --listen 127.0.0.1:0 --users "$T/users" \
		--salts "$T/salts" --formula v1-nohw
	plain 50000 >"$T/plain"
	publish nohw.bin "$T/plain"
	start_loader nohw-loader 'formula = "v1-nohw"' \
		"api_url = \"http://127.0.0.1:$(port nohw)\"" "cdn_url = \"http://127.0.0.1:$(port nohw)/cdn\""
	logged_in
	gives nohw.bin "$T/plain"
	stop nohw-loader
	start_loader mixed "api_url = \"http://127.0.0.1:$(port nohw)\""
	logged_in
	opens_for_nobody nohw.bin "$T/plain"
	stop mixed
	stop nohw
}

@test "an origin that is not ours, with both formulas; uploads to it" {
	local formula
	for formula in v1-hw v1-nohw; do
		start other "$TOOLS/origin.py" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
			--formula "$formula" --log "$T/other.requests"
		start_loader "$formula" "formula = \"$formula\"" \
			"api_url = \"http://127.0.0.1:$(port other)\"" \
			"cdn_url = \"http://127.0.0.1:$(port other)/cdn\""
		logged_in
		PUBLISH=openssl_publish loads "$formula-" 0 3000 262144
		plain 70000 >"$T/plain"
		front POST "/upload/$formula.up" -F "data=@$T/plain" -F folder=sent
		answers 200
		cat "$T/origin/sent/$formula.up".{small,big} >"$T/blob"
		openssl_open "$T/blob" "$T/back"
		cmp "$T/plain" "$T/back"
		stop "$formula"
		stop other
	done
}

@test "a blob of the openssl command loads, cut anywhere" {
	local cut
	plain 100000 >"$T/plain"
	openssl_publish by-openssl "$T/plain"
	gives by-openssl "$T/plain"
	openssl_seal "$T/plain" "$T/blob"
	for cut in 1 16 50 3072 5000 65536; do
		head -c "$cut" "$T/blob" >"$T/origin/models/cut$cut.small"
		tail -c +$((cut + 1)) "$T/blob" >"$T/origin/models/cut$cut.big"
		gives "cut$cut" "$T/plain"
	done
}

@test "what is published opens with the openssl command, and is cut as the form says" {
	local size blob
	for size in "${SIZES[@]}"; do
		plain "$size" >"$T/plain"
		publish published "$T/plain" --folder other
		cat "$T/origin/other/published".{small,big} >"$T/blob"
		openssl_open "$T/blob" "$T/back"
		cmp "$T/plain" "$T/back"
		blob=$(stat -c %s "$T/blob")
		[[ $(stat -c %s "$T/origin/other/published.small") == \
			$((blob * 30 / 100 < 3072 ? blob * 30 / 100 : 3072)) ]]
	done
	gives published "$T/plain" other
}

@test "upload, then load; the upload opens with the openssl command" {
	local size
	start_loader sender
	logged_in
	for size in 0 1 3000 300000; do
		plain "$size" 5 >"$T/plain"
		front POST "/upload/up$size" -F "data=@$T/plain"
		answers 200
		[[ $(jq -cS . "$T/body") == '{"status":"ok"}' ]]
		gives "up$size" "$T/plain"
		cat "$T/origin/models/up$size".{small,big} >"$T/blob"
		openssl_open "$T/blob" "$T/back"
		cmp "$T/plain" "$T/back"
	done
	# The folder may stand behind the data; the same name is a new release.
	plain 5000 6 >"$T/plain"
	front POST /upload/up3000 -F "data=@$T/plain" -F folder=sent
	answers 200
	gives up3000 "$T/plain" sent
	front POST /upload/up3000 -F "data=@$T/plain"
	answers 200
	gives up3000 "$T/plain"
	# Nothing of it lies in the cache but what was loaded.
	[[ -z $(find "$T/sender.cache" -name '*.small') ]]
	stop sender
}

@test "the cache serves while the CDN is down, and not what it has not" {
	plain 200000 >"$T/plain"
	publish kept "$T/plain"
	publish not-kept "$T/plain"
	gives kept "$T/plain"
	lead cdn 127.0.0.1:1
	gives kept "$T/plain"
	begin_load not-kept
	gives kept "$T/plain"
	ended not-kept
	answers 500 upstream_unreachable
	# Who does not want to wait for the next attempt calls it off, and asks again.
	lead cdn "127.0.0.1:$(port origin)"
	front DELETE '/v2/artifacts/not-kept?folder=models'
	[[ $CODE == 204 || $CODE == 404 ]]
	gives not-kept "$T/plain"
}

@test "without the API nothing is given, and it says why" {
	plain 20000 >"$T/plain"
	publish guarded "$T/plain"
	gives guarded "$T/plain"
	lead api 127.0.0.1:1
	load_named guarded
	answers 500 upstream_unreachable
	lead api "127.0.0.1:$(port origin)"
	gives guarded "$T/plain"
}

@test "the next release of the same name loads, longer and shorter" {
	local size seed=1
	for size in 50000 90000 40000 40000; do
		plain "$size" $((++seed)) >"$T/plain"
		publish release "$T/plain"
		gives release "$T/plain"
	done
}

@test "from a folder: taken when it fits, checked as the network is" {
	plain 80000 >"$T/plain"
	publish by-hand "$T/plain"
	publish by-hand-bad "$T/plain"
	mkdir -p "$T/import/models"
	mv "$T/origin/models/by-hand.big" "$T/import/models/"
	gives by-hand "$T/plain"
	[[ $(seen cdn '.path | endswith("/by-hand.big")') == 0 ]]
	cmp "$T/import/models/by-hand.big" "$(cached by-hand)"
	# One that does not fit is passed over.
	head -c 70000 "$T/origin/models/by-hand-bad.big" >"$T/import/models/by-hand-bad.big"
	gives by-hand-bad "$T/plain"
	# A link out of the folder is none of it.
	publish by-link "$T/plain"
	mv "$T/origin/models/by-link.big" "$T/outside"
	ln -s "$T/outside" "$T/import/models/by-link.big"
	begin_load by-link
	ended by-link
	[[ $CODE == 404 || $CODE == 500 ]]
}

@test "from a folder: what is not signed is not taken, unless that is allowed" {
	plain 80000 >"$T/plain"
	publish stick "$T/plain"
	mkdir -p "$T/import/models"
	start_loader careful "$(by_proxy cdn)" "import_dir = \"$T/import\""
	logged_in
	cp "$T/origin/models/stick.big" "$T/import/models/stick.big"
	gives stick "$T/plain"
	[[ $(seen cdn '.path | endswith("/stick.big")') == 1 ]]
	stop careful
}

@test "from a folder that comes after the start" {
	plain 80000 >"$T/plain"
	publish late "$T/plain"
	start_loader later "import_dir = \"$T/usb\"" 'legacy { unsigned_import = "allow" }'
	front_json POST /login "{\"email\":\"$EMAIL\",\"password\":\"$PASSWORD\"}"
	[[ $CODE == 200 ]]
	mkdir -p "$T/usb/models"
	mv "$T/origin/models/late.big" "$T/usb/models/"
	front_json POST /load/late "$(wish late)"
	[[ $CODE == 200 ]]
	cmp "$T/plain" "$T/body"
	stop later
}

@test "many at once: one download for one resource, and all of them right" {
	local i
	plain 2000000 >"$T/plain"
	publish crowd "$T/plain"
	rules cdn '{"match": "crowd", "rate": 2000000}'
	for i in {1..8}; do
		curl -s -m 60 -X POST -H 'Content-Type: application/json' --data-binary "$(wish crowd)" \
			-o "$T/crowd.$i" "$FRONT/load/crowd" 3>&- &
		HELPERS+=($!)
	done
	wait "${HELPERS[@]}"
	for i in {1..8}; do
		cmp "$T/plain" "$T/crowd.$i"
	done
	rules cdn
	[[ $(seen cdn '.path | endswith("crowd.big")') == 1 ]]
}

@test "status while it runs, cancel, and once more" {
	plain 3000000 >"$T/plain"
	publish slow "$T/plain"
	rules cdn '{"match": "slow", "rate": 200000}'
	begin_load slow
	wait_until has_come slow 100000
	front GET /v2/status
	jq -e '.downloads[] | select(.name == "slow") |
		(keys == ["attempts", "done", "error", "eta", "folder", "name", "rate", "retry_in", "state", "total"])
		and .folder == "models" and .state == "running" and .done < .total and
		.total > 2990000 and .total <= 3000016 and .attempts == 1 and .error == null' "$T/body"
	# Others are served meanwhile.
	front GET /health
	answers 200
	wait_until progress slow '.rate > 0 and .eta != null'
	front DELETE '/v2/artifacts/slow?folder=models'
	answers 204
	ended slow
	answers 500 cancelled
	[[ $(progress slow .state) == cancelled ]]
	[[ -z $(find "$T/loader.cache/models" -name '*slow*') ]]
	front DELETE '/v2/artifacts/slow?folder=models'
	answers 404 not_found
	rules cdn
	gives slow "$T/plain"
	[[ $(progress slow .state) == done ]]
}

@test "rate_limit holds" {
	local begin took
	plain 400000 >"$T/plain"
	publish limited "$T/plain"
	start_loader limited 'rate_limit = 200000'
	logged_in
	begin=$(date +%s%N)
	gives limited "$T/plain"
	took=$((($(date +%s%N) - begin) / 1000000))
	echo "$took ms"
	((took >= 1000))
	stop limited
}

# logins_of NAME: how often the API behind the proxy was asked for a token.
logins_of() {
	seen "$1" '.path == "/login"'
}

# begin_anew PASSWORD: the API forgets its tokens.
begin_anew() {
	(umask 077 && printf '%s:%s\n' "$EMAIL" "$1" >"$T/own.users")
	stop own
	start own "$ORIGIN_BIN" --root "$T/origin" --listen 127.0.0.1:0 --users "$T/own.users" \
		--salts "$T/salts"
	lead door "127.0.0.1:$(port own)"
}

@test "a token that is not taken any more is exchanged once, by itself" {
	plain 9000 >"$T/plain"
	publish again "$T/plain"
	start_proxy door 127.0.0.1:1
	begin_anew "$PASSWORD"
	start_loader exchanges "api_url = \"http://127.0.0.1:$(port door)\""
	logged_in
	begin_anew "$PASSWORD"
	gives again "$T/plain"
	gives again "$T/plain"
	[[ $(logins_of door) == 2 ]]
	# One who may not log in any more is told so, and is not tried for ever.
	logged_in
	begin_anew changed
	load_named again
	answers 401 not_logged_in
	load_named again
	answers 401 not_logged_in
	(($(logins_of door) <= 4))
	front GET /status
	jq -e '.authenticated == false' "$T/body"
	login "$EMAIL" changed
	answers 200
	begin_anew "$PASSWORD"
	stop exchanges
	stop door
	stop own
}

@test "what the API refuses for one resource is no end of the session" {
	local status before
	plain 9000 >"$T/plain"
	publish kept-from "$T/plain" --folder forbidden
	publish open-to "$T/plain"
	for status in 403 401; do
		rules api "{\"match\": \"POST /resources/get/forbidden\", \"status\": $status}"
		before=$(logins_of api)
		load_named kept-from forbidden
		[[ $CODE == 401 || $CODE == 403 || $CODE == 404 || $CODE == 500 ]]
		jq -e '.code != "not_logged_in"' "$T/body"
		front GET /status
		jq -e '.authenticated == true' "$T/body"
		gives open-to "$T/plain"
		(($(logins_of api) <= before + 1))
	done
}

@test "a token that has run out is exchanged" {
	local logins
	start other "$TOOLS/origin.py" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--log "$T/other.requests" --token-seconds 1
	plain 9000 >"$T/plain"
	openssl_publish run-out "$T/plain"
	start_loader run-out "api_url = \"http://127.0.0.1:$(port other)\""
	logged_in
	run_out() {
		gives run-out "$T/plain"
		(($(seen other '.path == "/login"') >= 2))
	}
	wait_until run_out
	stop run-out
	stop other
}

@test "one process at a time has the cache; it is another's business" {
	run timeout 60 "$LOADER" --config "$T/loader.conf"
	((status != 0 && status != 124))
	[[ $(stat -c %a "$T/loader.cache") == 700 ]]
	[[ -z $(find "$T/loader.cache" -type f -perm /077) ]]
}

@test "plaintext is in no file of the loader" {
	printf 'Unmistakable-%s' {1..2000} >"$T/plain"
	publish marked "$T/plain"
	gives marked "$T/plain"
	refute grep -rlF Unmistakable-77 "$T/loader.cache" "$T/loader.log"
}

@test "a stop during a load: that ends whole or is cut, and the next start has what came" {
	plain 3000000 >"$T/plain"
	publish stopped "$T/plain"
	rules cdn '{"match": "stopped", "stall": 2000000}'
	begin_load stopped
	wait_until has_come stopped 2000000
	stop loader TERM
	ended stopped
	[[ $CODE == 000 || $CODE == 5?? ]]
	rules cdn
	run_loader loader
	logged_in
	gives stopped "$T/plain"
	[[ $(starts cdn '/stopped.big$' | tail -n 1) -ge 2000000 ]]
}
