#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The client half of HTTP (src/fetch) and TLS: whom it trusts, where it goes, and with which key.

bats_require_minimum_version 1.5.0
load helpers
load tls

TOOL=$BUILD/tests/fetch/fetch_tool
RIGHTS='random, seal, key, sign, aik, usage, device-sign'

teardown() {
	[[ ! -f $T/nginx/log ]] || tail -n 20 "$T/nginx/log"
	servers_stop
	nginx_stop
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	rm -rf "$T"
}

# said TEXT: the tool's output has it.
said() {
	grep -qF -- "$1" <<<"$output" || { echo "$output" && false; }
}

# web [LINE of its server..]: nginx with the certificate web.crt, which tells the client's serial.
web() {
	ordinary web
	nginx_start "$T/web.crt" "$T/web.key" 'keepalive_timeout 0;' \
		'location /who { return 200 "serial=$ssl_client_serial reused=$ssl_session_reused"; }' "$@"
}

PIDS=()

# s_server NAME [OPTION..]: one of OpenSSL's on a free port, which is left in PORT; its folder is
# $T/NAME, its certificate web.crt's.
s_server() {
	local name=$1
	shift
	mkdir -p "$T/$name"
	(cd "$T/$name" && exec openssl s_server -accept 127.0.0.1:0 -cert "$T/web.crt" -key "$T/web.key" \
		"$@" >"$T/$name.out" 2>&1 3>&-) &
	PIDS+=($!)
	wait_until grep -q '^ACCEPT' "$T/$name.out"
	PORT=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$T/$name.out")
}

servers_stop() {
	local pid
	for pid in "${PIDS[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	PIDS=()
}

@test "trust: this authority, this name, and nobody else" {
	web
	ordinary strange
	run -0 "$TOOL" "unix=$T/web" "ca=$T/web.crt" https://localhost/
	said "done 200"
	said served
	run -0 "$TOOL" "unix=$T/web" "ca=$T/web.crt" https://elsewhere/
	said "unreachable 0 elsewhere:443: "
	run -0 "$TOOL" "unix=$T/web" "ca=$T/strange.crt" https://localhost/
	said "unreachable 0 "
	run -0 "$TOOL" "unix=$T/web" https://localhost/
	said "unreachable 0 "
	# A file of authorities takes the place of the system's, of the folder as well.
	mkdir "$T/authorities"
	cp "$T/web.crt" "$T/authorities/$(openssl x509 -in "$T/web.crt" -noout -subject_hash).0"
	SSL_CERT_DIR=$T/authorities run -0 "$TOOL" "unix=$T/web" "ca=$T/strange.crt" https://localhost/
	said "unreachable 0 "
	# Development does not mean that anybody is believed.
	run -0 "$TOOL" dev "unix=$T/web" https://localhost/
	said "unreachable 0 "
}

@test "an old protocol is not spoken" {
	ordinary web
	s_server old -tls1_1 -cipher ALL:@SECLEVEL=0 -www
	run -0 "$TOOL" "ca=$T/web.crt" "https://localhost:$PORT/"
	said "unreachable 0 "
	s_server new -tls1_2 -www
	run -0 "$TOOL" "ca=$T/web.crt" "https://localhost:$PORT/"
	said "done 200"
}

@test "a redirect leads neither to plain http nor with the client's certificate to another host" {
	ordinary web
	ordinary client
	s_server second -verify 1 -www
	second=$PORT
	s_server first -verify 1 -HTTP
	printf 'HTTP/1.0 302 Go\r\nLocation: http://127.0.0.1:%s/\r\n\r\n' "$second" >"$T/first/plain"
	printf 'HTTP/1.0 302 Go\r\nLocation: https://localhost:%s/\r\n\r\n' "$second" >"$T/first/other"
	client=("ca=$T/web.crt" "cert=$T/client.crt" "key=$T/client.key")
	run -0 "$TOOL" dev "${client[@]}" redirects=5 "https://localhost:$PORT/plain"
	said "refused 302 localhost:$PORT: a redirect: "
	run -0 "$TOOL" "${client[@]}" redirects=5 "https://localhost:$PORT/other"
	said "done 200"
	said "no client certificate available"
	# It has one for whom it was asked to go to.
	run -0 "$TOOL" "${client[@]}" "https://localhost:$second/"
	said "done 200"
	said "Client certificate"
}

