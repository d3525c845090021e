#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The test of raw commands: eight tenants at once run stock software on a chip with three slots
# (broker.py), through sockets of their own; their results are compared. The daemon must not grow.
# With 500 rounds and more, a session rests besides while others are saved 66,000 times.
#
#   tests/soak/broker.sh [ROUNDS]    default 48
#   HOLDFAST_BUILD=FOLDER            where the programs are
set -u

ROUNDS=${1:-48}
GROWTH_MAX=8192 # KiB, as in clients.py

BATS_TEST_DIRNAME=$(cd "$(dirname "$0")/../integration" && pwd)
# shellcheck source=../integration/helpers.bash
. "$BATS_TEST_DIRNAME/helpers.bash"

failed() {
	echo "FAILED: $*"
	tail -n 30 "$T/log" 2>/dev/null
	exit 1
}

resident() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON_PID/status"
}

# clients ROUNDS: all tenants together.
clients() {
	/usr/bin/python3 -B "$(dirname "$0")/broker.py" "$T/clients" "$1" "${sockets[@]}"
}

setup
trap 'stop_daemon KILL; stop_swtpm; rm -rf "$T"' EXIT
trap 'exit 1' INT TERM
sockets=()
for tenant in t0 t1 t2 t3 t4 t5 t6 t7; do
	CONFIG+=("tenant $tenant { broker = \"standard\" rate = 0 }")
	sockets+=("$T/run/tenants/$tenant/tpm.sock")
done
start_swtpm
write_config 'provider = "tpm"'
start_daemon || failed "the daemon does not start"
[[ $(jq -r .provider "$T/status") == tpm ]] || failed "provider: $(cat "$T/status")"
# One round of each kind, which fills caches and pools.
clients 16 >/dev/null || failed "see above"
before=$(resident)
clients "$ROUNDS" || failed "see above"
if ((ROUNDS >= 500)); then
	/usr/bin/python3 -B "$ROOT/tests/broker/attacks.py" gap "${sockets[0]}" "${sockets[1]}" ||
		failed "a session that rested"
fi
grown=$(($(resident) - before))
echo "raw commands: $before KiB resident, grown by $grown KiB, $(commands_sent) TPM commands"
((grown <= GROWTH_MAX)) || failed "the daemon grew by $grown KiB"
stop_daemon TERM
[[ $DAEMON_STATUS == 0 ]] || failed "the last stop was not orderly"
