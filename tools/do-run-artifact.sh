# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The tour of version 2: an artifact that is published for this TPM alone, loaded, and refused on a
# second TPM; without one it is refused as well. Sourced by ./do behind do-run-loader.sh, whose
# functions and variables it uses.

USAGE_MANIFEST=2.25.117605614488763127874438682632241167710 # docs/ARTIFACT.md, "Manifest"

other_swtpm_pid= # the second TPM ..
other_pid=       # .. and the daemon that has it
other_socket=

other_stop() {
	local pids=("$other_pid" "$other_swtpm_pid")
	other_pid='' other_swtpm_pid=''
	stop_process "${pids[0]}" "the second holdfastd" && stop_process "${pids[1]}" "the second swtpm"
}

# Another chip and a daemon of its own, as on another device.
other_start() { # folder
	local chip=$1/other-chip
	mkdir "$chip" "$1/other"
	swtpm socket --tpm2 --tpmstate dir="$chip" --server type=unixio,path="$chip/sock" \
		--ctrl type=unixio,path="$chip/sock.ctrl" --flags not-need-init,startup-clear \
		--pid file="$chip/pid" --daemon </dev/null >/dev/null 2>&1
	wait_for 10 test -s "$chip/pid" || die "the second swtpm did not start"
	other_swtpm_pid=$(cat "$chip/pid")
	wait_for 10 grep -qE "00010000 .* $chip/sock.ctrl\$" /proc/net/unix ||
		die "the second swtpm does not listen"
	cat >"$1/other/holdfast.conf" <<CONF
paths {
	state = "$1/other/state"
	run   = "$1/other/run"
}
tpm {
	tcti = "swtpm:path=$chip/sock"
	wait = 0
}
CONF
	other_socket=$1/other/run/holdfast.sock
	"$build/holdfastd" --config "$1/other/holdfast.conf" </dev/null >"$1/other/log" 2>&1 &
	other_pid=$!
	wait_for 10 other_ready || die "the second holdfastd did not come up"
}

other_ready() {
	"$build/holdfast" --socket "$other_socket" --json status | jq -e '.provider == "tpm"'
} >/dev/null 2>&1

# Who signs releases, for ten days.
signer_make() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=tour \
		-keyout "$loader/signer.key" -out "$loader/signer.pem" \
		-addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
		-addext "extendedKeyUsage=$USAGE_MANIFEST" \
		2>/dev/null
}

publish_v2() { # word..
	"$build/holdfast" artifact publish --format v2 --name secret.bin --in "$loader/model" \
		--origin "$loader/site" --sign-key "$loader/signer.key" --sign-cert "$loader/signer.pem" \
		--version 1.0 --content-key "$loader/secret.key" "$@"
}

wrap_v2() {
	"$build/holdfast" artifact wrap --name secret.bin --origin "$loader/site" \
		--content-key "$loader/secret.key" --devices "$loader/site/devices"
}

enrol_device() {
	hf device storage-key --format json --out "$loader/device.json" &&
		"$build/holdfast" artifact enrol --origin "$loader/site" --device "$loader/device.json"
}

artifact_same() {
	curl -sf --unix-socket "$loader_socket" http://localhost/v2/artifacts/secret.bin \
		>"$loader/loaded" && cmp "$loader/model" "$loader/loaded"
}

# The loader answers with that code.
artifact_is() { # code
	curl -s --unix-socket "$loader_socket" http://localhost/v2/artifacts/secret.bin |
		jq -e --arg code "$1" '.code == $code'
}

# Opened by hand, with all that an origin has and the first device's key.
open_by_hand() { # socket
	local files=("$loader"/site/models/*.payload "$loader"/site/models/*.keys)
	rm -f "$loader/opened"
	"$build/holdfast" --socket "$1" artifact open --manifest "$loader/site/models/secret.bin.manifest" \
		--payload "${files[0]}" --key "${files[1]}" --anchors "$loader/signer.pem" \
		--out "$loader/opened"
}

opened_same() {
	open_by_hand "$socket" && cmp "$loader/model" "$loader/opened"
}

# What the first device was given says nothing to another chip.
other_cannot_unwrap() {
	local keys=("$loader"/site/models/*.keys)
	hf device unwrap --in "${keys[0]}" --out "$loader/unwrapped" &&
		! "$build/holdfast" --socket "$other_socket" device unwrap --in "${keys[0]}" \
			--out "$loader/unwrapped.other" 2>"$loader/refusal.chip" &&
		[ ! -e "$loader/unwrapped.other" ]
}

other_is_refused() {
	! open_by_hand "$other_socket" 2>"$loader/refusal" && [ ! -e "$loader/opened" ]
}

tour_artifact() { # tpm|legacy, folder
	if [ "$1" = legacy ]; then
		step "published an artifact of 20 MiB for devices with a TPM" publish_v2
		step "GET /v2/artifacts/secret.bin: tpm_required" artifact_is tpm_required
		return
	fi
	step "published an artifact of 20 MiB, version 2" publish_v2
	step "enrolled this device by its storage key" enrol_device
	step "GET /v2/artifacts/secret.bin: no key for this device yet" artifact_is no_device_key
	step "wrapped the artifact's key for it" wrap_v2
	step "GET /v2/artifacts/secret.bin: the same bytes" artifact_same
	step "loaded it again, from the cache" artifact_same
	step "opened by hand, with manifest, payload and key" opened_same
	other_start "$2"
	step "the same on a second TPM: refused, no file" other_is_refused
	step "the first device's key, given to the second TPM: refused" other_cannot_unwrap
	say "  it says: $(head -n 1 "$loader/refusal.chip")"
	other_stop
}
