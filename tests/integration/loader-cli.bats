#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# holdfast-loader as a program: its options, its signals, and the verbs that ask the one that serves.

bats_require_minimum_version 1.5.0
load helpers
load loader
load docker

setup_file() {
	scene_begin
	start_origin
	plain 2000000 >"$T/model"
	publish net.bin "$T/model"
	printf '%s\n' "$PASSWORD" >"$T/password"
}

teardown_file() {
	scene_end
}

teardown() {
	local log
	stop loader KILL
	stop_engine
	# Shown by bats when the test failed.
	for log in "$T"/*.log; do
		echo "-- ${log##*/}"
		tail -n 15 "$log"
	done
	rm -rf "$T/loader.cache" "$T/loader.sock" "$T/out" "$T/images.enc"
}

# served [LINE..]: a loader that serves where verbs find it.
served() {
	loader_config loader "listen = \"unix:$T/loader.sock\"" "$@"
	start loader "$LOADER" --config "$T/loader.conf"
}

ask() { # verb and its words..
	run --separate-stderr "$LOADER" --config "$T/loader.conf" "$@"
}

says() { # exit status, text on standard error
	[[ $status -eq $1 ]] || {
		echo "status $status: $stderr"
		return 1
	}
	grep -qF -- "$2" <<<"$stderr" || {
		echo "no \"$2\" in: $stderr"
		return 1
	}
}

log_has() {
	grep -qF -- "$1" "$T/loader.log"
}

# --- verbs ---

@test "login, load, status: what is loaded is what was published" {
	served
	ask status
	[[ $status -eq 0 && $output == *'logged in               no'* ]]
	ask load models/net.bin --out "$T/out"
	says 1 'holdfast-loader: not_logged_in: '
	[[ ! -e $T/out ]]
	ask login "$EMAIL" --password-file "$T/password"
	[[ $status -eq 0 && -z $output ]]
	ask load models/net.bin --out "$T/out"
	[[ $status -eq 0 ]]
	cmp "$T/model" "$T/out"
	[[ $(stat -c %a "$T/out") == 600 ]]
	ask status
	[[ $output == *'logged in               yes'* ]]
	grep -Eq '^models/net\.bin +done  1\.9 MiB of 1\.9 MiB$' <<<"$output"
	ask status --json
	jq -e '.downloads[0].state == "done" and .provider == "legacy"' <<<"$output"
	ask status --follow
	[[ $status -eq 0 && $output == *'models/net.bin'* ]]
}

@test "load gives a file whole or not at all, and a pipe nothing in part" {
	served
	ask login "$EMAIL" --password-file "$T/password"
	printf 'what was there' >"$T/out"
	ask load models/none.bin --out "$T/out"
	says 1 'holdfast-loader: not_found: '
	[[ $(<"$T/out") == 'what was there' ]]
	cp "$T/origin/models/net.bin.big" "$T/kept"
	truncate -s -16 "$T/origin/models/net.bin.big"
	ask load models/net.bin --out "$T/out"
	mv "$T/kept" "$T/origin/models/net.bin.big"
	says 1 'holdfast-loader: decrypt_failed: '
	[[ $(<"$T/out") == 'what was there' ]]
	[[ -z $(find "$T" -maxdepth 1 -name '.tmp*') ]]
	"$LOADER" --config "$T/loader.conf" load models/net.bin --out - | cmp "$T/model"
	ask load models/net.bin --out "$T/no/such/folder"
	says 1 'holdfast-loader: '
}

@test "cancel ends a download, and who waits for it is told" {
	local pid
	served 'rate_limit = 65536'
	ask login "$EMAIL" --password-file "$T/password"
	"$LOADER" --config "$T/loader.conf" load models/net.bin --out "$T/out" 2>"$T/why" &
	pid=$!
	wait_until works
	ask cancel models/net.bin
	[[ $status -eq 0 ]]
	refute wait "$pid"
	grep -q '^holdfast-loader: cancelled: ' "$T/why"
	[[ ! -e $T/out ]]
}

works() {
	ask status --json
	jq -e '.downloads[0].state == "running"' <<<"$output"
}

@test "cancel of what is not at work, and of what no name is" {
	served
	ask cancel models/net.bin
	says 1 'holdfast-loader: not_found: '
	ask cancel net.bin
	says 2 FOLDER/NAME
	ask cancel 'models/../x'
	says 2 'holdfast-loader: '
	ask cancel 'models/a?b'
	says 2 'holdfast-loader: '
}

