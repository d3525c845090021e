#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Attestation: what the chip says through the service is checked by the stock tools.

bats_require_minimum_version 1.5.0
load helpers

FILE_CONFIG=('fapi { probe = false }')

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
	[[ $(cost "$1") == "$2" ]] || {
		echo "$1 took $(cost "$1") commands instead of $2"
		return 1
	}
}

# aik NAME [TYPE [HASH]]: with its public half in $T/NAME.pem.
aik() {
	api_json POST /v1/aiks "{\"name\":\"$1\",\"type\":\"${2:-ecc-p256}\",\"hash\":\"${3:-sha256}\"}"
	expect 201
	text .public >"$T/$1.pem"
	TPM_NAME=$(field .tpm_name)
	member .tpm_public "$T/$1.pub"
}

# Others use the chip only while the daemon is down: a bare swtpm has one owner at a time.
with_daemon_down() {
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	TPM2TOOLS_TCTI=$TCTI "$@"
	start_daemon
}

# signed PEM [HASH]: plain_signature of the answer is good for attest of it.
signed() {
	member .attest "$T/attest"
	member .plain_signature "$T/plain.sig"
	openssl dgst "-${2:-sha256}" -verify "$1" -signature "$T/plain.sig" "$T/attest"
}

# said: the attestation of the answer as pytss reads it.
said() {
	member .attest "$T/attest"
	/usr/bin/python3 - "$T/attest" <<-'PYTHON'
		import sys
		from tpm2_pytss import TPM2_ST, TPMS_ATTEST
		attest, used = TPMS_ATTEST.unmarshal(open(sys.argv[1], 'rb').read())
		kind = {int(TPM2_ST.ATTEST_QUOTE): 'quote', int(TPM2_ST.ATTEST_CERTIFY): 'certify'}
		print('magic', hex(attest.magic), 'in', used)
		print('type', kind.get(int(attest.type)))
		print('extraData', bytes(attest.extraData).hex())
		if int(attest.type) == TPM2_ST.ATTEST_CERTIFY:
		    print('name', bytes(attest.attested.certify.name).hex())
		else:
		    print('pcrDigest', bytes(attest.attested.quote.pcrDigest).hex())
	PYTHON
}

# --- attestation keys ---

@test "an attestation key is restricted and never leaves its chip" {
	on tpm
	aik first
	costs aik.create 1
	jq -e '.protection == "tpm" and .handle == "0x81010000" and .scheme == "ecdsa" and
	       .type == "ecc-p256" and .hash == "sha256"' "$T/body"
	tpm2_print -t TPM2B_PUBLIC "$T/first.pub" >"$T/print"
	grep -q 'value: fixedtpm|fixedparent|sensitivedataorigin|.*restricted|sign' "$T/print"
	refute grep -q 'decrypt' "$T/print"
	# The Name is the hash of the public area, and the PEM is the same key.
	[[ $TPM_NAME == "000b$(tail -c +3 "$T/first.pub" | sha256sum | cut -c1-64)" ]]
	openssl pkey -pubin -in "$T/first.pem" -noout
}

@test "handles are given in turn and never again, also after a restart" {
	on tpm
	api_json POST /v1/aiks '{}'
	expect 201
	grep -qi '^location: /v1/aiks/0x81010000' "$T/head"
	aik named rsa-2048
	[[ $(field .handle) == 0x81010001 && $(field .scheme) == rsassa ]]
	api DELETE /v1/aiks/named
	expect 204
	stop_daemon KILL
	start_daemon
	api_json POST /v1/aiks '{}'
	[[ $(field .name) == 0x81010002 && $(field .handle) == 0x81010002 ]]
	api GET /v1/aiks
	jq -e '.next == null and (.aiks | map(.name)) == ["0x81010000", "0x81010002"] and
	       .aiks[0] == {name: "0x81010000", handle: "0x81010000", type: "ecc-p256",
	                    hash: "sha256"}' "$T/body"
	api_json POST /v1/aiks '{"name":"0x81010001"}'
	expect 400 invalid
	api_json POST /v1/aiks '{"name":"0x81010002"}'
	expect 400 invalid
}

