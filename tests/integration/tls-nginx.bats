#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# nginx and its clients with keys of the service: TLS 1.2 and 1.3, threads, forks, restarts.

bats_require_minimum_version 1.5.0
load helpers
load tls

teardown() {
	[[ ! -f $T/nginx/log ]] || tail -n 20 "$T/nginx/log"
	nginx_stop
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	rm -rf "$T"
}

# nginx with an ordinary key, which accepts the certificates of our keys alone.
strict_nginx() {
	local key
	ordinary web
	: >"$T/clients.crt"
	for key in "$@"; do
		named "$key"
		key_file "$key"
		cat "$T/$key.crt" >>"$T/clients.crt"
	done
	nginx_start "$T/web.crt" "$T/web.key" "ssl_verify_client on;" \
		"ssl_client_certificate $T/clients.crt;"
}

use_clients() {
	local key version
	for key in "$@"; do
		for version in -tls1_3 -tls1_2; do
			warmly costs "$COMMANDS" client_accepts "holdfast:key/$key" "$T/$key.crt" "$version"
			costs "$COMMANDS" client_accepts "$T/$key.pem" "$T/$key.crt" "$version"
		done
		costs "$COMMANDS" "$FETCH" "$T/web" "$T/web.crt" "$T/$key.crt" "$T/$key.pem"
		costs "$COMMANDS" python_client "$T/$key.crt" "$T/$key.pem"
		costs "$COMMANDS" curl -s --fail --unix-socket "$T/web" --cacert "$T/web.crt" \
			--cert "$T/$key.crt" --key "$T/$key.pem" https://localhost/
	done
}

@test "nginx accepts clients by keys in the TPM, one command for each handshake" {
	tls_on tpm
	hf key create ec
	hf key create p384 --type ecc-p384
	hf key create rsa --type rsa-2048
	strict_nginx ec p384 rsa
	COMMANDS=1
	use_clients ec p384 rsa
	# Another's certificate is not enough, and neither is no certificate.
	ordinary other
	refute client_accepts "$T/other.key" "$T/other.crt" -tls1_3
	refute client_accepts "$T/ec.pem" "$T/p384.crt" -tls1_3
}

@test "in software the same programs do the same" {
	tls_on legacy
	hf key create ec
	hf key create rsa --type rsa-2048
	strict_nginx ec rsa
	COMMANDS=0
	commands_sent() {
		echo 0
	}
	use_clients ec rsa
}

@test "nginx serves with a key file: 8 clients at once, one command for each handshake" {
	tls_on tpm
	hf key create web
	openssl req -new -x509 -key holdfast:key/web -subj /CN=localhost -days 30 \
		-addext subjectAltName=DNS:localhost -out "$T/web.crt"
	key_file web
	nginx_start "$T/web.crt" "$T/web.pem"
	"$USE" load "$T/web" "$T/web.crt" 1 1
	before=$(commands_sent)
	"$USE" load "$T/web" "$T/web.crt" 8 "${HOLDFAST_TLS_SECONDS:-3}" >"$T/out" 2>"$T/err" ||
		{ cat "$T/out" "$T/err" && false; }
	cat "$T/out"
	[[ $(cat "$T/out") == "$(($(commands_sent) - before)) done, 0 failed" ]]
	curl -s --fail --unix-socket "$T/web" --cacert "$T/web.crt" --tls-max 1.2 https://localhost/
	refute grep -E '\[(error|crit|alert|emerg)\]' "$T/nginx/log"
}

@test "8 threads, and a parent and its children, each use what they have" {
	tls_on tpm
	hf key create ec
	hf key create rsa --type rsa-2048
	strict_nginx ec rsa
	warmly costs 160 "$USE" client "$T/web" "$T/web.crt" holdfast:key/ec "$T/ec.crt" 8 20
	costs 400 "$USE" sign holdfast:key/ec 8 50
	warmly costs 80 "$USE" sign holdfast:key/rsa 8 10
	costs 16 "$USE" fork "$T/web" "$T/web.crt" holdfast:key/ec "$T/ec.crt"
}

@test "it goes on after a restart of the daemon, and says so while there is none" {
	tls_on tpm
	hf key create ec
	strict_nginx ec
	mkfifo "$T/lines"
	"$USE" lines "$T/web" "$T/web.crt" holdfast:key/ec "$T/ec.crt" <"$T/lines" >"$T/said" \
		2>&1 3>&- &
	HELPERS+=($!)
	exec 7>"$T/lines"
	said() {
		[[ $(grep -cxE 'good|bad' "$T/said") == "$1" ]]
	}
	echo one >&7
	wait_until said 1
	stop_daemon
	echo two >&7
	wait_until said 2
	start_daemon
	echo three >&7
	wait_until said 3
	stop_daemon KILL
	start_daemon
	echo four >&7
	wait_until said 4
	exec 7>&-
	cat "$T/said"
	[[ $(grep -xE 'good|bad' "$T/said" | tr '\n' ' ') == "good bad good good " ]]
	grep -q 'no service answers at .*; Start holdfastd' "$T/said"
}
