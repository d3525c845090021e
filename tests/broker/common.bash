# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the workflows share. TPM2TOOLS_TCTI says where the chip is, or what stands in its place; all
# other software is pointed there too. BARE=yes when nothing manages its slots: then they are emptied
# after each step. What a workflow prints is the same wherever it runs: `result` lines and, last,
# their digest; `chip` lines are the same on one chip only.

set -euo pipefail
export LC_ALL=C

: "${TPM2TOOLS_TCTI:?says where the chip is}"
export TPM2TOOLS_TCTI TPM2OPENSSL_TCTI=$TPM2TOOLS_TCTI TPM2_PKCS11_TCTI=$TPM2TOOLS_TCTI
export TSS2_LOG=${TSS2_LOG:-all+ERROR}

BROKER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Debian's, for which its pytss is made.
PYTHON=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1

W=$(mktemp -d "${TMPDIR:-/tmp}/wf-XXXXXX")
ON_EXIT=(leave)
trap 'at_exit' EXIT
cd "$W"

at_exit() {
	local status=$? word
	for word in "${ON_EXIT[@]}"; do
		"$word" || true
	done
	[[ $status == 0 ]] || echo "FAILED with $status: ${STEP:-before the first step}"
	exit "$status"
}

leave() {
	cd /
	rm -rf "$W"
}

# step NAME: what follows is that; the slots are empty where nobody else would see to it.
step() {
	STEP=$1
	flush
}

flush() {
	if [[ ${BARE:-} == yes ]]; then
		tpm2_flushcontext -t
	fi
}

# run COMMAND..: one that leaves objects in the slots of a bare chip.
run() {
	"$@" >last.out
	flush
}

# fails COMMAND..: must not succeed; what it says stays in $W/failed.
fails() {
	if "$@" >failed 2>&1; then
		echo "succeeded, and must not: $*"
		return 1
	fi
	flush
}

result() {
	echo "result $*" | tee -a results
}

chip() {
	echo "chip $*"
}

sum() {
	sha256sum "$@" | cut -d' ' -f1
}

hex() {
	od -An -v -tx1 "$@" | tr -d ' \n'
}

finish() {
	STEP=end
	echo "digest $(sum results)"
}
