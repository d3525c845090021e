#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The edges of the broker: which sockets for TPM commands there are and whose, what a policy makes
# of them, what of it outlives the daemon, and FAPI for tenants. What a virtual chip does inside is
# tested elsewhere.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)
JSON=(-H 'Content-Type: application/json')

# raw TENANT COMMAND..: a stock tool on the tenant's chip; `host` has its own.
raw() {
	local way=$T/run/tenants/$1/tpm.sock
	[[ $1 != host ]] || way=$T/run/tpm.sock
	shift
	TSS2_LOG=all+NONE TPM2TOOLS_TCTI=swtpm:path=$way "$@"
}

# with LINE..: a daemon on a chip of its own, with these tenants.
with() {
	start_swtpm
	write_config "$@"
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

reload() {
	admin POST /v1/admin/reload "${JSON[@]}" -d '{}'
	expect 200
}

has_raw() { # folder
	socat -u OPEN:/dev/null "UNIX-CONNECT:$1/tpm.sock" &&
		socat -u OPEN:/dev/null "UNIX-CONNECT:$1/tpm.sock.ctrl"
}

has_none() { # folder
	[[ ! -e $1/tpm.sock && ! -e $1/tpm.sock.ctrl ]]
}

# says CODE TENANT COMMAND..: the tool fails with the TPM's code.
says() {
	local code=$1 status=0
	shift
	raw "$@" >"$T/said" 2>&1 || status=$?
	[[ $status != 0 ]] && grep -q "($code)" "$T/said" || {
		echo "not $code: $*"
		cat "$T/said"
		return 1
	}
}

metric() { # NAME TENANT
	curl -s --unix-socket "$SOCK" http://h/metrics |
		awk -v series="holdfast_tenant_raw_$1_total{tenant=\"$2\"}" '$1 == series { print $2 }'
}

# key TENANT: $T/TENANT.ctx signs.
key() {
	raw "$1" tpm2_createprimary -Q -C o -G ecc256:ecdsa -a \
		'sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda' -c "$T/$1.ctx"
}

signs() { # TENANT KEY
	echo message >"$T/message"
	raw "$1" tpm2_sign -Q -c "$2" -g sha256 -o "$T/signature" "$T/message"
	raw "$1" tpm2_verifysignature -Q -c "$2" -g sha256 -m "$T/message" -s "$T/signature"
}

# --- sockets ---

@test "tpm.sock is there for who has a broker, beside holdfast.sock and as open as that" {
	with 'tenant web { broker = standard }' 'tenant db { }'
	has_raw "$T/run"
	has_raw "$T/run/tenants/web"
	has_none "$T/run/tenants/db"
	[[ $(stat -c %a "$T/run/tpm.sock") == "$(stat -c %a "$T/run/holdfast.sock")" ]]
	[[ $(stat -c %G "$T/run/tpm.sock") == "$(stat -c %G "$T/run/holdfast.sock")" ]]
	[[ $(stat -c %a "$T/run/tpm.sock.ctrl") == 660 ]]
	[[ $(stat -c %a "$T/run/tenants/web/tpm.sock") == 666 ]]
	[[ $(stat -c %a "$T/run/tenants/web/tpm.sock.ctrl") == 666 ]]
	[[ $(jq -r .broker "$T/status") == ready ]]
	raw web tpm2_getrandom --hex 8
	raw host tpm2_getrandom --hex 8
	stop_daemon
	[[ $DAEMON_STATUS == 0 ]]
	has_none "$T/run"
	has_none "$T/run/tenants/web"
}

@test "software answers no TPM command: no socket" {
	write_config 'provider = legacy' 'tenant web { broker = full }'
	start_daemon
	[[ $(jq -r .broker "$T/status") == none ]]
	has_none "$T/run"
	has_none "$T/run/tenants/web"
	[[ -S $T/run/tenants/web/holdfast.sock ]]
}

@test "a reload makes and removes them, and puts a policy in force at once" {
	with 'tenant web { broker = standard }' 'tenant db { }'
	raw web tpm2_getrandom -Q 8
	write_config 'tenant web { broker = standard  deny = {GetRandom} }' \
		'tenant db { broker = read-only }' 'tenant host { broker = none }'
	reload
	has_none "$T/run"
	has_raw "$T/run/tenants/db"
	says 0x143 web tpm2_getrandom 8
	raw db tpm2_getrandom --hex 8
	says 0x143 db tpm2_createprimary -Q -C o -c "$T/p.ctx"
	write_config 'tenant web { }' 'tenant db { broker = read-only  allow = {createprimary} }'
	reload
	has_raw "$T/run"
	has_none "$T/run/tenants/web"
	[[ -S $T/run/tenants/web/holdfast.sock ]]
	raw db tpm2_createprimary -Q -C n -c "$T/p.ctx" 2>"$T/said" ||
		refute grep -q 'CreatePrimary(0x143)' "$T/said"
	write_config 'tenant db { }'
	reload
	has_none "$T/run/tenants/db"
}

@test "a restart makes them anew in the same folder" {
	with 'tenant web { broker = standard }'
	local before
	before=$(stat -c %i "$T/run/tenants/web")
	key web
	stop_daemon
	start_daemon
	[[ $(stat -c %i "$T/run/tenants/web") == "$before" ]]
	# What it saved outlives the daemon, since it does not outlive the chip's reset only.
	signs web "$T/web.ctx"
	stop_daemon KILL
	start_daemon
	signs web "$T/web.ctx"
}

@test "only the peers that are listed, and no more connections than allowed" {
	with 'tenant web { broker = standard  peers = {"uid:4711"} }' \
		'tenant db { broker = standard  connections = 2 }'
	refute raw web tpm2_getrandom --hex 8
	[[ $(metric commands web) == 0 ]]
	helper socat "UNIX-CONNECT:$T/run/tenants/db/tpm.sock" "EXEC:sleep 1000"
	helper socat "UNIX-CONNECT:$T/run/tenants/db/tpm.sock" "EXEC:sleep 1000"
	full() {
		admin GET /v1/admin/tenants/db
		[[ $(field .connections.open) == 2 ]]
	}
	wait_until full
	refute raw db tpm2_getrandom --hex 8
	stop_helpers
	wait_until raw db tpm2_getrandom --hex 8
}

@test "commands wait while the provider is being decided" {
	start_swtpm
	with_helper begin "wait $T/go" 'exit 7'
	write_config 'provider = tpm' 'tenant web { broker = standard }'
	launch_daemon
	wait_until test -e "$T/state/fapi/begun"
	raw web tpm2_getrandom --hex -o "$T/random" 8 3>&- &
	local tool=$!
	waits() {
		[[ $(metric commands web) -ge 1 ]]
	}
	wait_until waits
	api GET /v1/status
	[[ $(field .broker) == starting && ! -s $T/random ]]
	# A refusal does not.
	says 0x143 web tpm2_clear
	touch "$T/go"
	wait "$tool"
	[[ $(wc -c <"$T/random") == 16 ]]
}

@test "a stop with commands waiting is an orderly one" {
	start_swtpm
	with_helper begin hang
	write_config 'tenant web { broker = standard }'
	launch_daemon
	wait_until test -e "$T/state/fapi/begun"
	helper raw web tpm2_getrandom --hex 8
	waits() {
		[[ $(metric commands web) -ge 1 ]]
	}
	wait_until waits
	stop_daemon TERM
	[[ $DAEMON_STATUS == 0 ]]
}

# --- policy ---

@test "a name that is no TPM command is an error of the configuration" {
	write_config 'tenant web {' ' broker = standard' ' allow = {NV_Write,' '  NV_Wrote}' '}'
	run -2 "$HOLDFASTD" --check --config "$T/conf"
	[[ $output == *"$T/conf:6: allow = \"NV_Wrote\" is not allowed"* ]]
	write_config 'tenant web { allow = {Clear} }'
	run -2 "$HOLDFASTD" --check --config "$T/conf"
	[[ $output == *"$T/conf:3: allow = \"Clear\" is not allowed"* ]]
	write_config 'tenant web { deny = {Clear} }'
	run -2 "$HOLDFASTD" --check --config "$T/conf"
	# What only provisioning takes is not to be given otherwise, but the host may do without.
	write_config 'tenant web { allow = {DictionaryAttackParameters} }'
	run -2 "$HOLDFASTD" --check --config "$T/conf"
	write_config 'tenant host { deny = {DictionaryAttackParameters} }'
	run -0 "$HOLDFASTD" --check --config "$T/conf"
}

@test "tenants by command have a broker too, and show tells it" {
	with
	hf tenant add web --broker standard --allow NV_Write --deny getrandom --sessions 3 \
		--objects 5 >/dev/null
	has_raw "$T/run/tenants/web"
	says 0x143 web tpm2_getrandom 8
	raw web tpm2_getcap properties-fixed >/dev/null
	hf tenant show web >"$T/out"
	grep -Eq '^raw TPM commands +standard$' "$T/out"
	grep -Eq '^and +NV_Write$' "$T/out"
	grep -Eq '^but not +getrandom$' "$T/out"
	grep -Eq '^raw sessions +3$' "$T/out"
	stop_daemon
	start_daemon
	wait_until has_raw "$T/run/tenants/web"
	says 0x143 web tpm2_getrandom 8
	run -1 --separate-stderr hf tenant add db --broker standard --allow Flurb
	[[ $stderr == *'/allow/0: allow = "Flurb" is not allowed'* ]]
	run -1 --separate-stderr hf tenant add db --broker provision
	[[ ! -e $T/run/tenants/db ]]
	hf tenant remove web --yes
	[[ ! -e $T/run/tenants/web ]]
}

@test "commands and refusals are counted by tenant" {
	with 'tenant web { broker = standard }' 'tenant db { broker = standard }'
	[[ $(metric commands web) == 0 && $(metric refused web) == 0 ]]
	raw web tpm2_getrandom -Q 8
	local sent
	sent=$(metric commands web)
	((sent >= 1))
	[[ $(metric refused web) == 0 ]]
	says 0x143 web tpm2_clear
	[[ $(metric refused web) == 1 && $(metric refused db) == 0 && $(metric commands db) == 0 ]]
	refute grep -q 'failed' "$T/log"
}

# --- what lasts ---

@test "what a tenant made persistent is its own, sealed, counted, and goes with it" {
	with 'tenant db { broker = standard }'
	hf tenant add web --broker standard --stored 16384 >/dev/null
	key web
	raw web tpm2_evictcontrol -Q -C o -c "$T/web.ctx" 0x81000010
	signs web 0x81000010
	refute raw db tpm2_readpublic -Q -c 0x81000010
	[[ $(raw db tpm2_getcap handles-persistent) != *81000010* ]]
	[[ -f $T/state/tenants/web/persistent/81000010 ]]
	admin GET /v1/admin/tenants/web
	[[ $(field .stored.used) == 4096 ]]
	# Not in the chip.
	[[ $(tools tpm2_getcap handles-persistent) != *81000010* ]]
	stop_daemon KILL
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
	start_daemon
	wait_until signs web 0x81000010
	# Four blocks are all that it may keep.
	raw web tpm2_createprimary -Q -C o -c "$T/p.ctx"
	raw web tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000011
	raw web tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000012
	raw web tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000013
	refute raw web tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000014
	as_web() {
		local SOCK=$T/run/tenants/web/holdfast.sock
		"$@"
	}
	as_web put a x
	expect 429 quota
	raw web tpm2_evictcontrol -Q -C o -c 0x81000013
	as_web put a x
	expect 201
	refute raw web tpm2_evictcontrol -Q -C o -c "$T/p.ctx" 0x81000014
	hf tenant remove web --yes
	[[ ! -e $T/state/tenants/web ]]
	hf tenant add web --broker standard >/dev/null
	[[ $(raw web tpm2_getcap handles-persistent) != *8100001[0-9]* ]]
	# What the old one saved is not the new one's.
	refute raw web tpm2_sign -Q -c "$T/web.ctx" -g sha256 -o "$T/s" "$T/message"
}

@test "another TPM is accepted, and its commands are taken" {
	with 'tenant web { broker = standard }'
	key web
	raw web tpm2_evictcontrol -Q -C o -c "$T/web.ctx" 0x81000010
	stop_daemon
	stop_swtpm
	rm -rf "$T/tpm" "$T"/tpm.sock*
	start_swtpm
	start_daemon
	[[ $(jq -r .tpm.fault "$T/status") == tpm_changed ]]
	raw web tpm2_getcap properties-fixed >/dev/null 2>&1 || true
	hf tpm accept --yes >/dev/null
	api GET /v1/status
	[[ $(field .broker) == ready ]]
	raw web tpm2_getrandom --hex 8
	key web
	signs web "$T/web.ctx"
	# What it had made persistent was of the other chip.
	refute raw web tpm2_sign -Q -c 0x81000010 -g sha256 -o "$T/s" "$T/message"
}

@test "tenants at once, on three slots, and ours between them" {
	with 'tenant a { broker = standard }' 'tenant b { broker = standard }' \
		'tenant c { broker = standard }'
	api_json POST /v1/keys '{"name":"k","type":"ecc-p256"}'
	work() {
		local i
		for i in 1 2 3 4 5; do
			raw "$1" tpm2_createprimary -Q -C o -c "$T/$1.p" &&
				raw "$1" tpm2_create -Q -C "$T/$1.p" -u "$T/$1.u" -r "$T/$1.r" -c "$T/$1.k" &&
				echo "$1" >"$T/$1.m" &&
				raw "$1" tpm2_sign -Q -c "$T/$1.k" -g sha256 -o "$T/$1.s" "$T/$1.m" &&
				raw "$1" tpm2_verifysignature -Q -c "$T/$1.k" -g sha256 -m "$T/$1.m" \
					-s "$T/$1.s" || return 1
		done
	}
	local pids=() tenant
	for tenant in a b c; do
		work "$tenant" >"$T/$tenant.log" 2>&1 3>&- &
		pids+=($!)
	done
	for _ in {1..10}; do
		api_json POST /v1/keys/k/sign '{"message":"aGk="}'
		expect 200
	done
	for tenant in "${pids[@]}"; do
		wait "$tenant" || {
			cat "$T"/?.log
			return 1
		}
	done
}

@test "others are served while FAPI's helper works" {
	start_swtpm
	with_helper begin "wait $T/go" 'say {"ok":true}'
	write_config 'fapi { probe = false }' 'tenant web { broker = standard }'
	start_daemon
	curl -s -m 30 --unix-socket "$ADMIN" "${JSON[@]}" -d '{}' -o /dev/null -w '%{http_code}' \
		http://h/v1/admin/fapi/provision >"$T/code" 3>&- &
	local asked=$!
	wait_until test -e "$T/state/fapi/begun"
	listens "$T/run/fapi/tpm.sock"
	[[ $(stat -c %a "$T/run/fapi") == 700 && $(stat -c %a "$T/run/fapi/tpm.sock") == 600 ]]
	raw web tpm2_createprimary -Q -C o -c "$T/p.ctx"
	seal_text text "$T/blob"
	[[ $CODE == 200 ]]
	touch "$T/go"
	wait "$asked"
	[[ $(cat "$T/code") == 200 ]]
	[[ ! -e $T/run/fapi/tpm.sock ]]
}

# --- FAPI for tenants ---

# in_web WORD..: in a container with the stock tools of this machine, and the tenant's folder.
in_web() {
	mkdir -p "$T/home"
	bwrap --unshare-all --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /run \
		--tmpfs /tmp --tmpfs /var --tmpfs /root --ro-bind "$T/run/tenants/web" /run/holdfast \
		--bind "$T/home" /root --clearenv --setenv PATH /usr/bin:/bin --setenv HOME /root \
		--setenv TSS2_LOG all+NONE --setenv TSS2_FAPICONF /run/holdfast/fapi-config.json \
		--setenv TPM2TOOLS_TCTI swtpm:path=/run/holdfast/tpm.sock --chdir /root "$@"
}

needs_bwrap() {
	command -v bwrap >/dev/null || skip "bwrap is not installed"
	bwrap --unshare-all --ro-bind / / true 2>"$T/need" ||
		skip "bwrap cannot start a container here: $(cat "$T/need")"
}

@test "a container has FAPI ready once the service provisioned it" {
	needs_bwrap
	with 'tenant web { broker = standard }' 'tenant db { }'
	[[ ! -e $T/run/tenants/web/fapi-config.json ]]
	hf fapi provision >/dev/null
	wait_until test -e "$T/run/tenants/web/fapi-config.json"
	[[ ! -e $T/run/tenants/db/fapi-config.json ]]
	[[ -z $(find "$T/run/tenants/web/fapi" -perm /022) ]]
	in_web tss2_createkey -p /HS/SRK/mine -t noda,sign -a ''
	in_web sh -c 'head -c 32 /dev/urandom >digest &&
		tss2_sign -p /HS/SRK/mine -d digest -o signature -f &&
		tss2_verifysignature -p /HS/SRK/mine -d digest -i signature'
	in_web sh -c 'printf secret >data && tss2_createseal -p /HS/SRK/note -t noda -a "" -i data &&
		tss2_unseal -p /HS/SRK/note -o opened -f && cmp data opened'
	in_web tss2_list | grep -q /HS/SRK/mine
	# The same again from another container with the same home, after a restart of all.
	stop_daemon
	stop_swtpm
	rm -f "$T"/tpm.sock*
	start_swtpm
	start_daemon
	wait_until test -e "$T/run/tenants/web/fapi-config.json"
	in_web tss2_unseal -p /HS/SRK/note -o again -f
	cmp "$T/home/data" "$T/home/again"
	# It has its own store, and neither the service's objects nor its folder.
	[[ -z $(hf fapi list) ]]
}

@test "its files come with the broker, go with it, and are for each tenant" {
	with 'tenant web { broker = standard }'
	hf fapi provision >/dev/null
	wait_until test -e "$T/run/tenants/web/fapi-config.json"
	write_config 'tenant web { }'
	reload
	[[ ! -e $T/run/tenants/web/fapi-config.json && ! -e $T/run/tenants/web/fapi ]]
	hf tenant add db --broker standard >/dev/null
	wait_until test -e "$T/run/tenants/db/fapi-config.json"
	jq -e '.tcti == "swtpm:path=/run/holdfast/tpm.sock" and (.profile_dir | startswith("/run/holdfast/"))' \
		"$T/run/tenants/db/fapi-config.json"
	hf tenant remove db --yes
	[[ ! -e $T/run/tenants/db ]]
	[[ -z $(find "$T/run/tenants" -mindepth 1 -name '.*') ]]
}

@test "a folder that its container filled with something else harms nobody else" {
	with 'tenant web { broker = standard }' 'tenant db { broker = standard }'
	mkdir -p "$T/elsewhere"
	ln -s "$T/elsewhere" "$T/run/tenants/db/fapi"
	hf fapi provision >/dev/null
	wait_until test -e "$T/run/tenants/web/fapi-config.json"
	wait_until grep -q 'tenant db has no files of FAPI' "$T/log"
	[[ -z $(ls -A "$T/elsewhere") ]]
	raw db tpm2_getrandom --hex 8
}