@test "many at once have numbers of their own, and one name is given once" {
	local i pids=()
	on tpm
	for i in {1..8}; do
		curl -s -o "$T/made.$i" --unix-socket "$SOCK" -H 'Content-Type: application/json' \
			-d '{}' http://h/v1/aiks 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	jq -r .handle "$T"/made.* | sort >"$T/handles"
	printf '0x8101000%d\n' {0..7} | cmp - "$T/handles"
	pids=()
	for i in 1 2; do
		curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$SOCK" \
			-H 'Content-Type: application/json' -d '{"name":"one"}' http://h/v1/aiks \
			>"$T/code.$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	[[ $(sort "$T/code.1" "$T/code.2" | tr '\n' ' ') == "201 409 " ]]
	api_json POST /v1/aiks/one/quote '{}'
	expect 200
}

# --- quotes ---

# quoted NAME HASH-OF-KEY BODY: checked by tpm2_checkquote with the nonce 0102030405.
quoted() {
	api_json POST "/v1/aiks/$1/quote" "$3"
	expect 200
	member .attest "$T/q.msg"
	member .signature "$T/q.sig"
	tpm2_checkquote -Q -u "$T/$1.pem" -m "$T/q.msg" -s "$T/q.sig" -g "$2" -q 0102030405
	signed "$T/$1.pem" "$2"
}

@test "quotes are good for tpm2_checkquote and openssl" {
	local type
	on tpm
	for type in ecc-p256 rsa-2048; do
		aik "$type" "$type"
		quoted "$type" sha256 '{"nonce":"AQIDBAU=","pcrs":{"sha256":[0,7,16]},"values":false}'
		[[ $(field .pcrs) == null ]]
	done
	quoted rsa-2048 sha256 '{"nonce":"AQIDBAU=","values":false}'
	costs aik.quote 1
	# Another nonce, another key.
	run ! tpm2_checkquote -Q -u "$T/rsa-2048.pem" -m "$T/q.msg" -s "$T/q.sig" -g sha256 -q 01020304
	run ! tpm2_checkquote -Q -u "$T/ecc-p256.pem" -m "$T/q.msg" -s "$T/q.sig" -g sha256 -q 0102030405
	# Of SHA-384 too, where the chip can.
	aik other ecc-p384 sha384
	quoted other sha384 '{"nonce":"AQIDBAU="}'
	[[ $(field .hash) == sha384 ]]
}

@test "the values are those that were quoted" {
	on tpm
	with_daemon_down tpm2_pcrextend "16:sha256=$(printf x | sha256sum | cut -c1-64)"
	aik q
	quoted q sha256 '{"nonce":"AQIDBAU=","pcrs":{"sha256":[0,16]}}'
	quoted q sha256 '{"nonce":"AQIDBAU=","pcrs":{"sha256":[0,16]}}'
	costs aik.quote 2
	jq -r '.pcrs.sha256["0", "16"]' "$T/body" >"$T/values"
	[[ $(sed -n 2p "$T/values") != "$(sed -n 1p "$T/values")" ]]
	digest=$(tr -d '\n' <"$T/values" | /usr/bin/python3 -c \
		'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' | sha256sum |
		cut -c1-64)
	said | grep -qx "pcrDigest $digest"
	api GET /v1/pcrs
	expect 200
	[[ $(field '.banks.sha256["16"]') == "$(sed -n 2p "$T/values")" ]]
	jq -e '.banks.sha256 | length == 24' "$T/body"
	with_daemon_down tpm2_pcrread sha256:16 >"$T/read"
	grep -qi "$(sed -n 2p "$T/values")" "$T/read"
	# 0 to 7 unless asked for otherwise.
	api_json POST /v1/aiks/q/quote '{}'
	jq -e '(.pcrs | keys) == ["sha256"] and (.pcrs.sha256 | keys | map(tonumber) | sort) == [range(8)]' \
		"$T/body"
}

@test "the event log comes along, and alone" {
	printf 'what was measured' >"$T/events"
	CONFIG+=("tpm2 { fapi { firmwareLogFile = \"$T/events\" } }")
	on tpm
	aik q
	api GET /v1/eventlog
	expect 200
	grep -qi '^content-type: application/octet-stream' "$T/head"
	cmp "$T/body" "$T/events"
	api_json POST /v1/aiks/q/quote '{"event_log":true}'
	member .event_log "$T/log.of.quote"
	cmp "$T/log.of.quote" "$T/events"
	rm "$T/events"
	api_json POST /v1/aiks/q/quote '{"event_log":true}'
	expect 200
	jq -e 'has("event_log") and .event_log == null' "$T/body"
	api GET /v1/eventlog
	expect 404 not_found
	head -c 1048577 /dev/zero >"$T/events"
	api GET /v1/eventlog
	expect 422 not_supported
	mkfifo "$T/fifo"
	mv -f "$T/fifo" "$T/events"
	api GET /v1/eventlog
	expect 404 not_found
}

