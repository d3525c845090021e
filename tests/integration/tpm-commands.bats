#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an operation costs in TPM commands, the object loaded: pinned, so that none creeps in.

bats_require_minimum_version 1.5.0
load helpers

# The probe's commands and what it costs afterwards are counted in a test of their own.
FILE_CONFIG=('fapi { probe = false }')

# cost COMMAND..: how many TPM commands it took.
cost() {
	local before
	before=$(commands_sent)
	"$@" >/dev/null
	COST=$(($(commands_sent) - before))
}

# sent COMMAND: how many of these the chip has got since the start.
sent() {
	curl -s --unix-socket "$SOCK" http://h/metrics |
		awk -v c="$1" '$1 == "holdfast_tpm_commands_total{command=\"" c "\"}" { print $2 }'
}

setup_file() {
	head -c 32 /dev/urandom | base64 -w0 >"$BATS_FILE_TMPDIR/digest"
}

sign() {
	api_json POST "/v1/keys/$1/sign" "{\"digest\":\"$(cat "$BATS_FILE_TMPDIR/digest")\"}"
	expect 200
}

@test "status, lists and reading a public key: 0" {
	on tpm
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	cost api GET /v1/keys
	[[ $COST == 0 ]]
	cost api GET /v1/keys/k
	[[ $COST == 0 ]]
	cost api GET /v1/status
	[[ $COST == 0 ]]
}

@test "seal: 1" {
	on tpm
	printf secret >"$T/plain"
	cost api_file POST /v1/seal "$T/plain"
	expect 200
	[[ $COST == 1 ]]
	# By envelope too: only the key is sealed.
	head -c 100000 /dev/urandom >"$T/plain"
	cost api_file POST /v1/seal "$T/plain"
	expect 200
	[[ $COST == 1 ]]
}

@test "unseal: 1 when loaded, at most 3 when not" {
	on tpm
	seal_text one "$T/one"
	seal_text two "$T/two"
	api_file POST /v1/unseal "$T/one"
	cost api_file POST /v1/unseal "$T/one"
	expect 200
	[[ $COST == 1 ]]
	cost api_file POST /v1/unseal "$T/two"
	expect 200
	[[ $COST -le 3 ]]
}

@test "a named secret: 1 when loaded" {
	on tpm
	put s content
	get s
	cost get s
	expect 200
	[[ $(cat "$T/body") == content ]]
	[[ $COST == 1 ]]
}

@test "creating a key: 1; signing: 1 when loaded, ECC and RSA" {
	on tpm
	for type in ecc-p256 rsa-2048; do
		cost api_json POST /v1/keys "{\"name\":\"$type\",\"type\":\"$type\"}"
		expect 201
		[[ $COST == 1 ]]
		sign "$type"
		cost sign "$type"
		[[ $COST == 1 ]]
	done
}

@test "12 keys in turn: at most 3 each" {
	on tpm
	for i in {1..12}; do
		api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		expect 201
	done
	for i in {1..12} {1..12}; do
		cost sign "k$i"
		[[ $COST -le 3 ]]
	done
}

@test "12 keys in turn, round after round: each context is saved once, then 3 each" {
	on tpm
	for i in {1..12}; do
		api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		expect 201
	done
	for i in {1..12} {1..12} {1..12} {1..12}; do
		cost sign "k$i"
		[[ $COST -le 4 ]]
	done
	before=$(sent ContextSave)
	[[ $before == 12 ]]
	for i in {1..12} {1..12}; do
		cost sign "k$i"
		[[ $COST == 3 ]]
	done
	[[ $(sent ContextSave) == "$before" ]]
}

@test "40 keys, each once: never more than 3, and nothing is saved" {
	on tpm
	for i in {1..40}; do
		api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		expect 201
	done
	for i in {1..40}; do
		cost sign "k$i"
		[[ $COST -le 3 ]]
	done
	[[ $(sent ContextSave) == 0 ]]
}

@test "a seal beside two loaded objects: one of them goes first" {
	on tpm
	for i in 1 2; do
		api_json POST /v1/keys "{\"name\":\"k$i\",\"type\":\"ecc-p256\"}"
		sign "k$i"
	done
	printf secret >"$T/plain"
	cost api_file POST /v1/seal "$T/plain"
	expect 200
	[[ $COST == 2 ]]
	cost api_file POST /v1/seal "$T/plain"
	[[ $COST == 1 ]]
	cost sign k2
	[[ $COST == 1 ]]
}

@test "random: 0 from the seeded pool, at most 1 ever" {
	on tpm
	cost api_json POST /v1/random '{"bytes":32}'
	expect 200
	[[ $COST -le 1 ]]
	cost api_json POST /v1/random '{"bytes":65536}'
	expect 200
	[[ $COST == 0 ]]
}

@test "after the probe of FAPI the first one pays for a new session, the others do not" {
	CONFIG=()
	on tpm
	[[ $(jq -r .fapi.probe "$T/status") == succeeded ]]
	printf secret >"$T/plain"
	cost api_file POST /v1/seal "$T/plain"
	expect 200
	[[ $COST -le 3 ]]
	cost api_file POST /v1/seal "$T/plain"
	expect 200
	[[ $COST == 1 ]]
}

@test "verify in the client: 0" {
	on tpm
	export HOLDFAST_SOCKET=$SOCK
	echo message >"$T/message"
	"$(program holdfast)" key create k
	"$(program holdfast)" sign --key k --in "$T/message" --out "$T/sig"
	cost "$(program holdfast)" verify --key k --in "$T/message" --signature "$T/sig"
	[[ $COST == 0 ]]
}

@test "the counters of /metrics are the chip's own count" {
	on tpm
	before=$(curl -s --unix-socket "$SOCK" http://h/metrics |
		awk '/^holdfast_tpm_commands_total{command="Unseal"}/ { print $2 }')
	seal_text x "$T/blob"
	api_file POST /v1/unseal "$T/blob"
	after=$(curl -s --unix-socket "$SOCK" http://h/metrics |
		awk '/^holdfast_tpm_commands_total{command="Unseal"}/ { print $2 }')
	[[ $((after - before)) == 1 ]]
}

@test "a damaged blob costs no command at all" {
	on tpm
	seal_text x "$T/blob"
	flip "$T/blob" -40
	cost api_file POST /v1/unseal "$T/blob"
	expect 422 damaged
	[[ $COST == 0 ]]
}
