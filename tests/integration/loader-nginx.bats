#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The CDN is nginx, over TLS; also one that asks for a certificate, whose key is in a file or in the TPM.

bats_require_minimum_version 1.5.0
load helpers
load loader
load tls

# nginx listens on a socket file; a proxy of bytes gives it a port and counts.
setup_file() {
	scene_begin
	start_origin
	authority ca
	authority stranger-ca
	certificate web ca subjectAltName=IP:127.0.0.1,DNS:localhost
	certificate client ca extendedKeyUsage=clientAuth
	certificate stranger stranger-ca extendedKeyUsage=clientAuth
	plain 500000 >"$T/plain"
	publish net.bin "$T/plain"
	publish other.bin "$T/plain"
	mkdir -p "$T/nginx/html/cdn"
	ln -s "$T/origin/models" "$T/nginx/html/cdn/models"
	start_proxy cdn "unix:$T/web" --raw
}

teardown_file() {
	scene_end
}

teardown() {
	[[ ! -f $T/nginx/log ]] || tail -n 20 "$T/nginx/log"
	nginx_stop
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	tail -n 15 "$T"/*.log
}

# start_tls_loader NAME [LINE..]
start_tls_loader() {
	local name=$1
	shift
	start_loader "$name" "cdn_url = \"https://127.0.0.1:$(port cdn)/cdn\"" "ca_file = \"$T/ca.pem\"" "$@"
	logged_in
}

asks_for_certificates() {
	cat "$T/ca.pem" "$@" >"$T/clients.pem"
	nginx_start "$T/web.pem" "$T/web.key" "ssl_verify_client on;" \
		"ssl_client_certificate $T/clients.pem;"
}

four_connections() {
	(($(jq -s 'map(select(.sent > 0)) | length' "$T/cdn.requests") >= 4))
}

@test "nginx: a load over TLS, and it goes on by Range after drops" {
	nginx_start "$T/web.pem" "$T/web.key"
	rules cdn '{"match": "RAW", "drop_bytes": 150000}'
	start_tls_loader plain-tls
	gives net.bin "$T/plain"
	stop plain-tls
	wait_until four_connections
	(($(jq -s 'map(.sent) | add' "$T/cdn.requests") < 700000))
	rules cdn
}

@test "nginx: another authority's certificate, and another name, are not believed" {
	nginx_start "$T/web.pem" "$T/web.key"
	start_tls_loader trusts-others "ca_file = \"$T/stranger-ca.pem\""
	waits_for net.bin upstream_unreachable
	stop trusts-others
	nginx_stop
	certificate misnamed ca subjectAltName=DNS:elsewhere.example
	nginx_start "$T/misnamed.pem" "$T/misnamed.key"
	start_tls_loader finds-another
	waits_for net.bin upstream_unreachable
	stop finds-another
}

@test "nginx: with a client's certificate whose key is in a file" {
	asks_for_certificates
	chmod 600 "$T/client.key" "$T/stranger.key"
	start_tls_loader with-key "client_cert = \"$T/client.pem\"" "client_key = \"$T/client.key\""
	gives net.bin "$T/plain"
	stop with-key
	start_tls_loader with-none
	waits_for net.bin upstream_unreachable
	start_tls_loader with-anothers "client_cert = \"$T/stranger.pem\"" "client_key = \"$T/stranger.key\""
	waits_for other.bin upstream_unreachable
	[[ ! -e $(cached other.bin) && ! -e $T/with-none.cache/models/net.bin.big ]]
	stop with-none
	stop with-anothers
}

# device_on RIGHT..: a daemon on a TPM of its own, whose host may do that; $T/device.crt is who it is.
device_on() {
	start_swtpm
	mkdir -p "$T/config" "$T/persist"
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\" }" \
		'fapi { probe = false }' "tenant host { operations = {$(printf 'random%s' "${@/#/, }")} }"
	start_daemon
	openssl_config
	export HOLDFAST_SOCKET=$SOCK
	wait_until device_enabled
	hf device certificate --out "$T/device.crt"
}

device_enabled() {
	[[ $(hf device status --json | jq -r .mode) == enabled ]]
}

@test "nginx: with the device's key in the TPM" {
	device_on device-tls
	asks_for_certificates "$T/device.crt"
	start_tls_loader with-device 'client_key = "holdfast:device"'
	front GET /status
	jq -e '.provider == "tpm" and .deviceMode == "enabled"' "$T/body"
	before=$(commands_sent)
	gives net.bin "$T/plain"
	(($(commands_sent) > before))
	stop with-device
}

@test "nginx: without the right to use it there is no load" {
	device_on usage
	asks_for_certificates "$T/device.crt"
	start_tls_loader without-right 'client_key = "holdfast:device"'
	waits_for net.bin upstream_unreachable
	[[ ! -e $(cached net.bin) ]]
	stop without-right
}
