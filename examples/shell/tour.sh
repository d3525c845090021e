#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A key, a signature, a sealed secret and a quote, through the socket of this program's tenant.
set -eu

socket=${HOLDFAST_SOCKET:-/run/holdfast/holdfast.sock}
key=tour
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask METHOD PATH [CURL OPTION..]: the answer goes to $work/answer, its status to $status.
ask() {
	method=$1 path=$2
	shift 2
	status=$(curl -sS --unix-socket "$socket" -X "$method" -o "$work/answer" \
		-w '%{http_code}' "$@" "http://localhost$path")
}

fail() {
	echo "$1: $(jq -r '"\(.code): \(.detail); \(.remedy)"' "$work/answer")" >&2
	exit 1
}

# make PATH JSON: creates; what an earlier run has created (409) is as good.
make() {
	ask POST "$1" -H 'Content-Type: application/json' -d "$2"
	case $status in
	201 | 409) ;;
	*) return 1 ;;
	esac
}

make /v1/keys "{\"name\":\"$key\",\"type\":\"ecc-p256\"}" || fail key
ask GET "/v1/keys/$key"
jq -r .public "$work/answer" >"$work/public.pem"

printf 'what is to be signed' >"$work/message"
jq -Rs '{message: @base64}' "$work/message" >"$work/request"
ask POST "/v1/keys/$key/sign" -H 'Content-Type: application/json' --data-binary "@$work/request"
[ "$status" = 200 ] || fail sign
jq -r .signature "$work/answer" | base64 -d >"$work/signature"
echo "signed: $(wc -c <"$work/signature") bytes, protected by $(jq -r .protection "$work/answer")"
if command -v openssl >/dev/null; then
	openssl dgst -sha256 -verify "$work/public.pem" -signature "$work/signature" "$work/message"
fi

octets='application/octet-stream'
head -c 32 /dev/urandom >"$work/secret"
ask POST /v1/seal -H "Content-Type: $octets" --data-binary "@$work/secret"
[ "$status" = 200 ] || fail seal
mv "$work/answer" "$work/blob" # it may lie anywhere: only this tenant of this device opens it
ask POST /v1/unseal -H "Content-Type: $octets" --data-binary "@$work/blob"
[ "$status" = 200 ] || fail unseal
cmp "$work/answer" "$work/secret"
echo 'sealed and unsealed: the same'

if ! make /v1/aiks "{\"name\":\"$key\"}"; then
	[ "$(jq -r .code "$work/answer")" = tpm_required ] || fail 'attestation key'
	echo 'no quote: no TPM is in use'
	exit 0
fi
# The nonce is sent by the one who checks the quote, so that it cannot be an old one.
nonce=$(head -c 16 /dev/urandom | base64)
ask POST "/v1/aiks/$key/quote" -H 'Content-Type: application/json' -d "{\"nonce\":\"$nonce\"}"
[ "$status" = 200 ] || fail quote
echo "quoted: $(jq -r .attest "$work/answer" | base64 -d | wc -c) bytes"
