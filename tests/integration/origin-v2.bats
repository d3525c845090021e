#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an origin gives out of version 2. The devices are stock tpm2-tools on emulated chips, asked by
# curl. Each case runs against holdfast-origin and against the counterpart that is not ours.

bats_require_minimum_version 1.5.0
load helpers
load origin

DIGEST=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
FIT='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'

# begin PROGRAM [OPTION..]: ours, or another one of the same words.
begin() {
	local program=$1
	shift
	[[ $program == ours ]] || HOLDFAST_ORIGIN=$ROOT/tests/loader/origin.py
	mkdir -p "$T/origin/models"
	[[ -f $T/users ]] || origin_files
	start_origin --listen 127.0.0.1:0 "$@"
	TOKEN=$(login)
	AUTH=(-H "Authorization: Bearer $TOKEN")
}

# The counterpart tells its address where ours does not.
start_origin() {
	: >"$T/origin.out"
	: >"$T/origin.log"
	"$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" "$@" \
		>"$T/origin.out" 2>"$T/origin.log" 3>&- &
	ORIGIN_PID=$!
	HELPERS+=("$ORIGIN_PID")
	wait_until grep -q 'listening on' "$T/origin.out" "$T/origin.log"
	ORIGIN=http://$(cat "$T/origin.out" "$T/origin.log" | sed -n 's/.*listening on //p')
}

b64() {
	base64 -w0 <"$1"
}

# --- devices ---

# made NAME CA: a chip as it leaves a maker of that name, with a certificate of its RSA key in it.
made() {
	local ca=$T/$2
	mkdir -p "$T/$1" "$ca"
	printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' \
		"$ca" "$ca" "$ca" "$ca" >"$ca/conf"
	: >"$ca/options"
	printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
		"$(command -v swtpm_localca)" "$ca/conf" "$ca/options" >"$ca/setup"
	swtpm_setup --tpm2 --tpmstate "$T/$1" --config "$ca/setup" --create-ek-cert \
		>"$T/$1.setup" 2>&1 3>&-
	device "$1" 0x81010001
	tools tpm2_nvread 0x1c00002 >"$T/$1/nv" 2>/dev/null
	openssl x509 -inform DER -in "$T/$1/nv" -outform DER -out "$T/$1/ek.crt"
	# Who issued: not the root, which is the anchor's to be.
	openssl x509 -in "$ca/cert.pem" -outform DER -out "$T/$1/chain.crt"
}

# A stock tool, which leaves nothing in the chip.
tpm() {
	local status=0
	tools "$@" || status=$?
	tools tpm2_flushcontext -t
	return "$status"
}

# device NAME [EK]: with a storage key, on a chip that stays at hand as `on NAME`.
device() {
	start_swtpm "$1"
	HELPERS+=("$SWTPM_PID")
	SWTPM_PID=
	tpm tpm2_createprimary -Q -C o -g sha256 -G ecc256:aes128cfb -a "$FIT" -c "$T/$1/sk.ctx"
	tpm tpm2_readpublic -Q -c "$T/$1/sk.ctx" -o "$T/$1/sk.pub" -n "$T/$1/sk.name"
	EK=${2:-$T/$1/ek.ctx}
	[[ -n ${2:-} ]] || tpm tpm2_createek -Q -G ecc -c "$EK" -u "$T/$1/ek.pub"
	tpm tpm2_readpublic -Q -c "$EK" -o "$T/$1/ek.pub" -n "$T/$1/ek.name"
	printf %s "$EK" >"$T/$1/ek"
}

# on NAME: what follows is done by that device.
on() {
	D=$T/$1
	TCTI=swtpm:path=$D.sock
	NAME=$(xxd -p -c 99 "$D/sk.name")
	EK=$(cat "$D/ek")
}

