#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tpm2-tools: one process for each step, which hand on objects and sessions as saved contexts.
#
#   tools.sh [core]      core: without what takes RSA keys, and without persistent handles
. "$(dirname "$0")/common.bash"

PLACE=0x81000020

name_of() { # context
	tpm2_readpublic -c "$1" -n name >/dev/null
	flush
	hex name
}

primaries() {
	local hierarchy
	step "primaries in three hierarchies"
	for hierarchy in o e n; do
		run tpm2_createprimary -C $hierarchy -G ecc -g sha256 -c $hierarchy.ctx
		name_of $hierarchy.ctx >$hierarchy.name
	done
	chip "owner primary $(cat o.name)"
	chip "endorsement primary $(cat e.name)"
	chip "null primary $(cat n.name)"
	run tpm2_createprimary -C o -G ecc -g sha256 -c again.ctx
	[[ $(name_of again.ctx) == "$(cat o.name)" ]]
	[[ $(cat o.name) != "$(cat e.name)" ]]
	result "a primary is the same when made again"
}

sign() {
	step "sign and verify"
	printf 'message' >message
	run tpm2_create -C o.ctx -G ecc256:ecdsa -g sha256 -u k.pub -r k.priv -p sesame \
		-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign'
	run tpm2_load -C o.ctx -u k.pub -r k.priv -c k.ctx
	run tpm2_readpublic -c k.ctx -f pem -o k.pem
	run tpm2_sign -c k.ctx -p sesame -g sha256 -o k.sig message
	run tpm2_verifysignature -c k.ctx -g sha256 -m message -s k.sig
	run tpm2_sign -c k.ctx -p sesame -g sha256 -f plain -o k.der message
	openssl dgst -sha256 -verify k.pem -signature k.der message >/dev/null
	printf 'another' >other
	fails tpm2_verifysignature -c k.ctx -g sha256 -m other -s k.sig
	run tpm2_loadexternal -C n -G ecc -u k.pem -c public.ctx
	run tpm2_verifysignature -c public.ctx -g sha256 -m message -s k.sig
	result "signatures verify, here and by openssl"
}