@test "a password comes from a file, a pipe or a terminal that does not show it" {
	served
	printf '%s' "$PASSWORD" | "$LOADER" --config "$T/loader.conf" login "$EMAIL"
	printf '%s\r\n' "$PASSWORD" |
		"$LOADER" --config "$T/loader.conf" login "$EMAIL" --password-file -
	python3 - "$LOADER" "$T/loader.conf" "$EMAIL" "$PASSWORD" <<-'END'
		import os, pty, sys
		program, config, email, password = sys.argv[1:]
		pid, terminal = pty.fork()
		if pid == 0:
		    os.execv(program, [program, "--config", config, "login", email])
		shown = b""
		while b"Password: " not in shown:
		    shown += os.read(terminal, 1000)
		# It is asked for when the terminal has stopped to show.
		import termios, time
		for _ in range(500):
		    if not termios.tcgetattr(terminal)[3] & termios.ECHO:
		        break
		    time.sleep(0.01)
		os.write(terminal, password.encode() + b"\n")
		try:
		    while chunk := os.read(terminal, 1000):
		        shown += chunk
		except OSError:
		    pass
		assert os.waitpid(pid, 0)[1] == 0, shown
		assert password.encode() not in shown, shown
	END
	ask login "$EMAIL" --password-file "$T/none"
	says 1 'holdfast-loader: not_found: '
	ask login "$EMAIL" --password-file /dev/null
	says 1 'holdfast-loader: '
	printf 'wrong' >"$T/wrong"
	ask login "$EMAIL" --password-file "$T/wrong"
	says 1 'holdfast-loader: auth_failed: '
	ask login "$EMAIL" --password wrong
	says 2 password
	refute grep -qF "$PASSWORD" "$T/loader.log"
}

@test "unlock waits for the images, and says why there are none" {
	local id
	served
	ask unlock "$EMAIL" --password-file "$T/password"
	says 1 'holdfast-loader: not_found: '
	stop loader
	id=$(make_images "$T/images.tar" cli registry.test/cli:7)
	"$HOLDFAST" artifact archive --in "$T/images.tar" --out "$T/images.enc" \
		--fragment "$T/origin/key-fragment"
	start_engine
	# A name without a tag gets the version, here the environment's.
	loader_config loader "listen = \"unix:$T/loader.sock\"" "images_path = \"$T/none\"" \
		"docker_socket = \"$ENGINE_SOCKET\"" "images = { \"registry.test/cli=$id\" }"
	start loader env IMAGES_PATH="$T/images.enc" API_VERSION=7 \
		"$LOADER" --config "$T/loader.conf"
	ask unlock "$EMAIL" --password-file "$T/password"
	[[ $status -eq 0 ]]
	[[ $(engine_id registry.test/cli:7) == "$id" ]]
	ask status
	grep -Eq '^images +ready' <<<"$output"
	stop loader
	stop_engine
	start_engine error-in-stream
	start loader env IMAGES_PATH="$T/images.enc" API_VERSION=7 \
		"$LOADER" --config "$T/loader.conf"
	ask unlock "$EMAIL" --password-file "$T/password"
	says 1 'holdfast-loader: docker_failed: '
}

@test "nobody serves: each verb says so" {
	loader_config loader "listen = \"unix:$T/loader.sock\""
	ask status
	says 1 'holdfast-loader: unreachable: '
	ask login "$EMAIL" --password-file "$T/password"
	says 1 'holdfast-loader: unreachable: '
	ask load models/net.bin --out "$T/out"
	says 1 'holdfast-loader: unreachable: '
	[[ ! -e $T/out ]]
	loader_config loader 'listen = "127.0.0.1:0"'
	ask status
	says 1 'leaves the port open'
	loader_config loader 'listen = "192.0.2.1:80"'
	ask status
	says 1 'no loopback'
}

@test "a token: verbs carry it, and without it nothing is told" {
	(umask 077 && printf 'sesame-123\n' >"$T/token")
	served "token_file = \"$T/token\""
	ask status
	[[ $status -eq 0 ]]
	sed -i '/^token_file/d' "$T/loader.conf"
	ask status
	says 1 'holdfast-loader: auth_failed: '
}

# --- options ---

@test "wrong words are told, and end with 2" {
	loader_config loader
	ask fetch
	says 2 'no such verb: fetch'
	ask login
	says 2 EMAIL
	ask load models/net.bin
	says 2 out
	ask status more
	says 2 more
	run --separate-stderr "$LOADER" --no-such
	says 2 no-such
	run --separate-stderr "$LOADER" --config "$T/none.conf"
	says 2 none.conf
	run --separate-stderr "$LOADER" --help
	[[ $status -eq 0 && $output == *unlock* && $output == *--config* ]]
	ask load --help
	[[ $status -eq 0 && $output == *FOLDER/NAME* ]]
	run --separate-stderr "$LOADER" --version
	[[ $status -eq 0 && $output == 'holdfast-loader '* ]]
}

@test "check reads what the configuration names" {
	local file
	loader_config loader
	ask --check
	[[ $status -eq 0 && $output == "$T/loader.conf: ok" ]]
	printf 'no certificate\n' >"$T/none.pem"
	for file in salts_file token_file fingerprint_file trust_anchors; do
		loader_config loader "$file = \"$T/none\""
		ask --check
		says 2 "$T/none"
	done
	loader_config loader "trust_anchors = \"$T/none.pem\""
	ask --check
	says 2 none.pem
	cp "$T/salts" "$T/open.salts"
	chmod 644 "$T/open.salts"
	loader_config loader "salts_file = \"$T/open.salts\""
	ask --check
	says 2 'allowed: mode 0600'
	loader_config loader 'api_url = "http://api.example.com"' 'dev = false'
	ask --check
	says 2 api_url
}

