#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where Parsec, the nearest other service of this kind, is weak: whoever runs as the same user is one
# tenant to it, random bytes come short, RSA-PSS is refused, a client that drips holds a worker, two
# creations of one name both make a key, and nothing limits or cancels. Each is a test here. That a
# cleared chip does not stop the service is in adversity.bats.

load helpers

FILE_CONFIG=(
	'tenant a { operations = {"random", "seal", "key", "sign"}  rate = 0  connections = 256 }'
	'tenant b { operations = {"random", "seal", "key", "sign"}  rate = 0  connections = 256 }'
)

# as TENANT COMMAND..: what api() and its kin ask goes to that tenant's socket.
as() {
	local SOCK=$T/run/tenants/$1/holdfast.sock
	shift
	"$@"
}

# start PROVIDER: .. and until both tenants are served, which comes after the provider is chosen.
start() {
	on "$1"
	wait_until served a
	wait_until served b
}

served() {
	as "$1" api GET /v1/keys
	[[ $CODE == 200 ]]
}

same_user() {
	start "$1"
	as a api_json POST /v1/keys '{"name":"tls","type":"ecc-p256"}'
	expect 201
	field .public >"$T/a.pem"
	as b api GET /v1/keys/tls
	expect 404 not_found
	as b api_json POST /v1/keys '{"name":"tls","type":"ecc-p256"}'
	expect 201
	field .public >"$T/b.pem"
	refute cmp -s "$T/a.pem" "$T/b.pem"
	as b api_json POST /v1/keys/tls/sign '{"message":"aGk="}'
	expect 200
	field .signature | base64 -d >"$T/signature"
	printf hi | openssl dgst -sha256 -verify "$T/b.pem" -signature "$T/signature"
	printf hi >"$T/message"
	refute openssl dgst -sha256 -verify "$T/a.pem" -signature "$T/signature" "$T/message"
	as b api DELETE /v1/keys/tls
	expect 204
	as a api GET /v1/keys/tls
	expect 200
	field .public | cmp - "$T/a.pem"
}

@test "one user on two sockets is two tenants (tpm)" { same_user tpm; }
@test "one user on two sockets is two tenants (legacy)" { same_user legacy; }

much_random() {
	start "$1"
	as a api_json POST /v1/random '{"bytes":65536}' "${OCTETS[@]}"
	expect 200
	[[ $(stat -c %s "$T/body") == 65536 ]]
	# No piece of what a chip gives at once comes twice.
	[[ $(od -An -v -tx1 -w32 "$T/body" | sort -u | wc -l) == 2048 ]]
	as a api_json POST /v1/random '{"bytes":65536}'
	expect 200
	[[ $(field .data | base64 -d | wc -c) == 65536 ]]
}

@test "65,536 random bytes are 65,536 (tpm)" { much_random tpm; }
@test "65,536 random bytes are 65,536 (legacy)" { much_random legacy; }

# signs KEY HASH SCHEME OPENSSL-OPTION..: a signature that openssl takes, and not of other words.
signs() {
	local key=$1 hash=$2 scheme=$3
	shift 3
	printf 'a message' >"$T/message"
	printf 'a massage' >"$T/other"
	as a api_json POST "/v1/keys/$key/sign" \
		"{\"message\":\"$(base64 -w0 "$T/message")\",\"hash\":\"$hash\",\"scheme\":\"$scheme\"}"
	expect 200
	field .signature | base64 -d >"$T/signature"
	openssl dgst "-$hash" "$@" -verify "$T/$key.pem" -signature "$T/signature" "$T/message"
	refute openssl dgst "-$hash" "$@" -verify "$T/$key.pem" -signature "$T/signature" "$T/other"
}

p384_and_pss() {
	local pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
	start "$1"
	as a api_json POST /v1/keys '{"name":"p384","type":"ecc-p384"}'
	expect 201
	field .public >"$T/p384.pem"
	openssl pkey -pubin -in "$T/p384.pem" -noout -text | grep -q 'NIST CURVE: P-384'
	signs p384 sha384 ecdsa
	as a api_json POST /v1/keys '{"name":"rsa","type":"rsa-2048"}'
	expect 201
	field .public >"$T/rsa.pem"
	signs rsa sha256 rsapss "${pss[@]}"
	signs rsa sha384 rsapss "${pss[@]}"
	signs rsa sha256 rsassa
}

@test "P-384 and RSA-PSS sign, and openssl verifies it (tpm)" { p384_and_pss tpm; }
@test "P-384 and RSA-PSS sign, and openssl verifies it (legacy)" { p384_and_pss legacy; }

# drip TENANT: a body of which one byte comes each second, until it is closed.
drip() {
	{
		printf 'POST /v1/seal HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n'
		printf 'Content-Length: 500\r\n\r\n{"data":"'
		while sleep 1; do
			printf A
		done
	} | socat -t 0 - "UNIX-CONNECT:$T/run/tenants/$1/holdfast.sock"
}

