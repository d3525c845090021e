#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Keys of the service in OpenSSL's own programs, by the module; and ordinary keys beside them.

bats_require_minimum_version 1.5.0
load helpers
load tls

make_keys() {
	hf key create ec
	hf key create p384 --type ecc-p384
	hf key create rsa --type rsa-2048 --use sign --use decrypt
	hf key create agree --use agree
}

public_of() {
	openssl pkey -in "$1" -pubout -out "$2"
}

@test "a key is found by its URI and by its file, with the public half that the service tells" {
	tls_on tpm
	make_keys
	for key in ec p384 rsa agree; do
		key_file "$key"
		hf key public "$key" >"$T/told"
		public_of "holdfast:key/$key" "$T/by-uri"
		public_of "$T/$key.pem" "$T/by-file"
		cmp "$T/told" "$T/by-uri"
		cmp "$T/told" "$T/by-file"
		openssl storeutl -noout "holdfast:key/$key" | grep -q 'Total found: 1'
	done
	# The file has the socket in it, and so does a longer URI.
	(
		unset HOLDFAST_SOCKET
		public_of "$T/ec.pem" "$T/by-file"
		public_of "holdfast:key/ec?socket=$SOCK" "$T/by-uri"
		openssl_config "socket = $SOCK"
		public_of holdfast:key/ec "$T/by-config"
		cmp "$T/by-file" "$T/by-uri"
		cmp "$T/by-file" "$T/by-config"
	)
	run -1 openssl pkey -in holdfast:key/ec
	[[ $output != *PRIVATE* ]]
	# The public half alone; and a file of that name, which OpenSSL takes first, is passed by.
	openssl pkey -pubin -in holdfast:key/ec -out "$T/alone"
	hf key public ec | cmp - "$T/alone"
	openssl dgst -sha256 -sign holdfast:key/ec -out "$T/sig" "$T/alone"
	openssl dgst -sha256 -verify holdfast:key/ec -signature "$T/sig" "$T/alone"
	cd "$T"
	mkdir holdfast:key
	hf key public p384 >holdfast:key/ec
	openssl pkey -pubin -in holdfast://key/ec -out "$T/past"
	cmp "$T/past" "$T/alone"
}

@test "what a key file may not have in it is refused, and the reason told" {
	tls_on tpm
	hf key create ec
	reference() {
		printf -- '-----BEGIN HOLDFAST KEY-----\n%s\n-----END HOLDFAST KEY-----\n' \
			"$(printf '%b' "$1" | base64 -w 64)" >"$T/bad.pem"
	}
	for content in '' 'holdfast:' 'holdfast:key/' 'holdfast:key/ec\n' 'holdfast:device\n' \
		'holdfast:key/.ec' 'holdfast:key/a/b' 'holdfast:device?socket=run/s' \
		'holdfast:device?socket=' 'holdfast:key/ec?other=1' 'holdfast:key/ec\000' \
		'file:/etc/passwd' "holdfast:key/ec?socket=/$(printf '%0107d' 0)"; do
		reference "$content"
		run -1 openssl pkey -in "$T/bad.pem" -pubout
		[[ $output == *holdfast* && $output == *invalid* ]] || {
			echo "$content: $output" && false
		}
	done
	reference holdfast:key/nosuch
	run -1 openssl pkey -in "$T/bad.pem" -pubout
	[[ $output == *not_found*nosuch* ]]
	reference holdfast:key/ec
	openssl pkey -in "$T/bad.pem" -pubout
}