@test "a client's key in files, together or apart" {
	ordinary client
	web "ssl_verify_client on;" "ssl_client_certificate $T/client.crt;"
	serial=$(openssl x509 -in "$T/client.crt" -noout -serial | cut -d= -f2)
	run -0 "$TOOL" "unix=$T/web" "ca=$T/web.crt" https://localhost/who
	said "done 400"
	run -0 "$TOOL" "unix=$T/web" "ca=$T/web.crt" "cert=$T/client.crt" "key=$T/client.key" \
		https://localhost/who
	said "serial=$serial"
	cat "$T/client.crt" "$T/client.key" >"$T/both"
	run -0 "$TOOL" "unix=$T/web" "ca=$T/web.crt" "key=$T/both" https://localhost/who
	said "serial=$serial"
}

@test "what cannot be used is said at the start" {
	ordinary client
	ordinary strange
	echo nothing >"$T/empty"
	for words in "ca=$T/none" "ca=$T/empty" "cert=$T/client.crt" "key=$T/client.key" \
		"cert=$T/client.crt key=$T/strange.key" "cert=$T/client.crt key=$T/none" \
		"cert=$T/none key=$T/client.key"; do
		# shellcheck disable=SC2086
		run -1 "$TOOL" $words https://localhost/
		[[ $output == "error -1 "* ]] || { echo "$words: $output" && false; }
	done
	OPENSSL_CONF=/dev/null OPENSSL_MODULES=$T run -1 "$TOOL" key=holdfast:device https://localhost/
	said "error -1 the OpenSSL module of Holdfast: "
}

mode_is() {
	[[ $(hf device status --json | jq -r .mode) == "$1" ]]
}

device_up() {
	start_swtpm
	mkdir -p "$T/config" "$T/persist"
	write_config "device { config_dir = \"$T/config\" persist_dir = \"$T/persist\" }" \
		'fapi { probe = false }' "tenant host { operations = {$RIGHTS, device-tls} }"
	start_daemon
	openssl_config
	export HOLDFAST_SOCKET=$SOCK
	wait_until mode_is enabled
}

# certified SERIAL: a new certificate of the CA for the device.
certified() {
	hf device csr --subject CN=gw-1 --out "$T/csr"
	openssl x509 -req -in "$T/csr" -CA "$T/ca.crt" -CAkey "$T/ca.key" -set_serial "$1" -days 30 \
		-out "$T/leaf"
	cat "$T/leaf" "$T/ca.crt" >"$T/chain"
	hf device install-cert --in "$T/chain"
}

# That the tool was told so often of a handshake of its own, by this serial.
handshakes() { # count, serial
	[[ $(grep -c '^New, TLSv1.3' "$T/told") == "$1" ]] && grep -q "Serial Number: $2 " "$T/told"
}

@test "the device's key, read anew for each connection" {
	device_up
	ordinary web
	ordinary ca
	s_server strict -Verify 2 -CAfile "$T/ca.crt" -www
	certified 1001
	mkfifo "$T/lines"
	"$TOOL" lines "ca=$T/web.crt" key=holdfast:device "https://localhost:$PORT/"{1,2,3,4} \
		<"$T/lines" >"$T/told" 3>&- &
	tool=$!
	exec 9>"$T/lines"
	echo >&9
	wait_until handshakes 1 1001
	echo >&9
	wait_until handshakes 2 1001
	refute handshakes 2 1002
	certified 1002
	echo >&9
	wait_until handshakes 3 1002
	# A service that is away is an error that says so, and no request without the key.
	stop_daemon
	echo >&9
	exec 9>&-
	wait "$tool"
	refute grep -q '^Reused' "$T/told"
	tail -n 1 "$T/told"
	tail -n 1 "$T/told" | grep -q "^unreachable 0 localhost:$PORT: the client's key: .*no service answers"
}