# --- certification ---

@test "certify says that a key is in this chip" {
	on tpm
	aik q
	api_json POST /v1/keys '{"name":"k","type":"rsa-2048","use":["sign","decrypt"]}'
	expect 201
	name=$(field .tpm_name)
	api_json POST /v1/aiks/q/certify '{"key":"k","nonce":"AQIDBAU="}'
	expect 200
	signed "$T/q.pem"
	member .public "$T/k.pub"
	[[ $name == "000b$(tail -c +3 "$T/k.pub" | sha256sum | cut -c1-64)" ]]
	said >"$T/said"
	grep -qx 'type certify' "$T/said"
	grep -qx "magic 0xff544347 in $(stat -c %s "$T/attest")" "$T/said"
	grep -qx 'extraData 0102030405' "$T/said"
	grep -qx "name $name" "$T/said"
	tpm2_print -t TPM2B_PUBLIC "$T/k.pub" | grep -q 'fixedtpm|fixedparent|sensitivedataorigin'
	api_json POST /v1/aiks/q/certify '{"key":"k"}'
	costs aik.certify 1
	# HMAC keys are objects of the chip as well.
	api_json POST /v1/keys '{"name":"h","type":"hmac-sha256"}'
	api_json POST /v1/aiks/q/certify '{"key":"h"}'
	expect 200
	signed "$T/q.pem"
	api_json POST /v1/aiks/q/certify '{"key":"q"}'
	expect 404 not_found
}

# --- messages ---

@test "messages of 1 byte to 1 MiB are signed" {
	local type n
	on tpm
	for type in ecc-p256 rsa-2048; do
		aik "$type" "$type"
		for n in 1 1024 1025 3072 1048576; do
			head -c "$n" /dev/urandom >"$T/message"
			jq -n --rawfile message <(base64 -w0 "$T/message") '{message: $message}' >"$T/sign"
			api POST "/v1/aiks/$type/sign" -H 'Content-Type: application/json' \
				--data-binary "@$T/sign"
			expect 200
			member .signature "$T/sig"
			openssl dgst -sha256 -verify "$T/$type.pem" -signature "$T/sig" "$T/message"
		done
	done
	# One for each KiB, one to begin and one to sign.
	costs aik.sign 1026
	api_json POST /v1/aiks/rsa-2048/sign '{"message":"YQ=="}'
	costs aik.sign 2
	api_json POST /v1/aiks/rsa-2048/sign '{"message":"YQ==","hash":"sha384"}'
	expect 422 not_supported
	[[ $(field .detail) == *'sha256 only'* ]]
	# What the chip itself says is not signed for anybody, short or long.
	printf '\377TCG' >"$T/message"
	head -c 5000 /dev/zero >>"$T/message"
	api_json POST /v1/aiks/rsa-2048/sign "{\"message\":\"$(b64 "$T/message")\"}"
	expect 400 invalid
	# A key does not do what an attestation key does, nor the other way round.
	api_json POST /v1/keys/rsa-2048/sign '{"message":"YQ=="}'
	expect 404 not_found
}

# flood SOCKET COUNT: so many messages of 1 MiB at once, signed by the key q of the socket's tenant.
flood() {
	local i
	head -c 1048576 /dev/urandom >"$T/message"
	jq -n --rawfile message <(base64 -w0 "$T/message") '{message: $message}' >"$T/sign"
	for ((i = 1; i <= $2; i++)); do
		curl -s -o "$T/signed.$i" --unix-socket "$1" -H 'Content-Type: application/json' \
			--data-binary "@$T/sign" http://h/v1/aiks/q/sign 3>&- &
		HELPERS+=($!)
	done
}

# One of them is through, so all others are at work or wait.
flooded() {
	[[ -n $(find "$T" -name 'signed.*' -size +0) ]]
}

@test "clients that leave in the middle of a message leave nothing in the chip" {
	on tpm
	aik q
	flood "$SOCK" 12
	wait_until flooded
	stop_helpers
	api_json POST /v1/aiks/q/sign '{"message":"YQ=="}'
	expect 200
	grep -q '"operation":"aik.sign","object":"q","result":"timeout"' "$T/log"
	with_daemon_down tpm2_getcap handles-transient >"$T/left"
	[[ ! -s $T/left ]]
}

