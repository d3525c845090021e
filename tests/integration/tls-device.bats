#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The device's own key in TLS: in the TPM, in software, and while its TPM does not serve.

bats_require_minimum_version 1.5.0
load helpers
load tls

RIGHTS='random, seal, key, sign, aik, usage, device-sign'

teardown() {
	[[ ! -f $T/nginx/log ]] || tail -n 20 "$T/nginx/log"
	nginx_stop
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	rm -rf "$T"
}

mode_is() {
	[[ $(hf device status --json | jq -r .mode) == "$1" ]]
}

# device_on RIGHT..: an identity in the TPM, or without one in software; what the host may do more.
device_on() {
	local more
	mkdir -p "$T/config" "$T/persist"
	more=$(printf ', %s' "$@")
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\" }" \
		'fapi { probe = false }' "tenant host { operations = {$RIGHTS$more} }"
	start_daemon
	openssl_config
	export HOLDFAST_SOCKET=$SOCK
}

in_tpm() {
	start_swtpm
	device_on "$@"
	wait_until mode_is enabled
}

# nginx with an ordinary key, which accepts the device's certificate alone.
strict_nginx() {
	ordinary web
	hf device certificate --out "$T/device.crt"
	hf device key-file --out "$T/device.pem"
	nginx_start "$T/web.crt" "$T/web.key" "ssl_verify_client on;" \
		"ssl_client_certificate $T/device.crt;"
}

use_clients() { # how many TPM commands each handshake takes
	local key
	for key in holdfast:device "$T/device.pem"; do
		costs "$1" client_accepts "$key" "$T/device.crt" -tls1_3
	done
	costs "$1" "$FETCH" "$T/web" "$T/web.crt" "$T/device.crt" "$T/device.pem"
	costs "$1" python_client "$T/device.crt" "$T/device.pem"
	costs "$1" "$USE" client "$T/web" "$T/web.crt" holdfast:device - 1 1
}

@test "the store has the key and its certificate" {
	in_tpm device-tls
	openssl storeutl -noout holdfast:device | grep -q 'Total found: 2'
	openssl storeutl -noout -certs holdfast:device | grep -q 'Total found: 1'
	openssl x509 -in holdfast:device -out "$T/by-store"
	hf device certificate --out "$T/told"
	cmp "$T/by-store" "$T/told"
	openssl x509 -in "$T/told" -noout -pubkey >"$T/of-certificate"
	openssl pkey -in holdfast:device -pubout >"$T/of-key"
	cmp "$T/of-certificate" "$T/of-key"
	run -1 openssl pkeyutl -derive -inkey holdfast:device -peerkey "$T/of-key"
	[[ $output == *not_supported* ]]
}

@test "hf_ssl_use twice: the second time takes the place of the first" {
	in_tpm device-tls
	# With an issuer behind it, and in a folder where a file has the key's name.
	ordinary ca
	hf device csr --subject CN=gw-1 --out "$T/csr"
	openssl x509 -req -in "$T/csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -days 30 -out "$T/leaf"
	cat "$T/leaf" "$T/ca.crt" >"$T/chain"
	hf device install-cert --in "$T/chain"
	cd "$T"
	cp ca.key holdfast:device
	"$USE" use - holdfast:device holdfast:device >"$T/said"
	cat "$T/said"
	[[ $(grep -c '^0 errors=0 key=1 chain=1 /' "$T/said") == 2 ]]
	# Another certificate of the same type was there before.
	"$USE" use "$T/ca.crt" holdfast:device | grep -q '^0 errors=0 key=1 chain=1 /'
}

@test "TLS 1.3 by the key in the TPM: one command, with device-tls alone" {
	in_tpm device-tls
	strict_nginx
	"$FETCH" "$T/web" "$T/web.crt" "$T/device.crt" "$T/device.pem"
	use_clients 1
	# All else is a mere digest, which is another right.
	refute client_accepts holdfast:device "$T/device.crt" -tls1_2
	grep -q "device-raw" "$T/err"
	run -1 openssl dgst -sha256 -sign holdfast:device -out "$T/sig" "$T/conf"
	[[ $output == *forbidden*device-raw* ]]
	run -1 openssl req -new -key holdfast:device -subj /CN=other
	[[ $output == *forbidden*device-raw* ]]
}

@test "TLS 1.2 with device-raw, and 8 threads" {
	in_tpm device-tls device-raw
	strict_nginx
	client_accepts holdfast:device "$T/device.crt" -tls1_2
	costs 1 client_accepts "$T/device.pem" "$T/device.crt" -tls1_2
	costs 80 "$USE" client "$T/web" "$T/web.crt" holdfast:device - 8 10
	openssl req -new -key holdfast:device -subj /CN=other -out "$T/csr"
	openssl req -in "$T/csr" -noout -verify
}

@test "without the right the key is of no use, and the error says so" {
	in_tpm
	strict_nginx
	refute client_accepts holdfast:device "$T/device.crt" -tls1_3
	grep -q "forbidden.*device-tls" "$T/err"
}

@test "in software the same programs do the same" {
	device_on device-tls
	wait_until mode_is software
	strict_nginx
	commands_sent() {
		echo 0
	}
	use_clients 0
}

@test "after a migration nginx, which was told the waiting certificate, accepts the device" {
	start_swtpm
	mkdir -p "$T/config" "$T/persist"
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\"" \
		'provision = "manual" }' 'fapi { probe = false }' \
		"tenant host { operations = {$RIGHTS, device-tls} }"
	start_daemon
	openssl_config
	export HOLDFAST_SOCKET=$SOCK
	hf device init --software
	hf device migrate
	hf device certificate --pending --out "$T/pending.crt"
	hf device migrate --confirm
	wait_until mode_is enabled
	strict_nginx
	cmp "$T/pending.crt" "$T/device.crt"
	openssl verify -CAfile "$T/device.crt" "$T/device.crt"
	use_clients 1
}

@test "while the TPM does not serve it fails and says why, and goes on when it is back" {
	in_tpm device-tls
	strict_nginx
	client_accepts holdfast:device "$T/device.crt" -tls1_3
	stop_daemon
	stop_swtpm
	start_daemon
	wait_until mode_is degraded
	# The certificate is still told; nothing is signed, by software neither.
	openssl x509 -in holdfast:device -out "$T/by-store"
	cmp "$T/by-store" "$T/device.crt"
	refute client_accepts holdfast:device "$T/device.crt" -tls1_3
	grep -q "tpm_failed" "$T/err"
	run -1 "$FETCH" "$T/web" "$T/web.crt" "$T/device.crt" "$T/device.pem"
	stop_daemon
	start_swtpm
	start_daemon
	wait_until mode_is enabled
	client_accepts holdfast:device "$T/device.crt" -tls1_3
}
