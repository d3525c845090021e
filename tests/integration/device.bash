# SPDX-License-Identifier: Apache-2.0
# For tests of the device's identity: a machine of its own, with folders that outlive its daemon.

HOLDFAST=$(program holdfast)
CERT=device.cert.pem

# device_config [LINE..]: of section device; other sections come from $MORE.
device_config() {
	mkdir -p "$T/config" "$T/persist"
	write_config 'fapi { probe = false }' \
		"device { config_dir = \"$T/config\" persist_dir = \"$T/persist\"" "$@" '}' "${MORE[@]}"
}

# identity_settled: nobody waits for a decision, and no reset is at work.
identity_settled() {
	is_gone "$DAEMON_PID" && return 0
	hf device status --json >"$T/device" 2>/dev/null && [[ $(device .mode) != resetting ]]
}

# boot [LINE..]: the daemon starts with these lines and comes to a decision.
boot() {
	stop_daemon
	device_config "$@"
	start_daemon
	wait_until identity_settled
}

# reboot [LINE..]: the TPM too, which forgets what is not persistent.
reboot() {
	stop_daemon
	restart_swtpm
	boot "$@"
}

restart_swtpm() {
	stop_swtpm
	start_swtpm "${CHIP:-tpm}"
}

# A machine in mode E; its certificate, key and Name are kept as $T/first.*
enabled() {
	start_swtpm
	boot "$@"
	is_mode enabled
	remember first
}

device() {
	jq -r "$1" "$T/device"
}

# is_mode MODE [PATTERN of the reason]
is_mode() {
	hf device status --json >"$T/device"
	if [[ $(device .mode) != "$1" || $(device .reason) != *${2:-}* ]]; then
		echo "mode $(device .mode), not $1 ${2:-}: $(device .reason)"
		return 1
	fi
}

# becomes MODE [PATTERN]: within 20 seconds, however slow the machine is.
becomes() {
	local end=$((SECONDS + 20))
	until is_mode "$@" >"$T/mode"; do
		if ((SECONDS > end)); then
			cat "$T/mode"
			return 1
		fi
		sleep 0.05
	done
}

# remember NAME: who the device is now.
remember() {
	hf device status --json >"$T/$1.json"
	jq -j .key.public "$T/$1.json" >"$T/$1.pub"
	jq -j .certificate.pem "$T/$1.json" >"$T/$1.crt"
}

# same_key NAME / other_key NAME: as it was then.
same_key() {
	hf device status --json | jq -j .key.public | cmp - "$T/$1.pub"
}

other_key() {
	hf device status --json | jq -j .key.public >"$T/now.pub"
	grep -q 'BEGIN PUBLIC KEY' "$T/now.pub"
	refute cmp -s "$T/now.pub" "$T/$1.pub"
}

# proves: the key signs, and the certificate, which is that of the file, verifies it.
proves() {
	head -c 30 /dev/urandom >"$T/message"
	hf device sign --purpose test --in "$T/message" --out "$T/signature"
	{
		printf 'holdfast device signature v1\0host\0test\0'
		cat "$T/message"
	} >"$T/signed"
	openssl x509 -in "$T/config/$CERT" -noout -pubkey >"$T/cert.pub"
	openssl dgst -sha256 -verify "$T/cert.pub" -signature "$T/signature" "$T/signed"
	hf device status --json | jq -j .key.public | cmp - "$T/cert.pub"
}

# signs_not CODE: and says why.
signs_not() {
	local status=0
	printf x >"$T/message"
	hf device sign --purpose test --in "$T/message" --out "$T/none" 2>"$T/err" || status=$?
	[[ $status != 0 && ! -s $T/none ]] || {
		echo "it signs"
		return 1
	}
	api_json POST /v1/device/sign '{"purpose":"test","message":"eA=="}'
	[[ $(field .code) == "$1" ]] || {
		echo "refused as $(field .code), not $1"
		return 1
	}
}

# persistent HANDLE..: what the chip holds where identities lie; nobody else may be at it.
persistent() {
	tools tpm2_getcap handles-persistent | grep -o '0x[0-9A-Fa-f]*' | tr 'A-F\n' 'a-f ' |
		xargs -n 1 | grep -E '^0x8100(01|02)' | grep -v 0x81000101 | xargs >"$T/persistent" || true
	[[ $(cat "$T/persistent") == "$*" ]] || {
		echo "persistent: $(cat "$T/persistent") and not $*"
		return 1
	}
}

# soft_pair: what another program would put beside.
soft_pair() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-subj "/CN=${1:-intruder}" -keyout "$T/soft.key" -out "$T/soft.crt" 2>"$T/req.log"
}

quarantined() {
	find "$T/persist/holdfast/quarantine" -type f 2>/dev/null | grep -q .
}

# records [FIND OPTION..]: all copies of the record.
records() {
	find "$T/config" "$T/persist" -name '*identity.json*' "$@"
}

# swap_chip: another TPM is in the machine now.
swap_chip() {
	stop_daemon
	stop_swtpm
	CHIP=other
	start_swtpm other
}