@test "check finds what would end the start later" {
	local salt
	for salt in prefix hw api resource; do
		grep -v "^$salt " "$T/salts" >"$T/three.salts"
		chmod 600 "$T/three.salts"
		loader_config loader "salts_file = \"$T/three.salts\"" 'formula = "v1-hw"'
		ask --check
		says 2 "$T/three.salts: the salt \"$salt\" is missing"
	done
	loader_config loader 'images = { "a/b-" }'
	ask --check
	says 2 'images: a/b-:latest: '
}

@test "what is in use is said with what to do" {
	served
	loader_config other "cache_dir = \"$T/loader.cache\""
	run --separate-stderr "$LOADER" --config "$T/other.conf"
	says 1 'a cache_dir of its own'
	loader_config other "listen = \"127.0.0.1:$(port origin)\""
	run --separate-stderr "$LOADER" --config "$T/other.conf"
	says 1 'set listen to another address'
	refute grep -q 'delete the existing object' <<<"$stderr"
}

@test "the log has what clients may not read, and each login that failed" {
	loader_config loader "listen = \"unix:$T/loader.sock\""
	mkdir -p "$T/loader.cache/.fingerprint"
	chmod 700 "$T/loader.cache"
	sed -i '/^fingerprint_file/d' "$T/loader.conf"
	start loader "$LOADER" --config "$T/loader.conf"
	ask login "$EMAIL" --password-file "$T/password"
	says 1 'holdfast-loader: internal: '
	log_has '/login: failed, internal: the recorded fingerprint: '
	rmdir "$T/loader.cache/.fingerprint"
	stop loader
	served
	printf 'wrong' >"$T/wrong"
	ask login "$EMAIL" --password-file "$T/wrong"
	says 1 'holdfast-loader: auth_failed: '
	log_has '/login: failed, auth_failed: '
}

@test "a stop answers who waits" {
	local pid
	served 'rate_limit = 65536'
	ask login "$EMAIL" --password-file "$T/password"
	"$LOADER" --config "$T/loader.conf" load models/net.bin --out "$T/out" 2>"$T/why" &
	pid=$!
	wait_until works
	stop loader
	refute wait "$pid"
	grep -q '^holdfast-loader: busy: ' "$T/why"
	refute log_has 'cut off by the stop'
}

@test "dev is for this machine alone, by the file and by the option" {
	loader_config loader 'listen = "0.0.0.0:0"'
	ask
	says 2 loopback
	loader_config loader 'listen = "0.0.0.0:0"' 'dev = false' \
		'api_url = "https://127.0.0.1:1"' 'cdn_url = "https://127.0.0.1:1"'
	ask --dev
	says 2 loopback
	start loader "$LOADER" --config "$T/loader.conf"
	log_has 'is open to others, and there is no token_file'
}

@test "SECURITY_PROVIDER of another word ends the start" {
	loader_config loader
	run --separate-stderr env SECURITY_PROVIDER=tmp "$LOADER" --config "$T/loader.conf"
	says 1 SECURITY_PROVIDER
}

# --- signals and managers ---

@test "SIGHUP changes nothing and says so; SIGTERM ends, and so does SIGINT" {
	served
	kill -HUP "$(pid_of loader)"
	wait_until log_has SIGHUP
	ask status
	[[ $status -eq 0 ]]
	stop loader TERM
	log_has 'signal 15: stopping'
	[[ ! -e $T/loader.sock ]]
	served
	stop loader INT
	log_has 'signal 2: stopping'
}

@test "a service manager's socket is listened on, and it hears when all is ready" {
	loader_config loader "listen = \"unix:$T/other.sock\""
	python3 - "$LOADER" "$T/loader.conf" "$T/notify.sock" >"$T/manager.log" 2>&1 3>&- <<-'END'
		import http.client, os, signal, socket, sys
		program, config, notify = sys.argv[1:]
		heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		heard.bind(notify)
		heard.settimeout(20)
		listening = socket.create_server(("127.0.0.1", 0))
		pid = os.fork()
		if pid == 0:
		    os.dup2(listening.fileno(), 3)
		    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET=notify)
		    os.execv(program, [program, "--config", config])
		assert b"READY=1" in heard.recv(1000)
		ask = http.client.HTTPConnection(*listening.getsockname(), timeout=20)
		ask.request("GET", "/health")
		assert ask.getresponse().read() == b'{"status":"healthy"}'
		os.kill(pid, signal.SIGTERM)
		assert b"STOPPING=1" in heard.recv(1000)
		assert os.waitpid(pid, 0)[1] == 0
	END
	[[ ! -e $T/other.sock ]]
}
