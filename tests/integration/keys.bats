#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Keys of every type and use, on both providers, checked by the stock openssl.

bats_require_minimum_version 1.5.0
load helpers

FILE_CONFIG=('fapi { probe = false }')

# key NAME TYPE [USES]: with its public half in $T/NAME.pem.
key() {
	api_json POST /v1/keys "{\"name\":\"$1\",\"type\":\"$2\",\"use\":${3:-[\"sign\"]}}"
	expect 201
	[[ $(field .protection) == "$PROTECTION" ]]
	text .public >"$T/$1.pem"
}

# text FILTER: a member of the answer as it is, without another line end.
text() {
	jq -j "$1" "$T/body"
}

# member FILTER FILE: .. out of base64.
member() {
	field "$1" | base64 -d >"$2"
}

b64() {
	base64 -w0 <"$1"
}

# cost OPERATION: the TPM commands of the last one, by its line in the audit.
cost() {
	sed -n 's/.*audit {/{/p' "$T/log" |
		jq -s --arg operation "$1" 'map(select(.operation == $operation)) | last.tpm_commands'
}

costs() {
	[[ $PROVIDER == legacy ]] || [[ $(cost "$1") == "$2" ]] || {
		echo "$1 took $(cost "$1") commands instead of $2"
		return 1
	}
}

# --- signing ---

signs() {
	local type hash
	on "$1"
	echo "a message" >"$T/message"
	key first ecc-p256
	costs key.create 1
	for type in ecc-p256 ecc-p384 rsa-2048; do
		key "$type" "$type"
		for hash in sha256 sha384 sha512; do
			api_json POST "/v1/keys/$type/sign" \
				"{\"message\":\"$(b64 "$T/message")\",\"hash\":\"$hash\"}"
			expect 200
			member .signature "$T/sig"
			openssl dgst "-$hash" -verify "$T/$type.pem" -signature "$T/sig" "$T/message"
		done
	done
	costs key.sign 1
	api_json POST /v1/keys/rsa-2048/sign \
		"{\"message\":\"$(b64 "$T/message")\",\"hash\":\"sha384\",\"scheme\":\"rsapss\"}"
	member .signature "$T/sig"
	openssl dgst -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
		-verify "$T/rsa-2048.pem" -signature "$T/sig" "$T/message"
}

@test "keys of each type sign with each hash, and by PSS (tpm)" { signs tpm; }
@test "keys of each type sign with each hash, and by PSS (legacy)" { signs legacy; }

# --- decrypting ---

# encrypt HASH [LABEL IN HEX]: $T/plain for the key d.
encrypt() {
	openssl pkeyutl -encrypt -pubin -inkey "$T/d.pem" -in "$T/plain" -out "$T/cipher" \
		-pkeyopt rsa_padding_mode:oaep -pkeyopt "rsa_oaep_md:$1" -pkeyopt "rsa_mgf1_md:$1" \
		${2:+-pkeyopt "rsa_oaep_label:$2"}
}

# decrypt MEMBERS: beside the ciphertext.
decrypt() {
	api_json POST /v1/keys/d/decrypt "{\"ciphertext\":\"$(b64 "$T/cipher")\"${1:+,$1}}"
}

decrypts() {
	local hash text
	on "$1"
	key d rsa-2048 '["decrypt","sign"]'
	printf 'a secret' >"$T/plain"
	for hash in sha256 sha384; do
		encrypt "$hash"
		decrypt "\"hash\":\"$hash\""
		expect 200
		member .data "$T/opened"
		cmp "$T/plain" "$T/opened"
		[[ $(field .protection) == "$PROTECTION" ]]
	done
	decrypt '"hash":"sha384"'
	costs key.decrypt 1
	# "duplicate" with the NUL that ends it.
	encrypt sha256 6475706c696361746500
	decrypt "\"label\":\"$(printf duplicate | base64)\""
	expect 200
	member .data "$T/opened"
	cmp "$T/plain" "$T/opened"
	# Whatever it is that does not fit, it is told in the same words.
	for text in '' '"label":"ZHVwbGljYXRf"' '"hash":"sha384"'; do
		decrypt "$text"
		expect 422 damaged
		field .detail >>"$T/details"
	done
	head -c 256 /dev/zero >"$T/cipher"
	decrypt
	expect 422 damaged
	field .detail >>"$T/details"
	[[ $(sort -u "$T/details" | wc -l) == 1 ]]
	head -c 255 /dev/zero >"$T/cipher"
	decrypt
	expect 400 invalid
}

