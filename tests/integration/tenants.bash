# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Many tenants on one daemon: what tests/integration/tenants*.bats share.

as() {
	local SOCK=$T/run/tenants/$1/holdfast.sock
	shift
	"$@"
}

config() { # PROVIDER LINE..
	PROVIDER=$1
	shift
	write_config "provider = \"$PROVIDER\"" "$@"
}

# with PROVIDER LINE..: a daemon with these tenants, all of them opened.
with() {
	if [[ $1 == tpm ]]; then
		start_swtpm
	fi
	config "$@"
	start_daemon
}

all_opened() {
	admin GET /v1/admin/tenants
	expect 200
	[[ $(field '[.tenants[].fault | select(. != null and contains("being opened"))] | length') == 0 ]]
}

admin_json() { # METHOD PATH JSON
	local SOCK=$ADMIN
	api_json "$@"
}

add() { # NAME [MEMBERS]
	admin_json POST /v1/admin/tenants "{\"name\":\"$1\"${2:+,$2}}"
}

reload() {
	admin_json POST /v1/admin/reload '{}'
}

fault_of() {
	admin GET "/v1/admin/tenants/$1"
	field .fault
}

serves() { # TENANT
	as "$1" api GET /v1/status
	[[ $CODE == 200 && $(field .tenant) == "$1" ]]
}

inode() {
	stat -c %i "$1"
}

open_of() {
	admin GET "/v1/admin/tenants/$1"
	[[ $(field .connections.open) -gt 0 ]]
}