# wish [FILTER]: the JSON of this device, changed.
wish() {
	local type=ecc-p256 certificate=null chain=null
	[[ $EK == *ctx ]] || type=rsa-2048
	[[ ! -f $D/ek.crt ]] || certificate="\"$(b64 "$D/ek.crt")\""
	[[ ! -f $D/chain.crt ]] || chain="\"$(b64 "$D/chain.crt")\""
	printf '{"storage_key":{"public":"%s"},"ek":{"type":"%s","public":"%s","certificate":%s,"chain":%s},"protection":"tpm"}' \
		"$(b64 "$D/sk.pub")" "$type" "$(b64 "$D/ek.pub")" "$certificate" "$chain" |
		jq -c "${1:-.}"
}

# session [FILTER]: prints the status.
session() {
	status "${AUTH[@]}" -H 'Content-Type: application/json' -d "$(wish "$@")" \
		"$ORIGIN/v2/devices/session"
}

# refused FILTER CODE
refused() {
	[[ $(session "$1") == 403 ]]
	[[ $(jq -r .code "$T/body") == "$2" && $(jq -r .detail "$T/body") != null ]]
}

# The challenge in the answer is opened by the chip: DEVICE is what is to come back.
answer_credential() {
	local policy=$D/policy.ctx status=0
	jq -j .credential "$T/body" | base64 -d >"$D/credential"
	tools tpm2_startauthsession -Q --policy-session -S "$policy"
	tools tpm2_policysecret -Q -S "$policy" -c e
	tpm tpm2_activatecredential -Q -c "$D/sk.ctx" -C "$EK" -i "$D/credential" \
		-o "$D/hidden" -P "session:$policy" || status=$?
	tools tpm2_flushcontext "$policy"
	[[ $status == 0 ]] && tell_hidden
}

answer_wrapped() {
	local part
	for part in public duplicate seed; do
		jq -j ".wrapped.$part" "$T/body" | base64 -d >"$D/w.$part"
	done
	tpm tpm2_import -Q -C "$D/sk.ctx" -u "$D/w.public" -i "$D/w.duplicate" -s "$D/w.seed" \
		-r "$D/w.private" &&
		tpm tpm2_load -Q -C "$D/sk.ctx" -u "$D/w.public" -r "$D/w.private" -c "$D/w.ctx" &&
		tpm tpm2_unseal -c "$D/w.ctx" >"$D/hidden" && tell_hidden
}

tell_hidden() {
	DEVICE=$(base64 -w0 <"$D/hidden" | tr '+/' '-_' | tr -d =)
}

# key [DIGEST]: prints the status.
key() {
	status "${AUTH[@]}" -H "Holdfast-Device: $DEVICE" \
		"$ORIGIN/v2/artifacts/models/net/key?manifest=${1:-$DIGEST}"
}

# wrap_for NAME..: lines of these devices, sorted, as a publisher leaves them.
wrap_for() {
	local name
	for name in "$@"; do
		printf '{"storage_key":"%s","manifest":"%s","public":"AA==","duplicate":"%s","seed":"AA=="}\n' \
			"$(xxd -p -c 99 "$T/$name/sk.name")" "$DIGEST" "$(printf %s "$name" | base64)"
	done | sort >"$T/origin/models/$DIGEST.keys"
}

# enrol NAME [FILTER]: by an operator's hand.
enrol() {
	local name
	name=$(xxd -p -c 99 "$T/$1/sk.name")
	mkdir -p "$T/origin/devices"
	printf '{"storage_key":{"public":"%s","name":"%s"},"protection":"tpm","ek_name":null,"enrolled":1700000000}' \
		"$(b64 "$T/$1/sk.pub")" "$name" | jq -c "${2:-.}" >"$T/origin/devices/$name.json"
}

# --- cases ---