@test "a key decrypts what openssl encrypted, with and without a label (tpm)" { decrypts tpm; }
@test "a key decrypts what openssl encrypted, with and without a label (legacy)" { decrypts legacy; }

# --- agreeing ---

agrees() {
	local curve type other
	on "$1"
	for curve in P-256:ecc-p256 P-384:ecc-p384; do
		type=${curve#*:}
		key "$type" "$type" '["agree"]'
		openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:${curve%:*}" -out "$T/peer"
		openssl pkey -in "$T/peer" -pubout -out "$T/peer.$type"
		openssl pkeyutl -derive -inkey "$T/peer" -peerkey "$T/$type.pem" -out "$T/expected"
		jq -n --rawfile peer "$T/peer.$type" '{peer: $peer}' >"$T/peer.json"
		api_json POST "/v1/keys/$type/agree" "$(cat "$T/peer.json")"
		expect 200
		member .secret "$T/secret"
		cmp "$T/expected" "$T/secret"
	done
	api_json POST /v1/keys/ecc-p384/agree "$(cat "$T/peer.json")"
	costs key.agree 1
	# A point of another curve.
	api_json POST /v1/keys/ecc-p256/agree "$(cat "$T/peer.json")"
	expect 400 invalid
	[[ $(field .detail) == /peer:* ]]
}

@test "a key agrees with openssl on a secret (tpm)" { agrees tpm; }
@test "a key agrees with openssl on a secret (legacy)" { agrees legacy; }

# --- MACs ---

# mac FILE: of the key h.
mac() {
	jq -n --rawfile data <(base64 -w0 "$1") '{data: $data}' >"$T/mac.json"
	api POST /v1/keys/h/mac -H 'Content-Type: application/json' --data-binary "@$T/mac.json"
}

macs() {
	local n one
	on "$1"
	api_json POST /v1/keys '{"name":"h","type":"hmac-sha256"}'
	expect 201
	jq -e '.public == null and .use == ["sign"] and .type == "hmac-sha256"' "$T/body"
	for n in 0 1 1024 1025 2048 2049 1048576; do
		head -c "$n" /dev/urandom >"$T/data"
		mac "$T/data"
		expect 200
		one=$(field .mac)
		[[ $(field .protection) == "$PROTECTION" ]]
		[[ $(printf %s "$one" | base64 -d | wc -c) == 32 ]]
		mac "$T/data"
		[[ $(field .mac) == "$one" ]]
		[[ $n -gt 0 ]] || continue
		# The last byte counts, also of the last piece.
		flip "$T/data" -1
		mac "$T/data"
		expect 200
		[[ $(field .mac) != "$one" ]]
	done
	head -c 1024 "$T/data" >"$T/piece"
	mac "$T/piece"
	costs key.mac 1
	head -c 1048577 /dev/zero >"$T/data"
	mac "$T/data"
	expect 413 too_large
	head -c 2000000 /dev/zero >"$T/data"
	mac "$T/data"
	expect 413 too_large
}

@test "MACs of nothing up to 1 MiB (tpm)" { macs tpm; }
@test "MACs of nothing up to 1 MiB (legacy)" { macs legacy; }

@test "a MAC in pieces: one command to begin, one for each piece" {
	on tpm
	api_json POST /v1/keys '{"name":"h","type":"hmac-sha256"}'
	head -c 5000 /dev/urandom >"$T/data"
	mac "$T/data"
	expect 200
	# One to begin, four pieces and one to end; the key may have to be loaded.
	[[ $(cost key.mac) -le 8 ]]
	mac "$T/data"
	[[ $(cost key.mac) == 6 ]]
}

# --- certificate requests ---

make_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/ca.key" \
		-out "$T/ca.pem" -subj "/CN=Test CA" -days 2 2>/dev/null
}

