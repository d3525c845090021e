#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The verifier's half of attestation, against what a TPM and the stock tools make; no daemon runs.

load helpers.bash

HOLDFAST=$(program holdfast)

# An attestation key, a quote over three PCRs with its values, a certification of the key by itself.
evidence() {
	start_swtpm
	cd "$T"
	log_of_boot
	tools tpm2_pcrextend "4:sha256=$(printf loader | sha256sum | cut -c1-64)"
	tools tpm2_createek -Q -c ek.ctx -G ecc
	tools tpm2_createak -Q -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pem -f pem -n ak.name
	tools tpm2_flushcontext -t
	tools tpm2_quote -Q -c ak.ctx -l sha256:0,4,7 -q 0102030405 -g sha256 \
		-m q.msg -s q.sig -o q.pcrs -F values
	tools tpm2_flushcontext -t
	tools tpm2_readpublic -Q -c ak.ctx -o ak.pub
	tools tpm2_flushcontext -t
	tools tpm2_certify -Q -c ak.ctx -C ak.ctx -g sha256 -o c.msg -s c.sig
	jq -n --arg a "$(base64 -w0 q.msg)" --arg s "$(base64 -w0 q.sig)" \
		--arg v0 "$(value 0)" --arg v4 "$(value 1)" --arg v7 "$(value 2)" \
		'{attest: $a, signature: $s, pcrs: {sha256: {"0": $v0, "4": $v4, "7": $v7}}}' >quote
	jq -n --arg a "$(base64 -w0 c.msg)" --arg s "$(base64 -w0 c.sig)" \
		--arg p "$(base64 -w0 ak.pub)" '{attest: $a, signature: $s, public: $p}' >certify
}

# The n-th value of the quote.
value() {
	od -An -v -tx1 -j $(($1 * 32)) -N 32 q.pcrs | tr -d ' \n'
}

hex() {
	od -An -v -tx1 "$1" | tr -d ' \n'
}

# What firmware would have written of the one measurement: a list of hashes, then the event.
log_of_boot() {
	python3 - "$T/boot.log" <<-'PYTHON'
		import hashlib, struct, sys
		spec = (b'Spec ID Event03\0' + struct.pack('<I4BI', 0, 0, 2, 0, 2, 1)
		        + struct.pack('<HH', 11, 32) + b'\0')
		log = struct.pack('<II', 0, 3) + bytes(20) + struct.pack('<I', len(spec)) + spec
		log += (struct.pack('<IIIH', 4, 8, 1, 11) + hashlib.sha256(b'loader').digest()
		        + struct.pack('<I', 6) + b'loader')
		open(sys.argv[1], 'wb').write(log)
	PYTHON
}

verify() {
	run "$HOLDFAST" aik verify --public "$T/ak.pem" "$@"
}

# changed FILTER FILE: the same JSON with a change.
changed() {
	jq "$1" "$T/$2" >"$T/changed"
}

@test "a TPM's quote with its values and its log is good" {
	evidence
	verify --nonce 0102030405 --in quote --eventlog boot.log
	[[ $status == 0 ]]
	[[ ${lines[0]} == "good quote, signed by sha256" ]]
	[[ $output == *"nonce 0102030405"* ]]
	[[ $output == *"sha256:4 $(value 1)"* ]]
	[[ $output == *"the event log explains them"* ]]
	verify --nonce 0102030405 --in quote --json
	[[ $status == 0 ]]
	[[ $(jq -c '[.good, .kind, .pcrs.sha256, .event_log]' <<<"$output") == \
		'[true,"quote",[0,4,7],false]' ]]
}