@test "a stop in the middle of a message leaves nothing in the chip" {
	on tpm
	aik q
	flood "$SOCK" 12
	wait_until flooded
	with_daemon_down tpm2_getcap handles-transient >"$T/left"
	[[ ! -s $T/left ]]
	api_json POST /v1/aiks/q/sign '{"message":"YQ=="}'
	expect 200
}

@test "others are served while one tenant floods with long messages" {
	local i pem
	CONFIG+=('tenant flood { operations = {"aik"} }')
	on tpm
	aik q
	socket=$T/run/tenants/flood/holdfast.sock
	wait_until answers "$socket"
	curl -s -o "$T/made" --unix-socket "$socket" -H 'Content-Type: application/json' \
		-d '{"name":"q"}' http://h/v1/aiks
	flood "$socket" 20
	wait_until flooded
	for i in {1..5}; do
		api_json POST /v1/aiks/q/sign '{"message":"YQ=="}'
		expect 200
	done
	# The flood is still at work: the host did not wait for its end.
	[[ $(find "$T" -name 'signed.*' -size +0 | wc -l) -lt 20 ]]
	wait "${HELPERS[@]}"
	pem=$T/flood.pem
	jq -j .public "$T/made" >"$pem"
	for i in {1..20}; do
		jq -j .signature "$T/signed.$i" | base64 -d >"$T/sig"
		openssl dgst -sha256 -verify "$pem" -signature "$T/sig" "$T/message"
	done
}

