#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The loader's front: F1 to F6 and /v2 as programs in the field know them, and what it does not take.

bats_require_minimum_version 1.5.0
load helpers
load loader

setup_file() {
	scene_begin
	start_origin
	start_proxy api "127.0.0.1:$(port origin)"
	plain 3000 >"$T/net"
	publish net.bin "$T/net"
	start_loader fresh "api_url = \"http://127.0.0.1:$(port api)\""
	start_loader loader "api_url = \"http://127.0.0.1:$(port api)\"" 'resource_max = 100000'
	logged_in
}

scene_mend() {
	stand_up
}

teardown_file() {
	scene_end
}

long() { # count
	printf '%*s' "$1" '' | tr ' ' x
}

@test "F6: health and status" {
	at fresh
	front GET /health
	answers 200
	[[ $(jq -cS . "$T/body") == '{"status":"healthy"}' ]]
	front GET /status
	answers 200
	jq -e '(keys == ["authenticated", "deviceMode", "modelCacheDir", "provider", "providerReason", "status"])
		and .status == "healthy" and .authenticated == false and .modelCacheDir == "models"
		and .provider == "legacy" and (.providerReason | length > 0) and .deviceMode == null' \
		"$T/body"
	at loader
	front GET /status
	jq -e '.authenticated == true' "$T/body"
}

@test "F1: a login, and what is none" {
	login
	answers 200
	[[ $(jq -cS . "$T/body") == '{"status":"ok"}' ]]
	login "$EMAIL" wrong
	answers 401 auth_failed
	jq -e '(keys == ["code", "detail"]) and (.detail | length > 0)' "$T/body"
	login nobody@example.net x
	answers 401 auth_failed
	login "$(long 1024)" "$(long 1024)"
	answers 401 auth_failed
	# A failed login leaves the one before.
	front GET /status
	jq -e '.authenticated == true' "$T/body"
}

@test "F1: 422 for what is missing, empty, too long, no string, no object" {
	local body
	for body in '{}' '{"email":"a@b.c"}' '{"password":"x"}' '{"email":"","password":"x"}' \
		'{"email":"a@b.c","password":""}' '{"email":1,"password":"x"}' \
		'{"email":"a@b.c","password":null}' '{"email":["a"],"password":"x"}' '[]' '"x"' 'null' \
		'{"email":"a@b.c","password":"x"' 'email=a' '' \
		"$(credentials a "$(long 1025)")" "$(credentials "$(long 1025)" a)"; do
		echo "body: ${body:0:60}"
		front_json POST /login "$body"
		answers 422 invalid
		front_json POST /unlock "$body"
		[[ $CODE == 422 || $CODE == 404 ]]
	done
}

@test "F1: 401 when the API cannot be reached" {
	start_loader lonely "api_url = \"http://127.0.0.1:1\""
	login
	answers 401 upstream_unreachable
	front GET /status
	jq -e '.authenticated == false' "$T/body"
	stop lonely
}

@test "F2: bytes with their length, and 401 before a login" {
	at fresh
	load_named net.bin
	answers 401 not_logged_in
	at loader
	gives net.bin "$T/net"
	grep -qi '^content-type: application/octet-stream' "$T/head"
	grep -qi '^content-length: 3000' "$T/head"
	# What else a body has is passed over, and the folder is models when none is said.
	front_json POST /load/net.bin '{"filename":"net.bin","extra":{"a":[1]}}'
	answers 200
	cmp "$T/net" "$T/body"
}