@test "signatures are good for programs without the module, digests that it lacks are refused" {
	tls_on tpm
	make_keys
	echo "a message" >"$T/message"
	for key in ec p384 rsa; do
		public_of "holdfast:key/$key" "$T/public"
		for hash in sha256 sha384 sha512; do
			openssl dgst "-$hash" -sign "holdfast:key/$key" -out "$T/sig" "$T/message"
			OPENSSL_CONF=/dev/null openssl dgst "-$hash" -verify "$T/public" \
				-signature "$T/sig" "$T/message"
		done
		run -1 openssl dgst -sha1 -sign "holdfast:key/$key" -out "$T/sig" "$T/message"
		[[ $output == *not_supported* ]]
	done
	pss=(-sigopt rsa_padding_mode:pss)
	openssl dgst -sha256 "${pss[@]}" -sign holdfast:key/rsa -out "$T/sig" "$T/message"
	OPENSSL_CONF=/dev/null openssl dgst -sha256 "${pss[@]}" -sigopt rsa_pss_saltlen:32 \
		-verify "$T/public" -signature "$T/sig" "$T/message"
	for name in SHA256 SHA2-256 sha-256; do
		openssl dgst -sha256 "${pss[@]}" -sigopt "rsa_mgf1_md:$name" -sign holdfast:key/rsa \
			-out "$T/sig" "$T/message"
	done
	run -1 openssl dgst -sha256 "${pss[@]}" -sigopt rsa_mgf1_md:sha384 -sign holdfast:key/rsa \
		-out "$T/sig" "$T/message"
	[[ $output == *not_supported* ]]
	run -1 openssl dgst -sha256 "${pss[@]}" -sigopt rsa_pss_saltlen:max \
		-sign holdfast:key/rsa -out "$T/sig" "$T/message"
	[[ $output == *not_supported* ]]
	openssl dgst -sha256 -binary "$T/message" >"$T/digest"
	warmly costs 1 openssl pkeyutl -sign -inkey holdfast:key/ec -in "$T/digest" -out "$T/sig"
	openssl pkeyutl -verify -inkey holdfast:key/ec -in "$T/digest" -sigfile "$T/sig"
}

@test "requests for certificates and certificates, whose identifiers say what was done" {
	tls_on tpm
	make_keys
	for key in ec p384 rsa; do
		openssl req -new -key "holdfast:key/$key" -subj "/CN=$key" -out "$T/csr"
		OPENSSL_CONF=/dev/null openssl req -in "$T/csr" -noout -verify
		named "$key"
		OPENSSL_CONF=/dev/null openssl verify -CAfile "$T/$key.crt" "$T/$key.crt"
	done
	openssl req -new -key holdfast:key/rsa -sigopt rsa_padding_mode:pss -subj /CN=pss -out "$T/csr"
	OPENSSL_CONF=/dev/null openssl req -in "$T/csr" -noout -verify
	OPENSSL_CONF=/dev/null openssl req -in "$T/csr" -noout -text | grep -q 'Salt Length: 0x20'
}

@test "ECDH and OAEP agree with keys in software" {
	tls_on tpm
	make_keys
	openssl genpkey -algorithm EC -pkeyopt group:P-256 -out "$T/peer.key"
	public_of "$T/peer.key" "$T/peer"
	public_of holdfast:key/agree "$T/agree"
	openssl pkeyutl -derive -inkey holdfast:key/agree -peerkey "$T/peer" -out "$T/ours"
	openssl pkeyutl -derive -inkey "$T/peer.key" -peerkey "$T/agree" -out "$T/theirs"
	[[ -s $T/ours ]]
	cmp "$T/ours" "$T/theirs"
	public_of holdfast:key/rsa "$T/rsa"
	echo "a secret" >"$T/plain"
	oaep=(-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256)
	openssl pkeyutl -encrypt -pubin -inkey "$T/rsa" "${oaep[@]}" -in "$T/plain" -out "$T/sealed"
	warmly costs 1 openssl pkeyutl -decrypt -inkey holdfast:key/rsa "${oaep[@]}" -in "$T/sealed" \
		-out "$T/opened"
	cmp "$T/plain" "$T/opened"
	run -1 openssl pkeyutl -decrypt -inkey holdfast:key/rsa -in "$T/sealed"
	[[ $output == *not_supported* ]]
}

