#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The random test: 40 keys and 40 secrets on a chip with three slots, used at random by four clients
# (clients.py). No lack of room in the chip may reach a caller, and the daemon must not grow.
#
#   tests/soak/random.sh [SECONDS]   default 10
#   SOAK_SEED=N                      repeats the choices of an earlier run
#   HOLDFAST_BUILD=FOLDER            where the programs are
set -u

SECONDS_LONG=${1:-10}
SEED=${SOAK_SEED:-$((($(date +%s) ^ $$) & 32767))}

BATS_TEST_DIRNAME=$(cd "$(dirname "$0")/../integration" && pwd)
# shellcheck source=../integration/helpers.bash
. "$BATS_TEST_DIRNAME/helpers.bash"

failed() {
	echo "FAILED (seed $SEED): $*"
	tail -n 30 "$T/log" 2>/dev/null
	exit 1
}

setup
trap 'stop_daemon KILL; stop_swtpm; rm -rf "$T"' EXIT
trap 'exit 1' INT TERM
start_swtpm
write_config 'provider = "tpm"'
start_daemon || failed "the daemon does not start"
[[ $(jq -r .provider "$T/status") == tpm ]] || failed "provider: $(cat "$T/status")"
"$(dirname "$0")/clients.py" "$SOCK" "$DAEMON_PID" "$SECONDS_LONG" "$SEED" ||
	failed "see above"
stop_daemon TERM
[[ $DAEMON_STATUS == 0 ]] || failed "the last stop was not orderly"
