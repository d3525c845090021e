#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# holdfast-origin as it runs, asked by curl; what it seals is opened by the openssl command.

bats_require_minimum_version 1.5.0
load helpers
load origin

begin() {
	origin_files
	start_origin "$@"
	TOKEN=$(login)
	AUTH=(-H "Authorization: Bearer $TOKEN")
}

@test "origin: options that are wrong are refused with 2, before anything is opened" {
	origin_files
	run -2 "$HOLDFAST_ORIGIN"
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users"
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" more
	run -2 "$HOLDFAST_ORIGIN" --root "$T/none" --users "$T/users" --salts "$T/salts"
	[[ $output == *--root* ]]
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/none" --salts "$T/salts"
	[[ $output == *--users* ]]
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/none"
	[[ $output == *--salts* ]]
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--formula v1
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--listen example.com:80
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--upload-max 0
	run -0 "$HOLDFAST_ORIGIN" --help
	[[ $output == usage:* ]]
	run -0 "$HOLDFAST_ORIGIN" --version
}

@test "origin: files of secrets that others may read are refused" {
	local file
	origin_files
	for file in users salts; do
		chmod 640 "$T/$file"
		run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts"
		[[ $output == *"--$file"*0600* ]]
		chmod 600 "$T/$file"
	done
	printf 'a:b\na:c\n' >"$T/users"
	run -1 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts"
	[[ $output == *'user 2'* ]]
	refute grep -q 'listening' <<<"$output"
}

@test "origin: login, and the errors of the API" {
	begin
	[[ $(wc -l <<<"$TOKEN") == 1 && $TOKEN == ey*.ey*.* ]]
	cut -d. -f2 <<<"$TOKEN" | tr '_-' '/+' | { base64 -d 2>/dev/null || true; } >"$T/claims"
	grep -q '"unique_name":"a@b.c"' "$T/claims"
	[[ $(login 'x: y' d@e.f) == ey* ]]
	[[ $(login wrong) == null ]]
	run -0 status -H 'Content-Type: application/json' -d '{"email":"a@b.c","password":"no"}' \
		"$ORIGIN/login"
	[[ $output == 409 && $(jq .ErrorCode "$T/body") == 30 ]]
	run -0 status -H 'Content-Type: application/json' -d '{"email":"z@b.c","password":"no"}' \
		"$ORIGIN/login"
	[[ $output == 409 && $(jq .ErrorCode "$T/body") == 10 ]]
	run -0 status -H 'Authorization: Bearer no' "$ORIGIN/binary-split/key-fragment"
	[[ $output == 401 && $(jq -r 'keys[]' "$T/body") == detail ]]
	refute grep -E "$EMAIL|$PASSWORD\b|$TOKEN" "$T/origin.log"
}

@test "origin: what it seals for a user opens with the openssl command" {
	begin
	mkdir "$T/origin/models"
	printf 'the small part' >"$T/origin/models/net.small"
	printf 'host: cdn.example.net\n' >"$T/origin/cdn.yaml"
	[[ $(get_small net.small models) == 200 ]]
	openssl_open "$USER_KEY" "$T/body" "$T/plain"
	cmp "$T/plain" "$T/origin/models/net.small"
	cp "$T/body" "$T/first"
	[[ $(get_small net.small models) == 200 ]]
	refute cmp -s "$T/first" "$T/body"
	[[ $(get_small cdn.yaml) == 200 ]]
	openssl_open "$USER_KEY" "$T/body" "$T/plain"
	cmp "$T/plain" "$T/origin/cdn.yaml"
}

@test "origin: v1-nohw" {
	begin --formula v1-nohw
	mkdir "$T/origin/models"
	printf 'small' >"$T/origin/models/net.small"
	[[ $(get_small net.small models) == 200 ]]
	text=$(printf '%s-%s-APISALT' "$EMAIL" "$PASSWORD" | openssl dgst -sha384 -binary |
		openssl base64 -A)
	openssl_open "$(printf '%s' "$text" | openssl dgst -sha256 -r | cut -d' ' -f1)" "$T/body" \
		"$T/plain"
	[[ $(cat "$T/plain") == small ]]
}

@test "origin: the CDN takes and gives in ranges, and an upload is whole or not there" {
	begin
	head -c 3000000 /dev/urandom >"$T/big"
	[[ $(status -T "$T/big" "$ORIGIN/cdn/models/net.big") == 401 ]]
	[[ $(status "${AUTH[@]}" -T "$T/big" "$ORIGIN/cdn/models/net.big") == 204 ]]
	cmp "$T/big" "$T/origin/models/net.big"
	[[ $(status "${AUTH[@]}" -T - "$ORIGIN/cdn/models/chunked.big" <"$T/big") == 204 ]]
	cmp "$T/big" "$T/origin/models/chunked.big"
	curl -sS "$ORIGIN/cdn/models/net.big" | cmp - "$T/big"
	head -c 1000 "$T/big" >"$T/part"
	curl -sS -C - -o "$T/part" "$ORIGIN/cdn/models/net.big"
	cmp "$T/part" "$T/big"
	[[ $(curl -sS -r 131070-131075 "$ORIGIN/cdn/models/net.big" | xxd -p) == \
		$(tail -c +131071 "$T/big" | head -c 6 | xxd -p) ]]
	[[ $(status -r 3000000- "$ORIGIN/cdn/models/net.big") == 416 ]]
	curl -sS -I "$ORIGIN/cdn/models/net.big" | grep -qix $'content-length: 3000000\r'
	etag=$(curl -sS -I "$ORIGIN/cdn/models/net.big" | sed -n 's/^ETag: //p' | tr -d '\r')
	[[ $(status -r 0-9 -H "If-Range: $etag" "$ORIGIN/cdn/models/net.big") == 206 ]]
	head -c 3000000 /dev/urandom >"$T/big"
	[[ $(status "${AUTH[@]}" -T "$T/big" "$ORIGIN/cdn/models/net.big") == 204 ]]
	[[ $(status -r 0-9 -H "If-Range: $etag" "$ORIGIN/cdn/models/net.big") == 200 ]]
	cmp "$T/body" "$T/big"
}