dripping() {
	[[ $(pgrep -c -P "$(printf '%s,' "${HELPERS[@]}")0" socat) -gt 0 ]]
}

@test "clients that drip hold nobody up and are closed by their deadline" {
	local i start
	start tpm
	start=$SECONDS
	# Far more than the service has threads.
	for i in {1..16}; do
		helper drip a
	done
	wait_until dripping
	for i in {1..20}; do
		as a api_json POST /v1/seal '{"data":"YQ=="}' -m 20
		expect 200
		as b api_json POST /v1/seal '{"data":"YQ=="}' -m 20
		expect 200
	done
	((SECONDS - start < 25))
	none_drips() {
		refute dripping >/dev/null
	}
	within 45 none_drips
	((SECONDS - start >= 25))
}

# racing COUNT FILE CURL-OPTION..: so many at once; leaves their status codes in $T/codes.
racing() {
	local count=$1 i
	shift
	: >"$T/codes"
	for ((i = 0; i < count; i++)); do
		curl -s -m 60 --unix-socket "$T/run/tenants/a/holdfast.sock" -o "$T/race.$i" \
			-H 'Content-Type: application/json' -w '%{http_code}\n' "$@" 3>&- >"$T/code.$i" &
	done
	wait $(jobs -p | grep -vxF -e "$DAEMON_PID" -e "${SWTPM_PID:-0}")
	cat "$T"/code.* >"$T/codes"
}

one_wins() {
	local round i
	start "$1"
	for round in 1 2 3 4 5; do
		racing 12 -d "{\"name\":\"k$round\",\"type\":\"ecc-p256\"}" http://h/v1/keys
		[[ $(sort "$T/codes" | uniq -c | tr -s ' \n' ' ') == ' 1 201 11 409 ' ]]
		as a api GET "/v1/keys/k$round"
		expect 200
		# The key that is there is the one whose maker was told so.
		for i in "$T"/race.*; do
			jq -e '.code == "conflict"' "$i" >/dev/null || cp "$i" "$T/won"
		done
		[[ $(jq -r .public "$T/won") == "$(field .public)" ]]
		racing 12 -X PUT -H 'If-None-Match: *' -d '{"data":"YQ=="}' "http://h/v1/secrets/s$round"
		[[ $(sort "$T/codes" | uniq -c | tr -s ' \n' ' ') == ' 1 201 11 409 ' ]]
	done
	as a api GET /v1/keys
	[[ $(jq '.keys | length' "$T/body") == 5 ]]
	[[ $(find "$T/state/tenants/a/keys" -type f | wc -l) == 5 ]]
}

@test "of those who create one name at once, one makes a key and the others hear conflict (tpm)" { one_wins tpm; }
@test "of those who create one name at once, one makes a key and the others hear conflict (legacy)" { one_wins legacy; }

# waiter TENANT: one that waits for the chip.
waiter() {
	helper curl -s -m 60 --unix-socket "$T/run/tenants/$1/holdfast.sock" \
		-H 'Content-Type: application/json' -d '{"data":""}' http://h/v1/seal
}

@test "a tenant with 64 requests in flight is told to wait, and others are not" {
	local i
	start tpm
	kill -STOP "$SWTPM_PID"
	for i in {1..64}; do
		waiter a
	done
	full() {
		as a api_json POST /v1/seal '{"data":""}' -m 1
		[[ $CODE == 429 ]] || { waiter a && false; }
	}
	wait_until full
	expect 429 quota
	grep -qi '^retry-after: [1-9]' "$T/head"
	as b api GET /v1/keys -m 20
	expect 200
	as a api GET /v1/status -m 20
	expect 200
	kill -CONT "$SWTPM_PID"
	free() {
		as a api_json POST /v1/seal '{"data":""}'
		[[ $CODE == 200 ]]
	}
	wait_until free
}

@test "what clients asked for that left is not done" {
	local before i pids=()
	start tpm
	as a api_json POST /v1/keys '{"name":"warm","type":"ecc-p256"}'
	expect 201
	before=$(commands_sent)
	kill -STOP "$SWTPM_PID"
	for i in {1..20}; do
		curl -s -m 1 --unix-socket "$T/run/tenants/a/holdfast.sock" -o /dev/null 3>&- \
			-H 'Content-Type: application/json' \
			-d "{\"name\":\"left$i\",\"type\":\"ecc-p256\"}" http://h/v1/keys &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		refute wait "$i"
	done
	kill -CONT "$SWTPM_PID"
	# Another's turn comes once, behind whatever of theirs is still to be done.
	as b api_json POST /v1/seal '{"data":""}'
	expect 200
	as a api_json POST /v1/seal '{"data":""}'
	expect 200
	# The one that the chip had before, with what it takes to come back from a stop; and ours.
	(($(commands_sent) - before <= 6))
	as a api GET /v1/keys
	expect 200
	[[ $(jq '.keys | length' "$T/body") -le 2 ]]
}
