#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile and broken requests, blobs and records: each has its code, and nothing is lost.

load helpers

# Everything below left the daemon alive and what was stored before readable.
still_fine() {
	get keep
	expect 200
	[[ $(cat "$T/body") == kept ]]
}

record() {
	echo "$T/state/tenants/host/$1/$2"
}

@test "wrong JSON, types and sizes name the member" {
	local method path body code detail row
	on legacy
	put keep kept
	api_json POST /v1/keys '{"name":"e","type":"ecc-p256"}'
	api_json POST /v1/keys '{"name":"r","type":"rsa-2048"}'
	while IFS='|' read -r method path body code detail; do
		[[ -n $method ]] || continue
		api_json "$method" "$path" "$body"
		row="$method $path $body"
		jq -e --arg code "$code" --arg detail "$detail" \
			'.code == $code and (.detail | contains($detail))' "$T/body" >/dev/null || {
			echo "$row: expected $code '$detail', got $CODE"
			cat "$T/body"
			return 1
		}
		expect_problem "$code"
	done <<'ROWS'
POST|/v1/random||invalid|body
POST|/v1/random|{|invalid|line 1
POST|/v1/random|[1]|invalid|object
POST|/v1/random|{"bytes":1} x|invalid|line 1
POST|/v1/random|{"bytes":1,"bytes":2}|invalid|twice
POST|/v1/random|{}|invalid|/bytes
POST|/v1/random|{"bytes":0}|invalid|/bytes
POST|/v1/random|{"bytes":65537}|invalid|/bytes
POST|/v1/random|{"bytes":-1}|invalid|/bytes
POST|/v1/random|{"bytes":1.5}|invalid|/bytes
POST|/v1/random|{"bytes":"8"}|invalid|/bytes
POST|/v1/random|{"bytes":18446744073709551616}|invalid|
POST|/v1/random|{"bytes":8,"more":1}|invalid|/more
POST|/v1/random|[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]|invalid|deep
POST|/v1/seal|{"data":5}|invalid|/data
POST|/v1/seal|{"data":"a"}|invalid|/data
POST|/v1/seal|{"data":"YQ= ="}|invalid|/data
POST|/v1/seal|{"data":"YR=="}|invalid|/data
POST|/v1/seal|{"blob":"YQ=="}|invalid|/blob
POST|/v1/unseal|{"blob":"YQ=="}|invalid|
POST|/v1/unseal|{"blob":""}|invalid|
PUT|/v1/secrets/x|{}|invalid|/data
PUT|/v1/secrets/x|{"data":null}|invalid|/data
POST|/v1/keys|{"type":"ecc-p256"}|invalid|/name
POST|/v1/keys|{"name":"x"}|invalid|exactly one of /type and /pem
POST|/v1/keys|{"name":"x","type":"ecc-p256","pem":""}|invalid|exactly one of /type and /pem
POST|/v1/keys|{"name":7,"type":"ecc-p256"}|invalid|/name
POST|/v1/keys|{"name":"","type":"ecc-p256"}|invalid|/name
POST|/v1/keys|{"name":".x","type":"ecc-p256"}|invalid|/name
POST|/v1/keys|{"name":"a/b","type":"ecc-p256"}|invalid|/name
POST|/v1/keys|{"name":"a\u0000b","type":"ecc-p256"}|invalid|
POST|/v1/keys|{"name":"x","type":"ecc-p521"}|not_supported|/type
POST|/v1/keys|{"name":"x","type":"hmac-sha1"}|not_supported|/type
POST|/v1/keys|{"name":"x","type":"hmac-sha256","export":true}|invalid|/export
POST|/v1/keys|{"name":"x","type":"ecc-p256","use":[]}|invalid|/use
POST|/v1/keys|{"name":"x","type":"ecc-p256","use":"sign"}|invalid|/use
POST|/v1/keys|{"name":"x","type":"ecc-p256","use":["decrypt"]}|invalid|/use/0
POST|/v1/keys|{"name":"x","type":"ecc-p256","export":1}|invalid|/export
POST|/v1/keys|{"name":"x","type":"ecc-p256","auth":"none"}|invalid|/auth
POST|/v1/keys|{"name":"x","type":"ecc-p256","export":true,"auth":"x"}|invalid|/auth
POST|/v1/keys|{"name":"x","pem":""}|invalid|
POST|/v1/keys|{"name":"x","pem":"hello"}|invalid|
POST|/v1/keys|{"name":"x","pem":"-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n"}|tpm_required|
POST|/v1/keys/e/sign|{}|invalid|/digest
POST|/v1/keys/e/sign|{"digest":"","message":""}|invalid|/digest
POST|/v1/keys/e/sign|{"digest":"AAAA"}|invalid|/digest
POST|/v1/keys/e/sign|{"message":"aGk=","hash":"md5"}|not_supported|/hash
POST|/v1/keys/e/sign|{"message":"aGk=","scheme":"rsassa"}|invalid|/scheme
POST|/v1/keys/e/sign|{"message":"aGk=","scheme":"dsa"}|not_supported|/scheme
POST|/v1/keys/e/sign|{"message":"aGk=","format":"pem"}|invalid|/format
POST|/v1/keys/r/sign|{"message":"aGk=","format":"raw"}|invalid|/format
POST|/v1/keys/r/sign|{"message":"aGk=","scheme":"ecdsa"}|invalid|/scheme
POST|/v1/keys/e/export|{"x":1}|invalid|/x
GET|/v1/keys?limit=0||invalid|limit
GET|/v1/keys?limit=1001||invalid|limit
GET|/v1/keys?limit=2x||invalid|limit
GET|/v1/keys?after=.x||invalid|after
ROWS
	api GET /v1/keys
	[[ $(jq -c '[.keys[].name]' "$T/body") == '["e","r"]' ]]
	still_fine
}

@test "bytes that are no UTF-8 are invalid JSON" {
	on legacy
	printf '{"name":"\xff\xfe","type":"ecc-p256"}' >"$T/request"
	api POST /v1/keys -H 'Content-Type: application/json' --data-binary "@$T/request"
	expect 400 invalid
}

@test "unknown paths are 404, known ones with another method 405 with Allow" {
	local path
	on legacy
	for path in / /v1 /v2/status /v1/status/x /v1/nothing /v1/keys/a/b/c; do
		api GET "$path"
		expect 404 not_found
	done
	api DELETE /v1/status
	expect 405
	grep -qi '^allow: .*GET' "$T/head"
	jq -e '.status == 405' "$T/body"
	api GET /v1/seal
	expect 405
	grep -qi '^allow: .*POST' "$T/head"
	api PATCH /v1/keys/a
	[[ $CODE == 405 || $CODE == 501 ]]
}

@test "bad names and paths are refused before anything is looked up" {
	local name
	on legacy
	put keep kept
	for name in .hidden a%20b 'a%0ab' 'a%2Fb' 'a%00b' '%2e%2e' '..' '%2' '%zz' '' 'k%C3%A4se'; do
		api_json PUT "/v1/secrets/$name" '{"data":"YQ=="}'
		[[ $CODE == 400 || $CODE == 404 || $CODE == 405 ]] || {
			echo "name '$name': $CODE"
			return 1
		}
	done
	api_json PUT /v1/secrets/a%2Fb '{"data":"YQ=="}'
	expect 400 invalid
	api_json PUT /v1/secrets/a%00b '{"data":"YQ=="}'
	expect 400 invalid
	api GET /v1/secrets/../../../etc/passwd
	[[ $CODE == 400 || $CODE == 404 ]]
	name=$(printf 'n%.0s' {1..128})
	api_json PUT "/v1/secrets/$name" '{"data":"YQ=="}'
	expect 201
	api_json PUT "/v1/secrets/n$name" '{"data":"YQ=="}'
	[[ $CODE == 400 || $CODE == 404 ]]
	api_json POST /v1/keys "{\"name\":\"n$name\",\"type\":\"ecc-p256\"}"
	expect 400 invalid
	# An escape of an allowed character is that character.
	api_json PUT /v1/secrets/%61 '{"data":"YQ=="}'
	expect 201
	get a
	expect 200
	[[ $(find "$T/state/tenants" -path '*/secrets/*' | wc -l) == 3 ]]
	still_fine
}

@test "a body over the limit is 413, by its length and when it is chunked" {
	on legacy
	put keep kept
	head -c 67108865 /dev/zero >"$T/big"
	api_file POST /v1/seal "$T/big"
	expect 413 too_large
	api_file POST /v1/seal "$T/big" -H 'Transfer-Encoding: chunked'
	expect 413 too_large
	head -c 1048577 /dev/zero >"$T/big"
	api_file PUT /v1/secrets/big "$T/big"
	expect 413 too_large
	api_file PUT /v1/secrets/big "$T/big" -H 'Transfer-Encoding: chunked'
	expect 413 too_large
	{
		printf '{"data":"'
		head -c 1048576 /dev/zero | tr '\0' A
		printf '"}'
	} >"$T/big"
	api POST /v1/seal -H 'Content-Type: application/json' --data-binary "@$T/big"
	expect 413 too_large
	api POST /v1/keys -H 'Content-Type: application/json' --data-binary "@$T/big" \
		-H 'Transfer-Encoding: chunked'
	expect 413 too_large
	api GET /v1/secrets/big
	expect 404 not_found
	still_fine
}

@test "a body or a content type that the route does not take" {
	on legacy
	api GET /v1/status -H 'Content-Type: application/json' --data-binary '{}'
	expect 400 invalid
	api POST /v1/seal -H 'Content-Type: text/html' --data-binary 'x'
	expect 400 invalid
	api POST /v1/random -H 'Content-Type: application/octet-stream' --data-binary 'x'
	expect 400 invalid
	api_json PUT /v1/secrets/x '{"data":"YQ=="}' -H 'If-None-Match: "etag"'
	expect 400 invalid
	[[ $(field .detail) == *If-None-Match* ]]
	api_json PUT /v1/secrets/x '{"data":"YQ=="}' -H 'If-Match: *'
	expect 400 invalid
	[[ $(field .detail) == *If-Match* ]]
	api_json PUT /v1/secrets/x '{"data":"YQ=="}' -H 'Content-Encoding: gzip'
	expect 400 invalid
	[[ $(field .detail) == *Content-Encoding* ]]
	api GET /v1/secrets/x
	expect 404
}

@test "a length that is no number closes the connection" {
	local length
	on legacy
	put keep kept
	for length in -1 +11 '' '11, 11' 0x0b; do
		printf 'POST /v1/random HTTP/1.1\r\nHost: h\r\nContent-Length: %s\r\n\r\n%s' "$length" \
			'{"bytes":8}' | socat -t 5 - "UNIX-CONNECT:$SOCK" >"$T/raw" || true
		grep -q '^HTTP/1.1 400' "$T/raw"
		refute grep -q '^HTTP/1.1 200' "$T/raw"
		still_fine
	done
}

@test "a header over the limit is refused, nonsense is closed, and the daemon goes on" {
	on legacy
	put keep kept
	api GET /v1/status -H "X-Long: $(head -c 20000 /dev/zero | tr '\0' a)"
	expect 413 too_large
	api GET /v1/status -H "X-Long: $(head -c 100000 /dev/zero | tr '\0' a)"
	[[ $CODE == 431 ]]
	head -c 100000 /dev/urandom | socat -t 1 - "UNIX-CONNECT:$SOCK" >/dev/null 2>&1 || true
	printf 'GET /v1/status HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx' |
		socat -t 1 - "UNIX-CONNECT:$SOCK" >"$T/raw" || true
	refute grep -q '^HTTP/1.1 200' "$T/raw"
	still_fine
}

open_files() {
	find "/proc/$DAEMON_PID/fd" -mindepth 1 | wc -l
}

leaving() {
	local before i
	on "$1"
	put keep kept
	head -c 1048576 /dev/urandom >"$T/big"
	before=$(open_files)
	for i in 1 2 3 4 5 6 7 8; do
		# In the middle of its body, in the middle of the work, and before the answer.
		printf 'POST /v1/seal HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{' |
			socat -t 0 - "UNIX-CONNECT:$SOCK" || true
		curl -s -m 0.0$i --unix-socket "$SOCK" --data-binary "@$T/big" -o /dev/null \
			-H 'Content-Type: application/octet-stream' http://h/v1/seal || true
		curl -s -m 0.0$i --unix-socket "$SOCK" -o /dev/null -X POST \
			-H 'Content-Type: application/json' \
			-d "{\"name\":\"r$i\",\"type\":\"rsa-2048\"}" http://h/v1/keys || true
	done
	still_fine
	# All their connections are given back, and nobody is counted twice.
	none_left() {
		(($(open_files) <= before))
	}
	wait_until none_left
	# A key that was given up is there whole or not at all.
	api GET /v1/keys
	expect 200
	for i in $(field '.keys[].name'); do
		api_json POST "/v1/keys/$i/sign" '{"message":"aGk="}'
		expect 200
	done
}

@test "clients that leave at any point take nothing with them (tpm)" { leaving tpm; }
@test "clients that leave at any point take nothing with them (legacy)" { leaving legacy; }

# drip TEXT: sends it, and then one byte a second until it is closed.
drip() {
	{
		printf "$1"
		while sleep 1; do
			printf a
		done
	} | socat -t 0 - "UNIX-CONNECT:$SOCK"
}

@test "clients that drip or hang are closed after 30 s, and others are served meanwhile" {
	local start before i
	on legacy
	put keep kept
	wait_until identity_decided
	before=$(open_files)
	start=$SECONDS
	# In the body, in the header; one that says nothing; one that stops in the middle.
	helper drip 'POST /v1/seal HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n'
	helper drip 'GET /v1/status HTTP/1.1\r\nX-Slow: '
	helper socat -u "UNIX-CONNECT:$SOCK" -
	printf GET >"$T/part"
	helper socat "OPEN:$T/part,ignoreeof" "UNIX-CONNECT:$SOCK"
	for i in 1 2 3 4 5; do
		still_fine
	done
	all_there() {
		(($(open_files) >= before + 4))
	}
	wait_until all_there
	none_left() {
		(($(open_files) <= before))
	}
	within 45 none_left
	((SECONDS - start >= 25 && SECONDS - start <= 45))
	still_fine
}

damaged_blobs() {
	local size at
	on "$1"
	put keep kept
	head -c 70000 /dev/urandom >"$T/plain"
	for size in 20 70000; do
		head -c "$size" "$T/plain" >"$T/part"
		api_file POST /v1/seal "$T/part"
		expect 200
		cp "$T/body" "$T/blob"
		for at in 20 60 -40 -10 -1; do
			cp "$T/blob" "$T/bad"
			flip "$T/bad" $at
			api_file POST /v1/unseal "$T/bad"
			expect 422 damaged
		done
		for at in 1 17 64; do
			head -c "-$at" "$T/blob" >"$T/bad"
			api_file POST /v1/unseal "$T/bad"
			expect 422 damaged
		done
		{
			cat "$T/blob"
			printf x
		} >"$T/bad"
		api_file POST /v1/unseal "$T/bad"
		expect 422 damaged
		api_file POST /v1/unseal "$T/blob"
		expect 200
		cmp "$T/body" "$T/part"
	done
	head -c 500 /dev/urandom >"$T/bad"
	api_file POST /v1/unseal "$T/bad"
	expect 400 invalid
	: >"$T/bad"
	api_file POST /v1/unseal "$T/bad"
	expect 400 invalid
	still_fine
}

@test "changed, truncated and extended blobs are damaged, other bytes invalid (tpm)" { damaged_blobs tpm; }
@test "changed, truncated and extended blobs are damaged, other bytes invalid (legacy)" { damaged_blobs legacy; }

@test "a blob of another installation or another TPM is wrong_tpm" {
	on tpm
	seal_text mine "$T/blob"
	put a mine
	stop_daemon
	# Another installation on the same chip has a storage key of its own.
	mv "$T/state" "$T/first"
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 422 wrong_tpm
	stop_daemon
	rm -rf "$T/state"
	# The same installation moved to another chip, without its record of the first one.
	cp -a "$T/first" "$T/state"
	rm -f "$T/state"/tpm.state* "$T/state"/tpm.used*
	stop_swtpm
	start_swtpm other
	write_config 'provider = "tpm"'
	start_daemon
	api_file POST /v1/unseal "$T/blob"
	expect 422 wrong_tpm
	get a
	expect 422 wrong_tpm
	stop_daemon
	stop_swtpm
	# .. and with its record: the chip is not the one that the keys were made with.
	cp "$T/first"/tpm.state* "$T/state"
	start_swtpm third
	write_config 'provider = "tpm"'
	start_daemon
	get a
	expect 503 tpm_changed
	api GET /v1/status
	expect 200
}

records() {
	on "$1"
	put keep kept
	put a content
	put b other
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	stop_daemon
	mv "$(record secrets a)" "$(record secrets renamed)"
	cp "$(record keys k)" "$(record keys copy)"
	flip "$(record secrets b)" -40
	flip "$(record keys k)" 30
	cp "$(record secrets keep)" "$(record secrets short)"
	truncate -s 50 "$(record secrets short)"
	: >"$(record secrets empty)"
	mkdir "$(record secrets folder)"
	start_daemon
	get renamed
	expect 422 wrong_name
	get a
	expect 404 not_found
	api GET /v1/keys/copy
	expect 422 wrong_name
	get b
	expect 422 damaged
	api GET /v1/keys/k
	expect 422 damaged
	api_json POST /v1/keys/k/sign '{"message":"aGk="}'
	expect 422 damaged
	get short
	expect 422 damaged
	get empty
	expect 422 damaged
	get folder
	expect 500 unreadable
	still_fine
	# Not overwritten ..
	put b new
	expect 422 damaged
	put folder new
	expect 500 unreadable
	api_json PUT /v1/secrets/b '{"data":"YQ=="}' -H 'If-None-Match: *'
	expect 409 conflict
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 409 conflict
	# .. but put aside when it is deleted, and then the name is free.
	api DELETE /v1/secrets/b
	expect 204
	[[ $(find "$T/state/quarantine" -name 'host.secrets.b.*' | wc -l) == 1 ]]
	put b new
	expect 201
	api DELETE /v1/keys/k
	expect 204
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	expect 201
	still_fine
}

@test "records renamed, changed, cut or unreadable have their own codes (tpm)" { records tpm; }
@test "records renamed, changed, cut or unreadable have their own codes (legacy)" { records legacy; }
