# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests of version 2, behind helpers.bash and loader.bash: devices, each with a TPM and a daemon of
# its own, who signs, and what is published.

USAGE_V2=2.25.117605614488763127874438682632241167710 # docs/ARTIFACT.md, "Manifest"

# --- devices ---

# device_start NAME [LINE..]: $T/NAME.tpm its chip, $T/NAME its folders; lines go into holdfast.conf.
# It stands until device_stop, or the end of the file. `provider = "legacy"` has no chip.
device_start() {
	local name=$1
	shift
	mkdir -p "$T/$name"
	if [[ "$*" != *'"legacy"'* ]]; then
		chip_start "$name"
	fi
	{
		printf 'paths { state = "%s"  run = "%s" }\n' "$T/$name/state" "$T/$name/run"
		printf 'tpm { tcti = "swtpm:path=%s"  wait = 0 }\n' "$T/$name.tpm/sock"
		printf '%s\n' "$@"
	} >"$T/$name/conf"
	daemon_start "$name"
}

chip_start() { # name
	mkdir -p "$T/$1.tpm"
	swtpm socket --tpm2 --tpmstate "dir=$T/$1.tpm" --server "type=unixio,path=$T/$1.tpm/sock" \
		--ctrl "type=unixio,path=$T/$1.tpm/sock.ctrl" --flags not-need-init,startup-clear \
		>"$T/$1-tpm.log" 2>&1 3>&- &
	echo $! >"$T/pids/$1-tpm"
	wait_until listens "$T/$1.tpm/sock"
	wait_until listens "$T/$1.tpm/sock.ctrl"
}

daemon_start() { # name
	"$HOLDFASTD" --config "$T/$1/conf" >>"$T/$1-daemon.log" 2>&1 3>&- &
	echo $! >"$T/pids/$1-daemon"
	wait_until device_decided "$1"
	refute is_gone "$(pid_of "$1-daemon")"
}

device_decided() {
	is_gone "$(pid_of "$1-daemon")" && return 0
	[[ $(device_status "$1" .provider) == @(tpm|legacy|none) ]]
}

device_sock() { # name
	echo "$T/$1/run/holdfast.sock"
}

device_status() { # name filter
	curl -s -m 5 --unix-socket "$(device_sock "$1")" http://h/v1/status | jq -r "$2"
}

# device NAME WORD..: the command line, asking that device.
device() {
	local name=$1
	shift
	HOLDFAST_SOCKET=$(device_sock "$name") "$HOLDFAST" "$@"
}

device_stop() { # name
	stop "$1-daemon"
	stop "$1-tpm" KILL
}

# at_device NAME: a line for loader_config.
at_device() {
	printf 'holdfast_socket = "%s"' "$(device_sock "$1")"
}

# --- publishing ---

# signer_v2 NAME ISSUER: one who may sign manifests.
signer_v2() {
	certificate "$1" "$2" basicConstraints=CA:FALSE keyUsage=digitalSignature \
		"extendedKeyUsage=$USAGE_V2"
}

# signing: `ca` and `publisher`, who signs all that follows.
signing() {
	authority ca
	signer_v2 publisher ca
}

# known DEVICE..: their storage keys are on file at the origin.
known() {
	local name
	for name; do
		device "$name" device storage-key --format json --out "$T/$name.json"
		"$HOLDFAST" artifact enrol --origin "$T/origin" --device "$T/$name.json"
	done
}

# publish_v2 NAME FILE [WORD..]: for all devices that are known; the content key is NAME.SERIAL.key.
publish_v2() {
	local name=$1 file=$2 version=(--version 1.0)
	shift 2
	rm -f "$T/$name.key"
	[[ " $* " != *' --version '* ]] || version=()
	mkdir -p "$T/origin/devices"
	"$HOLDFAST" artifact publish --format v2 --name "$name" --in "$file" --origin "$T/origin" \
		--sign-key "$T/publisher.key" --sign-cert "$T/publisher.pem" "${version[@]}" \
		--content-key "$T/$name.key" --devices "$T/origin/devices" "$@"
}

# wrap_v2 NAME [WORD..]
wrap_v2() {
	local name=$1
	shift
	"$HOLDFAST" artifact wrap --name "$name" --origin "$T/origin" --content-key "$T/$name.key" \
		--devices "$T/origin/devices" "$@"
}

# manifest NAME [FOLDER]: its JSON, by the openssl command.
manifest() {
	openssl cms -verify -binary -inform DER -in "$T/origin/${2-models}/$1.manifest" \
		-CAfile "$T/ca.pem" -purpose any 2>>"$T/openssl.log"
}

payload_of() { # name [folder]
	echo "$T/origin/${2-models}/$(manifest "$@" | jq -r .payload.sha256).payload"
}

keys_of() { # name [folder]
	echo "$T/origin/${2-models}/$(manifest "$@" | openssl dgst -sha256 -r | cut -d' ' -f1).keys"
}

# --- asking the loader ---

artifact() { # name [folder [curl option..]]
	local name=$1 folder=${2-models}
	shift $(($# < 2 ? $# : 2))
	front GET "/v2/artifacts/$name?folder=$folder" "$@"
}

# opens NAME FILE [FOLDER]: /v2 gives these bytes.
opens() {
	artifact "$1" "${3-models}"
	answers 200
	cmp "$2" "$T/body"
}

# refuses NAME STATUS CODE [FOLDER]: /v2 gives no byte of it.
refuses() {
	artifact "$1" "${4-models}"
	answers "$2" "$3"
}

prepare() { # name [folder]
	front_json POST "/v2/artifacts/$1" "{\"folder\":\"${2-models}\"}"
}

# payload_asked NAME: how many requests for payloads the proxy NAME has seen.
payload_asked() {
	seen "$1" '(.path // "") | test("[.]payload")'
}

chip_commands() { # device
	device_status "$1" .tpm.commands
}
