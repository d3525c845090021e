#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# FAPI's tools, with the configuration that TSS2_FAPICONF names. Somebody has provisioned before.
# Objects carry the number of this process in their names, and are gone at the end.
. "$(dirname "$0")/common.bash"

: "${TSS2_FAPICONF:?names a configuration of FAPI}"
export TSS2_FAPICONF

ON_EXIT=(delete leave)
KEY=/HS/SRK/key$$ BELOW=/HS/SRK/key$$/below QUOTING=/HS/SRK/quoting$$
SEALED=/HS/SRK/sealed$$ LOCKED=/HS/SRK/locked$$ POLICY=/policy/pcr$$

delete() {
	local path
	for path in $KEY $QUOTING $SEALED $LOCKED; do
		tss2_delete -p "$path" 2>/dev/null || true
	done
}

step "there is an SRK"
tss2_list -p /HS/SRK >/dev/null

step "random"
tss2_getrandom -n 20 -o random
[[ $(wc -c <random) == 20 ]]

step "keys"
openssl dgst -sha256 -binary <<<message >digest
tss2_createkey -p $KEY -t noda,decrypt,restricted -a ''
tss2_createkey -p $BELOW -t noda,sign -a ''
tss2_createkey -p $QUOTING -t noda,sign,restricted -a ''
tss2_list -p $KEY >/dev/null
result "keys, one below another"

step "sign"
tss2_sign -p $BELOW -d digest -o signature -k public.pem
tss2_verifysignature -p $BELOW -d digest -i signature
openssl pkeyutl -verify -pubin -inkey public.pem -in digest -sigfile signature >/dev/null
openssl dgst -sha256 -binary <<<other >other
fails tss2_verifysignature -p $BELOW -d other -i signature
result "signatures verify, here and by openssl"

step "seal"
printf 'what is sealed' >plain
tss2_createseal -p $SEALED -t noda -a '' -i plain
tss2_unseal -p $SEALED -o opened
cmp plain opened
result "unsealed $(cat opened)"

step "policy"
# Registers as they are; a policy is kept in the user's store or fails, by the right that we have.
printf '{"description":"as it is","policy":[{"type":"POLICYPCR","currentPCRs":[7]}]}' >policy.json
if tss2_import -p $POLICY -i policy.json 2>/dev/null; then
	tss2_createseal -p $LOCKED -P $POLICY -t noda -a '' -i plain
	tss2_unseal -p $LOCKED -o opened -f
	cmp plain opened
	tss2_delete -p $POLICY
fi

step "quote"
printf nonce >nonce
tss2_quote -p $QUOTING -x 4,7 -Q nonce -q quote -o signature -f
tss2_verifyquote -k $QUOTING -Q nonce -q quote -i signature
printf another >nonce
fails tss2_verifyquote -k $QUOTING -Q nonce -q quote -i signature
result "a quote verifies"

step "what is deleted is gone"
delete
fails tss2_unseal -p $SEALED -o opened -f
fails tss2_sign -p $BELOW -d digest -o signature -f
result "deleted"
finish