# Everything that a program does with keys of its own.
use_ordinary_keys() {
	openssl genpkey -algorithm EC -pkeyopt group:P-256 -out "$T/o-ec.key"
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$T/o-rsa.key" 2>"$T/dots"
	openssl genpkey -algorithm ED25519 -out "$T/o-ed.key"
	for key in o-ec o-rsa o-ed; do
		openssl req -new -x509 -key "$T/$key.key" -subj /CN=localhost -out "$T/$key.crt"
		openssl verify -CAfile "$T/$key.crt" "$T/$key.crt"
		# A certificate and a key in one file, as many programs want it.
		cat "$T/$key.crt" "$T/$key.key" >"$T/$key.both"
		openssl s_server -unix "$T/$key.sock" -key "$T/$key.both" -cert "$T/$key.both" \
			-www >"$T/server.log" 2>&1 3>&- &
		HELPERS+=($!)
		wait_until listens "$T/$key.sock"
		for version in -tls1_2 -tls1_3; do
			openssl s_client -unix "$T/$key.sock" -CAfile "$T/$key.crt" "$version" \
				-verify_return_error -brief </dev/null
		done
	done
	openssl pkey -in "$T/o-rsa.key" -aes128 -passout pass:x -out "$T/o-enc.key"
	openssl pkey -in "$T/o-enc.key" -passin pass:x -noout
	openssl pkcs12 -export -inkey "$T/o-ec.key" -in "$T/o-ec.crt" -passout pass:x -out "$T/o.p12"
	openssl pkcs12 -in "$T/o.p12" -passin pass:x -nodes -out "$T/o.all"
	openssl storeutl -noout "$T/o-ec.both" | grep -q 'Total found: 2'
	openssl dgst -sha1 -sign "$T/o-ec.key" -out "$T/sig" "$T/o.p12"
	openssl pkey -in "$T/o-ec.key" -pubout -out "$T/o-ec.pub"
	openssl dgst -sha1 -verify "$T/o-ec.pub" -signature "$T/sig" "$T/o.p12"
	openssl pkeyutl -derive -inkey "$T/o-ec.key" -peerkey "$T/o-ec.pub" -out "$T/shared"
}

@test "ordinary keys work as ever while the module is active, and nobody is asked" {
	# No daemon at all.
	openssl_config
	export HOLDFAST_SOCKET=$T/none.sock
	openssl list -providers | grep -qi holdfast
	use_ordinary_keys
}

@test "the module does not stand before the default provider, and ordinary keys work then, too" {
	openssl_config
	sed -i '/^default = /d; s/^holdfast = .*/&\ndefault = of_default/' "$T/openssl.cnf"
	run openssl list -providers
	[[ $output != *holdfast* && $output == *default* ]]
	use_ordinary_keys
	run -1 env OPENSSL_CONF=/dev/null OPENSSL_MODULES="$T/modules" openssl list -providers \
		-provider holdfast
	[[ $output == *before* ]]
}

@test "one name of the module is seen, and a wrong configuration keeps it out" {
	[[ $(nm -D --defined-only "$BUILD/src/openssl/holdfast.so" | awk '{ print $3 }') == \
		OSSL_provider_init ]]
	for line in 'socket = /run/s' 'timeout = 1' 'timeout = 3600'; do
		openssl_config "$line"
		openssl list -providers | grep -q holdfast
	done
	for line in 'socket = run/s' 'timeout = 0' 'timeout = 1s' 'timeout = 99999'; do
		openssl_config "$line"
		run openssl list -providers
		[[ $output == *default* && $output != *holdfast* ]]
	done
}

@test "hf_ssl_use gives a context its key, again as well, or leaves it as it was and says why" {
	tls_on tpm
	hf key create ec
	hf key create other
	named ec
	cd "$T"
	ordinary "holdfast:other"
	cp holdfast:other.key holdfast:other
	"$USE" use "$T/ec.crt" holdfast:key/ec holdfast://key/ec holdfast:key/other holdfast:key/none \
		holdfast:other file:x "$T/ec.crt" holdfast:key/ec >"$T/said"
	cat "$T/said"
	[[ $(grep -E '^-?[0-9] ' "$T/said" | cut -d ' ' -f 1 | tr '\n' ' ') == \
		"0 0 -1 -1 -1 -1 -1 0 " ]]
	refute grep -E '^-1 (errors=0|errors=1 key=0)' "$T/said"
	[[ $(grep -c 'chain=0 /CN=ec$' "$T/said") == 8 ]]
	# Without a certificate nothing is set.
	"$USE" use - holdfast:key/ec >"$T/said"
	grep -q '^-1 errors=1 key=0 chain=0 none' "$T/said"
	grep -q "certificate first" "$T/said"
}