@test "origin: names never lead out of its folder" {
	begin
	mkdir "$T/origin/models"
	printf x >"$T/outside.big"
	printf secret >"$T/origin/key-fragment"
	printf secret >"$T/origin/models/net.small"
	ln -s "$T/outside.big" "$T/origin/models/link.big"
	local path
	for path in cdn/models/../key-fragment cdn/../../outside.big cdn/%2e%2e/outside.big \
		cdn/models/..%2f..%2foutside.big cdn/models%2f..%2f..%2foutside.big/x.big \
		cdn/models/link.big cdn/models/net.small cdn/models/%00.big cdn//etc/passwd \
		key-fragment models/net.big; do
		[[ $(status --path-as-is "$ORIGIN/$path") == 40[04] ]]
		[[ $(status "${AUTH[@]}" --path-as-is -T "$T/users" "$ORIGIN/$path") == 40[045] ]] ||
			[[ $path == cdn/models/link.big ]]
		refute grep -q secret "$T/body"
	done
	[[ $(cat "$T/outside.big") == x && $(cat "$T/origin/key-fragment") == secret ]]
	[[ $(get_small ../../outside.big models) == 400 ]]
	[[ $(get_small key-fragment) == 400 ]]
	run -0 find "$T" -newer "$T/origin.log" -name '*passwd*'
	[[ -z $output ]]
}

@test "origin: small parts are uploaded in a form, others are refused" {
	begin
	head -c 3072 /dev/urandom >"$T/small"
	[[ $(status "${AUTH[@]}" -F folder=elsewhere -F "data=@$T/small;filename=net.small" \
		"$ORIGIN/resources/models") == 200 ]]
	cmp "$T/small" "$T/origin/models/net.small"
	[[ $(stat -c %a "$T/origin/models/net.small") == 640 ]]
	[[ $(status -F "data=@$T/small;filename=net.small" "$ORIGIN/resources/models") == 401 ]]
	[[ $(status "${AUTH[@]}" -F "data=@$T/small;filename=net.big" "$ORIGIN/resources/models") \
		== 400 ]]
	[[ $(status "${AUTH[@]}" -F "data=@$T/small;filename=../net.small" \
		"$ORIGIN/resources/models") == 400 ]]
	head -c 2000000 /dev/zero >"$T/large"
	[[ $(status "${AUTH[@]}" -F "data=@$T/large;filename=big.small" "$ORIGIN/resources/models") \
		== 413 ]]
	[[ $(ls "$T/origin/models") == net.small ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/resources/list/models") == 200 ]]
	[[ $(cat "$T/body") == '["net.small"]' ]]
}

@test "origin: an upload over the limit is refused" {
	begin --upload-max 1000000
	head -c 1000001 /dev/zero >"$T/big"
	[[ $(status "${AUTH[@]}" -T "$T/big" "$ORIGIN/cdn/models/net.big") == 413 ]]
	[[ $(status "${AUTH[@]}" -T - "$ORIGIN/cdn/models/net.big" <"$T/big") == 413 ]]
	[[ ! -e $T/origin/models/net.big ]]
	head -c 1000000 "$T/big" >"$T/fits"
	[[ $(status "${AUTH[@]}" -T "$T/fits" "$ORIGIN/cdn/models/net.big") == 204 ]]
}

@test "origin: a Unix socket, and a stop that lets answers end" {
	origin_files
	start_origin --listen "unix:$T/origin.sock"
	[[ $(stat -c %a "$T/origin.sock") == 660 ]]
	curl -sS --unix-socket "$T/origin.sock" http://x/health | grep -q healthy
	mkdir "$T/origin/models"
	head -c 4000000 /dev/urandom >"$T/origin/models/net.big"
	curl -sS --unix-socket "$T/origin.sock" --limit-rate 4000000 -o "$T/got" \
		http://x/cdn/models/net.big 3>&- &
	local curl=$!
	wait_until test -s "$T/got"
	kill -TERM "$ORIGIN_PID"
	wait "$curl"
	cmp "$T/got" "$T/origin/models/net.big"
	wait "$ORIGIN_PID"
	grep -q stopping "$T/origin.log"
}

@test "origin: what was stored is there after a kill" {
	begin
	head -c 500000 /dev/urandom >"$T/big"
	[[ $(status "${AUTH[@]}" -T "$T/big" "$ORIGIN/cdn/models/net.big") == 204 ]]
	kill -KILL "$ORIGIN_PID"
	wait_until is_gone "$ORIGIN_PID"
	start_origin
	curl -sS "$ORIGIN/cdn/models/net.big" | cmp - "$T/big"
	# Its key was drawn anew, so that old tokens are none.
	[[ $(status "${AUTH[@]}" "$ORIGIN/resources/list/models") == 401 ]]
}
