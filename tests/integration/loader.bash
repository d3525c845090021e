# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests of holdfast-loader: a scene of loader, origin, proxies and whatever else is started once for
# a file, and requests to the front. helpers.bash is loaded before; what it calls $T is here the
# file's, made by scene_begin() in setup_file(). Ports are the kernel's choice, read from what each
# program says when it is ready.

LOADER=$(program holdfast-loader)
ORIGIN_BIN=$(program holdfast-origin)
HOLDFAST=$(program holdfast)
TOOLS=$ROOT/tests/loader
USAGE=2.25.331222883403935337620007880232889463152 # docs/ARTIFACT.md, "Signature"

# Invented, as all salts here.
PREFIX=Kelp HW='hw:9f?salt' API='api:~salt!' RESOURCE='res:+salt='
EMAIL=reef@example.net PASSWORD='a b-c'
FINGERPRINT='CPU: Cortex-A78AE. GPU: Orin. Memory: 7802888. DriveSerial: S1'

# --- a scene ---

# scene_begin: folders, users and salts of a file's tests; nothing runs yet.
scene_begin() {
	T=$(mktemp -d /tmp/hd-XXXXXX)
	SOCK=$T/run/holdfast.sock
	export T SCENE=$T
	mkdir -p "$T/pids" "$T/origin/models" "$T/import"
	(
		umask 077
		printf '%s:%s\n' "$EMAIL" "$PASSWORD" 'other@example.net' 'second' >"$T/users"
		printf '%s = "%s"\n' prefix "$PREFIX" hw "$HW" api "$API" resource "$RESOURCE" >"$T/salts"
		openssl rand 32 >"$T/origin/key-fragment"
	)
	printf '%s\n' "$FINGERPRINT" >"$T/fingerprint"
	unset SECURITY_PROVIDER RESOURCE_API_URL IMAGES_PATH API_VERSION NOTIFY_SOCKET LISTEN_FDS LISTEN_PID
}

scene_end() {
	local file
	local bad=0
	for file in "$T"/pids/*; do
		[[ ! -e $file ]] || stop "${file##*/}" || bad=1
	done
	for file in "$T"/*.mount; do
		[[ ! -d $file ]] || umount "$file" || true
	done
	rm -rf "$T"
	return $bad
}

# In the place of helpers.bash's, since the scene outlives a test.
setup() {
	T=$SCENE
	SOCK=$T/run/holdfast.sock
	ADMIN=$T/run/admin.sock
	DAEMON_PID=
	SWTPM_PID=
	WRAP=()
	HELPERS=()
	CONFIG=()
	STANDING=" $(printf '%s ' "$T"/pids/*)"
	at loader
	if declare -F scene_mend >/dev/null; then
		scene_mend
	fi
}

# stand_up: the file's loader and its session, when a test before this one has ended without them.
stand_up() {
	[[ -e $T/pids/loader ]] || run_loader loader
	front GET /status
	[[ $(<"$T/body") == *'"authenticated":true'* ]] || logged_in
}

teardown() {
	local log
	# What a test that failed has left behind.
	for log in "$T"/pids/*; do
		[[ $STANDING == *" $log "* ]] || stop "${log##*/}" KILL || true
	done
	stop_daemon KILL
	stop_swtpm
	stop_helpers
	# Shown by bats when the test failed.
	for log in "$T"/*.log; do
		echo "-- ${log##*/}"
		tail -n 15 "$log"
	done
}

# start NAME COMMAND..: in the background until stop NAME; returns when it says where it listens.
start() {
	local name=$1
	shift
	: >"$T/$name.log"
	"$@" >>"$T/$name.log" 2>&1 3>&- &
	echo $! >"$T/pids/$name"
	wait_until is_up "$name"
	if is_gone "$(pid_of "$name")"; then
		echo "$name ended:"
		cat "$T/$name.log"
		return 1
	fi
}

is_up() {
	is_gone "$(pid_of "$1")" || grep -Eq 'listening on [^ ]+' "$T/$1.log"
}

pid_of() {
	cat "$T/pids/$1"
}

# port NAME: of something that start() started.
port() {
	sed -nE 's/.*listening on [^ ]*:([0-9]+).*/\1/p' "$T/$1.log" | head -n 1
}

