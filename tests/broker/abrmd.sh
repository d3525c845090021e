#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tpm2-abrmd on top, on a D-Bus of its own; through it the core of the tools' workflow, or what is
# given.
#
#   abrmd.sh [WORKFLOW [WORD..]]
. "$(dirname "$0")/common.bash"

ON_EXIT=(end_brokers leave)
BUS=
ABRMD=

end_brokers() {
	local pid
	for pid in $ABRMD $BUS; do
		kill "$pid" 2>/dev/null || continue
		wait "$pid" || true
	done
}

owned() {
	dbus-send --session --print-reply --dest=org.freedesktop.DBus / \
		org.freedesktop.DBus.NameHasOwner string:com.intel.tss2.Tabrmd 2>/dev/null |
		grep -q true
}

# within WHAT COMMAND..: polls for ten seconds.
within() {
	local what=$1 i
	shift
	for ((i = 0; i < 500; i++)); do
		! "$@" || return 0
		sleep 0.02
	done
	echo "waited in vain for $what"
	return 1
}

STEP="a bus"
dbus-daemon --session --nofork --print-address=1 >bus 2>bus.log &
BUS=$!
within "a bus" test -s bus
DBUS_SESSION_BUS_ADDRESS=$(head -n 1 bus)
export DBUS_SESSION_BUS_ADDRESS
STEP=tpm2-abrmd
[[ $(id -u) != 0 ]] || root=--allow-root
tpm2-abrmd --session ${root:-} "--tcti=$TPM2TOOLS_TCTI" >abrmd.log 2>&1 &
ABRMD=$!
within tpm2-abrmd owned || {
	cat abrmd.log
	exit 1
}
STEP=workflow
[[ $# -gt 0 ]] || set -- tools.sh core
workflow=$1
shift
status=0
BARE='' TPM2TOOLS_TCTI=tabrmd:bus_type=session "$BROKER/$workflow" "$@" || status=$?
[[ $status == 0 ]] || cat abrmd.log
exit "$status"