@test "F2: 404 for what there is not, 422 for what no name is" {
	local body name before
	load_named no-such
	answers 404 not_found
	load_named net.bin elsewhere
	answers 404 not_found
	settled api
	before=$(wc -l <"$T/api.requests")
	for body in '{}' '{"filename":"other.bin"}' '{"filename":7}' '{"filename":"net.bin","folder":7}' \
		'{"filename":"../net.bin"}' '{"filename":""}' '[]' '{'; do
		echo "body: $body"
		front_json POST /load/net.bin "$body"
		answers 422 invalid
	done
	for name in .. . ../models a/b .hidden 'a b' "$(long 256)" 'a%2fb' '' $'a\nb' ä; do
		echo "folder: $name"
		load_named net.bin "$name"
		answers 422 invalid
	done
	for name in .hidden "$(long 250)" net.bin.big net.bin.small net.bin.sig 'a b' '..%2fnet.bin' \
		'..%2f..%2f..%2fetc%2fpasswd' '%2e%2e' '%2e%2e%2fmodels%2fnet.bin' 'a%00b' 'net.bin%0d%0aX' \
		'%ff' '..%5cnet.bin'; do
		echo "name: $name"
		name=${name// /%20}
		front_json POST "/load/$name" "$(wish "$(printf '%b' "${name//%/\\x}" | tr -d '\0')")"
		[[ $CODE == 422 || $CODE == 404 || $CODE == 400 ]]
		answers "$CODE" invalid || answers "$CODE" not_found
	done
	for name in ../login .. ../../etc/passwd net.bin/../net.bin /net.bin net.bin/; do
		echo "path: $name"
		front_json POST "/load/$name" "$(wish net.bin)"
		[[ $CODE == 404 || $CODE == 400 ]]
	done
	# Nobody was asked for any of it.
	[[ $(wc -l <"$T/api.requests") == "$before" ]]
}

@test "F3: a form with data and a folder; 401, 413, 422" {
	local word
	at fresh
	front POST /upload/up.bin -F "data=@$T/net"
	answers 401 not_logged_in
	at loader
	front POST /upload/up.bin -F "folder=models"
	answers 422 invalid
	for word in .. a/b .x ''; do
		echo "folder: $word"
		front POST /upload/up.bin -F "data=@$T/net" -F "folder=$word"
		answers 422 invalid
	done
	for word in .hidden up.small '..%2fup' 'a%20b'; do
		echo "name: $word"
		front POST "/upload/$word" -F "data=@$T/net"
		[[ $CODE == 422 || $CODE == 400 ]]
	done
	plain 200000 >"$T/large"
	front POST /upload/up.bin -F "data=@$T/large"
	answers 413 too_large
	front POST /upload/up.bin -H 'Content-Type: application/octet-stream' --data-binary "@$T/net"
	answers 415
	# A form that is cut, and one without a boundary.
	front POST /upload/up.bin -H 'Content-Type: multipart/form-data; boundary=b' --data-binary \
		$'--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\nabc'
	answers 422 invalid
	front POST /upload/up.bin -H 'Content-Type: multipart/form-data' --data-binary 'x'
	[[ $CODE == 422 || $CODE == 415 ]]
	[[ ! -e $T/origin/models/up.bin.small && ! -e $T/origin/models/up.bin.big ]]
}

@test "F4 and F5: without an archive 404, and idle" {
	front_json POST /unlock "$(credentials)"
	answers 404 not_found
	front GET /unlock/status
	answers 200
	[[ $(jq -cS . "$T/body") == '{"error":null,"state":"idle"}' ]]
}

@test "/v2: status, and a cancel of what is not there" {
	front GET /v2/status
	answers 200
	jq -e '(keys == ["authenticated", "device_mode", "downloads", "provider", "reason", "unlock"]) and
		.provider == "legacy" and .unlock == {"state":"idle","error":null,"done":0,"total":0} and
		(.downloads | type == "array")' "$T/body"
	front DELETE '/v2/artifacts/no-such?folder=models'
	answers 404 not_found
	front DELETE '/v2/artifacts/no-such?folder=..'
	[[ $CODE == 422 || $CODE == 404 ]]
}

@test "routes: 404, 405, 415" {
	front GET /nowhere
	answers 404 not_found
	front GET /login
	answers 405
	front DELETE /health
	answers 405
	front GET /load/net.bin
	answers 405
	front POST /login -H 'Content-Type: text/plain' --data-binary "$(credentials)"
	answers 415
	front POST /login --data-binary "$(credentials)" # as a form of a web page
	answers 415
	front POST /load/net.bin -H 'Content-Type: multipart/form-data; boundary=x' --data-binary x
	answers 415
}

@test "no web page drives it: Host, Origin" {
	local host origin port
	port=$(port loader)
	for host in "127.0.0.1:$port" 127.0.0.1 localhost "localhost:$port" '[::1]' "[::1]:$port" \
		"LOCALHOST:$port"; do
		front GET /health -H "Host: $host"
		answers 200
	done
	for host in evil.example "evil.example:$port" 127.0.0.1.evil.example 127.0.0.2 \
		"localhost:$port.evil.example" localhost:1 ''; do
		echo "Host: $host"
		front GET /health -H "Host: $host"
		answers 403 policy_denied
		front_json POST /login "$(credentials)" -H "Host: $host"
		answers 403 policy_denied
	done
	for origin in http://evil.example null "http://127.0.0.1:$port"; do
		front GET /status -H "Origin: $origin"
		answers 403 policy_denied
		front_json POST /load/net.bin "$(wish net.bin)" -H "Origin: $origin"
		answers 403 policy_denied
	done
	start_loader listed 'hosts = { "loader.example" }'
	front GET /health -H 'Host: loader.example'
	answers 200
	front GET /health
	answers 403 policy_denied
	stop listed
}

@test "a token, where one is asked for" {
	local header
	(umask 077 && printf 'made-up-token\n' >"$T/token")
	start_loader guarded "token_file = \"$T/token\""
	for header in X-None: 'Authorization: Bearer wrong' 'Authorization: Bearer made-up-toke' \
		'Authorization: Bearer made-up-token2' 'Authorization: Basic made-up-token' 'Authorization:'; do
		echo "$header"
		front GET /status -H "$header"
		answers 401 auth_failed
		front_json POST /login "$(credentials)" -H "$header"
		answers 401 auth_failed
	done
	front GET /status -H 'Authorization: Bearer made-up-token'
	answers 200
	front_json POST /login "$(credentials)" -H 'Authorization: Bearer made-up-token'
	answers 200
	chmod 644 "$T/token"
	run timeout 60 "$LOADER" --config "$T/guarded.conf"
	((status != 0 && status != 124))
	chmod 600 "$T/token"
	stop guarded
}

@test "neither password nor token is in a log" {
	(umask 077 && printf 'made-up-token\n' >"$T/token")
	start_loader quiet "token_file = \"$T/token\""
	front_json POST /login "$(credentials "$EMAIL" Sesam-Unique-7731)" -H 'Authorization: Bearer made-up-token'
	answers 401
	front_json POST /login "$(credentials)" -H 'Authorization: Bearer made-up-token'
	answers 200
	front GET /status -H 'Authorization: Bearer made-up-tokem'
	answers 401
	stop quiet
	[[ -s $T/quiet.log ]]
	refute grep -r -e Sesam-Unique-7731 -e "$PASSWORD" -e "$RESOURCE" -e made-up-toke \
		"$T/quiet.log" "$T/loader.log" "$T/quiet.cache"
}

@test "on a Unix socket too" {
	start_unix() {
		loader_config unix "listen = \"unix:$T/front.sock\""
		"$LOADER" --config "$T/unix.conf" >"$T/unix.log" 2>&1 3>&- &
		echo $! >"$T/pids/unix"
		wait_until listens "$T/front.sock"
	}
	start_unix
	[[ $(curl -s -m 60 --unix-socket "$T/front.sock" http://localhost/health) == '{"status":"healthy"}' ]]
	stop unix
}