answers() {
	[[ $(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$1" http://h/v1/aiks) == 200 ]]
}

# --- challenges ---

# challenge FILE TYPE: $T/secret for the attestation key $TPM_NAME, by the stock tool.
challenge() {
	api GET "/v1/ek?type=$2"
	expect 200
	text .public >"$T/ek.pem"
	tpm2_makecredential -Q -T none -u "$T/ek.pem" -G "${2%%-*}" -s "$T/secret" -n "$TPM_NAME" -o "$1"
}

@test "a credential of tpm2_makecredential is activated as one request" {
	on tpm
	printf 'a challenge' >"$T/secret"
	aik other
	aik q
	challenge "$T/rsa" rsa-2048
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/rsa")\",\"ek\":\"rsa-2048\"}"
	expect 200
	member .secret "$T/opened"
	cmp "$T/secret" "$T/opened"
	[[ $(field .protection) == tpm ]]
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/rsa")\",\"ek\":\"rsa-2048\"}"
	[[ $(cost aik.activate) -le 4 ]]
	# Of the TPM2B_PUBLIC as well, and with the usual endorsement key.
	api GET /v1/ek
	member .tpm_public "$T/ek.pub"
	tpm2_makecredential -Q -T none -u "$T/ek.pub" -s "$T/secret" -n "$TPM_NAME" -o "$T/usual"
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/usual")\"}"
	expect 200
	member .secret "$T/opened"
	cmp "$T/secret" "$T/opened"
	# For another attestation key, for another endorsement key, changed, cut.
	api_json POST /v1/aiks/other/activate "{\"credential\":\"$(b64 "$T/usual")\"}"
	expect 422 damaged
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/rsa")\",\"ek\":\"ecc-p256\"}"
	[[ $CODE == 400 || $CODE == 422 ]]
	flip "$T/usual" 20
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/usual")\"}"
	[[ $CODE == 400 || $CODE == 422 ]]
	truncate -s -1 "$T/usual"
	api_json POST /v1/aiks/q/activate "{\"credential\":\"$(b64 "$T/usual")\"}"
	expect 400 invalid
	api_json POST /v1/aiks/q/quote '{}'
	expect 200
}

# --- the endorsement key ---

@test "an endorsement key without a certificate" {
	on tpm
	api GET /v1/ek
	expect 200
	jq -e '.certificate == null and .chain == [] and .handle == null and .type == "ecc-p256" and
	       .protection == "tpm"' "$T/body"
	member .tpm_public "$T/ek.pub"
	[[ $(field .tpm_name) == "000b$(tail -c +3 "$T/ek.pub" | sha256sum | cut -c1-64)" ]]
	api GET /v1/ek/certificate
	expect 404 no_certificate
	api GET '/v1/ek?type=ecc-p521'
	expect 422 not_supported
	# It is the one that the stock tool makes.
	api GET '/v1/ek?type=rsa-2048'
	text .public >"$T/ek.pem"
	with_daemon_down tpm2_createek -Q -c "$T/ek.ctx" -G rsa -u "$T/stock.pem" -f pem
	diff <(openssl pkey -pubin -in "$T/ek.pem" -text -noout) \
		<(openssl pkey -pubin -in "$T/stock.pem" -text -noout)
}

# endorsed TEXT: a daemon that is given this as the endorsement hierarchy's password.
endorsed() {
	stop_daemon
	printf '%s\n' "$1" >"$T/endorser"
	chmod 600 "$T/endorser"
	write_config 'provider = "tpm"'
	sed -i "s|^tpm {|tpm { endorsement_auth_file = \"$T/endorser\" |" "$T/conf"
	run "$HOLDFASTD" --check --config "$T/conf"
	[[ $status == 0 && $output != *endorsement_auth_file* ]]
	start_daemon
}

# Without the password, or with a wrong one: told as that, and attestation goes on.
lacks_the_endorser() {
	local type
	for type in ecc-p256 rsa-2048; do
		api GET "/v1/ek?type=$type"
		expect 503 owner_auth_required
		[[ $(field .detail) == *"$1"* && $(field .title) == *endorsement* ]]
		[[ $(field .remedy) == *endorsement_auth_file* ]]
		api_json POST /v1/aiks/q/activate \
			"{\"credential\":\"$(b64 "$T/challenge.$type")\",\"ek\":\"$type\"}"
		expect 503 owner_auth_required
		[[ $(field .remedy) == *endorsement_auth_file* ]]
	done
	api_json POST /v1/aiks/q/quote '{"nonce":"AQIDBAU="}'
	expect 200
	seal_text works "$T/blob"
	expect 200
}

@test "endorsement keys of a chip whose endorsement hierarchy has a password" {
	local type
	on tpm
	printf 'a challenge' >"$T/secret"
	aik q
	for type in ecc-p256 rsa-2048; do
		challenge "$T/challenge.$type" "$type"
		cp "$T/ek.pem" "$T/$type.ek"
	done
	with_daemon_down tpm2_changeauth -c endorsement endorserpass
	lacks_the_endorser 'has a password'
	endorsed wrong
	lacks_the_endorser 'refused the configured endorsement password'
	endorsed endorserpass
	for type in ecc-p256 rsa-2048; do
		api GET "/v1/ek?type=$type"
		expect 200
		text .public | cmp - "$T/$type.ek"
		api_json POST /v1/aiks/q/activate \
			"{\"credential\":\"$(b64 "$T/challenge.$type")\",\"ek\":\"$type\"}"
		expect 200
		member .secret "$T/opened"
		cmp "$T/secret" "$T/opened"
	done
	refute grep -q endorserpass "$T/log"
}

@test "a maker's certificate is of the endorsement key" {
	mkdir "$T/tpm"
	printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' \
		"$T" "$T" "$T" "$T" >"$T/localca.conf"
	printf 'create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = /dev/null\n' \
		"$T/localca.conf" >"$T/setup.conf"
	swtpm_setup --tpm2 --tpmstate "$T/tpm" --config "$T/setup.conf" --create-ek-cert --ecc \
		>"$T/setup.log" 2>&1 || {
		cat "$T/setup.log"
		return 1
	}
	on tpm
	api GET /v1/ek
	expect 200
	text .public >"$T/ek.pem"
	text .certificate >"$T/ek.crt"
	openssl x509 -in "$T/ek.crt" -noout -pubkey |
		diff <(openssl pkey -pubin -in "$T/ek.pem" -text -noout) <(openssl pkey -pubin -text -noout)
	jq -j '.certificate' "$T/body" >"$T/one"
	api GET /v1/ek/certificate
	expect 200
	text .certificate | cmp - "$T/one"
}

# --- without a TPM ---

@test "only a TPM can do all that" {
	local row
	on legacy
	for row in 'POST /v1/aiks {}' 'POST /v1/aiks/q/quote {}' 'POST /v1/aiks/q/certify {"key":"k"}' \
		'POST /v1/aiks/q/sign {"message":"YQ=="}' 'DELETE /v1/aiks/q' 'GET /v1/ek' \
		'GET /v1/ek/certificate' 'GET /v1/pcrs' 'GET /v1/eventlog'; do
		read -r method path body <<<"$row"
		if [[ -n $body ]]; then
			api_json "$method" "$path" "$body"
		else
			api "$method" "$path"
		fi
		expect 503 tpm_required
	done
	api GET /v1/aiks
	expect 200
	[[ $(field '.aiks | length') == 0 ]]
}