enrols_by_certificate() {
	made one maker
	device other
	begin "$1" --ek-anchors "$T/maker/swtpm-localca-rootca-cert.pem"
	wrap_for one other
	on one
	[[ $(session) == 200 && $(jq -r 'keys[]' "$T/body") == credential ]]
	# A challenge is no proof yet.
	[[ ! -e $T/origin/devices/$NAME.json ]]
	answer_credential
	[[ $(key) == 200 ]]
	cmp <(grep -F "\"storage_key\":\"$NAME\"" "$T/origin/models/$DIGEST.keys" | tr -d '\n') "$T/body"
	[[ $(jq -r .ek_name "$T/origin/devices/$NAME.json") == $(xxd -p -c 99 "$D/ek.name") ]]
	[[ $(jq -r .storage_key.public "$T/origin/devices/$NAME.json") == $(b64 "$D/sk.pub") ]]
	[[ $(jq -r .protection "$T/origin/devices/$NAME.json") == tpm ]]
	[[ $(jq -r .storage_key.name "$T/origin/devices/$NAME.json") == "$NAME" ]]
	# What it knows once goes on, also for a release that has no key for it.
	[[ $(key) == 200 ]]
	[[ $(key "${DIGEST//9/8}") == 404 ]]
	wrap_for other
	[[ $(key) == 404 && $(jq -r .code "$T/body") == no_device_key ]]
	# Its maker's word is not needed any more, its key is.
	[[ $(session '.ek.certificate = null | .ek.chain = null') == 200 ]]
	answer_credential
	wrap_for one
	[[ $(key) == 200 ]]
	# Nor an endorsement key: what was proven is proven.
	[[ $(session '.ek = null') == 200 && $(jq -r 'keys[]' "$T/body") == wrapped ]]
	answer_wrapped
	[[ $(key) == 200 ]]
	if [[ $1 == ours ]]; then
		grep -q "device $NAME enrolled" "$T/origin.log"
		[[ $(stat -c %a "$T/origin/devices/$NAME.json") == 640 ]]
		refute grep -qF "$DEVICE" "$T/origin.log"
	fi
}

enrols_by_name() {
	device one
	device two
	printf '# of the factory\n\n%s\n' "$(xxd -p -c 99 "$T/one/ek.name")" >"$T/eks"
	begin "$1" --eks "$T/eks"
	wrap_for one two
	on two
	refused . ek_untrusted
	on one
	[[ $(session) == 200 ]]
	answer_credential
	[[ $(key) == 200 ]]
	[[ $(find "$T/origin/devices" -type f -printf '%f\n') == "$NAME.json" ]]
}

enrolled_by_hand() {
	device one
	device two
	begin "$1"
	wrap_for one two
	enrol one
	on two
	refused . ek_untrusted
	refused '.ek = null' device_unknown
	on one
	[[ $(session) == 200 && $(jq -r 'keys[]' "$T/body") == wrapped ]]
	answer_wrapped
	[[ $(key) == 200 ]]
	[[ $(jq -r .ek_name "$T/origin/devices/$NAME.json") == null ]]
	# Who takes the file away takes the device away, at once.
	rm "$T/origin/devices/$NAME.json"
	[[ $(key) == 428 ]]
	refused '.ek = null' device_unknown
}

foreign_makers() {
	made one maker
	made two stranger
	begin "$1" --ek-anchors "$T/maker/swtpm-localca-rootca-cert.pem"
	on two
	refused . ek_untrusted
	# With another's certificate, which is good and of another key.
	cp "$T/one/ek.crt" "$T/one/chain.crt" "$D/"
	refused . ek_untrusted
	refused '.ek.certificate = null' ek_untrusted
	# A good certificate does not help who has not its chip: the challenge does not open.
	on one
	[[ $(session) == 200 ]]
	jq -c . "$T/body" >"$T/challenge"
	on two
	cp "$T/challenge" "$T/body"
	refute answer_credential
	[[ ! -e $T/origin/devices ]]
}

unfit_keys() {
	made one maker
	begin "$1" --ek-anchors "$T/maker/swtpm-localca-rootca-cert.pem"
	on one
	cp "$D/sk.pub" "$D/fit.pub"
	tpm tpm2_createprimary -Q -C o -g sha256 -G ecc256:aes128cfb \
		-a "${FIT/fixedtpm|fixedparent|/}" -c "$D/sk.ctx"
	tpm tpm2_readpublic -Q -c "$D/sk.ctx" -o "$D/sk.pub" -n "$D/sk.name"
	refused . storage_key_unfit
	refused '.ek = null' storage_key_unfit
	# What claims to stay, and does not, is another key to its chip: the challenge does not open.
	dd if="$D/fit.pub" of="$D/sk.pub" bs=1 skip=6 seek=6 count=4 conv=notrunc status=none
	[[ $(session) == 200 ]]
	refute answer_credential
	# A key that signs is none.
	tpm tpm2_createprimary -Q -C o -g sha256 -G ecc256:ecdsa-sha256 \
		-a "${FIT/restricted|decrypt/sign}" -c "$D/sign.ctx"
	tpm tpm2_readpublic -Q -c "$D/sign.ctx" -o "$D/sk.pub"
	refused . storage_key_unfit
	[[ ! -e $T/origin/devices ]]
}