requests() {
	local type
	on "$1"
	make_ca
	for type in ecc-p256 ecc-p384 rsa-2048; do
		key "$type" "$type"
		api_json POST "/v1/keys/$type/certificate-request" \
			'{"subject":"CN=gw-1,O=Ex\\, ample","dns":["gw-1.example"],"ip":["192.0.2.7","2001:db8::7"],
			  "email":["a@example.com"],"uri":["urn:x:y"]}'
		expect 200
		[[ $(field .protection) == "$PROTECTION" ]]
		text .request >"$T/req"
		openssl req -in "$T/req" -verify -noout
		openssl req -in "$T/req" -noout -pubkey | cmp - "$T/$type.pem"
		openssl req -in "$T/req" -noout -subject -nameopt RFC2253 |
			grep -qxF 'subject=CN=gw-1,O=Ex\, ample'
		openssl req -in "$T/req" -noout -text | grep -q \
			'DNS:gw-1.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7, email:a@example.com, URI:urn:x:y'
		openssl x509 -req -in "$T/req" -CA "$T/ca.pem" -CAkey "$T/ca.key" -CAcreateserial \
			-copy_extensions copyall -days 1 -out "$T/cert" 2>/dev/null
		openssl verify -CAfile "$T/ca.pem" "$T/cert"
	done
	api_json POST /v1/keys/rsa-2048/certificate-request '{"subject":"CN=a","hash":"sha512"}'
	costs key.request 1
	text .request >"$T/req"
	openssl req -in "$T/req" -verify -noout
	openssl req -in "$T/req" -noout -text | grep -q sha512WithRSAEncryption
	api_json POST /v1/keys/rsa-2048/certificate-request '{"subject":"CN=a","ip":["192.0.2.7","no"]}'
	expect 400 invalid
	[[ $(field .detail) == /ip/1:* ]]
}

@test "certificate requests are verified by openssl and signed by a CA (tpm)" { requests tpm; }
@test "certificate requests are verified by openssl and signed by a CA (legacy)" { requests legacy; }

# --- import ---

# import NAME FILE [MEMBERS]
import() {
	api_json POST /v1/keys \
		"$(jq -n --arg name "$1" --rawfile pem "$2" "{name: \$name, pem: \$pem${3:+, $3}}")"
}

imports() {
	on "$1"
	echo "a message" >"$T/message"
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/ec"
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/rsa" 2>/dev/null
	openssl pkcs8 -topk8 -in "$T/ec" -v2 aes-256-cbc -passout pass:horse -out "$T/ec.enc"
	import ec "$T/ec"
	expect 201
	jq -e '.origin == "imported" and .use == ["sign"] and .export == false' "$T/body"
	[[ $(field .protection) == "$PROTECTION" ]]
	text .public | cmp - <(openssl pkey -in "$T/ec" -pubout)
	import agree "$T/ec.enc" 'passphrase: "horse", use: ["agree", "sign"]'
	expect 201
	import no "$T/ec.enc" 'passphrase: "mule"'
	expect 403 auth_failed
	import no "$T/ec" 'use: ["decrypt"]'
	[[ $CODE == 400 || $CODE == 422 ]]
	import d "$T/rsa" 'use: ["decrypt", "sign"]'
	expect 201
	text .public >"$T/d.pem"
	api_json POST /v1/keys/ec/sign "{\"message\":\"$(b64 "$T/message")\"}"
	expect 200
	member .signature "$T/sig"
	openssl dgst -sha256 -verify <(openssl pkey -in "$T/ec" -pubout) -signature "$T/sig" \
		"$T/message"
	printf 'a secret' >"$T/plain"
	encrypt sha256
	decrypt
	expect 200
	member .data "$T/opened"
	cmp "$T/plain" "$T/opened"
	api GET /v1/keys/no
	expect 404
}

@test "PKCS#8 is imported and used (tpm)" { imports tpm; }
@test "PKCS#8 is imported and used (legacy)" { imports legacy; }

@test "a TSS2 key goes out, comes in under another name and is used" {
	on tpm
	echo "a message" >"$T/message"
	api_json POST /v1/keys '{"name":"out","type":"ecc-p256","export":true}'
	expect 201
	text .public >"$T/out.pem"
	api_json POST /v1/keys/out/export '{}'
	text .pem >"$T/out.key"
	import in "$T/out.key" "passphrase: \"$(field .passphrase)\""
	expect 201
	text .public | cmp - "$T/out.pem"
	api_json POST /v1/keys/in/sign "{\"message\":\"$(b64 "$T/message")\"}"
	expect 200
	member .signature "$T/sig"
	openssl dgst -sha256 -verify "$T/out.pem" -signature "$T/sig" "$T/message"
}

