#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tenant that has a device key which was wrapped to the service's storage key, all that is public
# of it and its blob as well, and the stock tools; and a key of its own, to which they open the same.
#
#   device-key.sh FOLDER SRK HSK    FOLDER: data, and in key/ what was wrapped to the HSK; in hsk/
#                                   the HSK itself, public and private; wrap.py
. "$(dirname "$0")/common.bash"

FOLDER=$1 SRK=$2 HSK=$3

# opens PARENT FOLDER [PASSWORD]: what was wrapped there, with these tools alone.
opens() {
	local auth=()
	[[ -z ${3:-} ]] || auth=(-P "$3")
	flush
	rm -f imported.priv
	tpm2_import -Q -C "$1" "${auth[@]}" -u "$2/public" -i "$2/duplicate" -s "$2/seed" \
		-r imported.priv || return 1
	tpm2_load -Q -C "$1" "${auth[@]}" -u "$2/public" -r imported.priv -c imported.ctx || return 1
	flush
	tpm2_unseal -Q -c imported.ctx -o opened || return 1
	cmp opened "$FOLDER/data"
}

# refused CODE WORD..: by the chip or who stands before it, with this code.
refused() {
	local code=$1
	shift
	fails "$@"
	grep -qiE "$code" failed || {
		cat failed
		return 1
	}
}

step "a key of its own"
run tpm2_createprimary -Q -C o -G ecc -g sha256 -c own.ctx
run tpm2_readpublic -Q -c own.ctx -o own.pub
mkdir own
"$FOLDER/wrap.py" own.pub "$FOLDER/data" own
opens own.ctx own
result "what is wrapped to a key of its own opens"

step "the same below another key"
refused '0x1df|integrity' opens own.ctx "$FOLDER/key"
result "a device key is none of its own"

step "the same below the key that the service's is below"
refused '0x1df|integrity' opens "$SRK" "$FOLDER/key"
result "nor does the storage root key open it"

step "the service's storage key by its handle"
refused '0x18b|0x184|handle' opens "$HSK" "$FOLDER/key"
result "the storage key is at none of its handles"

step "the service's storage key out of its blob"
run tpm2_load -Q -C "$SRK" -u "$FOLDER/hsk/public" -r "$FOLDER/hsk/private" -c hsk.ctx
for password in '' guess; do
	refused '0x9a2|0x98e|authorization' opens hsk.ctx "$FOLDER/key" "$password"
done
result "nor does it serve without its password"

finish