secret_keys() {
	step "keys from outside"
	printf '0123456789abcdef0123456789abcdef' >outside
	run tpm2_import -C o.ctx -G hmac -i outside -u mac.pub -r mac.priv
	run tpm2_load -C o.ctx -u mac.pub -r mac.priv -c mac.ctx
	run tpm2_hmac -c mac.ctx -g sha256 -o mac message
	[[ $(hex mac) == "$(openssl dgst -sha256 -mac HMAC -macopt hexkey:"$(hex outside)" message |
		sed 's/.* //')" ]]
	result "hmac $(hex mac)"
	head -c 5000 /dev/zero >long
	run tpm2_hmac -c mac.ctx -g sha256 -o mac long
	result "hmac of a sequence $(hex mac)"
	run tpm2_hash -C o -g sha256 -o hash long
	[[ $(hex hash) == "$(sum long)" ]]
	result "hash of a sequence $(hex hash)"
	printf '0123456789abcdef' >outside
	head -c 16 /dev/zero >iv
	run tpm2_import -C o.ctx -G aes128cfb -i outside -u aes.pub -r aes.priv
	run tpm2_load -C o.ctx -u aes.pub -r aes.priv -c aes.ctx
	run tpm2_encryptdecrypt -t iv -c aes.ctx -o encrypted message
	run tpm2_encryptdecrypt -t iv -d -c aes.ctx -o decrypted encrypted
	cmp message decrypted
	result "cipher $(hex encrypted)"
}

seal() {
	step "seal and unseal"
	printf 'what is sealed' >plain
	run tpm2_create -C o.ctx -i plain -p sesame -u s.pub -r s.priv \
		-a 'fixedtpm|fixedparent|userwithauth|noda'
	run tpm2_load -C o.ctx -u s.pub -r s.priv -c s.ctx
	[[ $(tpm2_unseal -c s.ctx -p sesame) == 'what is sealed' ]]
	flush
	fails tpm2_unseal -c s.ctx -p wrong
	run tpm2_changeauth -c s.ctx -C o.ctx -p sesame -r s2.priv again
	run tpm2_load -C o.ctx -u s.pub -r s2.priv -c s2.ctx
	[[ $(tpm2_unseal -c s2.ctx -p again) == 'what is sealed' ]]
	result "unsealed with its password"
}

policies() {
	local i
	step "policy sessions"
	run tpm2_startauthsession -S trial.ctx
	run tpm2_policypcr -S trial.ctx -l sha256:4,7 -L pcr.policy
	run tpm2_policypassword -S trial.ctx -L password.policy
	run tpm2_flushcontext trial.ctx
	result "policy $(hex pcr.policy) $(hex password.policy)"
	run tpm2_create -C o.ctx -i plain -p sesame -L password.policy -u p.pub -r p.priv \
		-a 'fixedtpm|fixedparent|noda'
	run tpm2_load -C o.ctx -u p.pub -r p.priv -c p.ctx
	# Twice: the first context of a session is spent when the second is made.
	for i in 1 2; do
		run tpm2_startauthsession --policy-session -S s.ses
		run tpm2_policypcr -S s.ses -l sha256:4,7
		run tpm2_policypassword -S s.ses
		[[ $(tpm2_unseal -c p.ctx -p session:s.ses+sesame) == 'what is sealed' ]]
		flush
		run tpm2_flushcontext s.ses
	done
	run tpm2_startauthsession --policy-session -S s.ses
	run tpm2_policypassword -S s.ses
	fails tpm2_unseal -c p.ctx -p session:s.ses+sesame
	run tpm2_flushcontext s.ses
	result "a policy opens, and half of it does not"

	step "policy by another object's password"
	run tpm2_startauthsession -S trial.ctx
	run tpm2_policysecret -S trial.ctx -c s.ctx -L secret.policy sesame
	run tpm2_flushcontext trial.ctx
	run tpm2_create -C o.ctx -i plain -L secret.policy -u q.pub -r q.priv \
		-a 'fixedtpm|fixedparent|noda'
	run tpm2_load -C o.ctx -u q.pub -r q.priv -c q.ctx
	run tpm2_startauthsession --policy-session -S s.ses
	run tpm2_policysecret -S s.ses -c s.ctx sesame
	[[ $(tpm2_unseal -c q.ctx -p session:s.ses) == 'what is sealed' ]]
	flush
	run tpm2_flushcontext s.ses
	result "PolicySecret opens"

	step "a salted session that encrypts"
	run tpm2_startauthsession --hmac-session -c o.ctx -S s.ses
	run tpm2_sessionconfig s.ses --enable-encrypt --enable-decrypt
	[[ $(tpm2_unseal -c s.ctx -p session:s.ses+sesame) == 'what is sealed' ]]
	flush
	run tpm2_flushcontext s.ses
	result "a salted session opens"
}

# The endorsement hierarchy gives its consent by PolicySecret.
consent() { # session
	run tpm2_startauthsession --policy-session -S "$1"
	run tpm2_policysecret -S "$1" -c e
}

attest() {
	step "quote"
	run tpm2_createek -G ecc -c ek.ctx -u ek.pub
	run tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name
	run tpm2_readpublic -c ak.ctx -f pem -o ak.pem
	run tpm2_quote -c ak.ctx -l sha256:4,7 -g sha256 -q 0011223344556677 -m quote -s quote.sig \
		-o quote.pcrs
	run tpm2_checkquote -u ak.pem -m quote -s quote.sig -f quote.pcrs -g sha256 -q 0011223344556677
	fails tpm2_checkquote -u ak.pem -m quote -s quote.sig -f quote.pcrs -g sha256 -q 0011223344556678
	result "a quote verifies"
	run tpm2_pcrread -o pcrs sha256:4,7
	result "registers $(sum pcrs)"

	step "certify"
	run tpm2_certify -C ak.ctx -c k.ctx -P sesame -g sha256 -o certified -s certified.sig
	result "certified"

	step "credential"
	printf 'a secret for an attestation key' >secret
	run tpm2_makecredential -u ek.pub -s secret -n "$(hex ak.name)" -o credential
	consent s.ses
	run tpm2_activatecredential -c ak.ctx -C ek.ctx -i credential -o activated -P session:s.ses
	run tpm2_flushcontext s.ses
	cmp secret activated
	consent s.ses
	fails tpm2_activatecredential -c k.ctx -p sesame -C ek.ctx -i credential -o stolen \
		-P session:s.ses
	run tpm2_flushcontext s.ses
	result "credential $(cat activated)"
	chip "endorsement key $(name_of ek.ctx)"
}

rsa() {
	step "an RSA key"
	run tpm2_create -C o.ctx -G rsa2048 -u r.pub -r r.priv
	run tpm2_load -C o.ctx -u r.pub -r r.priv -c r.ctx
	run tpm2_readpublic -c r.ctx -f pem -o r.pem
	run tpm2_rsaencrypt -c r.ctx -s oaep -o encrypted message
	run tpm2_rsadecrypt -c r.ctx -s oaep -o decrypted encrypted
	cmp message decrypted
	run tpm2_sign -c r.ctx -g sha256 -s rsapss -f plain -o r.sig message
	openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify r.pem -signature r.sig message \
		>/dev/null
	result "RSA"
}

ecdh() {
	step "key agreement"
	run tpm2_create -C o.ctx -G ecc256:ecdh -u d.pub -r d.priv
	run tpm2_load -C o.ctx -u d.pub -r d.priv -c d.ctx
	run tpm2_ecdhkeygen -c d.ctx -u point -o one
	run tpm2_ecdhzgen -c d.ctx -u point -o two
	cmp one two
	result "key agreement"
}

listed() {
	tpm2_getcap handles-persistent | sed 's/^- //' | sort >"$1"
}

persist() {
	local child
	step "persistent handles"
	listed before
	run tpm2_evictcontrol -C o -c o.ctx $PLACE
	run tpm2_create -C o.ctx -G ecc -u c.pub -r c.priv
	run tpm2_load -C o.ctx -u c.pub -r c.priv -c c.ctx
	# Without a handle the tool takes the first that GetCapability does not list.
	run tpm2_evictcontrol -C o -c c.ctx
	child=$(sed -n 's/^persistent-handle: //p' last.out)
	listed during
	comm -13 before during >new
	[[ $(wc -l <new) == 2 ]]
	grep -qix "${PLACE#0x}\|$PLACE" new
	[[ $(name_of $PLACE) == "$(cat o.name)" ]]
	run tpm2_sign -c "$child" -g sha256 -o c.sig message
	run tpm2_verifysignature -c "$child" -g sha256 -m message -s c.sig
	run tpm2_create -C $PLACE -i plain -u t.pub -r t.priv
	run tpm2_load -C $PLACE -u t.pub -r t.priv -c t.ctx
	[[ $(tpm2_unseal -c t.ctx) == 'what is sealed' ]]
	flush
	fails tpm2_evictcontrol -C o -c k.ctx $PLACE
	run tpm2_evictcontrol -C o -c "$child"
	run tpm2_evictcontrol -C o -c $PLACE
	listed after
	cmp before after
	fails tpm2_readpublic -c $PLACE
	result "two objects came, were used and went"
}

rest() {
	step "the rest"
	[[ $(tpm2_getrandom --hex 20 | wc -c) == 40 ]]
	run tpm2_getcap properties-fixed
	[[ -s last.out ]]
	run tpm2_testparms ecc256
	run tpm2_readclock
	run tpm2_getcap handles-loaded-session
	result "random, properties, clock"
}

primaries
sign
secret_keys
seal
policies
attest
ecdh
if [[ ${1:-} != core ]]; then
	rsa
	persist
fi
rest
finish
