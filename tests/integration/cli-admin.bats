#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line with all of the service behind it: large streams, FAPI and its tools, a TPM that
# was changed, and what the doctor says of them.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)

# --- large streams ---

# measured FILE-OF-KIB COMMAND..: its largest resident memory, whatever it reads and writes.
measured() {
	local result=$1
	shift
	HOLDFAST_SOCKET=$SOCK python3 -c '
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as out:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=out)
sys.exit(code)' "$result" "$@"
}

large() {
	on "$1"
	head -c 67108864 /dev/urandom >"$T/plain"
	measured "$T/kib" "$HOLDFAST" seal --in "$T/plain" --out "$T/blob"
	[[ $(cat "$T/kib") -lt 49152 ]]
	measured "$T/kib" "$HOLDFAST" unseal --in "$T/blob" --out "$T/back"
	[[ $(cat "$T/kib") -lt 49152 ]]
	cmp "$T/back" "$T/plain"
	# From a pipe the length is not known before its end.
	# shellcheck disable=SC2002 # a pipe is what is meant
	cat "$T/plain" | measured "$T/kib" "$HOLDFAST" seal >"$T/blob"
	[[ $(cat "$T/kib") -lt 49152 ]]
	# shellcheck disable=SC2002
	cat "$T/blob" | hf unseal | cmp - "$T/plain"
}

@test "64 MiB stream in bounded memory (tpm)" { large tpm; }
@test "64 MiB stream in bounded memory (legacy)" { large legacy; }

@test "one byte over 64 MiB from a pipe is refused" {
	on legacy
	status=0
	head -c 67108865 /dev/zero | hf seal --out "$T/blob" 2>"$T/err" || status=$?
	[[ $status == 1 && ! -e $T/blob ]]
	grep -q "^holdfast: too_large: .*64 MiB" "$T/err"
}

# --out stays what it was; a pipe has got part of it, and is told so.
@test "a large blob that is damaged late fails late, and says what that means" {
	on legacy
	head -c 20000000 /dev/urandom >"$T/plain"
	hf seal --in "$T/plain" --out "$T/blob"
	flip "$T/blob" 19000000
	printf 'old' >"$T/back"
	ends 1 unseal --in "$T/blob" --out "$T/back"
	[[ $(cat "$T/back") == old ]]
	ends 1 unseal --in "$T/blob"
	[[ $(stat -c %s "$T/out") -lt 19000000 ]]
	cmp -n "$(stat -c %s "$T/out")" "$T/out" "$T/plain"
	if [[ -s $T/out ]]; then
		grep -q "the output is not whole, discard it" "$T/err"
	fi
	hf seal --in "$T/plain" --out "$T/blob"
	truncate -s 19000000 "$T/blob"
	ends 1 unseal --in "$T/blob" --out "$T/back"
	[[ $(cat "$T/back") == old ]]
	wait_until nothing_half "$T"
}

# --- FAPI ---

@test "FAPI: probe, provision, seal, list, unseal, delete" {
	on tpm
	ends 0 --json fapi probe
	jq -e '.connects and (.milliseconds >= 0)' "$T/out"
	ends 0 fapi provision
	grep -Eq '^profile +P_' "$T/out"
	ends 0 --json fapi provision
	jq -e '.already and (.profile | length > 0)' "$T/out"
	ends 0 fapi probe
	grep -Eq '^provisioned +yes$' "$T/out"
	printf 'by fapi' >"$T/data"
	ends 0 fapi seal --name /HS/SRK/one --in "$T/data"
	ends 0 --json fapi seal --name /HS/SRK/two --in "$T/data"
	jq -e '.path == "/HS/SRK/two"' "$T/out"
	ends 1 fapi seal --name /HS/SRK/one --in "$T/data"
	grep -q "^holdfast: conflict: " "$T/err"
	hf fapi list | grep -q '/HS/SRK/one$'
	hf unseal --name /HS/SRK/one | cmp - "$T/data"
	ends 0 --json unseal --name /HS/SRK/two
	jq -e '.protection == "tpm" and (.data | length > 0)' "$T/out"
	ends 0 unseal --name /HS/SRK/one --out "$T/back"
	[[ $(stat -c %a "$T/back") == 600 ]]
	cmp "$T/back" "$T/data"
	ends 0 fapi delete --name /HS/SRK/one
	ends 1 fapi delete --name /HS/SRK/one
	grep -q "^holdfast: not_found: " "$T/err"
	ends 1 unseal --name /HS/SRK/one
	grep -q "^holdfast: not_found: " "$T/err"
	hf unseal --name /HS/SRK/two | cmp - "$T/data"
}

