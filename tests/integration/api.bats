#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The good case of every route, on both providers.

load helpers

status_tells() {
	on "$1"
	api GET /v1/status
	expect 200
	[[ $(field .provider) == "$1" ]]
	[[ $(field .protection) == "$PROTECTION" ]]
	[[ $(field .tenant) == host ]]
	[[ $(field .version) =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]
	[[ $(field .reason) == *configuration* ]]
	jq -e '.uptime >= 0' "$T/body"
	if [[ $1 == tpm ]]; then
		jq -e '.tpm.commands > 0 and .tpm.resource_manager == "none" and
		       (.tpm.manufacturer | length > 0) and .tpm.lockout.counter == 0 and
		       .tpm.lockout.in_lockout == false' "$T/body"
		[[ $(field .tpm.tcti) == "$TCTI" && $(field .tpm.fault) == null ]]
	else
		[[ $(field .tpm) == null ]]
	fi
}

@test "status tells provider, reason and protection (tpm)" { status_tells tpm; }
@test "status tells provider, reason and protection (legacy)" { status_tells legacy; }

random_bytes() {
	local n first
	on "$1"
	for n in 1 32 65536; do
		api_json POST /v1/random "{\"bytes\":$n}"
		expect 200
		[[ $(field .protection) == "$PROTECTION" ]]
		[[ $(field .data | base64 -d | wc -c) == "$n" ]]
		api_json POST /v1/random "{\"bytes\":$n}" "${OCTETS[@]}"
		expect 200
		[[ $(wc -c <"$T/body") == "$n" ]]
	done
	first=$(sha256sum <"$T/body")
	api_json POST /v1/random '{"bytes":65536}' "${OCTETS[@]}"
	[[ $(sha256sum <"$T/body") != "$first" ]]
}

@test "random gives exactly as many bytes as asked for (tpm)" { random_bytes tpm; }
@test "random gives exactly as many bytes as asked for (legacy)" { random_bytes legacy; }

seal_octets() {
	local n
	on "$1"
	for n in 0 1 128 129 65536 65537 1048576; do
		head -c "$n" /dev/urandom >"$T/plain"
		api_file POST /v1/seal "$T/plain"
		expect 200
		grep -qi "^holdfast-protection: $PROTECTION" "$T/head"
		grep -qi "^content-length: $(wc -c <"$T/body")" "$T/head"
		cp "$T/body" "$T/blob"
		api_file POST /v1/unseal "$T/blob"
		expect 200
		grep -qi "^holdfast-protection: $PROTECTION" "$T/head"
		grep -qi "^content-length: $n" "$T/head"
		cmp "$T/body" "$T/plain"
	done
}

@test "octets are sealed and unsealed, from none to 1 MiB (tpm)" { seal_octets tpm; }
@test "octets are sealed and unsealed, from none to 1 MiB (legacy)" { seal_octets legacy; }

seal_json() {
	local n blob data
	on "$1"
	for n in 0 1 128 129 500000; do
		data=$(head -c "$n" /dev/urandom | base64 -w0)
		api_json POST /v1/seal "{\"data\":\"$data\"}"
		expect 200
		[[ $(field .protection) == "$PROTECTION" ]]
		blob=$(field .blob)
		api_json POST /v1/unseal "{\"blob\":\"$blob\"}"
		expect 200
		[[ $(field .data) == "$data" ]]
		[[ $(field .protection) == "$PROTECTION" ]]
	done
	# What one form sealed, the other opens.
	printf '%s' "$blob" | base64 -d >"$T/blob"
	api_file POST /v1/unseal "$T/blob"
	[[ $(base64 -w0 <"$T/body") == "$data" ]]
}

@test "JSON is sealed and unsealed (tpm)" { seal_json tpm; }
@test "JSON is sealed and unsealed (legacy)" { seal_json legacy; }

@test "the same data sealed twice gives different blobs" {
	on legacy
	seal_text "the very same data" "$T/one"
	seal_text "the very same data" "$T/two"
	refute cmp -s "$T/one" "$T/two"
	refute grep -qa "the very same" "$T/one"
}

secrets_life() {
	on "$1"
	put db first
	expect 201
	[[ $(field .name) == db ]]
	[[ $(field .protection) == "$PROTECTION" ]]
	[[ $(field .size) == 5 ]]
	jq -e --argjson now "$(date +%s)" '.created <= $now and .created > $now - 60' "$T/body"
	api_json PUT /v1/secrets/db '{"data":"c2Vjb25k"}'
	expect 200
	api GET /v1/secrets/db
	expect 200
	[[ $(field .data) == c2Vjb25k ]]
	[[ $(field .name) == db ]]
	[[ $(field .protection) == "$PROTECTION" ]]
	jq -e '.created > 0' "$T/body"
	get db
	expect 200
	[[ $(cat "$T/body") == second ]]
	grep -qi "^holdfast-protection: $PROTECTION" "$T/head"
	api DELETE /v1/secrets/db
	expect 204
	[[ ! -s $T/body ]]
	get db
	expect 404 not_found
	api DELETE /v1/secrets/db
	expect 404 not_found
}

@test "a secret is put, replaced, read and deleted (tpm)" { secrets_life tpm; }
@test "a secret is put, replaced, read and deleted (legacy)" { secrets_life legacy; }

only_create() {
	on "$1"
	api_json PUT /v1/secrets/db '{"data":"b25l"}' -H 'If-None-Match: *'
	expect 201
	api_json PUT /v1/secrets/db '{"data":"dHdv"}' -H 'If-None-Match: *'
	expect 409 conflict
	api GET /v1/secrets/db
	[[ $(field .data) == b25l ]]
}

@test "If-None-Match: * only creates (tpm)" { only_create tpm; }
@test "If-None-Match: * only creates (legacy)" { only_create legacy; }

large_secret() {
	on "$1"
	head -c 1048576 /dev/urandom >"$T/plain"
	api_file PUT /v1/secrets/big "$T/plain"
	expect 201
	get big
	cmp "$T/body" "$T/plain"
	api GET /v1/secrets/big
	expect 200
	field .data | base64 -d | cmp - "$T/plain"
	: >"$T/empty"
	api_file PUT /v1/secrets/none "$T/empty"
	expect 201
	get none
	expect 200
	[[ ! -s $T/body ]]
}

@test "secrets of no bytes and of 1 MiB (tpm)" { large_secret tpm; }
@test "secrets of no bytes and of 1 MiB (legacy)" { large_secret legacy; }

@test "secrets are listed in order and in pages" {
	local name
	on legacy
	api GET /v1/secrets
	expect 200
	[[ $(jq -c . "$T/body") == '{"secrets":[],"next":null}' ]]
	for name in e c a.1 B d; do
		put "$name" x
	done
	api GET /v1/secrets
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["B","a.1","c","d","e"]' ]]
	[[ $(field .next) == null ]]
	api GET '/v1/secrets?limit=2'
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["B","a.1"]' ]]
	[[ $(field .next) == a.1 ]]
	api GET '/v1/secrets?limit=2&after=a.1'
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["c","d"]' ]]
	api GET '/v1/secrets?limit=2&after=d'
	[[ $(jq -c '[.secrets[].name]' "$T/body") == '["e"]' ]]
	[[ $(field .next) == null ]]
	# Keys have a list of their own.
	api GET /v1/keys
	[[ $(jq -c . "$T/body") == '{"keys":[],"next":null}' ]]
}

key_life() {
	local type
	on "$1"
	for type in ecc-p256 ecc-p384 rsa-2048; do
		api_json POST /v1/keys "{\"name\":\"k-$type\",\"type\":\"$type\",\"use\":[\"sign\"]}"
		expect 201
		grep -qi "^location: /v1/keys/k-$type" "$T/head"
		[[ $(field .name) == "k-$type" && $(field .type) == "$type" ]]
		[[ $(field .protection) == "$PROTECTION" && $(field .origin) == generated ]]
		[[ $(field .export) == false && $(jq -c .use "$T/body") == '["sign"]' ]]
		if [[ $1 == tpm ]]; then
			[[ $(field .tpm_name) =~ ^000b[0-9a-f]{64}$ ]]
		else
			[[ $(field .tpm_name) == null ]]
		fi
		cp "$T/body" "$T/made"
		field .public | openssl pkey -pubin -noout
		api GET "/v1/keys/k-$type"
		expect 200
		[[ $(jq -S . "$T/body") == "$(jq -S . "$T/made")" ]]
	done
	api_json POST /v1/keys '{"name":"k-ecc-p256","type":"ecc-p256"}'
	expect 409 conflict
	api GET /v1/keys
	[[ $(jq -c '[.keys[].name]' "$T/body") == '["k-ecc-p256","k-ecc-p384","k-rsa-2048"]' ]]
	api DELETE /v1/keys/k-ecc-p384
	expect 204
	api GET /v1/keys/k-ecc-p384
	expect 404 not_found
	api_json POST /v1/keys/k-ecc-p384/sign '{"message":""}'
	expect 404 not_found
}

@test "keys of each type are made, shown, listed and deleted (tpm)" { key_life tpm; }
@test "keys of each type are made, shown, listed and deleted (legacy)" { key_life legacy; }

# sign_and_verify KEY JSON OPENSSL-DIGEST [OPENSSL OPTION..]: message in $T/message.
sign_and_verify() {
	local key=$1 json=$2 hash=$3
	shift 3
	api_json POST "/v1/keys/$key/sign" "$json"
	expect 200
	[[ $(field .protection) == "$PROTECTION" && $(field .hash) == "$hash" ]]
	field .signature | base64 -d >"$T/signature"
	openssl dgst "-$hash" -verify "$T/$key.pem" -signature "$T/signature" "$@" "$T/message"
}

make_key() {
	api_json POST /v1/keys "{\"name\":\"$1\",\"type\":\"$2\"${3:-}}"
	expect 201
	jq -j .public "$T/body" >"$T/$1.pem"
}

signing() {
	local message digest
	on "$1"
	make_key e ecc-p256
	make_key r rsa-2048
	head -c 5000 /dev/urandom >"$T/message"
	message=$(base64 -w0 <"$T/message")
	digest=$(openssl dgst -sha256 -binary "$T/message" | base64 -w0)
	sign_and_verify e "{\"digest\":\"$digest\"}" sha256
	[[ $(field .scheme) == ecdsa && $(field .format) == der ]]
	sign_and_verify e "{\"message\":\"$message\",\"hash\":\"sha256\",\"scheme\":\"ecdsa\"}" sha256
	sign_and_verify r "{\"digest\":\"$digest\"}" sha256
	[[ $(field .scheme) == rsassa ]]
	sign_and_verify r "{\"message\":\"$message\",\"hash\":\"sha384\"}" sha384
	sign_and_verify r "{\"message\":\"$message\",\"scheme\":\"rsapss\"}" sha256 \
		-sigopt rsa_padding_mode:pss
	# A signature of another message is refused by the same check.
	echo other >>"$T/message"
	refute openssl dgst -sha256 -verify "$T/r.pem" -signature "$T/signature" \
		-sigopt rsa_padding_mode:pss "$T/message"
}

@test "signatures are verified by openssl (tpm)" { signing tpm; }
@test "signatures are verified by openssl (legacy)" { signing legacy; }

raw_format() {
	on "$1"
	make_key e ecc-p256
	api_json POST /v1/keys/e/sign '{"message":"aGk=","format":"raw"}'
	expect 200
	[[ $(field .format) == raw ]]
	[[ $(field .signature | base64 -d | wc -c) == 64 ]]
}

@test "format raw gives r and s of the field's size (tpm)" { raw_format tpm; }
@test "format raw gives r and s of the field's size (legacy)" { raw_format legacy; }

exporting() {
	on "$1"
	make_key out ecc-p256 ',"export":true'
	[[ $(field .export) == true ]]
	api POST /v1/keys/out/export
	expect 200
	[[ $(field .protection) == "$PROTECTION" ]]
	[[ $(field .passphrase) != null ]]
	if [[ $1 == tpm ]]; then
		[[ $(field .pem) == *"BEGIN TSS2 PRIVATE KEY"* ]]
	else
		field .passphrase >"$T/pass"
		field .pem | openssl pkey -passin "file:$T/pass" -pubout | cmp - "$T/out.pem"
	fi
	make_key open ecc-p256 ',"export":true,"auth":"none"'
	api_json POST /v1/keys/open/export '{}'
	expect 200
	[[ $(field .passphrase) == null ]]
	make_key kept ecc-p256
	api POST /v1/keys/kept/export
	expect 409 conflict
}

@test "exportable keys are exported, others are not (tpm)" { exporting tpm; }
@test "exportable keys are exported, others are not (legacy)" { exporting legacy; }

# What was exported comes back under another name and signs for the same public key.
importing() {
	on "$1"
	make_key out ecc-p256 ',"export":true'
	api POST /v1/keys/out/export
	jq -c '{name: "in", pem: .pem, passphrase: .passphrase}' "$T/body" >"$T/import"
	api_json POST /v1/keys "$(cat "$T/import")"
	expect 201
	[[ $(field .origin) == imported && $(field .protection) == "$PROTECTION" ]]
	jq -j .public "$T/body" | cmp - "$T/out.pem"
	cp "$T/out.pem" "$T/in.pem"
	echo hello >"$T/message"
	sign_and_verify in "{\"message\":\"$(base64 -w0 <"$T/message")\"}" sha256
	jq -c '.name = "bad" | .passphrase = "wrong"' "$T/import" >"$T/wrong"
	api_json POST /v1/keys "$(cat "$T/wrong")"
	expect 403 auth_failed
	api GET /v1/keys/bad
	expect 404 not_found
}

@test "an exported key is imported again (tpm)" { importing tpm; }
@test "an exported key is imported again (legacy)" { importing legacy; }

# Sound RSA, which no TPM knows; told at once, by both providers.
long_exponent() {
	local more
	on "$1"
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
		-pkeyopt rsa_keygen_pubexp:4294967311 -out "$T/theirs.pem" 2>/dev/null
	openssl pkcs8 -topk8 -in "$T/theirs.pem" -passout pass:word -out "$T/locked.pem"
	jq -n --rawfile pem "$T/theirs.pem" '{name: "k", pem: $pem}' >"$T/plain"
	jq -n --rawfile pem "$T/locked.pem" '{name: "k", pem: $pem, passphrase: "word"}' >"$T/locked"
	for more in plain locked; do
		api_json POST /v1/keys "$(cat "$T/$more")"
		expect 422 not_supported
		[[ $(field .detail) == *'exponent has 33 bits'* ]]
	done
	api GET /v1/keys
	[[ $(field '.keys | length') == 0 ]]
}

@test "an RSA key with a long exponent is not supported (tpm)" { long_exponent tpm; }
@test "an RSA key with a long exponent is not supported (legacy)" { long_exponent legacy; }

@test "a key of openssl is imported by the legacy provider" {
	on legacy
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/theirs.pem" 2>/dev/null
	openssl pkey -in "$T/theirs.pem" -pubout -out "$T/k.pem"
	jq -n --rawfile pem "$T/theirs.pem" '{name: "k", pem: $pem}' >"$T/import"
	api_json POST /v1/keys "$(cat "$T/import")"
	expect 201
	[[ $(field .type) == rsa-2048 ]]
	echo hello >"$T/message"
	sign_and_verify k "{\"message\":\"$(base64 -w0 <"$T/message")\"}" sha256
}

@test "metrics are OpenMetrics and count" {
	on tpm
	put one x
	get one
	get two
	api GET /metrics
	expect 200
	grep -qi '^content-type: application/openmetrics-text; version=1.0.0' "$T/head"
	[[ $(tail -n 1 "$T/body") == '# EOF' ]]
	grep -qx 'holdfast_requests_total{operation="secret.put"} 1' "$T/body"
	grep -qx 'holdfast_requests_total{operation="secret.get"} 2' "$T/body"
	grep -qx 'holdfast_errors_total{code="not_found"} 1' "$T/body"
	grep -q '^holdfast_info{version="' "$T/body"
	grep -q '^holdfast_uptime_seconds ' "$T/body"
	grep -q '^holdfast_tpm_commands_total{command="' "$T/body"
}

@test "each operation leaves one audit line without data" {
	on tpm
	put vault TopSecretContent
	get vault
	get absent
	grep -c 'audit {' "$T/log" | grep -qx 3
	grep 'audit {' "$T/log" | sed 's/.*audit //' >"$T/audit"
	jq -e -s '.[0].operation == "secret.put" and .[0].object == "vault" and
	          .[0].result == "ok" and .[0].tenant == "host" and .[0].tpm_commands >= 1 and
	          .[0].microseconds > 0 and .[1].operation == "secret.get" and
	          .[2].result == "not_found" and .[2].tpm_commands == 0' "$T/audit"
	jq -e -s --argjson uid "$(id -u)" 'all(.uid == $uid and .pid > 1)' "$T/audit"
	refute grep -q TopSecret "$T/log"
	refute grep -q "$(printf TopSecretContent | base64)" "$T/log"
}

@test "a secret of the other provider is not replaced unseen" {
	local here other code
	start_swtpm
	for here in tpm legacy; do
		[[ $here == tpm ]] && other=legacy || other=tpm
		[[ $here == tpm ]] && code='503 tpm_required' || code='422 not_supported'
		write_config "provider = \"$here\""
		start_daemon
		put "of-$here" content
		expect 201
		stop_daemon
		write_config "provider = \"$other\""
		start_daemon
		put "of-$here" other
		expect $code
		[[ $(field .remedy) == 'Delete the secret first if its content is not needed any more.' ]]
		api DELETE "/v1/secrets/of-$here"
		expect 204
		put "of-$here" other
		expect 201
		stop_daemon
	done
}

@test "peers narrow who may use the socket" {
	write_config "tenant host { peers = { \"uid:$(($(id -u) + 1))\" } }"
	launch_daemon
	wait_until grep -q 'security provider' "$T/log"
	api GET /v1/status
	expect 403 forbidden
	put a x
	expect 403 forbidden
	grep -q '"operation":"refused","object":"/v1/secrets/{name}","result":"forbidden"' "$T/log"
	stop_daemon
	write_config "tenant host { peers = { \"uid:$(id -u)\" } }"
	start_daemon
	put a x
	expect 201
}

@test "rate limits the requests of a second" {
	local i
	write_config 'tenant host { rate = 2 }'
	launch_daemon
	wait_until grep -q 'security provider' "$T/log"
	for i in {1..50}; do
		api GET /v1/keys
		[[ $CODE != 429 ]] || break
	done
	expect 429 quota
	grep -qi '^retry-after: 1' "$T/head"
	[[ $(field .remedy) == 'Wait as long as Retry-After says, then repeat.' ]]
	answered() {
		api GET /v1/keys
		[[ $CODE == 200 ]]
	}
	wait_until answered
}

@test "status and metrics answer while every place waits for a hung chip" {
	local i
	on tpm
	kill -STOP "$SWTPM_PID"
	waiter() {
		helper curl -s -m 60 --unix-socket "$SOCK" -H 'Content-Type: application/json' \
			-d '{"data":""}' http://h/v1/seal
	}
	for i in {1..64}; do
		waiter
	done
	# One that got no connection at once, since so many came together, is replaced.
	none_free() {
		api_json POST /v1/seal '{"data":""}' -m 1
		[[ $CODE == 429 ]] || { waiter && false; }
	}
	wait_until none_free
	expect 429 quota
	[[ $(field .remedy) == 'Wait as long as Retry-After says, then repeat.' ]]
	api GET /v1/status -m 20
	expect 200
	api GET /metrics -m 20
	expect 200
	kill -CONT "$SWTPM_PID"
	none_waits() {
		api_json POST /v1/seal '{"data":""}'
		[[ $CODE == 200 ]]
	}
	wait_until none_waits
}

@test "what is refused before any operation is audited and counted" {
	on legacy
	head -c 67108865 /dev/zero >"$T/big"
	api_file POST /v1/seal "$T/big"
	expect 413 too_large
	api GET /v1/nothing
	expect 404
	api GET /v1/keys -H 'Content-Encoding: gzip'
	expect 400 invalid
	grep -q '"operation":"refused","object":"/v1/seal","result":"too_large"' "$T/log"
	grep -q '"operation":"refused","object":"","result":"not_found"' "$T/log"
	grep -q '"operation":"refused","object":"/v1/keys","result":"invalid"' "$T/log"
	api GET /metrics
	grep -qx 'holdfast_errors_total{code="too_large"} 1' "$T/body"
	grep -qx 'holdfast_errors_total{code="not_found"} 1' "$T/body"
	grep -qx 'holdfast_errors_total{code="invalid"} 1' "$T/body"
}

@test "unseal, seal and sign cost one TPM command each, once the object is loaded" {
	local before
	on tpm
	seal_text hello "$T/blob"
	before=$(commands_sent)
	seal_text hello "$T/blob2"
	[[ $(($(commands_sent) - before)) -le 2 ]]
	api_file POST /v1/unseal "$T/blob"
	before=$(commands_sent)
	api_file POST /v1/unseal "$T/blob"
	expect 200
	[[ $(($(commands_sent) - before)) == 1 ]]
	make_key e ecc-p256
	api_json POST /v1/keys/e/sign '{"message":"aGk="}'
	before=$(commands_sent)
	api_json POST /v1/keys/e/sign '{"message":"aGk="}'
	expect 200
	[[ $(($(commands_sent) - before)) == 1 ]]
	before=$(commands_sent)
	api_json POST /v1/random '{"bytes":32}'
	[[ $(($(commands_sent) - before)) -le 1 ]]
}

@test "one connection serves many requests" {
	on legacy
	run curl -s --unix-socket "$SOCK" -o /dev/null -o /dev/null -o /dev/null \
		-w '%{http_code} %{num_connects}\n' http://h/v1/status http://h/v1/keys http://h/v1/nothing
	[[ $output == $'200 1\n200 0\n404 0' ]]
}

@test "a client that closes its sending half still gets its answer" {
	on legacy
	printf 'GET /v1/status HTTP/1.1\r\nHost: h\r\n\r\n' | socat -t 5 - "UNIX-CONNECT:$SOCK" >"$T/raw"
	head -n 1 "$T/raw" | grep -q '200'
	grep -q '"provider"' "$T/raw"
}