@test "an old answer, other values and a log that does not explain them are refused" {
	evidence
	verify --nonce 0102030406 --in quote
	[[ $status == 1 && $output == *"another nonce"* ]]
	changed '.pcrs.sha256."4" |= ascii_downcase[0:62] + "00"' quote
	verify --nonce 0102030405 --in changed
	[[ $status == 1 && $output == *"not those that were quoted"* ]]
	changed 'del(.pcrs.sha256."7")' quote
	verify --nonce 0102030405 --in changed
	[[ $status == 1 && $output == *"other PCRs than the quote's"* ]]
	# Not even one of the loader's bytes may be another.
	python3 -c 'import sys; d = bytearray(open("boot.log", "rb").read()); d[-20] ^= 1; open("log2", "wb").write(d)'
	verify --nonce 0102030405 --in quote --eventlog log2
	[[ $status == 1 && $output == *"does not explain the sha256 PCRs of mask 0x000010"* ]]
	changed 'del(.pcrs)' quote
	verify --nonce 0102030405 --in changed --eventlog boot.log
	[[ $status == 1 && $output == *"/pcrs: missing"* ]]
	# Values that nobody quoted, and banks without any.
	changed '.pcrs.sha1 = {"0": "0000000000000000000000000000000000000000"}' quote
	verify --nonce 0102030405 --in changed
	[[ $status == 1 && $output == *"other PCRs than the quote's"* ]]
	changed '.pcrs.sha512 = {}' quote
	verify --nonce 0102030405 --in changed
	[[ $status == 1 && $output == *"/pcrs/sha512"* ]]
}

@test "another key's signature, and a changed statement, are refused" {
	evidence
	openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out other.pem 2>/dev/null
	run "$HOLDFAST" aik verify --public other.pem --any-nonce --in quote
	[[ $status == 1 && $output == *"Do not trust what it says"* ]]
	jq --arg a "$(base64 -w0 c.msg)" '.attest = $a' quote >changed
	verify --any-nonce --in changed
	[[ $status == 1 ]]
}

@test "a certification is of the key that its Name says" {
	evidence
	verify --any-nonce --in certify --name "$(hex ak.name)"
	[[ $status == 0 ]]
	[[ ${lines[0]} == "good certification, signed by sha256" ]]
	[[ $output == *"certified Name $(hex ak.name), which is that of the public area"* ]]
	verify --any-nonce --in certify --name "$(hex ak.name | tr 0-9 1-90)"
	[[ $status == 1 && $output == *"another key was certified"* ]]
	tools tpm2_readpublic -Q -c ek.ctx -o ek.pub
	jq --arg p "$(base64 -w0 ek.pub)" '.public = $p' certify >changed
	verify --any-nonce --in changed --name "$(hex ak.name)"
	[[ $status == 1 && $output == *"/public is not of the key"* ]]
	# Who wants a quote does not get along with a certification, nor the other way round.
	verify --any-nonce --in certify
	[[ $status == 1 && $output == *"certification and no quote"* ]]
	verify --any-nonce --in quote --name "$(hex ak.name)"
	[[ $status == 1 && $output == *"names no key"* ]]
	jq '.pcrs = {sha256: {"0": "'"$(value 0)"'"}}' certify >changed
	verify --any-nonce --in changed --name "$(hex ak.name)"
	[[ $status == 1 && $output == *"says nothing of PCRs"* ]]
}

@test "what is no evidence is told as that" {
	evidence
	verify --in quote
	[[ $status == 2 && $output == *"exactly one of --nonce and --any-nonce"* ]]
	verify --nonce 01 --any-nonce --in quote
	[[ $status == 2 ]]
	verify --nonce 0x01 --in quote
	[[ $status == 2 && $output == *"lower-case hex"* ]]
	echo '{"attest":"AAAA","signature":"AAAA"}' >changed
	verify --any-nonce --in changed
	[[ $status == 1 ]]
	changed '.pcrs.sha256."24" = .pcrs.sha256."0"' quote
	verify --any-nonce --in changed
	[[ $status == 1 && $output == *"/pcrs/sha256"* ]]
	changed 'del(.signature)' quote
	verify --any-nonce --in changed
	[[ $status == 1 && $output == *"/signature: missing"* ]]
	head -c 5000000 /dev/zero >changed
	verify --any-nonce --in changed
	[[ $status == 1 ]]
}
