# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests of the device's identity over starts, by the service's API.

HOLDFAST=$(program holdfast)

device() {
	api GET /v1/device
	expect 200
}

mode_is() {
	api GET /v1/device
	[[ $CODE == 200 && $(field .mode) == "$1" ]]
}

# settled MODE: until it is so.
settled() {
	wait_until mode_is "$1" || {
		cat "$T/body"
		return 1
	}
}

key_name() {
	api GET /v1/device
	field .key.name
}

public_key() {
	api GET /v1/device
	field .key.public
}

# device_admin ORDER JSON
device_admin() {
	printf '%s' "$2" >"$T/request"
	admin POST "/v1/admin/device/$1" -H 'Content-Type: application/json' \
		--data-binary "@$T/request"
}

device_signs() {
	api_json POST /v1/device/sign '{"purpose":"test","message":"aGk="}'
}

# The key in the chip, by somebody else than the service.
chip_has() {
	tools tpm2_readpublic -c "$1" -n "$T/name" >/dev/null 2>&1 &&
		[[ $(xxd -p -c 200 "$T/name") == "$2" ]]
}

persistent_handles() {
	tools tpm2_getcap handles-persistent
}

logged() {
	grep -q "$1" "$T/log" || {
		echo "not in the log: $1"
		return 1
	}
}