# --- one name, many at once ---

# both PATH JSON: twice at once; the statuses, sorted.
both() {
	local i pids=()
	for i in 1 2; do
		curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$SOCK" \
			-H 'Content-Type: application/json' -d "$2" "http://h$1" >"$T/both.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	sort "$T/both.1" "$T/both.2" | tr '\n' ' '
}

one_of_two() {
	local i
	on "$1"
	for i in {1..10}; do
		[[ $(both /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}") == "201 409 " ]]
		api_json POST "/v1/keys/k$i/sign" '{"message":"YQ=="}'
		expect 200
	done
	api GET /v1/keys
	[[ $(field '.keys | length') == 10 ]]
}

@test "two creates of one name at once: one 201, one 409, one key (tpm)" { one_of_two tpm; }
@test "two creates of one name at once: one 201, one 409, one key (legacy)" { one_of_two legacy; }

# --- limits and rights ---

# of TENANT COMMAND..: on that tenant's socket.
of() {
	local SOCK=$T/run/tenants/$1/holdfast.sock
	shift
	"$@"
}

limited() {
	local i
	CONFIG+=('tenant small { operations = {"seal", "key", "sign"}  keys = 2  stored = 12288 }')
	on "$1"
	wait_until of small serves
	for i in 1 2; do
		of small api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		expect 201
	done
	of small api_json POST /v1/keys '{"name":"k3","type":"hmac-sha256"}'
	expect 429 quota
	[[ $(field .remedy) == *'`keys =`'* ]]
	refute grep -qi '^retry-after' "$T/head"
	of small api DELETE /v1/keys/k1
	of small api_json POST /v1/keys '{"name":"k3","type":"hmac-sha256"}'
	expect 201
	# Three small secrets, or one that takes more than two of them.
	for i in 1 2 3; do
		of small put "s$i" content
		expect 201
	done
	of small put s4 content
	expect 429 quota
	[[ $(field .remedy) == *'`stored =`'* ]]
	of small put s3 other
	expect 200
	of small put s3 "$(head -c 6000 /dev/zero | tr '\0' x)"
	expect 429 quota
	of small api DELETE /v1/secrets/s1
	of small put s3 "$(head -c 6000 /dev/zero | tr '\0' x)"
	expect 200
	# The limits are the tenant's own, and counted anew after a start.
	put s4 content
	expect 201
	stop_daemon
	start_daemon
	wait_until of small serves
	of small api_json POST /v1/keys '{"name":"k4","type":"ecc-p256"}'
	expect 429 quota
	of small put s5 content
	expect 429 quota
	# What it has no right to.
	of small api_json POST /v1/keys/k2/decrypt '{"ciphertext":""}'
	expect 403 forbidden
	of small api_json POST /v1/keys/k2/agree '{"peer":""}'
	expect 403 forbidden
	of small api POST /v1/aiks -d '{}'
	expect 403 forbidden
	of small import x /dev/null
	expect 403 forbidden
}

serves() {
	api GET /v1/keys
	[[ $CODE == 200 ]]
}

@test "a tenant's limits, and what it may not do (tpm)" { limited tpm; }
@test "a tenant's limits, and what it may not do (legacy)" { limited legacy; }

many_at_once() {
	local i made pids=()
	CONFIG+=('tenant small { operations = {"key", "aik", "sign"}  keys = 7 }')
	on "$1"
	wait_until of small serves
	for i in {1..20}; do
		curl -s -o /dev/null -w '%{http_code}\n' --unix-socket \
			"$T/run/tenants/small/holdfast.sock" -H 'Content-Type: application/json' \
			-d "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}" http://h/v1/keys \
			>"$T/made.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	made=$(cat "$T"/made.* | grep -c 201)
	[[ $made == 7 ]]
	[[ $(cat "$T"/made.* | grep -c 429) == 13 ]]
	of small api GET /v1/keys
	[[ $(field '.keys | length') == 7 ]]
}

@test "twenty creates at once never pass the limit, and reach it (tpm)" { many_at_once tpm; }
@test "twenty creates at once never pass the limit, and reach it (legacy)" { many_at_once legacy; }