other_endorsement_key() {
	made one maker
	tpm tpm2_createek -Q -G ecc -c "$T/one/second.ctx" -u "$T/one/second.pub"
	tpm tpm2_readpublic -Q -c "$T/one/second.ctx" -n "$T/one/second.name"
	xxd -p -c 99 "$T/one/second.name" >"$T/eks"
	begin "$1" --ek-anchors "$T/maker/swtpm-localca-rootca-cert.pem" --eks "$T/eks"
	wrap_for one
	on one
	[[ $(session) == 200 ]]
	answer_credential
	[[ $(key) == 200 ]]
	refused ".ek = {type: \"ecc-p256\", public: \"$(b64 "$D/second.pub")\", certificate: null, chain: null}" \
		ek_untrusted
	[[ $(jq -r .ek_name "$T/origin/devices/$NAME.json") == $(xxd -p -c 99 "$D/ek.name") ]]
}

each_its_own() {
	local first
	device one
	device two
	begin "$1"
	wrap_for one two
	enrol one
	enrol two
	on one
	[[ $(session) == 200 ]]
	answer_wrapped
	first=$DEVICE
	on two
	[[ $(session) == 200 ]]
	answer_wrapped
	[[ $(key) == 200 && $(jq -r .storage_key "$T/body") == "$NAME" ]]
	[[ $first != "$DEVICE" ]]
	on one
	DEVICE=$first
	[[ $(key) == 200 && $(jq -r .storage_key "$T/body") == "$NAME" ]]
	# Two's challenge is not for one.
	on two
	[[ $(session) == 200 ]]
	on one
	refute answer_wrapped
	wrap_for two
	DEVICE=$first
	[[ $(key) == 404 ]]
}