# stop NAME [SIGNAL]: returns when it is gone; fails when a sanitizer has found something.
stop() {
	local pid
	pid=$(cat "$T/pids/$1" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	wait_until is_gone "$pid"
	rm -f "$T/pids/$1"
	refute grep -E 'ERROR: [A-Za-z]+Sanitizer|runtime error: ' "$T/$1.log"
}

# --- the other side ---

# start_origin [WORD..]: ours, on $T/origin.
start_origin() {
	start origin "$ORIGIN_BIN" --root "$T/origin" --listen 127.0.0.1:0 --users "$T/users" \
		--salts "$T/salts" "$@"
}

# start_counterpart [WORD..]: the one that is not ours, on the same folder.
start_counterpart() {
	start origin "$TOOLS/origin.py" --root "$T/origin" --users "$T/users" --salts "$T/salts" \
		--log "$T/origin.requests" "$@"
}

# start_proxy NAME TARGET [WORD..]: its rules are set by rules(), what it saw is in $T/NAME.requests.
start_proxy() {
	local name=$1 target=$2
	shift 2
	jq -n --arg to "$target" '{to: $to, rules: []}' >"$T/$name.rules"
	: >"$T/$name.requests" >"$T/$name.requests.begun"
	start "$name" "$TOOLS/proxy.py" --rules "$T/$name.rules" --log "$T/$name.requests" "$@"
}

# rules NAME [RULE..]: each a JSON object, in the place of those before.
rules() {
	local name=$1
	shift
	printf '%s\n' "$@" | jq -s --slurpfile old "$T/$name.rules" '{to: $old[0].to, rules: .}' \
		>"$T/$name.rules.new"
	mv "$T/$name.rules.new" "$T/$name.rules"
}

# lead NAME TARGET: where the proxy goes from now on.
lead() {
	jq --arg to "$2" '.to = $to' "$T/$1.rules" >"$T/$1.rules.new"
	mv "$T/$1.rules.new" "$T/$1.rules"
}

# settled NAME: what the proxy sends no more has its line in the log; of what goes on there is none.
settled() {
	local _
	[[ -e $T/$1.requests.begun ]] || return 0
	for _ in {1..500}; do
		(($(wc -l <"$T/$1.requests") < $(wc -l <"$T/$1.requests.begun"))) || return 0
		sleep 0.02
	done
}

# seen NAME FILTER: how many requests of the log a jq filter selects.
seen() {
	settled "$1"
	jq -s "map(select($2)) | length" "$T/$1.requests"
}

# starts NAME PATTERN: where each request for such a path began to ask, one line each.
starts() {
	settled "$1"
	jq -rs --arg path "$2" '.[] | select(.path // "" | test($path)) |
		(.range // "bytes=0-" | capture("bytes=(?<n>[0-9]+)").n)' "$T/$1.requests"
}

# sent NAME PATTERN: bytes of bodies that went out for paths of the pattern.
sent() {
	settled "$1"
	jq -s --arg path "$2" 'map(select(.path // "" | test($path)) | .sent) | add // 0' \
		"$T/$1.requests"
}

# --- what is published ---

# plain SIZE [SEED]: always the same bytes.
plain() {
	openssl enc -aes-128-ctr -K "$(printf '%032x' "${2:-1}")" -iv 0 -in /dev/zero 2>/dev/null |
		head -c "$1"
}

# publish NAME FILE [WORD..]: by our tool.
publish() {
	local name=$1 file=$2
	shift 2
	"$HOLDFAST" artifact publish --format v1 --name "$name" --in "$file" --origin "$T/origin" \
		--salts "$T/salts" "$@"
}

fleet_key() {
	printf '%s' "$(printf '%s' "$RESOURCE" | openssl dgst -sha384 -binary | openssl base64 -A)" |
		openssl dgst -sha256 -r | cut -d' ' -f1
}

# openssl_seal FILE BLOB: the blob as the openssl command makes it.
openssl_seal() {
	local iv
	iv=$(openssl rand -hex 16)
	{
		printf '%s' "$iv" | xxd -r -p
		openssl enc -aes-256-cbc -K "$(fleet_key)" -iv "$iv" -in "$1"
	} >"$2"
}

# openssl_open BLOB FILE
openssl_open() {
	openssl enc -d -aes-256-cbc -K "$(fleet_key)" -iv "$(head -c 16 "$1" | xxd -p)" \
		-in <(tail -c +17 "$1") -out "$2"
}

# The key of archives, from the fragment that the API hands out.
fragment_key() {
	openssl dgst -sha256 -r "$T/origin/key-fragment" | cut -d' ' -f1
}

# openssl_publish NAME FILE [FOLDER]: the parts as other publishers make them.
openssl_publish() {
	local folder=$T/origin/${3:-models} size cut
	mkdir -p "$folder"
	openssl_seal "$2" "$T/published"
	size=$(stat -c %s "$T/published")
	cut=$((size * 30 / 100 < 3072 ? size * 30 / 100 : 3072))
	tail -c +$((cut + 1)) "$T/published" >"$folder/$1.big"
	head -c "$cut" "$T/published" >"$folder/$1.small"
	rm "$T/published"
}

# authority NAME: $T/NAME.pem and its key.
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-keyout "$T/$1.key" -out "$T/$1.pem" -subj "/CN=$1" \
		-addext keyUsage=critical,keyCertSign 2>>"$T/openssl.log"
}

# certificate NAME ISSUER EXTENSION..: $T/NAME.pem and its key.
certificate() {
	local name=$1 issuer=$2
	shift 2
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/$name.key" \
		-out "$T/$name.csr" -subj "/CN=$name" 2>>"$T/openssl.log"
	openssl x509 -req -in "$T/$name.csr" -CA "$T/$issuer.pem" -CAkey "$T/$issuer.key" \
		-CAcreateserial -days 30 -out "$T/$name.pem" -extfile <(printf '%s\n' "$@") \
		2>>"$T/openssl.log"
}

# signer NAME ISSUER: one who may sign resources.
signer() {
	certificate "$1" "$2" basicConstraints=CA:FALSE keyUsage=digitalSignature \
		"extendedKeyUsage=$USAGE"
}

# --- the loader ---

# loader_config NAME [LINE..]: $T/NAME.conf; lines are put in the place of the scene's own, by key.
loader_config() {
	local name=$1 line
	local -A lines=(
		[listen]='listen = "127.0.0.1:0"'
		[dev]='dev = true'
		[api_url]="api_url = \"http://127.0.0.1:$(port origin)\""
		[cdn_url]="cdn_url = \"http://127.0.0.1:$(port origin)/cdn\""
		[cache_dir]="cache_dir = \"$T/$name.cache\""
		[salts_file]="salts_file = \"$T/salts\""
		[fingerprint_file]="fingerprint_file = \"$T/fingerprint\""
		[holdfast_socket]="holdfast_socket = \"$SOCK\""
	)
	shift
	for line in "$@"; do
		lines[${line%% *}]=$line
	done
	mkdir -p -m 700 "$T/$name.cache"
	printf '%s\n' "${lines[@]}" >"$T/$name.conf"
	chmod 600 "$T/$name.conf"
}

# start_loader [NAME [LINE..]]: .. of loader_config; requests go there from now on.
start_loader() {
	local name=${1:-loader}
	[[ $# -eq 0 ]] || shift
	loader_config "$name" "$@"
	run_loader "$name"
}

# run_loader NAME: as it was configured before.
run_loader() {
	start "$1" "$LOADER" --config "$T/$1.conf"
	at "$1"
}

# at NAME: where requests go.
at() {
	AT=$1
	FRONT=
	[[ ! -e $T/$1.log ]] || FRONT=http://127.0.0.1:$(port "$1")
}

# front METHOD PATH [CURL OPTION..]: leaves the status in $CODE, the body in $T/body, the answer's
# header in $T/head. CODE is 000 when there was no whole answer.
front() {
	local method=$1 path=$2
	shift 2
	: >"$T/body"
	CODE=$(curl -s -m 60 --path-as-is -X "$method" -D "$T/head" -o "$T/body" -w '%{http_code}' \
		"$@" "$FRONT$path") || CODE=000
}

# front_json METHOD PATH JSON [CURL OPTION..]
front_json() {
	local method=$1 path=$2
	printf '%s' "$3" >"$T/request"
	shift 3
	front "$method" "$path" -H 'Content-Type: application/json' --data-binary "@$T/request" "$@"
}

# answers STATUS [CODE]: of an error, with its body. Hundreds of answers are looked at, so no program
# is run for it.
answers() {
	[[ $CODE == "$1" ]] || {
		echo "status $CODE instead of $1"
		head -c 600 "$T/body"
		return 1
	}
	[[ -n ${2:-} ]] || return 0
	[[ $(<"$T/body") =~ ^\{\"detail\":\"[^\"]+\",\"code\":\"$2\"\}$ ]] || {
		echo "no error $2:"
		head -c 600 "$T/body"
		return 1
	}
	[[ $(<"$T/head") == *[Cc]ontent-[Tt]ype:\ application/json* ]]
}

# quoted TEXT: as a string of JSON.
quoted() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "${text//$'\n'/\\n}"
}

credentials() { # [email [password]]
	printf '{"email":%s,"password":%s}' "$(quoted "${1-$EMAIL}")" "$(quoted "${2-$PASSWORD}")"
}

login() { # [email [password]]
	front_json POST /login "$(credentials "$@")"
}

logged_in() {
	login
	answers 200
}

wish() { # name [folder]
	printf '{"filename":%s,"folder":%s}' "$(quoted "$1")" "$(quoted "${2-models}")"
}

# load NAME [FOLDER]: its content is in $T/body.
load_named() {
	front_json POST "/load/$1" "$(wish "$@")"
}

# gives NAME FILE [FOLDER]: F2 answers with that content.
gives() {
	load_named "$1" "${3-models}"
	answers 200
	cmp "$2" "$T/body"
}

# opens_for_nobody NAME FILE [COMMAND..]: F2 refuses what COMMAND put there under another key. Once in
# 256 times the padding is right by luck: what comes then is not FILE, and it is made once more.
opens_for_nobody() {
	local name=$1 file=$2 _
	shift 2
	for _ in {1..4}; do
		[[ $# -eq 0 ]] || "$@" || return
		load_named "$name"
		[[ $CODE == 200 ]] || {
			answers 500 decrypt_failed
			return
		}
		! cmp -s "$file" "$T/body" || return
	done
	return 1
}

# begin_load NAME [FOLDER]: in the background; ended NAME waits for it, and leaves CODE, body and head.
begin_load() {
	local tag=$1.${2-models}
	rm -f "$T/at.$tag".*
	printf '%s' "$(wish "$@")" >"$T/at.$tag.request"
	(
		curl -s -m 100 -X POST -H 'Content-Type: application/json' -D "$T/at.$tag.head" \
			-o "$T/at.$tag.body" --data-binary "@$T/at.$tag.request" -w '%{http_code}' \
			"$FRONT/load/$1" >"$T/at.$tag.code.new" || echo 000 >"$T/at.$tag.code.new"
		mv "$T/at.$tag.code.new" "$T/at.$tag.code"
	) >/dev/null 2>&1 3>&- &
	HELPERS+=($!)
}

ended() { # name [folder]
	local tag=$1.${2-models}
	wait_until test -e "$T/at.$tag.code"
	CODE=$(cat "$T/at.$tag.code")
	cp "$T/at.$tag.head" "$T/head" 2>/dev/null || true
	cp "$T/at.$tag.body" "$T/body" 2>/dev/null || true
}

# progress NAME FILTER: of its download in /v2/status; fails when there is none.
progress() {
	curl -s -m 5 "$FRONT/v2/status" |
		jq -er --arg name "$1" "[.downloads[] | select(.name == \$name)][-1] | $2"
}

# has_come NAME BYTES
has_come() {
	local done
	done=$(progress "$1" .done) && ((done >= $2))
}

# is_kept NAME BYTES: and a kill does not lose them. What they are of is written behind the first.
is_kept() {
	has_come "$1" "$2" && [[ -e $T/$AT.cache/models/$1.state ]]
}

# cached NAME [FOLDER]: the file that has the final name.
cached() {
	echo "$T/$AT.cache/${2-models}/$1.big"
}

# waits_for NAME CODE [FOLDER]: a download that got nowhere waits for its next attempt, of that error,
# and is called off, since pauses grow long. What was under the final name stays.
waits_for() {
	begin_load "$1" "${3-models}"
	wait_until progress "$1" "select(.state == \"waiting\") | .error.code == \"$2\""
	front DELETE "/v2/artifacts/$1?folder=${3-models}"
	answers 204
	ended "$1" "${3-models}"
	answers 500 cancelled
}

# never_wrong NAME [FOLDER]: under the final name is what was published, or nothing.
never_wrong() {
	local file
	file=$(cached "$@")
	[[ ! -e $file ]] || cmp "$file" "$T/origin/${2-models}/$1.big"
}