@test "FAPI takes a TPM" {
	on legacy
	ends 1 fapi probe
	grep -q "^holdfast: tpm_required: " "$T/err"
	ends 1 unseal --name /HS/SRK/x
	grep -Eq "^holdfast: (tpm_required|not_found): " "$T/err"
}

@test "the administrator's socket is not for others" {
	[[ $(id -u) == 0 ]] || return 0
	on legacy
	[[ $(stat -c %a "$T/run/admin.sock") == 600 ]]
	chmod 711 "$T" "$T/run"
	cp "$HOLDFAST" "$(ldd "$(readlink -f "$HOLDFAST")" | awk '/libholdfast/ { print $3 }')" "$T"
	chmod 755 "$T/holdfast" "$T"/libholdfast.so*
	LD_LIBRARY_PATH=$T refute setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$T/holdfast" --socket "$SOCK" fapi probe 2>"$T/err"
	grep -q "^holdfast: forbidden: no permission to open $T/run/admin.sock" "$T/err"
}

# --- a TPM that was changed ---

identity_is() {
	[[ $(hf --json device status | jq -r .mode) == "$1" ]]
}

@test "tpm accept: nothing to accept" {
	on tpm
	ends 1 tpm accept --yes
	grep -q "^holdfast: conflict: " "$T/err"
}

@test "tpm accept: another chip, what the doctor says, and what opens after" {
	on tpm
	printf 'of the old chip' >"$T/plain"
	hf seal --in "$T/plain" --out "$T/old"
	stop_daemon
	stop_swtpm
	start_swtpm other
	write_config 'provider = "tpm"'
	start_daemon
	ends 1 doctor
	grep -q "holdfast tpm accept" "$T/out"
	ends 1 seal --in "$T/plain" --out "$T/new"
	grep -q "^holdfast: tpm_changed: " "$T/err"
	ends 2 tpm accept
	ends 0 tpm accept --yes
	grep -q "^The TPM is accepted." "$T/out"
	grep -Eq '^old state kept as +tpm\.state\.' "$T/out"
	# The device's identity was in the other one, and is a decision of its own.
	wait_until identity_is conflict
	ends 1 doctor
	[[ $(grep -c '^fail ' "$T/out") == 1 ]]
	grep -q '^fail  *identity  *conflict: ' "$T/out"
	ends 0 device approve
	ends 0 doctor
	ends 0 seal --in "$T/plain" --out "$T/new"
	hf unseal --in "$T/new" | cmp - "$T/plain"
	ends 1 unseal --in "$T/old"
	grep -q "^holdfast: wrong_tpm: " "$T/err"
	ends 1 tpm accept --yes
}

@test "tpm accept asks on a terminal" {
	on tpm
	stop_daemon
	stop_swtpm
	start_swtpm other
	write_config 'provider = "tpm"'
	start_daemon
	HOLDFAST_SOCKET=$SOCK script -qefc "$HOLDFAST tpm accept" "$T/screen" >/dev/null <<<yes
	grep -q "stay closed" "$T/screen"
	grep -q "The TPM is accepted." "$T/screen"
	hf random 8 >/dev/null
}

# --- the doctor ---

@test "doctor: time in the chip, and the bound of its longest commands" {
	on tpm
	ends 0 --json doctor --speed
	jq -e '[.speed.operations[] | select(.measured)] |
		all((.chip_us | type) == "number" and .chip_us <= .longest_us)' "$T/out"
	jq -e '.speed.bound.longest | .holds and .seal_us > 0 and .unseal_us > 0 and
		.unseal_cold_us >= 3 * .unseal_us' "$T/out"
	ends 0 doctor --speed
	grep -q "in the chip" "$T/out"
	grep -Eq "at the chip's longest: +yes" "$T/out"
}

@test "status and doctor tell of FAPI's probe" {
	on tpm
	ends 0 status
	grep -Eq '^FAPI probe +(succeeded|off)' "$T/out"
	ends 0 doctor
	grep -Eq '^(ok|info) +fapi ' "$T/out"
}