sessions_end() {
	local old
	device one
	begin "$1"
	wrap_for one
	enrol one
	on one
	DEVICE=
	[[ $(key) == 428 ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/v2/artifacts/models/net/key?manifest=$DIGEST") == 428 ]]
	DEVICE=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
	[[ $(key) == 428 ]]
	[[ $(session) == 200 ]]
	answer_wrapped
	old=$DEVICE
	DEVICE=${old:0:42}
	[[ $(key) == 428 ]]
	DEVICE=$old=
	[[ $(key) == 428 ]]
	DEVICE=$old
	[[ $(key) == 200 ]]
	# Sessions are the process's own.
	kill -KILL "$ORIGIN_PID"
	wait_until is_gone "$ORIGIN_PID"
	begin "$1"
	[[ $(key) == 428 ]]
	# Without a token there is nothing at all.
	AUTH=()
	[[ $(key) == 401 && $(session) == 401 ]]
	[[ $(status "$ORIGIN/v2/artifacts/models/net/manifest") == 401 ]]
}

gives_files() {
	local path method
	begin "$1"
	printf 'signed' >"$T/origin/models/net.manifest"
	head -c 300000 /dev/urandom >"$T/origin/models/$DIGEST.payload"
	printf 'lines\n' >"$T/origin/models/$DIGEST.keys"
	mkdir "$T/origin/devices"
	printf '{}' >"$T/origin/devices/x.json"
	printf 'big' >"$T/origin/devices/x.big"
	[[ $(status "${AUTH[@]}" "$ORIGIN/v2/artifacts/models/net/manifest") == 200 ]]
	[[ $(cat "$T/body") == signed ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/v2/artifacts/models/none/manifest") == 404 ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/v2/artifacts/devices/x/manifest") == 400 ]]
	curl -sS "$ORIGIN/cdn/models/$DIGEST.payload" | cmp - "$T/origin/models/$DIGEST.payload"
	curl -sS -r 65584-131119 "$ORIGIN/cdn/models/$DIGEST.payload" |
		cmp - <(tail -c +65585 "$T/origin/models/$DIGEST.payload" | head -c 65536)
	[[ $(status -r 0-9 "$ORIGIN/cdn/models/$DIGEST.payload") == 206 ]]
	for path in models/net.manifest "models/$DIGEST.keys" devices/x.json devices/x.big; do
		[[ $(status "$ORIGIN/cdn/$path") == 40[04] ]]
		[[ $(status "${AUTH[@]}" "$ORIGIN/resources/$path") == 40[045] ]]
		[[ $(get_small "${path#*/}" "${path%/*}") == 40[04] ]]
	done
	for path in models/net.manifest "models/$DIGEST.keys" "models/$DIGEST.payload" \
		devices/x.big devices/x.json; do
		[[ $(status "${AUTH[@]}" -T "$T/users" "$ORIGIN/cdn/$path") == 40[045] ]]
		[[ $(status "${AUTH[@]}" -F "data=@$T/users;filename=${path#*/}" \
			"$ORIGIN/resources/${path%/*}") == 400 ]]
	done
	[[ $(cat "$T/origin/models/net.manifest") == signed && $(cat "$T/origin/devices/x.big") == big ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/resources/list/devices") == 400 ]]
	[[ $(status "${AUTH[@]}" "$ORIGIN/resources/list/models") == 200 && $(cat "$T/body") == '[]' ]]
	[[ $(find "$T/origin" -type f | wc -l) == 5 ]]
}

@test "origin v2: a device enrols by its maker's certificate" {
	enrols_by_certificate ours
}

@test "origin v2: a device enrols by the Name of its endorsement key" {
	enrols_by_name ours
}

@test "origin v2: an operator enrols a device, and takes it away" {
	enrolled_by_hand ours
}

@test "origin v2: endorsement keys of strangers are refused" {
	foreign_makers ours
}

@test "origin v2: a storage key that may leave its TPM is refused" {
	unfit_keys ours
}

@test "origin v2: a known device has one endorsement key" {
	other_endorsement_key ours
}

@test "origin v2: each device gets its own key alone" {
	each_its_own ours
}

@test "origin v2: sessions that are none, or are over" {
	sessions_end ours
}

@test "origin v2: manifests and payloads, and what is nobody's" {
	gives_files ours
}

@test "origin v2: the counterpart: by certificate" {
	enrols_by_certificate counterpart
}

@test "origin v2: the counterpart: by Name and by hand" {
	enrols_by_name counterpart
	stop_helpers
	rm -r "$T/origin" "$T/one" "$T/two"
	enrolled_by_hand counterpart
}

@test "origin v2: the counterpart: strangers" {
	foreign_makers counterpart
}

@test "origin v2: the counterpart: unfit keys" {
	unfit_keys counterpart
}

@test "origin v2: the counterpart: another endorsement key" {
	other_endorsement_key counterpart
}

@test "origin v2: the counterpart: each its own" {
	each_its_own counterpart
}

@test "origin v2: the counterpart: sessions" {
	sessions_end counterpart
}

@test "origin v2: the counterpart: files" {
	gives_files counterpart
}

@test "origin: --ek-anchors and --eks are looked at before anything is opened" {
	origin_files
	printf 'no PEM\n' >"$T/pem"
	printf '000b12\n' >"$T/names"
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--ek-anchors "$T/pem"
	[[ $output == *--ek-anchors* ]]
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--ek-anchors "$T/none"
	[[ $output == *--ek-anchors* ]]
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--eks "$T/names"
	[[ $output == *--eks*'line 1'* ]]
	printf '%s\n' "000b$DIGEST" >"$T/names"
	chmod 666 "$T/names"
	run -2 "$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--eks "$T/names"
	[[ $output == *--eks* ]]
}
